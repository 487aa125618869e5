-- What a payment asks and writes, in fewer statements. A statement inside of a function costs some
-- 30 to 60 microseconds however small it is, a nested function as much again: so what was composed
-- of small functions is written out where every payment passes, and means what it meant.

-- Everything about one member that a tier is decided from.
CREATE OR REPLACE FUNCTION people.standing_of(p_member uuid) RETURNS jsonb
LANGUAGE sql STABLE SECURITY DEFINER SET search_path = people, pg_temp AS $$
    SELECT jsonb_build_object(
        'member_id', p_member,
        'verified', (SELECT coalesce(array_agg(v.kind ORDER BY v.kind), '{}')
                       FROM people.verifications v
                      WHERE v.member_id = p_member AND v.state = 'passed'),
        'joined_at', (SELECT m.joined_at FROM people.members m WHERE m.id = p_member),
        'settled_orders', coalesce(s.settled_orders, 0),
        'counterparties', coalesce(s.counterparties, 0),
        'first_settled_at', s.first_settled_at,
        'received_orders', (SELECT count(*) FROM (
            SELECT FROM people.exposures e
             WHERE e.payee_id = p_member AND e.state <> 'released' LIMIT 100) AS some_orders)
        ) || (
        SELECT coalesce(jsonb_object_agg(c.kind, jsonb_build_object(
                   'state', c.state, 'points', c.points, 'low', c.low, 'band', c.band,
                   'model_id', c.model_id, 'snapshot_id', c.id)), '{}')
          FROM people.score_snapshots c
         WHERE c.member_id = p_member AND c.as_of = (
            SELECT max(n.as_of) FROM people.score_snapshots n WHERE n.member_id = p_member))
      FROM (SELECT) AS always LEFT JOIN people.standings s ON s.member_id = p_member
$$;

-- Both sums in one pass over the payer's exposures.
CREATE OR REPLACE FUNCTION people.view_standing(p_payer uuid, p_payee uuid) RETURNS jsonb
LANGUAGE plpgsql SECURITY DEFINER SET search_path = people, public, pg_temp AS $$
DECLARE
    at timestamptz := foundation.handsel_now();
    found jsonb;
BEGIN
    SELECT jsonb_build_object(
        'decision_id', uuidv7(),
        'now', at,
        'payer', people.standing_of(p_payer),
        'payee', people.standing_of(p_payee),
        'used_24h_minor',
            coalesce(sum(e.reference_minor) FILTER (WHERE e.reserved_at > at - interval '24 hours'), 0),
        'used_30d_minor', coalesce(sum(e.reference_minor), 0),
        'payer_locked', EXISTS (SELECT FROM people.locks l
                                 WHERE l.member_id = p_payer AND l.secured_at IS NULL),
        'known_payee', EXISTS (SELECT FROM people.settlements s
                                WHERE s.buyer_id = p_payer AND s.seller_id = p_payee))
      INTO found FROM people.exposures e
     WHERE e.payer_id = p_payer AND e.state <> 'released' AND e.reserved_at > at - interval '30 days';
    RETURN found;
END $$;

-- A yes: its decision, its exposure and its entry in the audit chain. The limits are checked once
-- more where the money is counted: two payments that one transaction decided before it reserved
-- either must not pass together.
CREATE FUNCTION people.reserve_payment(
    p_decision uuid, p_reference uuid, p_payer uuid, p_payee uuid, p_amount bigint, p_currency text,
    p_terms_hash bytea, p_payer_tier text, p_payee_tier text, p_policy_version text,
    p_model_ids text[], p_inputs jsonb, p_outcome jsonb,
    p_reference_minor bigint, p_limit_24h bigint, p_limit_30d bigint, p_told jsonb) RETURNS void
LANGUAGE plpgsql SECURITY DEFINER SET search_path = people, pg_temp AS $$
DECLARE
    at timestamptz := foundation.handsel_now();
    fits boolean;
BEGIN
    PERFORM people.lock_standing(p_payer);
    SELECT coalesce(sum(e.reference_minor) FILTER (WHERE e.reserved_at > at - interval '24 hours'), 0)
               + p_reference_minor <= p_limit_24h
           AND coalesce(sum(e.reference_minor), 0) + p_reference_minor <= p_limit_30d
      INTO fits FROM people.exposures e
     WHERE e.payer_id = p_payer AND e.state <> 'released' AND e.reserved_at > at - interval '30 days';
    IF NOT fits THEN
        RAISE EXCEPTION 'over_limit' USING ERRCODE = 'HS001',
            DETAIL = 'together with your other payments this is over your limit';
    END IF;
    WITH decided AS (
        INSERT INTO people.decisions (
            id, reference_id, payer_id, payee_id, amount_minor, currency, terms_hash, allowed,
            payer_tier, payee_tier, policy_version, model_ids, inputs, outcome, decided_at)
        VALUES (p_decision, p_reference, p_payer, p_payee, p_amount, p_currency, p_terms_hash, true,
            p_payer_tier, p_payee_tier, p_policy_version, p_model_ids, p_inputs, p_outcome, at))
    INSERT INTO people.exposures (reference_id, payer_id, payee_id, amount_minor, currency,
                                  reference_minor, decision_id, reserved_at)
    VALUES (p_reference, p_payer, p_payee, p_amount, p_currency, p_reference_minor, p_decision, at);
    PERFORM foundation.record_audit(ARRAY['trust'], ARRAY[p_reference], ARRAY[p_payer],
        ARRAY['payment_allowed'], ARRAY[p_told]);
END $$;
DROP FUNCTION people.reserve_exposure(uuid, uuid, uuid, bigint, text, bigint, uuid, bigint, bigint),
    people.used_exposure(uuid, interval);
REVOKE EXECUTE ON FUNCTION people.reserve_payment FROM PUBLIC;
GRANT EXECUTE ON FUNCTION people.reserve_payment TO handsel_app;

-- Of several legs `post` locks the accounts as an array, and for a short one the planner believes
-- each time anew that a plan of its own pays: planning then costs more than what is planned. Set
-- here and not on `post`, since a single transfer would pay for it and has no such statement.
ALTER FUNCTION money.resolve_hold(uuid, text, uuid[], bigint[], text[], uuid)
    SET plan_cache_mode = force_generic_plan;
