"""Calendars of sellers: the feed that goes out, the imports that come in."""

from collections.abc import Sequence
from datetime import datetime, timedelta
from uuid import UUID
from zoneinfo import ZoneInfo

import anyio
import asyncpg

from handsel.catalog.availability import calendars, queries
from handsel.catalog.availability.errors import NoAvailability
from handsel.catalog.availability.hours import Span, moment_of
from handsel.catalog.availability.schemas import (
    Booking,
    CalendarFeedView,
    CalendarImportInput,
    CalendarImportList,
    CalendarImportView,
)
from handsel.catalog.availability.service import check_own
from handsel.catalog.listings import service as listings
from handsel.foundation import audit
from handsel.foundation.core.errors import NotFound
from handsel.foundation.core.ids import digest, new_secret
from handsel.foundation.db.uow import Tx
from handsel.foundation.http.principal import Principal
from handsel.people.members import service as members

#: A calendar is read this far beyond the horizon, so that it need not come again every week.
LOOK_AHEAD = timedelta(days=366)
#: The feed shows what ended this long ago, and later, up to so many bookings.
LOOK_BACK = timedelta(days=31)
MOST_IN_FEED = 2000

_ROTATE = """
    INSERT INTO catalog.calendar_feeds (member_id, secret_sha256, made_at) VALUES ($1, $2, $3)
    ON CONFLICT (member_id) DO UPDATE SET secret_sha256 = $2, made_at = $3
"""
_IMPORT = """
    INSERT INTO catalog.calendar_imports (listing_id, source, periods, imported_at)
    VALUES ($1, $2, $3, $4)
    ON CONFLICT (listing_id, source) DO UPDATE SET periods = $3, imported_at = $4
"""
_FILL = """
    INSERT INTO catalog.busy_times (listing_id, source, during)
    SELECT $1, $2, tstzrange(start, until) FROM unnest($3::timestamptz[], $4::timestamptz[])
        AS period (start, until)
"""
_TOUCHED = """
    SELECT t.source, count(DISTINCT b.order_id) FROM catalog.busy_times t
      JOIN catalog.bookings b ON b.listing_id = t.listing_id AND b.during && t.during
       AND b.state <> 'released' AND b.ends_at > foundation.handsel_now()
     WHERE t.listing_id = $1 GROUP BY t.source
"""


async def rotate(tx: Tx, seller: Principal) -> CalendarFeedView:
    """A new address for the seller's feed; the old one, if any, is gone."""
    secret = new_secret()
    await tx.execute(_ROTATE, seller.member_id, digest(secret), tx.now)
    audit.record(tx, "calendars", "rotate", {}, actor_id=seller.member_id)
    return CalendarFeedView(path=f"/v1/calendars/{secret}.ics", made_at=tx.now)


async def feed(conn: asyncpg.Connection, secret: str) -> bytes:
    """The calendar behind an address. Raises ``NotFound``."""
    row = await conn.fetchrow(
        "SELECT member_id, foundation.handsel_now() AS now FROM catalog.calendar_feeds"
        " WHERE secret_sha256 = $1",
        digest(secret),
    )
    if row is None:
        raise NotFound
    bookings = await queries.confirmed_of_seller(
        conn, row["member_id"], row["now"] - LOOK_BACK, MOST_IN_FEED
    )
    return calendars.feed(await _lines(conn, bookings))


async def _lines(conn: asyncpg.Connection, bookings: Sequence[Booking]) -> list[calendars.Line]:
    """One line a booking: what, and the handle of who."""
    cards = await listings.by_ids(conn, list({booking.listing_id for booking in bookings}))
    titles = {card.id: card.title for card in cards}
    customers = {booking.customer_id for booking in bookings if booking.customer_id}
    handles = await members.by_ids(conn, customers)
    return [
        calendars.Line(
            uid=booking.id.hex,
            starts_at=booking.starts_at,
            ends_at=booking.ends_at,
            summary=titles[booking.listing_id]
            + (f" · {handles[booking.customer_id].handle}" if booking.customer_id else ""),
            changed_at=booking.changed_at,
        )
        for booking in bookings
    ]


async def take_in(
    tx: Tx, seller: Principal, listing_id: UUID, data: CalendarImportInput
) -> CalendarImportView:
    """Close a listing while its seller is busy elsewhere; bookings that are there stay.

    Raises ``NotFound``, ``NoAvailability``, and what ``calendars.busy_times`` raises.
    """
    await check_own(tx.conn, seller, listing_id)
    row = await queries.find(tx.conn, listing_id)
    if row is None:
        raise NoAvailability
    end = tx.now + timedelta(days=row.rules.horizon_days) + LOOK_AHEAD
    zone = ZoneInfo(row.rules.time_zone)
    busy: list[Span] = await anyio.to_thread.run_sync(
        calendars.busy_times, data.calendar, zone, tx.now, end
    )
    await queries.locked(tx.conn, listing_id)  # nobody books while the times change
    await _replace(tx, listing_id, data.source, busy)
    touched = await _touched(tx.conn, listing_id)
    return CalendarImportView(
        source=data.source,
        periods=len(busy),
        bookings_touched=touched.get(data.source, 0),
        imported_at=tx.now,
    )


async def _replace(tx: Tx, listing_id: UUID, source: str, busy: Sequence[Span]) -> None:
    await tx.execute(_IMPORT, listing_id, source, len(busy), tx.now)
    await tx.execute(
        "DELETE FROM catalog.busy_times WHERE listing_id = $1 AND source = $2", listing_id, source
    )
    starts: list[datetime] = [moment_of(span.start) for span in busy]
    await tx.execute(_FILL, listing_id, source, starts, [moment_of(span.end) for span in busy])


async def imports(
    conn: asyncpg.Connection, seller: Principal, listing_id: UUID
) -> CalendarImportList:
    """What was imported into a listing of the seller's, by source."""
    await check_own(conn, seller, listing_id)
    rows = await conn.fetch(
        "SELECT source, periods, imported_at FROM catalog.calendar_imports"
        " WHERE listing_id = $1 ORDER BY source",
        listing_id,
    )
    touched = await _touched(conn, listing_id)
    return CalendarImportList(
        items=[
            CalendarImportView(**row, bookings_touched=touched.get(row["source"], 0))
            for row in rows
        ]
    )


async def _touched(conn: asyncpg.Connection, listing_id: UUID) -> dict[str, int]:
    """By source, how many bookings to come lie in a busy time."""
    rows = await conn.fetch(_TOUCHED, listing_id)
    return {row["source"]: row["count"] for row in rows}
