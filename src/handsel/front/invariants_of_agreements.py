"""What must hold of agreements that consist of orders: as ``Check`` has it."""

from handsel.deals.orders.registry import processes

_TERMINAL = ", ".join(
    f"('{process.name}', {process.version}, '{name}')"
    for process in processes().values()
    for name, state in process.states.items()
    if state.terminal
)


def _ended(order: str) -> str:
    return f"({order}.process, {order}.process_version, {order}.state) IN ({_TERMINAL})"


_MANDATES = """
SELECT m.series_id AS what FROM deals.mandates m
  LEFT JOIN (SELECT series_id, sum(amount) AS charged, max(amount) AS largest, max(at) AS latest
               FROM deals.mandate_charges GROUP BY series_id) AS c USING (series_id)
 WHERE m.charged <> coalesce(c.charged, 0) OR m.charged > m.total OR c.largest > m.each
    OR c.latest > least(m.ends_at, m.ended_at)
UNION ALL
SELECT v.order_id FROM deals.moves v WHERE v.transition = 'fund_by_mandate'
   AND NOT EXISTS (SELECT FROM deals.mandate_charges c WHERE c.order_id = v.order_id)
"""
_SUMS = """
SELECT p.id AS what FROM deals.orders p JOIN deals.orders c ON c.parent_id = p.id
 WHERE p.process = 'negotiated' GROUP BY p.id HAVING sum(c.amount) <> p.amount
"""
_PARTS = f"""
SELECT c.id AS what FROM deals.orders c JOIN deals.orders p ON p.id = c.parent_id
 WHERE (c.customer_id, c.provider_id, c.unit) <> (p.customer_id, p.provider_id, p.unit)
    OR {_ended("p")} AND NOT {_ended("c")}
"""
_PART_ROWS = "SELECT count(*) FROM deals.orders WHERE parent_id IS NOT NULL"

AGREEMENTS: tuple[tuple[str, str, tuple[str, ...], str, str], ...] = (
    (
        "A01_mandates_are_kept",
        "what was charged under a mandate is what it allows, each time, in all, and in time",
        ("deals.mandates", "deals.mandate_charges"),
        "SELECT count(*) FROM deals.mandates",
        _MANDATES,
    ),
    (
        "A02_milestones_sum",
        "the milestones of an agreed job add up to its price",
        ("deals.orders",),
        "SELECT count(*) FROM deals.orders WHERE process = 'negotiated'",
        _SUMS,
    ),
    (
        "A03_parts_end_first",
        "a part is between the same two people as its whole, which ends no earlier",
        ("deals.orders",),
        _PART_ROWS,
        _PARTS,
    ),
)
