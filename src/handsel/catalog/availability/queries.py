"""Reads of availability, units and bookings."""

from collections.abc import Sequence
from datetime import datetime
from uuid import UUID

import asyncpg
import msgspec

from handsel.catalog.availability.errors import NoAvailability
from handsel.catalog.availability.schemas import Booking, Rules
from handsel.catalog.availability.slots import Minutes

Conn = asyncpg.Connection


class Availability(msgspec.Struct, frozen=True, kw_only=True):
    """A row."""

    listing_id: UUID
    version: int
    rules: Rules
    updated_at: datetime


_ROW = """
    SELECT a.listing_id, a.version, a.rules::text AS rules, a.updated_at
      FROM catalog.availability a
"""
#: Minutes since 1970 in two arrays a unit: thousands of bookings as rows of timestamps would cost
#: several times what finding them does. Unit 0 is when all are closed.
_TAKEN = """
    SELECT u.number,
           array_agg((date_part('epoch', lower(b.during)) / 60)::int),
           array_agg((date_part('epoch', upper(b.during)) / 60)::int)
      FROM catalog.units u
      LEFT JOIN catalog.bookings b ON b.unit_id = u.id AND b.state <> 'released'
                                  AND b.during && tstzrange($2, $3)
     WHERE u.listing_id = $1 AND NOT u.retired GROUP BY u.number
UNION ALL
    SELECT 0, array_agg((date_part('epoch', lower(t.during)) / 60)::int),
           array_agg((date_part('epoch', upper(t.during)) / 60)::int)
      FROM catalog.busy_times t WHERE t.listing_id = $1 AND t.during && tstzrange($2, $3)
"""
_BOOKING = """
    SELECT b.id, b.listing_id, u.number AS unit, b.order_id, b.customer_id, b.starts_at, b.ends_at,
           b.state, b.changed_at
      FROM catalog.bookings b JOIN catalog.units u ON u.id = b.unit_id
"""


async def find(conn: Conn, listing_id: UUID) -> Availability | None:
    """The availability of a listing, or None where it is not booked by time."""
    row = await conn.fetchrow(f"{_ROW} WHERE a.listing_id = $1", listing_id)
    return None if row is None else _availability(row)


async def locked(conn: Conn, listing_id: UUID) -> Availability:
    """The same, with nobody else booking or changing it. Raises ``NoAvailability``."""
    row = await conn.fetchrow(f"{_ROW} WHERE a.listing_id = $1 FOR NO KEY UPDATE", listing_id)
    if row is None:
        raise NoAvailability
    return _availability(row)


async def taken(
    conn: Conn, listing_id: UUID, start: datetime, end: datetime
) -> tuple[list[list[Minutes]], list[Minutes]]:
    """For each unit when it is booked, and when all are closed, as far as it touches a time."""
    rows = await conn.fetch(_TAKEN, listing_id, start, end)
    by_unit: dict[int, list[Minutes]] = {
        number: sorted(zip(starts, ends, strict=True)) if starts and starts[0] is not None else []
        for number, starts, ends in rows
    }
    busy = by_unit.pop(0)
    return list(by_unit.values()), busy


async def of_order(conn: Conn, order_id: UUID) -> list[Booking]:
    """What an order holds, unit by unit; empty when it has let go."""
    rows = await conn.fetch(
        f"{_BOOKING} WHERE b.order_id = $1 AND b.state <> 'released' ORDER BY u.number", order_id
    )
    return _bookings(rows)


async def confirmed_of_seller(
    conn: Conn, seller_id: UUID, since: datetime, limit: int
) -> list[Booking]:
    """Confirmed bookings of all listings of a seller that end after a moment, the next first."""
    rows = await conn.fetch(
        f"""{_BOOKING} JOIN catalog.listings l ON l.id = b.listing_id
            WHERE l.seller_id = $1 AND b.state = 'confirmed' AND b.ends_at > $2
            ORDER BY b.starts_at, b.id LIMIT $3""",
        seller_id,
        since,
        limit,
    )
    return _bookings(rows)


def _availability(row: asyncpg.Record) -> Availability:
    rules = msgspec.json.decode(row["rules"], type=Rules)
    return Availability(
        listing_id=row["listing_id"],
        version=row["version"],
        rules=rules,
        updated_at=row["updated_at"],
    )


def _bookings(rows: Sequence[asyncpg.Record]) -> list[Booking]:
    return [Booking(**row) for row in rows]
