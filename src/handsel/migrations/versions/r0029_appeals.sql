-- What changed in a score, and the appeal of a member to a person.

-- A member contests a score: some of the facts behind it, a decision, or what it says at all. What
-- changes a score is proposed by one member of staff and confirmed by another.
CREATE TABLE people.appeals (
    id uuid PRIMARY KEY DEFAULT uuidv7(),
    member_id uuid NOT NULL REFERENCES people.members,
    about text NOT NULL CHECK (about IN ('financial', 'social')),
    decision_id uuid REFERENCES people.decisions,
    words text NOT NULL CHECK (length(words) BETWEEN 1 AND 2000),
    state text NOT NULL DEFAULT 'open' CHECK (state IN ('open', 'upheld', 'partly', 'denied')),
    filed_at timestamptz NOT NULL,
    deadline_at timestamptz NOT NULL,
    urged_at timestamptz, -- when the staff were told that time runs out
    proposed_by uuid REFERENCES people.members,
    proposal jsonb, -- {"facts": [...], "answer": "…"}: waits for the second member of staff
    decided_at timestamptz,
    decided_by uuid REFERENCES people.members,
    answer text NOT NULL DEFAULT '' CHECK (length(answer) <= 2000),
    CHECK ((proposed_by IS NULL) = (proposal IS NULL)),
    CHECK (proposed_by <> member_id AND decided_by <> member_id),
    CONSTRAINT appeals_decided CHECK (
        CASE state WHEN 'open' THEN num_nonnulls(decided_at, decided_by) = 0 AND answer = ''
                   ELSE num_nonnulls(decided_at, decided_by) = 2 AND answer <> '' END),
    CONSTRAINT appeals_two_staff CHECK (
        state NOT IN ('upheld', 'partly') OR (proposed_by IS NOT NULL AND proposed_by <> decided_by))
);
CREATE INDEX appeals_by_member ON people.appeals (member_id, id);
CREATE INDEX appeals_open ON people.appeals (deadline_at) WHERE state = 'open';

-- A fact is in one open appeal at a time.
CREATE TABLE people.appeal_facts (
    appeal_id uuid NOT NULL REFERENCES people.appeals,
    fact_id uuid NOT NULL REFERENCES people.facts,
    live boolean NOT NULL DEFAULT true,
    PRIMARY KEY (appeal_id, fact_id)
);
CREATE UNIQUE INDEX appeal_facts_once ON people.appeal_facts (fact_id) WHERE live;

-- A fact is never changed; that it was wrong is a row of its own. It counts for every assessment as
-- of a moment up to `retracted_at`, and for none after it: replays stay exact.
CREATE TABLE people.fact_retractions (
    fact_id uuid PRIMARY KEY REFERENCES people.facts,
    member_id uuid NOT NULL REFERENCES people.members,
    appeal_id uuid NOT NULL REFERENCES people.appeals,
    reason text NOT NULL CHECK (reason <> ''),
    proposed_by uuid NOT NULL REFERENCES people.members,
    confirmed_by uuid NOT NULL REFERENCES people.members,
    retracted_at timestamptz NOT NULL,
    CONSTRAINT fact_retractions_two_staff CHECK (
        proposed_by <> confirmed_by AND member_id NOT IN (proposed_by, confirmed_by))
);
CREATE INDEX fact_retractions_by_member ON people.fact_retractions (member_id, retracted_at);
CREATE TRIGGER append_only BEFORE UPDATE OR DELETE OR TRUNCATE ON people.fact_retractions
    FOR EACH STATEMENT EXECUTE FUNCTION foundation.refuse_change();

-- Who decided, and why, is read from the appeal: without one that two members of staff have upheld,
-- nothing is retracted. `retracted_at` is no earlier than any assessment that has used the fact.
CREATE FUNCTION people.retract_facts(p_appeal uuid, p_facts uuid[]) RETURNS timestamptz
LANGUAGE plpgsql SECURITY DEFINER SET search_path = people, pg_temp AS $$
DECLARE
    appeal people.appeals;
    moment timestamptz;
BEGIN
    SELECT * INTO appeal FROM people.appeals a WHERE a.id = p_appeal;
    IF appeal.id IS NULL OR appeal.state NOT IN ('upheld', 'partly') THEN
        RAISE EXCEPTION 'appeal_not_proposed' USING ERRCODE = 'HS001',
            DETAIL = 'facts are taken out by an appeal that was upheld';
    END IF;
    IF (SELECT count(*) FROM people.members m
         WHERE m.id IN (appeal.proposed_by, appeal.decided_by) AND m.is_staff) <> 2 THEN
        RAISE EXCEPTION 'appeal_needs_second' USING ERRCODE = 'HS001',
            DETAIL = 'two members of staff take a fact out';
    END IF;
    IF EXISTS (SELECT FROM unnest(p_facts) AS w (id)
                WHERE NOT EXISTS (SELECT FROM people.facts f
                                   WHERE f.id = w.id AND f.member_id = appeal.member_id)) THEN
        RAISE EXCEPTION 'not_found' USING ERRCODE = 'HS001',
            DETAIL = 'a fact is not about this member';
    END IF;
    IF EXISTS (SELECT FROM people.facts f
                WHERE f.id = ANY (p_facts)
                  AND f.counterparty_id IN (appeal.proposed_by, appeal.decided_by)) THEN
        RAISE EXCEPTION 'appeal_counterparty' USING ERRCODE = 'HS001',
            DETAIL = 'whoever was the other side of a fact does not take it out';
    END IF;
    PERFORM people.lock_credit(appeal.member_id);
    SELECT greatest(foundation.handsel_now(), max(s.as_of)) INTO moment
      FROM people.score_snapshots s WHERE s.member_id = appeal.member_id;
    INSERT INTO people.fact_retractions (fact_id, member_id, appeal_id, reason, proposed_by,
                                         confirmed_by, retracted_at)
    SELECT f.id, f.member_id, appeal.id, appeal.answer, appeal.proposed_by, appeal.decided_by,
           greatest(moment, f.known_at)
      FROM people.facts f WHERE f.id = ANY (p_facts)
    ON CONFLICT (fact_id) DO NOTHING;
    RETURN moment;
END $$;

-- Whether this decision was about a payment of this member's.
CREATE FUNCTION people.is_own_decision(p_decision uuid, p_member uuid) RETURNS boolean
LANGUAGE sql STABLE SECURITY DEFINER SET search_path = people, pg_temp AS $$
    SELECT EXISTS (SELECT FROM people.decisions d
                    WHERE d.id = p_decision AND d.payer_id = p_member)
$$;

-- The moment of a new assessment, as before, and after everything that was taken out.
CREATE OR REPLACE FUNCTION people.open_assessment(p_member uuid) RETURNS timestamptz
LANGUAGE plpgsql SECURITY DEFINER SET search_path = people, pg_temp AS $$
BEGIN
    PERFORM people.lock_credit(p_member);
    RETURN greatest(
        foundation.handsel_now(),
        (SELECT max(f.known_at) FROM people.facts f WHERE f.member_id = p_member)
            + interval '1 microsecond',
        (SELECT max(r.retracted_at) FROM people.fact_retractions r WHERE r.member_id = p_member)
            + interval '1 microsecond',
        (SELECT max(s.as_of) FROM people.score_snapshots s WHERE s.member_id = p_member)
            + interval '1 microsecond');
END $$;

GRANT SELECT, INSERT ON people.appeals, people.appeal_facts TO handsel_app;
GRANT UPDATE (state, urged_at, proposed_by, proposal, decided_at, decided_by, answer)
    ON people.appeals TO handsel_app;
GRANT UPDATE (live) ON people.appeal_facts TO handsel_app;
GRANT SELECT ON people.fact_retractions TO handsel_app;
REVOKE EXECUTE ON FUNCTION people.retract_facts, people.is_own_decision FROM PUBLIC;
GRANT EXECUTE ON FUNCTION people.retract_facts, people.is_own_decision TO handsel_app;
