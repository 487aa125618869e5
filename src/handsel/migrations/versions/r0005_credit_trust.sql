-- Facts and score snapshots (credit); standings, exposures, decisions, confirmations (trust).
-- `public` is on the search path for uuidv7() before PostgreSQL 18; nobody else creates there.

-- credit ------------------------------------------------------------------------------------------

CREATE TABLE people.facts (
    id uuid PRIMARY KEY DEFAULT uuidv7(),
    member_id uuid NOT NULL CONSTRAINT facts_member REFERENCES people.members,
    kind text NOT NULL,
    source_id text NOT NULL CHECK (length(source_id) BETWEEN 1 AND 200),
    order_id uuid,
    counterparty_id uuid CONSTRAINT facts_counterparty REFERENCES people.members,
    role text CHECK (role IN ('buyer', 'seller')),
    amount_minor bigint NOT NULL DEFAULT 0 CHECK (amount_minor >= 0),
    value int,
    happened_at timestamptz NOT NULL,
    known_at timestamptz NOT NULL,
    CONSTRAINT facts_once UNIQUE (source_id, member_id, kind),
    CONSTRAINT facts_known_after CHECK (known_at >= happened_at)
);
CREATE INDEX facts_by_member ON people.facts (member_id, known_at);

CREATE TABLE people.score_snapshots (
    id uuid PRIMARY KEY DEFAULT uuidv7(),
    member_id uuid NOT NULL CONSTRAINT score_snapshots_member REFERENCES people.members,
    as_of timestamptz NOT NULL,
    kind text NOT NULL CHECK (kind IN ('financial', 'social')),
    state text NOT NULL CHECK (state IN ('scored', 'building_history', 'failed')),
    points int CHECK (points BETWEEN 350 AND 950),
    band text,
    low int,
    high int,
    pd double precision CHECK (pd BETWEEN 0 AND 1),
    closed_deals int NOT NULL,
    reasons jsonb NOT NULL,
    model_id text,
    model_sha256 text,
    vector double precision[],
    failure text,
    facts_seen int NOT NULL,
    facts_until timestamptz,
    recorded_at timestamptz NOT NULL,
    CONSTRAINT score_snapshots_once UNIQUE (member_id, as_of, kind),
    CHECK (low <= points AND points <= high),
    CHECK ((state = 'scored') = (num_nonnulls(points, band, low, high) = 4)),
    CHECK ((state = 'failed') = (failure IS NOT NULL)),
    CHECK (state = 'failed' OR num_nulls(pd, model_id, model_sha256, vector) = 0)
);

CREATE TRIGGER append_only BEFORE UPDATE OR DELETE OR TRUNCATE ON people.facts
    FOR EACH STATEMENT EXECUTE FUNCTION foundation.refuse_change();
CREATE TRIGGER append_only BEFORE UPDATE OR DELETE OR TRUNCATE ON people.score_snapshots
    FOR EACH STATEMENT EXECUTE FUNCTION foundation.refuse_change();

-- One member is recorded and assessed by one transaction at a time. So a fact is either seen by a
-- snapshot and known strictly before it, or not seen and known at it or later: replays are exact.
CREATE FUNCTION people.lock_credit(p_member uuid) RETURNS void
LANGUAGE sql VOLATILE SECURITY DEFINER SET search_path = people, pg_temp AS $$
    SELECT pg_advisory_xact_lock(hashtextextended(p_member::text, 72))
$$;

CREATE FUNCTION people.record_facts(
    p_members uuid[], p_kinds text[], p_sources text[], p_orders uuid[], p_counterparties uuid[],
    p_roles text[], p_amounts bigint[], p_values int[], p_happened timestamptz[]) RETURNS int
LANGUAGE plpgsql SECURITY DEFINER SET search_path = people, pg_temp AS $$
DECLARE
    member uuid;
    recorded int;
BEGIN
    FOR member IN SELECT DISTINCT m FROM unnest(p_members) AS m ORDER BY m LOOP
        PERFORM people.lock_credit(member);
    END LOOP;
    INSERT INTO people.facts (member_id, kind, source_id, order_id, counterparty_id, role,
                              amount_minor, value, happened_at, known_at)
    SELECT f.member, f.kind, f.source, f.order_id, f.counterparty, f.role, f.amount, f.value,
           f.happened, greatest(foundation.handsel_now(), f.happened,
               (SELECT max(s.as_of) FROM people.score_snapshots s WHERE s.member_id = f.member))
      FROM unnest(p_members, p_kinds, p_sources, p_orders, p_counterparties, p_roles, p_amounts,
                  p_values, p_happened)
           AS f (member, kind, source, order_id, counterparty, role, amount, value, happened)
    ON CONFLICT ON CONSTRAINT facts_once DO NOTHING;
    GET DIAGNOSTICS recorded = ROW_COUNT;
    RETURN recorded;
END $$;

-- The moment of a new assessment: after everything recorded and assessed so far.
CREATE FUNCTION people.open_assessment(p_member uuid) RETURNS timestamptz
LANGUAGE plpgsql SECURITY DEFINER SET search_path = people, pg_temp AS $$
BEGIN
    PERFORM people.lock_credit(p_member);
    RETURN greatest(
        foundation.handsel_now(),
        (SELECT max(f.known_at) FROM people.facts f WHERE f.member_id = p_member)
            + interval '1 microsecond',
        (SELECT max(s.as_of) FROM people.score_snapshots s WHERE s.member_id = p_member)
            + interval '1 microsecond');
END $$;

CREATE FUNCTION people.record_score(
    p_member uuid, p_as_of timestamptz, p_kind text, p_state text, p_points int, p_band text,
    p_low int, p_high int, p_pd double precision, p_closed_deals int, p_reasons jsonb,
    p_model_id text, p_model_sha256 text, p_vector double precision[], p_failure text,
    p_facts_seen int, p_facts_until timestamptz) RETURNS void
LANGUAGE plpgsql SECURITY DEFINER SET search_path = people, pg_temp AS $$
BEGIN
    INSERT INTO people.score_snapshots (
        member_id, as_of, kind, state, points, band, low, high, pd, closed_deals, reasons,
        model_id, model_sha256, vector, failure, facts_seen, facts_until, recorded_at)
    VALUES (p_member, p_as_of, p_kind, p_state, p_points, p_band, p_low, p_high, p_pd,
        p_closed_deals, p_reasons, p_model_id, p_model_sha256, p_vector, p_failure,
        p_facts_seen, p_facts_until, foundation.handsel_now());
END $$;

-- What a gate needs of the newest snapshot: {"financial": {…}, "social": {…}}, {} without any.
CREATE FUNCTION people.current_scores(p_member uuid) RETURNS jsonb
LANGUAGE sql STABLE SECURITY DEFINER SET search_path = people, pg_temp AS $$
    SELECT coalesce(jsonb_object_agg(s.kind, jsonb_build_object(
               'state', s.state, 'points', s.points, 'low', s.low, 'band', s.band,
               'model_id', s.model_id, 'snapshot_id', s.id)), '{}')
      FROM people.score_snapshots s
     WHERE s.member_id = p_member
       AND s.as_of = (SELECT max(n.as_of) FROM people.score_snapshots n WHERE n.member_id = p_member)
$$;

-- trust -------------------------------------------------------------------------------------------

-- Every settled deal once; the track records below are its sums.
CREATE TABLE people.settlements (
    order_id uuid PRIMARY KEY,
    buyer_id uuid NOT NULL REFERENCES people.members,
    seller_id uuid NOT NULL REFERENCES people.members,
    on_time boolean NOT NULL,
    settled_at timestamptz NOT NULL,
    CHECK (buyer_id <> seller_id)
);
CREATE INDEX settlements_by_pair ON people.settlements (buyer_id, seller_id);

-- A member's track record, and the row that is locked while a payment of theirs is decided.
CREATE TABLE people.standings (
    member_id uuid PRIMARY KEY CONSTRAINT standings_member REFERENCES people.members,
    settled_orders int NOT NULL DEFAULT 0,
    counterparties int NOT NULL DEFAULT 0,
    sold_orders int NOT NULL DEFAULT 0,
    customers int NOT NULL DEFAULT 0,
    returning_customers int NOT NULL DEFAULT 0,
    on_time_orders int NOT NULL DEFAULT 0,
    first_settled_at timestamptz
);

CREATE TABLE people.decisions (
    id uuid PRIMARY KEY,
    reference_id uuid NOT NULL,
    payer_id uuid NOT NULL CONSTRAINT decisions_payer REFERENCES people.members,
    payee_id uuid NOT NULL CONSTRAINT decisions_payee REFERENCES people.members,
    amount_minor bigint NOT NULL CHECK (amount_minor > 0),
    currency text NOT NULL,
    terms_hash bytea NOT NULL,
    allowed boolean NOT NULL,
    payer_tier text NOT NULL,
    payee_tier text NOT NULL,
    policy_version text NOT NULL,
    model_ids text[] NOT NULL,
    inputs jsonb NOT NULL,
    outcome jsonb NOT NULL,
    decided_at timestamptz NOT NULL
);
CREATE INDEX decisions_by_payer ON people.decisions (payer_id, id);
CREATE TRIGGER append_only BEFORE UPDATE OR DELETE OR TRUNCATE ON people.decisions
    FOR EACH STATEMENT EXECUTE FUNCTION foundation.refuse_change();

-- What a payer has put at risk. Released money no longer counts; settled money counts until its
-- 24 hours and 30 days are over.
CREATE TABLE people.exposures (
    reference_id uuid CONSTRAINT exposures_once PRIMARY KEY,
    payer_id uuid NOT NULL REFERENCES people.members,
    payee_id uuid NOT NULL REFERENCES people.members,
    amount_minor bigint NOT NULL CHECK (amount_minor > 0),
    currency text NOT NULL,
    reference_minor bigint NOT NULL CHECK (reference_minor > 0),
    state text NOT NULL DEFAULT 'reserved' CHECK (state IN ('reserved', 'settled', 'released')),
    decision_id uuid NOT NULL UNIQUE REFERENCES people.decisions,
    reserved_at timestamptz NOT NULL,
    resolved_at timestamptz,
    CHECK (payer_id <> payee_id),
    CHECK ((state = 'reserved') = (resolved_at IS NULL))
);
CREATE INDEX exposures_by_payer ON people.exposures (payer_id, reserved_at)
    INCLUDE (reference_minor) WHERE state <> 'released';
CREATE INDEX exposures_by_payee ON people.exposures (payee_id) WHERE state <> 'released';

CREATE TABLE people.confirmations (
    id uuid PRIMARY KEY DEFAULT uuidv7(),
    token_sha256 bytea NOT NULL UNIQUE CHECK (length(token_sha256) = 32),
    payer_id uuid NOT NULL REFERENCES people.members,
    payee_id uuid NOT NULL CONSTRAINT confirmations_payee REFERENCES people.members,
    amount_minor bigint NOT NULL CHECK (amount_minor > 0),
    currency text NOT NULL,
    terms_hash bytea NOT NULL,
    created_at timestamptz NOT NULL,
    expires_at timestamptz NOT NULL,
    used_at timestamptz,
    used_for uuid,
    CONSTRAINT confirmations_not_self CHECK (payer_id <> payee_id),
    CHECK (num_nonnulls(used_at, used_for) IN (0, 2))
);
CREATE INDEX confirmations_unused ON people.confirmations (expires_at) WHERE used_at IS NULL;

-- Everything about one member that a tier is decided from.
CREATE FUNCTION people.standing_of(p_member uuid) RETURNS jsonb
LANGUAGE sql STABLE SECURITY DEFINER SET search_path = people, pg_temp AS $$
    SELECT jsonb_build_object(
        'member_id', p_member,
        'verified', people.verified_kinds(p_member),
        'joined_at', people.joined_at(p_member),
        'settled_orders', coalesce(s.settled_orders, 0),
        'counterparties', coalesce(s.counterparties, 0),
        'first_settled_at', s.first_settled_at,
        'received_orders', (SELECT count(*) FROM (
            SELECT FROM people.exposures e
             WHERE e.payee_id = p_member AND e.state <> 'released' LIMIT 100) AS some_orders)
        ) || people.current_scores(p_member)
      FROM (SELECT) AS always LEFT JOIN people.standings s ON s.member_id = p_member
$$;

CREATE FUNCTION people.used_exposure(p_payer uuid, p_for interval) RETURNS bigint
LANGUAGE sql STABLE SECURITY DEFINER SET search_path = people, pg_temp AS $$
    SELECT coalesce(sum(e.reference_minor), 0)::bigint FROM people.exposures e
     WHERE e.payer_id = p_payer AND e.state <> 'released'
       AND e.reserved_at > foundation.handsel_now() - p_for
$$;

CREATE FUNCTION people.view_standing(p_payer uuid, p_payee uuid) RETURNS jsonb
LANGUAGE sql VOLATILE SECURITY DEFINER SET search_path = people, public, pg_temp AS $$
    SELECT jsonb_build_object(
        'decision_id', uuidv7(),
        'now', foundation.handsel_now(),
        'payer', people.standing_of(p_payer),
        'payee', people.standing_of(p_payee),
        'used_24h_minor', people.used_exposure(p_payer, '24 hours'),
        'used_30d_minor', people.used_exposure(p_payer, '30 days'),
        'known_payee', EXISTS (SELECT FROM people.settlements s
                                WHERE s.buyer_id = p_payer AND s.seller_id = p_payee))
$$;

CREATE FUNCTION people.lock_standing(p_member uuid) RETURNS void
LANGUAGE plpgsql SECURITY DEFINER SET search_path = people, pg_temp AS $$
BEGIN
    PERFORM FROM people.standings WHERE member_id = p_member FOR NO KEY UPDATE;
    IF NOT FOUND THEN
        INSERT INTO people.standings (member_id) VALUES (p_member) ON CONFLICT DO NOTHING;
        PERFORM FROM people.standings WHERE member_id = p_member FOR NO KEY UPDATE;
    END IF;
END $$;

-- The payer's standing is locked first and read afterwards, so that of two payments at once the
-- second sees the first. Each statement of a volatile function reads afresh.
CREATE FUNCTION people.load_standing(p_payer uuid, p_payee uuid) RETURNS jsonb
LANGUAGE plpgsql SECURITY DEFINER SET search_path = people, pg_temp AS $$
BEGIN
    PERFORM people.lock_standing(p_payer);
    RETURN people.view_standing(p_payer, p_payee);
END $$;

CREATE FUNCTION people.record_decision(
    p_id uuid, p_reference uuid, p_payer uuid, p_payee uuid, p_amount bigint, p_currency text,
    p_terms_hash bytea, p_allowed boolean, p_payer_tier text, p_payee_tier text,
    p_policy_version text, p_model_ids text[], p_inputs jsonb, p_outcome jsonb) RETURNS void
LANGUAGE plpgsql SECURITY DEFINER SET search_path = people, pg_temp AS $$
BEGIN
    INSERT INTO people.decisions (
        id, reference_id, payer_id, payee_id, amount_minor, currency, terms_hash, allowed,
        payer_tier, payee_tier, policy_version, model_ids, inputs, outcome, decided_at)
    VALUES (p_id, p_reference, p_payer, p_payee, p_amount, p_currency, p_terms_hash, p_allowed,
        p_payer_tier, p_payee_tier, p_policy_version, p_model_ids, p_inputs, p_outcome,
        foundation.handsel_now());
END $$;

-- The limits are checked once more where the money is counted: two payments that one transaction
-- decided before it reserved either must not pass together.
CREATE FUNCTION people.reserve_exposure(
    p_reference uuid, p_payer uuid, p_payee uuid, p_amount bigint, p_currency text,
    p_reference_minor bigint, p_decision uuid, p_limit_24h bigint, p_limit_30d bigint) RETURNS void
LANGUAGE plpgsql SECURITY DEFINER SET search_path = people, pg_temp AS $$
BEGIN
    PERFORM people.lock_standing(p_payer);
    IF people.used_exposure(p_payer, '24 hours') + p_reference_minor > p_limit_24h
       OR people.used_exposure(p_payer, '30 days') + p_reference_minor > p_limit_30d THEN
        RAISE EXCEPTION 'over_limit' USING ERRCODE = 'HS001',
            DETAIL = 'together with your other payments this is over your limit';
    END IF;
    INSERT INTO people.exposures (reference_id, payer_id, payee_id, amount_minor, currency,
                                  reference_minor, decision_id, reserved_at)
    VALUES (p_reference, p_payer, p_payee, p_amount, p_currency, p_reference_minor, p_decision,
            foundation.handsel_now());
END $$;

-- Payer and payee, where the caller names them, must be those of the reservation.
CREATE FUNCTION people.resolve_exposure(
    p_reference uuid, p_payer uuid, p_payee uuid, p_state text) RETURNS void
LANGUAGE plpgsql SECURITY DEFINER SET search_path = people, pg_temp AS $$
DECLARE
    exposure people.exposures;
BEGIN
    SELECT * INTO exposure FROM people.exposures e WHERE e.reference_id = p_reference FOR UPDATE;
    IF exposure.reference_id IS NULL OR exposure.state NOT IN ('reserved', p_state)
       OR exposure.payer_id <> coalesce(p_payer, exposure.payer_id)
       OR exposure.payee_id <> coalesce(p_payee, exposure.payee_id) THEN
        RAISE EXCEPTION 'exposure_not_reserved' USING ERRCODE = 'HS001',
            DETAIL = 'there is no reserved payment to become ' || p_state;
    END IF;
    UPDATE people.exposures e SET state = p_state, resolved_at = foundation.handsel_now()
     WHERE e.reference_id = p_reference AND e.state = 'reserved';
END $$;

CREATE FUNCTION people.note_settled(
    p_order uuid, p_buyer uuid, p_seller uuid, p_on_time boolean, p_settled_at timestamptz)
RETURNS void
LANGUAGE plpgsql SECURITY DEFINER SET search_path = people, pg_temp AS $$
DECLARE
    bought_before int;
    dealt_before boolean;
BEGIN
    PERFORM people.lock_standing(least(p_buyer, p_seller));
    PERFORM people.lock_standing(greatest(p_buyer, p_seller));
    SELECT count(*) INTO bought_before FROM (
        SELECT FROM people.settlements
         WHERE buyer_id = p_buyer AND seller_id = p_seller LIMIT 2) AS some_orders;
    dealt_before := bought_before > 0 OR EXISTS (
        SELECT FROM people.settlements WHERE buyer_id = p_seller AND seller_id = p_buyer);
    INSERT INTO people.settlements (order_id, buyer_id, seller_id, on_time, settled_at)
    VALUES (p_order, p_buyer, p_seller, p_on_time, p_settled_at) ON CONFLICT DO NOTHING;
    IF NOT FOUND THEN
        RETURN;
    END IF;
    UPDATE people.standings s SET
        settled_orders = s.settled_orders + 1,
        counterparties = s.counterparties + (NOT dealt_before)::int,
        first_settled_at = least(s.first_settled_at, p_settled_at),
        sold_orders = s.sold_orders + (s.member_id = p_seller)::int,
        customers = s.customers + (s.member_id = p_seller AND bought_before = 0)::int,
        returning_customers =
            s.returning_customers + (s.member_id = p_seller AND bought_before = 1)::int,
        on_time_orders = s.on_time_orders + (s.member_id = p_seller AND p_on_time)::int
    WHERE s.member_id IN (p_buyer, p_seller);
END $$;

CREATE FUNCTION people.issue_confirmation(
    p_token_sha256 bytea, p_payer uuid, p_payee uuid, p_amount bigint, p_currency text,
    p_terms_hash bytea, p_lifetime interval, OUT confirmation_id uuid, OUT expires_at timestamptz)
LANGUAGE plpgsql SECURITY DEFINER SET search_path = people, pg_temp AS $$
BEGIN
    INSERT INTO people.confirmations AS c (token_sha256, payer_id, payee_id, amount_minor, currency,
                                           terms_hash, created_at, expires_at)
    VALUES (p_token_sha256, p_payer, p_payee, p_amount, p_currency, p_terms_hash,
            foundation.handsel_now(), foundation.handsel_now() + p_lifetime)
    RETURNING c.id, c.expires_at INTO confirmation_id, expires_at;
END $$;

-- Uses up a confirmation if it fits; else says why not: 'unknown', 'used', 'expired', or the parts
-- that differ (only 'payer' where it is somebody else's).
CREATE FUNCTION people.consume_confirmation(
    p_token_sha256 bytea, p_payer uuid, p_payee uuid, p_amount bigint, p_currency text,
    p_terms_hash bytea, p_reference uuid) RETURNS text[]
LANGUAGE plpgsql SECURITY DEFINER SET search_path = people, pg_temp AS $$
DECLARE
    token people.confirmations;
    wrong text[];
BEGIN
    SELECT * INTO token FROM people.confirmations c
     WHERE c.token_sha256 = p_token_sha256 FOR UPDATE;
    IF token.id IS NULL THEN
        RETURN '{unknown}';
    ELSIF token.payer_id <> p_payer THEN
        RETURN '{payer}';
    END IF;
    wrong := array_remove(ARRAY[
        CASE WHEN token.payee_id <> p_payee THEN 'payee' END,
        CASE WHEN token.amount_minor <> p_amount THEN 'amount' END,
        CASE WHEN token.currency <> p_currency THEN 'currency' END,
        CASE WHEN token.terms_hash <> p_terms_hash THEN 'terms' END], NULL);
    IF wrong <> '{}' THEN
        RETURN wrong;
    ELSIF token.used_at IS NOT NULL THEN
        RETURN '{used}';
    ELSIF token.expires_at <= foundation.handsel_now() THEN
        RETURN '{expired}';
    END IF;
    UPDATE people.confirmations SET used_at = foundation.handsel_now(), used_for = p_reference
     WHERE id = token.id;
    RETURN '{}';
END $$;

CREATE FUNCTION people.prune_confirmations(p_limit int) RETURNS int
LANGUAGE plpgsql SECURITY DEFINER SET search_path = people, pg_temp AS $$
DECLARE
    pruned int;
BEGIN
    DELETE FROM people.confirmations WHERE id IN (
        SELECT c.id FROM people.confirmations c
         WHERE c.used_at IS NULL AND c.expires_at < foundation.handsel_now() - interval '1 day'
         LIMIT p_limit FOR UPDATE SKIP LOCKED);
    GET DIAGNOSTICS pruned = ROW_COUNT;
    RETURN pruned;
END $$;

-- The public side of members: nothing about money limits or the financial score.
CREATE FUNCTION people.public_standings(p_members uuid[]) RETURNS TABLE (
    member_id uuid, verified text[], joined_at timestamptz, settled_orders int, sold_orders int,
    customers int, returning_customers int, on_time_orders int, conduct_band text)
LANGUAGE sql STABLE SECURITY DEFINER SET search_path = people, pg_temp AS $$
    SELECT m.id, people.verified_kinds(m.id), people.joined_at(m.id),
           coalesce(s.settled_orders, 0), coalesce(s.sold_orders, 0), coalesce(s.customers, 0),
           coalesce(s.returning_customers, 0), coalesce(s.on_time_orders, 0),
           people.current_scores(m.id) -> 'social' ->> 'band'
      FROM (SELECT DISTINCT unnest(p_members) AS id) AS m
      LEFT JOIN people.standings s ON s.member_id = m.id
     WHERE people.joined_at(m.id) IS NOT NULL
$$;

GRANT SELECT ON people.facts, people.score_snapshots, people.settlements, people.standings,
    people.decisions, people.exposures TO handsel_app;

DO $grants$ DECLARE
    function regprocedure;
BEGIN
    FOR function IN
        SELECT p.oid FROM pg_proc p
         WHERE p.pronamespace = 'people'::regnamespace AND p.proname IN (
            'lock_credit', 'record_facts', 'open_assessment', 'record_score', 'current_scores',
            'standing_of', 'used_exposure', 'view_standing', 'lock_standing', 'load_standing',
            'record_decision', 'reserve_exposure', 'resolve_exposure', 'note_settled',
            'issue_confirmation', 'consume_confirmation', 'prune_confirmations',
            'public_standings')
    LOOP
        EXECUTE format('REVOKE EXECUTE ON FUNCTION %s FROM PUBLIC', function);
        EXECUTE format('GRANT EXECUTE ON FUNCTION %s TO handsel_app', function);
    END LOOP;
END $grants$;
