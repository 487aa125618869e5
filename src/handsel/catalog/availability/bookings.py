"""The verbs of orders: hold units for a time, make sure of them, give them back.

Each is collected and sent with the commit, where a time that somebody else has by then is refused
as ``SlotGone``: with it the order that asked is undone. Nothing here ends a booking by itself; an
order that expires, is cancelled or refunded says ``release``.
"""

from datetime import datetime, timedelta
from uuid import UUID

from handsel.catalog.availability import queries, slots
from handsel.catalog.availability.errors import EndBeforeStart, NothingBooked, SlotNotOffered
from handsel.catalog.availability.hours import Span, minute_of, moment_of
from handsel.catalog.availability.schemas import Rules
from handsel.foundation.db.uow import Tx

_RESERVE = (
    "uuid", "uuid", "uuid", "timestamptz", "timestamptz", "interval", "interval", "int",
)  # fmt: skip
_MOVE = ("uuid", "uuid", "timestamptz", "timestamptz", "interval", "interval")


async def reserve(
    tx: Tx,
    listing_id: UUID,
    order_id: UUID,
    starts_at: datetime,
    ends_at: datetime,
    quantity: int = 1,
    *,
    customer_id: UUID | None = None,
) -> None:
    """Hold ``quantity`` units of a listing for an order; which ones is told by ``of_order``.

    ``customer_id`` is whose handle the seller's calendar shows. Raises ``EndBeforeStart`` (422),
    ``NoAvailability`` (404), ``SlotNotOffered`` and its ``SlotTooSoon``, ``SlotTooFar`` (409); at
    the commit ``SlotGone``, ``AlreadyBooked`` (409).
    """
    rules = (await queries.locked(tx.conn, listing_id)).rules
    period = _offered(rules, starts_at, ends_at, tx.now)
    if quantity < 1:
        raise SlotNotOffered("at least one unit is booked")
    if quantity > rules.capacity:
        raise SlotNotOffered(f"there are {rules.capacity} of it")
    tx.call(
        "catalog.reserve", _RESERVE, listing_id, order_id, customer_id, *period,
        *_buffers(rules), quantity,
    )  # fmt: skip


async def move(tx: Tx, order_id: UUID, starts_at: datetime, ends_at: datetime) -> None:
    """Take an order's booking to another time, as many units in the same state, or leave it.

    Raises what ``reserve`` raises, and ``NothingBooked`` (409).
    """
    listing_id = await tx.fetchval(
        "SELECT listing_id FROM catalog.bookings WHERE order_id = $1 AND state <> 'released'",
        order_id,
    )
    if listing_id is None:
        raise NothingBooked
    rules = (await queries.locked(tx.conn, listing_id)).rules
    period = _offered(rules, starts_at, ends_at, tx.now)
    tx.call("catalog.move_booking", _MOVE, listing_id, order_id, *period, *_buffers(rules))


async def confirm(tx: Tx, *order_ids: UUID) -> None:
    """The orders are paid: the seller's calendar shows their bookings. Twice is once; an order
    without a booking is passed over."""
    tx.call("catalog.confirm_bookings", ("uuid[]",), list(order_ids))


async def release(tx: Tx, *order_ids: UUID) -> None:
    """The orders ended, or their things are back: their units are free. Twice is once."""
    tx.call("catalog.release_bookings", ("uuid[]",), list(order_ids))


def _offered(
    rules: Rules, starts_at: datetime, ends_at: datetime, now: datetime
) -> tuple[datetime, datetime]:
    if starts_at.tzinfo is None or ends_at.tzinfo is None:
        raise EndBeforeStart("a time needs its offset from UTC, such as Z")
    period = Span(minute_of(starts_at), minute_of(ends_at))
    if (moment_of(period.start), moment_of(period.end)) != (starts_at, ends_at):
        raise SlotNotOffered("bookings start and end at whole minutes")
    slots.check_offered(rules, period, minute_of(now))
    return moment_of(period.start), moment_of(period.end)


def _buffers(rules: Rules) -> tuple[timedelta, timedelta]:
    return (
        timedelta(minutes=rules.buffer_before_minutes),
        timedelta(minutes=rules.buffer_after_minutes),
    )
