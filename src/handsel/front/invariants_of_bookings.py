"""What must hold of bookings: (name, rule, tables, rows, violations), as ``Check`` has them."""

from handsel.deals.orders.registry import processes

_TERMINAL = ", ".join(
    f"('{process.name}', {process.version}, '{name}')"
    for process in processes().values()
    for name, state in process.states.items()
    if state.terminal
)
_ROWS = "SELECT count(*) FROM catalog.bookings WHERE state <> 'released'"
_TWICE = """
SELECT b.id AS what FROM catalog.bookings b JOIN catalog.bookings o
    ON o.unit_id = b.unit_id AND o.id <> b.id AND o.during && b.during
 WHERE b.state <> 'released' AND o.state <> 'released'
"""
# An order may end early, but not before its time has begun, and still keep it.
_ORPHANED = f"""
SELECT b.id AS what FROM catalog.bookings b LEFT JOIN deals.orders o
    ON o.id = b.order_id AND o.listing_id = b.listing_id
 WHERE b.state <> 'released' AND (o.id IS NULL
    OR (o.process, o.process_version, o.state) IN ({_TERMINAL})
       AND (b.state = 'reserved' OR b.starts_at > foundation.handsel_now()))
"""

BOOKINGS: tuple[tuple[str, str, tuple[str, ...], str, str], ...] = (
    (
        "B01_one_booking_at_a_time",
        "a unit is booked once at a time, its buffers included",
        ("catalog.bookings",),
        _ROWS,
        _TWICE,
    ),
    (
        "B02_bookings_end_with_their_order",
        "a time is held for an order of its listing, and for none that ended before it",
        ("catalog.bookings", "deals.orders"),
        _ROWS,
        _ORPHANED,
    ),
)
