-- Nightly snapshots of the trust graph: who is trusted how much, and whose reviews weigh what.

-- Seeds ---------------------------------------------------------------------------------------

-- Members that staff have vetted, from whom all trust starts. One of staff proposes, another one
-- approves; who is no longer vouched for is ended, and the row stays.
CREATE TABLE people.trust_seeds (
    member_id uuid PRIMARY KEY CONSTRAINT trust_seeds_member REFERENCES people.members,
    added_by uuid NOT NULL REFERENCES people.members,
    added_at timestamptz NOT NULL,
    approved_by uuid REFERENCES people.members,
    approved_at timestamptz,
    ended_by uuid REFERENCES people.members,
    ended_at timestamptz,
    CONSTRAINT trust_seeds_two_people CHECK (approved_by <> added_by),
    CONSTRAINT trust_seeds_not_oneself CHECK (member_id NOT IN (added_by, approved_by)),
    CHECK ((approved_by IS NULL) = (approved_at IS NULL)),
    CHECK ((ended_by IS NULL) = (ended_at IS NULL)),
    CHECK (approved_at >= added_at AND ended_at >= added_at)
);

-- Propose a member, or approve what somebody else proposed: whether it is approved now.
CREATE FUNCTION people.seed_trust(p_member uuid, p_staff uuid) RETURNS boolean
LANGUAGE plpgsql SECURITY DEFINER SET search_path = people, pg_temp AS $$
DECLARE
    seed people.trust_seeds;
BEGIN
    PERFORM people.refuse_non_staff(p_staff);
    IF p_member = p_staff THEN
        RAISE EXCEPTION 'seed_oneself' USING ERRCODE = 'HS001',
            DETAIL = 'nobody vouches for themselves';
    END IF;
    INSERT INTO people.trust_seeds (member_id, added_by, added_at)
    VALUES (p_member, p_staff, foundation.handsel_now()) ON CONFLICT DO NOTHING;
    IF FOUND THEN
        RETURN false;
    END IF;
    SELECT * INTO seed FROM people.trust_seeds WHERE member_id = p_member FOR UPDATE;
    IF seed.ended_at IS NOT NULL THEN
        RAISE EXCEPTION 'seed_ended' USING ERRCODE = 'HS001',
            DETAIL = 'this member was a seed once and is none again';
    END IF;
    IF seed.approved_at IS NOT NULL THEN
        RETURN true;
    END IF;
    IF NOT EXISTS (SELECT FROM people.members WHERE id = seed.added_by AND is_staff) THEN
        -- The word of somebody who has left counts no more: this one is the first of two.
        UPDATE people.trust_seeds SET added_by = p_staff, added_at = foundation.handsel_now()
         WHERE member_id = p_member;
        RETURN false;
    END IF;
    IF seed.added_by = p_staff THEN
        RAISE EXCEPTION 'seed_needs_second' USING ERRCODE = 'HS001',
            DETAIL = 'whoever proposed a seed does not approve it';
    END IF;
    UPDATE people.trust_seeds SET approved_by = p_staff, approved_at = foundation.handsel_now()
     WHERE member_id = p_member;
    RETURN true;
END $$;

-- Take a seed back, from now on. One person is enough for what makes the house more careful.
CREATE FUNCTION people.end_seed(p_member uuid, p_staff uuid) RETURNS void
LANGUAGE plpgsql SECURITY DEFINER SET search_path = people, pg_temp AS $$
BEGIN
    PERFORM people.refuse_non_staff(p_staff);
    UPDATE people.trust_seeds SET ended_by = p_staff, ended_at = foundation.handsel_now()
     WHERE member_id = p_member AND ended_at IS NULL;
    IF NOT FOUND THEN
        RAISE EXCEPTION 'seed_unknown' USING ERRCODE = 'HS001',
            DETAIL = 'this member is no seed';
    END IF;
END $$;

CREATE FUNCTION people.refuse_non_staff(p_staff uuid) RETURNS void
LANGUAGE plpgsql STABLE SECURITY DEFINER SET search_path = people, pg_temp AS $$
BEGIN
    IF NOT EXISTS (SELECT FROM people.members WHERE id = p_staff AND is_staff) THEN
        RAISE EXCEPTION 'seed_staff_only' USING ERRCODE = 'HS001',
            DETAIL = 'only members of staff name seeds';
    END IF;
END $$;

-- Snapshots -----------------------------------------------------------------------------------

-- One run as of a moment. Not claimed: there were too few seeds, nobody has a row, everybody the
-- prior.
CREATE TABLE people.trust_runs (
    as_of timestamptz NOT NULL,
    method text NOT NULL CHECK (length(method) BETWEEN 1 AND 40),
    claimed boolean NOT NULL,
    seeds int NOT NULL CHECK (seeds >= 0),
    deals int NOT NULL CHECK (deals >= 0),
    members int NOT NULL CHECK (members >= 0),
    recorded_at timestamptz NOT NULL,
    PRIMARY KEY (as_of, method),
    CONSTRAINT trust_runs_of_the_past CHECK (as_of <= recorded_at),
    CHECK (claimed OR members = 0)
);

-- Members who took part in a deal, or are seeds, as of a run.
CREATE TABLE people.trust_snapshots (
    as_of timestamptz NOT NULL,
    method text NOT NULL,
    member_id uuid NOT NULL CONSTRAINT trust_snapshots_member REFERENCES people.members,
    trust double precision NOT NULL CHECK (trust BETWEEN 0 AND 1),
    standing double precision NOT NULL CHECK (standing BETWEEN -1 AND 1),
    voices double precision NOT NULL CHECK (voices >= 0),
    reliability_bps int NOT NULL CHECK (reliability_bps BETWEEN 0 AND 10000),
    compared double precision NOT NULL CHECK (compared >= 0),
    PRIMARY KEY (as_of, method, member_id),
    FOREIGN KEY (as_of, method) REFERENCES people.trust_runs
);

CREATE TRIGGER append_only BEFORE UPDATE OR DELETE OR TRUNCATE ON people.trust_runs
    FOR EACH STATEMENT EXECUTE FUNCTION foundation.refuse_change();
CREATE TRIGGER append_only BEFORE UPDATE OR DELETE OR TRUNCATE ON people.trust_snapshots
    FOR EACH STATEMENT EXECUTE FUNCTION foundation.refuse_change();

-- Two that come at once write the same; the second adds nothing. Whether this one wrote.
CREATE FUNCTION people.record_trust(
    p_as_of timestamptz, p_method text, p_claimed boolean, p_seeds int, p_deals int,
    p_members uuid[], p_trust double precision[], p_standing double precision[],
    p_voices double precision[], p_reliability int[], p_compared double precision[])
RETURNS boolean
LANGUAGE plpgsql SECURITY DEFINER SET search_path = people, pg_temp AS $$
BEGIN
    INSERT INTO people.trust_runs (as_of, method, claimed, seeds, deals, members, recorded_at)
    VALUES (p_as_of, p_method, p_claimed, p_seeds, p_deals, cardinality(p_members),
            foundation.handsel_now())
    ON CONFLICT DO NOTHING;
    IF NOT FOUND THEN
        RETURN false;
    END IF;
    INSERT INTO people.trust_snapshots (
        as_of, method, member_id, trust, standing, voices, reliability_bps, compared)
    SELECT p_as_of, p_method, r.member, r.trust, r.standing, r.voices, r.reliability, r.compared
      FROM unnest(p_members, p_trust, p_standing, p_voices, p_reliability, p_compared)
           AS r (member, trust, standing, voices, reliability, compared);
    RETURN true;
END $$;

-- Self-dealing --------------------------------------------------------------------------------

-- Pairs that were seen at one address before a moment. An address that more than four members
-- share is a café or a network, and says nothing.
CREATE FUNCTION people.trust_links(p_as_of timestamptz)
RETURNS TABLE (one_id uuid, other_id uuid)
LANGUAGE sql STABLE SECURITY DEFINER SET search_path = people, pg_temp AS $$
    WITH seen AS (
        SELECT DISTINCT address_hmac, member_id FROM people.sessions
         WHERE address_hmac IS NOT NULL AND created_at < p_as_of),
    homes AS (SELECT address_hmac FROM seen GROUP BY address_hmac HAVING count(*) BETWEEN 2 AND 4)
    SELECT DISTINCT a.member_id, b.member_id
      FROM homes h JOIN seen a USING (address_hmac) JOIN seen b USING (address_hmac)
     WHERE a.member_id < b.member_id
$$;

GRANT SELECT ON people.trust_seeds, people.trust_runs, people.trust_snapshots TO handsel_app;

DO $grants$ DECLARE
    function regprocedure;
BEGIN
    FOR function IN
        SELECT p.oid FROM pg_proc p
         WHERE p.pronamespace = 'people'::regnamespace AND p.proname IN (
            'seed_trust', 'end_seed', 'refuse_non_staff', 'record_trust',
            'trust_links')
    LOOP
        EXECUTE format('REVOKE EXECUTE ON FUNCTION %s FROM PUBLIC', function);
        EXECUTE format('GRANT EXECUTE ON FUNCTION %s TO handsel_app', function);
    END LOOP;
END $grants$;
