"""Orders whose chargeback is told late, or whose payer's wallet was frozen: none stops for ever."""

from datetime import timedelta

import pytest

from handsel.foundation.core.errors import Problem
from handsel.foundation.core.ids import decode
from handsel.foundation.db.uow import Tx
from handsel.foundation.jobs import Job
from handsel.money.ledger import service as ledger
from handsel.money.ledger.service import Account
from tests.journeys.deals import brought_to
from tests.journeys.story import Story
from tests.journeys.test_chargebacks import decided, dispute


async def test_an_order_goes_on_though_its_rest_was_told_last(story: Story) -> None:
    deal = await brought_to(story, "accept", "deliver")
    handlers = story._worker._handlers
    rest = handlers["orders.rest"]
    late: list[Job] = []

    async def retried_later(job: Job) -> None:
        late.append(job)

    handlers["orders.rest"] = retried_later
    word = await dispute(story, deal)
    await decided(story, word, "won")
    handlers["orders.rest"] = rest
    for job in late:
        await rest(job)
    for days in (4, 15):  # approved by itself, and settled
        await story.pass_time(timedelta(days=days))

    assert len(late) == 1
    assert await state_of(story, deal.id) == "settled"
    await story.check()


async def state_of(story: Story, order: str) -> str:
    """Read past the API: the sessions have ended in the meantime."""
    async with story.database.reading() as conn:
        found: str = await conn.fetchval(
            "SELECT state FROM deals.orders WHERE id = $1", decode("ord", order)
        )
    return found


async def test_an_order_closes_once_its_payers_wallet_is_open_again(story: Story) -> None:
    deal = await brought_to(story, "accept", "deliver")
    wallet = Account("wallet", decode("mem", deal.buyer.id), "EUR")
    word = await dispute(story, deal)

    async def put(tx: Tx, state: str) -> None:
        ledger.set_account_state(tx, wallet, state, None, "a test")

    await story.database.run(lambda tx: put(tx, "frozen"))
    with pytest.raises(Problem):
        await decided(story, word, "lost")
    await story.pass_time(timedelta(hours=1))
    frozen = await deal.state()
    await story.database.run(lambda tx: put(tx, "open"))
    await story.pass_time(timedelta(hours=1))

    assert frozen == "delivered"
    assert await deal.state() == "charged_back"
    await story.check()
