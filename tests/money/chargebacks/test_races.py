"""A bank, a sweep and people act at the same moment: whoever comes first, no cent moves twice."""

import asyncio
from collections.abc import Awaitable
from typing import Any
from uuid import UUID

import pytest

from handsel.foundation.core.errors import Problem
from handsel.foundation.db.uow import Tx
from handsel.money.ledger import service as ledger
from handsel.money.ledger.errors import InsufficientFunds, PaymentDisputed
from handsel.money.payments import payouts
from tests.money.chargebacks.town import FEE, Town

ROUNDS = 50


async def racing(*work: Awaitable[Any]) -> list[Any]:
    """What each came to: its answer or its refusal. Anything else fails the test."""
    found = await asyncio.gather(*work, return_exceptions=True)
    for one in found:
        if isinstance(one, BaseException) and not isinstance(one, Problem):
            raise one
    return found


async def lose(town: Town, said: Any) -> None:
    await town.lost(await town.said_again(said))


async def test_settlement_never_overtakes_a_dispute(town: Town) -> None:
    first = {"settled": 0, "disputed": 0}
    for _ in range(ROUNDS):
        buyer, seller = await town.member(), await town.member()
        card = await town.card(buyer, 3000)
        order = await town.order(buyer, 3000)
        await town.release(order, seller, 3000, FEE)
        said = await town.said(card)
        net = 3000 - FEE.amount_minor

        settled, chargeback = await racing(town.settle(order, seller, net), town.opened(said))

        if isinstance(settled, PaymentDisputed):
            first["disputed"] += 1
            expected = (net, 0, 0)
        else:
            assert settled is None
            first["settled"] += 1
            expected = (0, 0, net)
        found = (
            await town.has("pending", order),
            await town.has("wallet", seller),
            await town.has("contested", chargeback),
        )
        assert found == expected
        await lose(town, said)
        assert await town.has("receivable", seller) == 0
    await town.check()
    assert sum(first.values()) == ROUNDS


async def test_a_refund_and_a_dispute_never_pay_the_payer_twice(town: Town) -> None:
    for _ in range(ROUNDS):
        buyer = await town.member()
        card = await town.card(buyer, 3000)
        order = await town.order(buyer, 3000)
        said = await town.said(card)

        refunded, chargeback = await racing(town.refund(order, buyer, 3000), town.opened(said))

        assert refunded is None
        assert await town.has("wallet", buyer) == 0
        assert await town.has("contested", chargeback) == 3000
    await town.check()


async def test_spending_and_a_dispute(town: Town) -> None:
    for _ in range(ROUNDS):
        buyer = await town.member()
        card = await town.card(buyer, 3000)
        said = await town.said(card)

        spent, chargeback = await racing(town.order(buyer, 3000), town.opened(said))

        aside = await town.has("contested", chargeback)
        assert aside == (3000 if isinstance(spent, InsufficientFunds) else 0)
        if isinstance(spent, UUID):
            disputed = "SELECT disputed_at IS NOT NULL FROM money.holds WHERE id = $1"
            assert await town.value(disputed, spent)
    await town.check()


async def test_losing_and_a_refund(town: Town) -> None:
    transit = (await town.house()).get("dispute_transit", 0)
    for _ in range(ROUNDS):
        buyer = await town.member()
        card = await town.card(buyer, 3000)
        order = await town.order(buyer, 3000)
        said = await town.said(card)
        await town.opened(said)

        await racing(town.refund(order, buyer, 3000), lose(town, said))

        assert await town.has("wallet", buyer) == 0
        assert (await town.house()).get("dispute_transit", 0) == transit
    await town.check()


async def test_winning_and_a_refund(town: Town) -> None:
    for _ in range(ROUNDS):
        buyer = await town.member()
        card = await town.card(buyer, 3000)
        order = await town.order(buyer, 3000)
        said = await town.said(card)
        chargeback = await town.opened(said)

        await racing(
            town.run(lambda tx: ledger.refund_part(tx, order, 1000)),  # noqa: B023 - awaited here
            town.won(await town.said_again(said)),
        )

        assert await town.has("wallet", buyer) == 1000
        assert await town.has("contested", chargeback) == 0
    await town.check()


async def test_a_payout_never_overtakes_a_dispute(town: Town) -> None:
    for _ in range(ROUNDS):
        buyer, seller = await town.member(), await town.member()
        card = await town.card(buyer, 3000)
        await town.sold(buyer, seller, 3000)
        withdrawal = await town.withdrawal(seller, 3000)
        said = await town.said(card)

        async def claim(tx: Tx, which: UUID = withdrawal) -> Any:
            return await payouts.claim(tx, which)

        sent, chargeback = await racing(town.database.run(claim), town.opened(said))

        found = await town.has("wallet", seller) + await town.has("contested", chargeback)
        assert found == (0 if sent is not None else 3000)
        state = await town.value("SELECT state FROM money.withdrawals WHERE id = $1", withdrawal)
        assert state == ("sent" if sent is not None else "stopped")
    await town.check()


@pytest.mark.parametrize("verb", ["opened", "lost", "won"])
async def test_twenty_at_once_have_one_effect(town: Town, verb: str) -> None:
    buyer = await town.member()
    card = await town.card(buyer, 3000)
    said = await town.said(card)

    found = await racing(*(getattr(town, verb)(said) for _ in range(20)))

    assert len(set(found)) == 1
    wallet, aside = await town.has("wallet", buyer), await town.has("contested", found[0])
    assert (wallet, aside) == {"opened": (0, 3000), "lost": (0, 0), "won": (3000, 0)}[verb]
    assert len(await town.events(found[0])) == (1 if verb == "opened" else 2)
    await town.check()


async def test_two_disputes_of_one_payment_at_once(town: Town) -> None:
    for _ in range(10):
        buyer = await town.member()
        card = await town.card(buyer, 3000)
        await town.gives(buyer, 2000)
        one, two = await town.said(card, amount=2000), await town.said(card, amount=2000)

        first, second = await racing(town.opened(one), town.opened(two))

        aside = await town.has("contested", first) + await town.has("contested", second)
        assert (await town.has("wallet", buyer), aside) == (2000, 3000)
    await town.check()
