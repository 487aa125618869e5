"""What must hold of disputes: (name, rule, tables, rows, violations), as ``Check`` has them."""

from handsel.deals.disputes import machine
from handsel.deals.orders.registry import processes

_TERMINAL = ", ".join(
    f"({version}, '{name}')"
    for version, process in machine.processes().items()
    for name, state in process.states.items()
    if state.terminal
)
#: Where orders wait for a dispute's end.
_WAITING = ", ".join(
    sorted(
        {
            f"('{process.name}', {process.version}, '{state}')"
            for process in processes().values()
            for t in process.transitions
            if t.on == "dispute.resolved"
            for state in t.source
        }
    )
)
_LIVE = f"""
SELECT d.id AS what FROM deals.disputes d
 WHERE (d.ended_at IS NOT NULL) <> ((d.process_version, d.state) IN ({_TERMINAL}))
    OR (d.ended_at IS NULL) <> EXISTS (
        SELECT FROM deals.dispute_timers t WHERE t.dispute_id = d.id)
    OR d.ended_at IS NULL AND d.opened_at < foundation.handsel_now() - interval '31 days'
"""
_MONEY = f"""
SELECT d.id AS what FROM deals.disputes d JOIN deals.orders o ON o.id = d.order_id
 WHERE d.ended_at IS NULL AND (o.process, o.process_version, o.state) NOT IN ({_WAITING})
   AND o.entered_at < foundation.handsel_now() - interval '1 hour' -- its event is on the way
UNION ALL
SELECT o.id FROM deals.orders o
 WHERE (o.process, o.process_version, o.state) IN ({_WAITING}) AND NOT EXISTS (
    SELECT FROM deals.disputes d WHERE d.order_id = o.id AND d.ended_at IS NULL)
UNION ALL
SELECT id FROM deals.disputes
 WHERE (outcome ->> 'customer_minor')::bigint + (outcome ->> 'provider_minor')::bigint <> held
"""
_UNDONE = """
SELECT coalesce(h.id, t.reference_id) AS what
  FROM (SELECT * FROM money.holds WHERE undone > 0) AS h
  FULL JOIN (
    SELECT reference_id, credit_account, sum(amount) AS amount FROM money.transfers
     WHERE code IN ('sale_refund', 'sale_refund_card') GROUP BY reference_id, credit_account) AS t
    ON t.reference_id = h.reference_id AND t.credit_account = h.payer_account
 WHERE h.undone IS DISTINCT FROM t.amount
"""

DISPUTES = (
    (
        "D01_disputes_end",
        "a dispute that runs has a deadline, and is over within 31 days; one that is over has none",
        ("deals.disputes", "deals.dispute_timers"),
        "SELECT count(*) FROM deals.disputes",
        _LIVE,
    ),
    (
        "D02_disputes_and_orders_agree",
        "an order waits for a dispute exactly while one runs, and what was shared is what waited",
        ("deals.disputes", "deals.orders"),
        "SELECT count(*) FROM deals.disputes",
        _MONEY,
    ),
    (
        "D03_undone_sales",
        "what went back of a sale that waited went to its payer, as its hold says",
        ("money.holds", "money.transfers", "deals.disputes"),
        "SELECT count(*) FROM money.holds WHERE undone > 0",
        _UNDONE,
    ),
)
