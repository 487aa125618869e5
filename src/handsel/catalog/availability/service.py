"""The verbs on availability. Those of bookings are beside, in ``bookings``; calendars too."""

from datetime import datetime
from uuid import UUID

import asyncpg

from handsel.catalog.availability import policy, queries, slots
from handsel.catalog.availability.bookings import confirm as confirm
from handsel.catalog.availability.bookings import move as move
from handsel.catalog.availability.bookings import release as release
from handsel.catalog.availability.bookings import reserve as reserve
from handsel.catalog.availability.errors import EndBeforeStart, NoAvailability, RangeTooLong
from handsel.catalog.availability.hours import Span, minute_of, moment_of
from handsel.catalog.availability.queries import Availability
from handsel.catalog.availability.queries import of_order as of_order
from handsel.catalog.availability.schemas import (
    MINUTES_A_DAY,
    AvailabilityView,
    Rules,
    Slot,
    SlotList,
)
from handsel.catalog.listings import service as listings
from handsel.catalog.listings.schemas import OwnListingView
from handsel.foundation.core.errors import NotFound, Stale
from handsel.foundation.core.ids import encode
from handsel.foundation.db.uow import Tx
from handsel.foundation.http.principal import Principal

LONGEST_MINUTES = 92 * MINUTES_A_DAY
#: What is shown without a given end.
USUAL_MINUTES = 14 * MINUTES_A_DAY

_INSERT = """
    INSERT INTO catalog.availability (listing_id, rules, updated_at) VALUES ($1, $2, $3)
    ON CONFLICT (listing_id) DO NOTHING
"""
_UPDATE = """
    UPDATE catalog.availability SET version = version + 1, rules = $2, updated_at = $3
     WHERE listing_id = $1
"""
_UNITS = """
    INSERT INTO catalog.units (listing_id, number)
    SELECT $1, number FROM generate_series(1, $2::int) number
    ON CONFLICT ON CONSTRAINT units_number_key DO NOTHING
"""
_RETIRE = """
    UPDATE catalog.units SET retired = number > $2
     WHERE listing_id = $1 AND retired <> (number > $2)
"""


async def is_booked_by_time(conn: asyncpg.Connection, listing_id: UUID) -> bool:
    """Whether an order of this listing needs a time."""
    found: bool = await conn.fetchval(
        "SELECT EXISTS (SELECT FROM catalog.availability WHERE listing_id = $1)", listing_id
    )
    return found


async def check_own(conn: asyncpg.Connection, seller: Principal, listing_id: UUID) -> None:
    """Raises ``NotFound`` for a listing that is not the seller's own."""
    if not isinstance(await listings.read(conn, seller, listing_id), OwnListingView):
        raise NotFound("you have no such listing")


async def put(
    tx: Tx, seller: Principal, listing_id: UUID, expected: int, rules: Rules
) -> AvailabilityView:
    """Replace the rules; ``expected`` is the version last read, 0 where there were none.

    Bookings keep their time, also those of a unit that goes. Raises what ``policy.check`` raises,
    ``Stale``.
    """
    await check_own(tx.conn, seller, listing_id)
    policy.check(rules)
    if expected == 0:
        if await tx.execute(_INSERT, listing_id, rules, tx.now) != "INSERT 0 1":
            raise Stale("the listing has availability already")
    else:
        row = await _known(tx, listing_id)
        if row.version != expected:
            raise Stale(f"the availability is at version {row.version}")
        await tx.execute(_UPDATE, listing_id, rules, tx.now)
    await tx.execute(_UNITS, listing_id, rules.capacity)
    await tx.execute(_RETIRE, listing_id, rules.capacity)
    payload = {"listing_id": str(listing_id), "version": expected + 1}
    tx.emit("availability.changed", listing_id, payload)
    return AvailabilityView(
        listing_id=encode("lst", listing_id),
        version=expected + 1,
        rules=rules,
        updated_at=tx.now,
    )


async def _known(tx: Tx, listing_id: UUID) -> Availability:
    try:
        return await queries.locked(tx.conn, listing_id)
    except NoAvailability:
        raise Stale("the listing has no availability: its version is 0") from None


async def read(
    conn: asyncpg.Connection, viewer: Principal | None, listing_id: UUID
) -> AvailabilityView:
    """The rules of a listing that the viewer may see. Raises ``NotFound``, ``NoAvailability``."""
    row = await _visible(conn, viewer, listing_id)
    return AvailabilityView(
        listing_id=encode("lst", row.listing_id),
        version=row.version,
        rules=row.rules,
        updated_at=row.updated_at,
    )


async def free(
    conn: asyncpg.Connection,
    viewer: Principal | None,
    listing_id: UUID,
    start: datetime | None = None,
    end: datetime | None = None,
) -> SlotList:
    """What can be booked of a listing from ``start`` (now) and before ``end`` (two weeks later).

    Raises ``EndBeforeStart``, ``RangeTooLong`` (422), ``NotFound``, ``NoAvailability``.
    """
    row = await _visible(conn, viewer, listing_id)
    now = minute_of(await conn.fetchval("SELECT foundation.handsel_now()"))
    first = now if start is None else _minute(start)
    last = first + USUAL_MINUTES if end is None else _minute(end)
    if last <= first:
        raise EndBeforeStart
    if last - first > LONGEST_MINUTES:
        raise RangeTooLong
    return SlotList(
        listing_id=encode("lst", listing_id),
        time_zone=row.rules.time_zone,
        version=row.version,
        items=await _free(conn, row, Span(first, last), now),
    )


async def _free(conn: asyncpg.Connection, row: Availability, asked: Span, now: int) -> list[Slot]:
    rules = row.rules
    earliest, latest = slots.bounds(rules, now)
    period = Span(max(asked.start, earliest), min(asked.end, latest + 1))
    if period.start >= period.end:
        return []
    start = moment_of(period.start - rules.buffer_before_minutes)
    end = moment_of(period.end + (rules.slot_minutes or 0) + rules.buffer_after_minutes)
    taken, busy = await queries.taken(conn, row.listing_id, start, end)
    return [
        Slot(starts_at=moment_of(low), ends_at=moment_of(high), units_free=units)
        for low, high, units in slots.free_slots(rules, period, now, taken, busy)
    ]


def _minute(moment: datetime) -> int:
    if moment.tzinfo is None:
        raise EndBeforeStart("a time needs its offset from UTC, such as Z")
    return minute_of(moment)


async def _visible(
    conn: asyncpg.Connection, viewer: Principal | None, listing_id: UUID
) -> Availability:
    await listings.read(conn, viewer, listing_id)
    row = await queries.find(conn, listing_id)
    if row is None:
        raise NoAvailability
    return row
