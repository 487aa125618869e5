"""The sweep of due orders: one that cannot be moved stops nobody, and comes back in no sweep."""

from datetime import timedelta
from uuid import UUID

import asyncpg

from handsel.foundation.core.ids import decode
from handsel.front.worker.app import sweep_orders
from tests.journeys.deals import START, UNTOUCHED, funded
from tests.journeys.story import Story


async def handed_over(conn: asyncpg.Connection, order: UUID) -> tuple[bool, int]:
    """Whether the sweep leaves it alone, and how many jobs try on."""
    flag = await conn.fetchval("SELECT handed_over FROM deals.timers WHERE order_id = $1", order)
    jobs = await conn.fetchval(
        "SELECT count(*) FROM jobs.pgqueuer WHERE entrypoint = 'orders.run_due'"
        " AND convert_from(payload, 'UTF8') LIKE '%' || $1 || '%'",
        str(order),
    )
    return flag, jobs


async def test_orders_that_cannot_be_moved_are_handed_over_and_stop_nobody(
    story: Story, database_url: str
) -> None:
    unknown, frozen, fine = [await funded(story) for _ in range(3)]
    owner = await asyncpg.connect(database_url)
    await owner.execute(
        "UPDATE deals.orders SET process_version = 99 WHERE id = $1", decode("ord", unknown.id)
    )
    await owner.execute(
        "UPDATE money.accounts SET state = 'frozen' WHERE kind = 'wallet' AND owner_id = $1",
        decode("mem", frozen.buyer.id),
    )
    await story.move_clock(timedelta(hours=25))

    first = await sweep_orders(story.database)
    second = await sweep_orders(story.database)

    assert (first, second) == (3, 0)
    assert await fine.state() == "expired"
    assert await fine.wallets() == UNTOUCHED
    assert await frozen.state() == "funded"
    assert await frozen.buyer.available() == (START - 2999, 0, 2999)
    for deal in (unknown, frozen):
        assert await handed_over(owner, decode("ord", deal.id)) == (True, 1)
    await owner.execute("UPDATE deals.orders SET process_version = 1")
    await owner.execute("UPDATE money.accounts SET state = 'open' WHERE state = 'frozen'")
    await owner.close()
    await story.check()
