"""Ninety days of a listing's free slots against a bare index scan of its bookings."""

import time
from collections.abc import Awaitable, Callable
from datetime import datetime, timedelta
from statistics import median
from typing import Any
from uuid import UUID

import asyncpg
import uvloop

from handsel.catalog.availability import service
from handsel.catalog.availability.schemas import OpeningHours, Rules
from handsel.foundation.core.ids import decode
from handsel.foundation.db.pool import open_pool
from handsel.foundation.db.uow import Database, Tx
from tests.bench.rounds import Effort, Line, compare
from tests.bench.server import Bench
from tests.factories import listings

_DAYS = 90
_UNITS = 3
#: Of each of the other listings, so that the index is not of one listing alone.
_OTHERS = 20
_RULES = Rules(
    time_zone="Europe/Berlin",
    weekly=[OpeningHours(weekday=day, opens="08:00", closes="20:00") for day in range(1, 8)],
    slot_minutes=60,
    lead_minutes=0,
    horizon_days=120,
    capacity=_UNITS,
)
#: Nine of the twelve slots of a day are taken on each unit: some 2,400 bookings in the range.
_BOOK = """
INSERT INTO catalog.bookings (listing_id, unit_id, order_id, starts_at, ends_at, during, state,
                              created_at, changed_at)
SELECT u.listing_id, u.id, uuidv7(), t.at, t.at + interval '1 hour',
       tstzrange(t.at, t.at + interval '1 hour'), 'confirmed', now(), now()
  FROM catalog.units u CROSS JOIN generate_series(-90, 119) day
 CROSS JOIN generate_series(8, 19) hour
 CROSS JOIN LATERAL (SELECT (current_date + day + make_interval(hours => hour))
                            AT TIME ZONE 'Europe/Berlin' AS at) t
 WHERE (hour + day + u.number) % 4 <> 0
"""
_SCAN = """
SELECT lower(during), upper(during) FROM catalog.bookings
 WHERE listing_id = $1 AND during && tstzrange($2, $3) AND state <> 'released'
"""


def free_slots_vs_index(bench: Bench, effort: Effort) -> Line:
    """Milliseconds of the whole call, rules and visibility included, over those of the scan."""
    listing_id = uvloop.run(_prepare(bench.url))

    async def ours(conn: asyncpg.Connection, start: datetime) -> None:
        await service.free(conn, None, listing_id, start, start + timedelta(days=_DAYS))

    async def scan(conn: asyncpg.Connection, start: datetime) -> None:
        await conn.fetch(_SCAN, listing_id, start, start + timedelta(days=_DAYS))

    return compare(
        "free_slots_vs_index",
        "ms median",
        "the bookings of the range by the index",
        lambda: uvloop.run(_median_ms(bench.url, ours, effort)),
        lambda: uvloop.run(_median_ms(bench.url, scan, effort)),
        effort,
    )


async def _prepare(url: str) -> UUID:
    pool = await open_pool(url)

    async def make(tx: Tx) -> UUID:
        seller = await listings.seller(tx, "bench-lender")
        made = [decode("lst", (await listings.live(tx, seller)).id) for _ in range(_OTHERS + 1)]
        for listing_id in made:
            await service.put(tx, seller, listing_id, 0, _RULES)
        return made[0]

    listing_id = await Database(pool).run(make)
    await pool.close()
    conn = await asyncpg.connect(url)
    await conn.execute(_BOOK)
    await conn.execute("VACUUM ANALYZE catalog.bookings")
    await conn.close()
    return listing_id


async def _median_ms(
    url: str, call: Callable[[Any, datetime], Awaitable[None]], effort: Effort
) -> float:
    pool = await open_pool(url, size=1)
    taken = []
    async with Database(pool).reading() as conn:
        start: datetime = await conn.fetchval("SELECT foundation.handsel_now()")
        for _ in range(60 if effort.rounds > 1 else 10):
            began = time.perf_counter()
            await call(conn, start)
            taken.append((time.perf_counter() - began) * 1000)
    await pool.close()
    return median(taken)
