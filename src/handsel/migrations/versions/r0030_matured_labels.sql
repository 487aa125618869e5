-- How many labels have matured: below a number of them a score may lower a tier, never raise it.

CREATE TABLE people.label_counts (
    kind text PRIMARY KEY CHECK (kind IN ('financial', 'social')),
    matured bigint NOT NULL CHECK (matured >= 0),
    counted_at timestamptz NOT NULL
);
GRANT SELECT ON people.label_counts TO handsel_app;

-- Deals that ended for a party so long ago that their label may be used; as ml/handsel_ml/labels.py,
-- which leaves out what says nothing of that party.
CREATE FUNCTION people.count_labels() RETURNS void
LANGUAGE sql VOLATILE SECURITY DEFINER SET search_path = people, pg_temp AS $$
    INSERT INTO people.label_counts (kind, matured, counted_at)
    SELECT k.kind,
           (SELECT count(DISTINCT (f.order_id, f.member_id)) FROM people.facts f
             WHERE f.kind = ANY (k.ends)
               AND f.happened_at < foundation.handsel_now() - k.maturity),
           foundation.handsel_now()
      FROM (VALUES
            ('financial', interval '120 days',
             ARRAY['order_settled', 'order_refunded', 'order_unfunded', 'pay_after_default',
                   'item_unreturned']),
            ('social', interval '30 days',
             ARRAY['order_settled', 'order_refunded', 'order_cancelled_by_self', 'no_show'])
           ) AS k (kind, maturity, ends)
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
