-- How much a fact weighs, and the kinds of facts that paying afterwards and lending leave.

-- A review counts by its weight, a dispute by the member's share of the fault; everything else, and
-- everything that was recorded before, counts whole.
ALTER TABLE people.facts ADD COLUMN weight_bps int NOT NULL DEFAULT 10000
    CONSTRAINT facts_weight CHECK (weight_bps BETWEEN 0 AND 10000);

-- As before, with the weight: nobody calls the old one any more.
DROP FUNCTION people.record_facts(
    uuid[], text[], text[], uuid[], uuid[], text[], bigint[], int[], timestamptz[]);

CREATE FUNCTION people.record_facts(
    p_members uuid[], p_kinds text[], p_sources text[], p_orders uuid[], p_counterparties uuid[],
    p_roles text[], p_amounts bigint[], p_values int[], p_weights int[], p_happened timestamptz[])
RETURNS int
LANGUAGE plpgsql SECURITY DEFINER SET search_path = people, pg_temp AS $$
DECLARE
    member uuid;
    recorded int;
BEGIN
    FOR member IN SELECT DISTINCT m FROM unnest(p_members) AS m ORDER BY m LOOP
        PERFORM people.lock_credit(member);
    END LOOP;
    INSERT INTO people.facts (member_id, kind, source_id, order_id, counterparty_id, role,
                              amount_minor, value, weight_bps, happened_at, known_at)
    SELECT f.member, f.kind, f.source, f.order_id, f.counterparty, f.role, f.amount, f.value,
           f.weight, f.happened, greatest(foundation.handsel_now(), f.happened,
               (SELECT max(s.as_of) FROM people.score_snapshots s WHERE s.member_id = f.member))
      FROM unnest(p_members, p_kinds, p_sources, p_orders, p_counterparties, p_roles, p_amounts,
                  p_values, p_weights, p_happened)
           AS f (member, kind, source, order_id, counterparty, role, amount, value, weight, happened)
    ON CONFLICT ON CONSTRAINT facts_once DO NOTHING;
    GET DIAGNOSTICS recorded = ROW_COUNT;
    RETURN recorded;
END $$;
REVOKE EXECUTE ON FUNCTION people.record_facts FROM PUBLIC;
GRANT EXECUTE ON FUNCTION people.record_facts TO handsel_app;
