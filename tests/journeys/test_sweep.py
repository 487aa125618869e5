"""The sweep of due orders: one that cannot be moved stops nobody, and is tried again later."""

from datetime import timedelta

import asyncpg

from handsel.deals.orders import service as orders
from handsel.foundation.core.ids import decode
from handsel.front.worker.app import sweep_orders
from tests.journeys.deals import START, UNTOUCHED, funded
from tests.journeys.story import Story


async def test_orders_that_cannot_be_moved_stop_nobody_and_are_tried_again(
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

    moved = await sweep_orders(story.database)

    assert moved == 1
    assert await fine.state() == "expired"
    assert await fine.wallets() == UNTOUCHED
    assert await frozen.state() == "funded"
    assert await frozen.buyer.available() == (START - 2999, 0, 2999)
    failing = {decode("ord", unknown.id), decode("ord", frozen.id)}
    rows = await owner.fetch("SELECT order_id FROM deals.timers WHERE attempts = 1")
    assert {row["order_id"] for row in rows} == failing
    async with story.database.reading() as conn:
        assert not failing & set(await orders.due(conn)), "not before its time comes again"

    await owner.execute("UPDATE deals.orders SET process_version = 1")
    await owner.execute("UPDATE money.accounts SET state = 'open' WHERE state = 'frozen'")
    await owner.execute("UPDATE deals.timers SET retry_at = now() WHERE attempts > 0")
    await owner.close()

    assert await sweep_orders(story.database) == 2
    assert await frozen.state() == "expired"
    await story.check()
