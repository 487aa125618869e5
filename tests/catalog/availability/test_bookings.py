"""Bookings: what orders may rely on, and the race for the last unit."""

import asyncio
from datetime import UTC, datetime, timedelta
from typing import Any
from uuid import UUID, uuid4

import asyncpg
import pytest

from handsel.catalog.availability import service
from handsel.catalog.availability.errors import (
    AlreadyBooked,
    EndBeforeStart,
    NoAvailability,
    NothingBooked,
    SlotGone,
    SlotNotOffered,
)
from handsel.foundation.db.uow import Database, Tx
from handsel.foundation.http.principal import Principal
from tests.factories import listings
from tests.factories.availability import bookable, rules

HOUR = timedelta(hours=1)


@pytest.fixture(scope="module")
async def seller(database: Database) -> Principal:
    """Who lends."""
    return await database.run(lambda tx: listings.seller(tx, "lender"))


async def listed(database: Database, seller: Principal, **changes: Any) -> UUID:
    return await database.run(lambda tx: bookable(tx, seller, rules(**changes)))


async def opening(database: Database) -> datetime:
    """Nine in the morning in Berlin, in ten days or so, in UTC."""
    async with database.reading() as conn:
        now: datetime = await conn.fetchval("SELECT foundation.handsel_now()")
    day = (now + timedelta(days=10)).date()
    async with database.reading() as conn:
        found: datetime = await conn.fetchval(
            "SELECT ($1::date + time '09:00') AT TIME ZONE 'Europe/Berlin'", day
        )
    return found.astimezone(UTC)


async def reserve(
    database: Database,
    listing_id: UUID,
    starts_at: datetime,
    hours: int = 1,
    quantity: int = 1,
) -> UUID:
    order_id = uuid4()
    ends_at = starts_at + hours * HOUR
    await database.run(
        lambda tx: service.reserve(tx, listing_id, order_id, starts_at, ends_at, quantity)
    )
    return order_id


async def held(database: Database, order_id: UUID) -> list[tuple[int, datetime, str]]:
    async with database.reading() as conn:
        found = await service.of_order(conn, order_id)
    return [(booking.unit, booking.starts_at, booking.state) for booking in found]


async def free(
    database: Database, listing_id: UUID, start: datetime, hours: int = 8
) -> list[tuple[datetime, int]]:
    async with database.reading() as conn:
        found = await service.free(conn, None, listing_id, start, start + hours * HOUR)
    return [(slot.starts_at, slot.units_free) for slot in found.items]


async def test_of_twenty_who_want_the_last_unit_one_gets_it(
    database: Database, seller: Principal
) -> None:
    listing_id, nine = await listed(database, seller), await opening(database)

    found = await asyncio.gather(
        *(reserve(database, listing_id, nine) for _ in range(20)), return_exceptions=True
    )

    assert [type(result) for result in found if not isinstance(result, UUID)] == [SlotGone] * 19
    assert await free(database, listing_id, nine) == [(nine + n * HOUR, 1) for n in range(1, 8)]


async def test_three_units_are_sold_three_times_and_told_apart(
    database: Database, seller: Principal
) -> None:
    listing_id, nine = await listed(database, seller, capacity=3), await opening(database)

    found = await asyncio.gather(
        *(reserve(database, listing_id, nine) for _ in range(6)), return_exceptions=True
    )

    orders = [result for result in found if isinstance(result, UUID)]
    assert sorted([(await held(database, order))[0][0] for order in orders]) == [1, 2, 3]
    assert [type(result) for result in found if result not in orders] == [SlotGone] * 3


async def test_the_database_itself_refuses_a_unit_twice(
    database: Database, seller: Principal, owner: asyncpg.Connection
) -> None:
    listing_id, nine = await listed(database, seller), await opening(database)
    order_id = await reserve(database, listing_id, nine)

    with pytest.raises(asyncpg.ExclusionViolationError) as refused:
        await owner.execute(
            """INSERT INTO catalog.bookings (listing_id, unit_id, order_id, starts_at, ends_at,
                   during, state, created_at, changed_at)
               SELECT listing_id, unit_id, $2, starts_at, ends_at, during, 'reserved', created_at,
                   changed_at FROM catalog.bookings WHERE order_id = $1""",
            order_id,
            uuid4(),
        )

    assert refused.value.constraint_name == "bookings_one_at_a_time"


async def test_several_units_are_taken_together_or_not_at_all(
    database: Database, seller: Principal
) -> None:
    listing_id, nine = await listed(database, seller, capacity=3), await opening(database)
    first = await reserve(database, listing_id, nine, quantity=2)

    with pytest.raises(SlotGone, match="1 of 2 free"):
        await reserve(database, listing_id, nine, quantity=2)

    assert [unit for unit, *_ in await held(database, first)] == [1, 2]
    assert (await free(database, listing_id, nine))[0] == (nine, 1)


async def test_a_released_time_is_free_again_and_confirming_does_not_bring_it_back(
    database: Database, seller: Principal
) -> None:
    listing_id, nine = await listed(database, seller), await opening(database)
    kept, dropped = (
        await reserve(database, listing_id, nine),
        await reserve(database, listing_id, nine + HOUR),
    )

    for _ in range(2):
        await database.run(lambda tx: service.confirm(tx, kept))
        await database.run(lambda tx: service.release(tx, dropped))
    await database.run(lambda tx: service.confirm(tx, dropped))

    assert await held(database, kept) == [(1, nine, "confirmed")]
    assert await held(database, dropped) == []
    assert (await free(database, listing_id, nine))[0] == (nine + HOUR, 1)


async def test_a_booking_moves_also_onto_itself_and_keeps_its_state(
    database: Database, seller: Principal
) -> None:
    listing_id, nine = await listed(database, seller), await opening(database)
    order_id = await reserve(database, listing_id, nine, hours=2)
    await database.run(lambda tx: service.confirm(tx, order_id))
    later = nine + HOUR

    await database.run(lambda tx: service.move(tx, order_id, later, later + 2 * HOUR))

    assert await held(database, order_id) == [(1, later, "confirmed")]
    assert [at for at, _ in await free(database, listing_id, nine, 4)] == [nine, nine + 3 * HOUR]


async def test_a_move_onto_somebody_else_leaves_the_booking_where_it_was(
    database: Database, seller: Principal
) -> None:
    listing_id, nine = await listed(database, seller), await opening(database)
    mine = await reserve(database, listing_id, nine)
    other = await reserve(database, listing_id, nine + HOUR)

    with pytest.raises(SlotGone):
        await database.run(lambda tx: service.move(tx, mine, nine + HOUR, nine + 2 * HOUR))

    assert await held(database, mine) == [(1, nine, "reserved")]
    assert await held(database, other) == [(1, nine + HOUR, "reserved")]


async def test_buffers_are_kept_between_bookings(database: Database, seller: Principal) -> None:
    listing_id = await listed(
        database, seller, buffer_before_minutes=15, buffer_after_minutes=15, step_minutes=30
    )
    nine = await opening(database)
    await reserve(database, listing_id, nine)

    with pytest.raises(SlotGone):
        await reserve(database, listing_id, nine + HOUR)

    assert (await free(database, listing_id, nine))[0] == (nine + 1.5 * HOUR, 1)
    await reserve(database, listing_id, nine + 1.5 * HOUR)


async def test_an_order_holds_one_time(database: Database, seller: Principal) -> None:
    listing_id, nine = await listed(database, seller), await opening(database)
    order_id = await reserve(database, listing_id, nine)

    with pytest.raises(AlreadyBooked):
        await database.run(
            lambda tx: service.reserve(tx, listing_id, order_id, nine + HOUR, nine + 2 * HOUR)
        )

    assert await held(database, order_id) == [(1, nine, "reserved")]


async def test_what_is_refused_at_once_moves_nothing(
    database: Database, seller: Principal, owner: asyncpg.Connection
) -> None:
    listing_id, nine = await listed(database, seller), await opening(database)
    refusals: list[tuple[datetime, datetime, int, type[Exception]]] = [
        (nine, nine, 1, EndBeforeStart),
        (nine.replace(tzinfo=None), nine, 1, EndBeforeStart),
        (nine, nine + HOUR, 2, SlotNotOffered),
        (nine, nine + HOUR, 0, SlotNotOffered),
        (nine - HOUR, nine, 1, SlotNotOffered),
        (nine + timedelta(seconds=1), nine + HOUR, 1, SlotNotOffered),
    ]

    for starts_at, ends_at, quantity, refusal in refusals:
        with pytest.raises(refusal):
            await database.run(
                lambda tx, s=starts_at, e=ends_at, q=quantity: service.reserve(  # type: ignore[misc]
                    tx, listing_id, uuid4(), s, e, q
                )
            )

    booked = "SELECT count(*) FROM catalog.bookings WHERE listing_id = $1"
    assert await owner.fetchval(booked, listing_id) == 0


async def test_without_availability_or_booking_there_is_nothing_to_book_or_move(tx: Tx) -> None:
    nobody = await listings.seller(tx, "no-calendar")
    listing = await listings.live(tx, nobody)
    listing_id = UUID(hex=listing.id[4:])
    later = tx.now + HOUR

    assert await service.is_booked_by_time(tx.conn, listing_id) is False
    with pytest.raises(NoAvailability):
        await service.reserve(tx, listing_id, uuid4(), tx.now, later)
    with pytest.raises(NothingBooked):
        await service.move(tx, uuid4(), tx.now, later)


async def test_a_unit_that_goes_keeps_its_booking_and_takes_no_more(
    database: Database, seller: Principal
) -> None:
    listing_id, nine = await listed(database, seller, capacity=2), await opening(database)
    orders = [await reserve(database, listing_id, nine) for _ in range(2)]
    await database.run(lambda tx: service.confirm(tx, *orders))

    await database.run(lambda tx: service.put(tx, seller, listing_id, 1, rules(capacity=1)))

    assert [await held(database, order) for order in orders] == [
        [(1, nine, "confirmed")],
        [(2, nine, "confirmed")],
    ]
    assert (await free(database, listing_id, nine))[0] == (nine + HOUR, 1)
    await reserve(database, listing_id, nine + 2 * HOUR)
    with pytest.raises(SlotGone):
        await reserve(database, listing_id, nine + 2 * HOUR)
    await database.run(lambda tx: service.put(tx, seller, listing_id, 2, rules(capacity=2)))
    assert (await free(database, listing_id, nine))[0] == (nine + HOUR, 2)
