"""The sweep of due orders: one that cannot be moved stops nobody, and is tried again later."""

import asyncio
from datetime import timedelta

import asyncpg

from handsel.deals.orders import service as orders
from handsel.foundation.core.ids import decode
from handsel.front.worker.app import sweep_orders
from tests.journeys.deals import START, UNTOUCHED, brought_to, funded
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


async def test_many_due_orders_move_together_and_one_bad_one_alone(
    story: Story, database_url: str
) -> None:
    deals = [await brought_to(story, "accept", "deliver") for _ in range(5)]
    stuck = deals[2]
    owner = await asyncpg.connect(database_url)
    await story.move_clock(timedelta(days=2, minutes=1))

    assert await sweep_orders(story.database) == 5
    assert [await deal.state() for deal in deals] == ["completed"] * 5
    assert [(await deal.timeline())[-1][:2] for deal in deals] == [("auto_approve", "system")] * 5
    assert [await deal.seller.available() for deal in deals] == [(0, 2999, 0)] * 5

    await owner.execute(
        "UPDATE money.holds SET disputed_at = now() WHERE id = $1", decode("ord", stuck.id)
    )
    await story.move_clock(timedelta(days=3, minutes=1))

    assert await sweep_orders(story.database) == 4
    assert [await deal.state() for deal in deals] == [
        "settled", "settled", "completed", "settled", "settled",
    ]  # fmt: skip
    assert await stuck.seller.available() == (0, 2999, 0)
    assert await deals[0].seller.available() == (2999, 0, 0)

    await owner.execute("UPDATE money.holds SET disputed_at = NULL")
    await owner.execute("UPDATE deals.timers SET retry_at = now() WHERE attempts > 0")
    await owner.close()
    assert await sweep_orders(story.database) == 1
    assert await stuck.seller.available() == (2999, 0, 0)
    await story.check()


async def test_two_sweeps_at_once_move_each_order_once(story: Story) -> None:
    deals = [await brought_to(story, "accept", "deliver") for _ in range(6)]
    await story.move_clock(timedelta(days=2, minutes=1))

    moved = await asyncio.gather(*(sweep_orders(story.database) for _ in range(4)))

    assert sum(moved) == 6
    for deal in deals:
        assert (await deal.timeline())[4:] == [("auto_approve", "system", {"provider": 2999})]
    await story.check()
