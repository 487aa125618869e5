-- How many labels have matured: below a number of them a score may lower a tier, never raise it.

CREATE TABLE people.label_counts (
    kind text PRIMARY KEY CHECK (kind IN ('financial', 'social')),
    matured bigint NOT NULL CHECK (matured >= 0), -- at most 10,000: see count_labels
    counted_at timestamptz NOT NULL
);
GRANT SELECT ON people.label_counts TO handsel_app;

-- How a deal ended for a party, as far as it is a label of that party; in the order of time.
CREATE INDEX facts_ends ON people.facts (happened_at)
 WHERE order_id IS NOT NULL
   AND kind IN ('order_settled', 'order_refunded', 'order_unfunded', 'order_cancelled_by_self',
                'no_show', 'pay_after_default', 'item_unreturned');

-- Deals that ended for a party so long ago that their label may be used: as ml/handsel_ml/labels.py,
-- which leaves out what says nothing of that party (a refund, of its buyer's conduct) and what was
-- taken out. Whether there are enough is all that is asked (some thousands, see trust/table.py), so
-- it looks at the oldest 10,000 ends and no further: `matured` is at most that, however large the
-- house. What was taken out is left out after that bound: so its cost is bounded, too.
CREATE FUNCTION people.count_labels() RETURNS void
LANGUAGE sql VOLATILE SECURITY DEFINER SET search_path = people, pg_temp AS $$
    WITH oldest AS (
        (SELECT 'financial' AS kind, f.id, f.order_id, f.member_id FROM people.facts f
          WHERE f.order_id IS NOT NULL
            AND f.kind IN ('order_settled', 'order_refunded', 'order_unfunded',
                           'pay_after_default', 'item_unreturned')
            AND f.happened_at < foundation.handsel_now() - interval '120 days'
          ORDER BY f.happened_at LIMIT 10000)
        UNION ALL
        (SELECT 'social', f.id, f.order_id, f.member_id FROM people.facts f
          WHERE f.order_id IS NOT NULL
            AND f.kind IN ('order_settled', 'order_refunded', 'order_cancelled_by_self', 'no_show')
            AND (f.kind <> 'order_refunded' OR f.role = 'seller')
            AND f.happened_at < foundation.handsel_now() - interval '30 days'
          ORDER BY f.happened_at LIMIT 10000)
    )
    INSERT INTO people.label_counts (kind, matured, counted_at)
    SELECT k.kind, count(DISTINCT (o.order_id, o.member_id)) FILTER (WHERE o.id IS NOT NULL),
           foundation.handsel_now()
      FROM (VALUES ('financial'), ('social')) AS k (kind)
      LEFT JOIN oldest o ON o.kind = k.kind
       AND NOT EXISTS (SELECT FROM people.fact_retractions r WHERE r.fact_id = o.id)
     GROUP BY k.kind
    ON CONFLICT (kind) DO UPDATE
       SET matured = excluded.matured, counted_at = excluded.counted_at
$$;
REVOKE EXECUTE ON FUNCTION people.count_labels() FROM PUBLIC;
GRANT EXECUTE ON FUNCTION people.count_labels() TO handsel_app;

-- As in 0016, with the number of matured labels of the score that has fewer.
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
        'matured_labels', (SELECT coalesce(min(l.matured), 0) FROM people.label_counts l),
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
