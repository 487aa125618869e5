"""How somebody was paid twice by a chargeback, or others lost by it, before it was seen."""

import asyncio
from datetime import timedelta
from uuid import UUID

import pytest

from handsel.foundation.core.errors import Problem
from handsel.foundation.db.uow import Tx
from handsel.foundation.http.principal import Principal
from handsel.money.escrow import reserve
from handsel.money.escrow.chargebacks import service as chargebacks
from handsel.money.ledger.errors import InsufficientFunds
from handsel.money.ledger.service import Account
from handsel.money.payments import card_returns, payout_rules
from tests.money.chargebacks.town import Town


async def purse(town: Town, member: UUID) -> tuple[int, int]:
    """What is in a wallet, and how much of it is card money."""
    wallet = Account("wallet", member, "EUR").id
    sql = "SELECT ARRAY[balance, restricted] FROM money.accounts WHERE id = $1"
    balance, restricted = await town.value(sql, wallet)
    return balance, restricted


async def withdrawable(town: Town, member: UUID) -> int:
    found = await town.database.run(lambda tx: payout_rules.lock_wallet(tx, member, "EUR"))
    return found.withdrawable


@pytest.mark.parametrize("payer_comes_first", [True, False])
async def test_what_comes_back_is_what_it_was(town: Town, payer_comes_first: bool) -> None:
    first, second = sorted([await town.member(), await town.member()])
    payer, seller = (first, second) if payer_comes_first else (second, first)
    card = await town.card(payer, 20_000)
    await town.card(seller, 500)
    await town.sold(payer, seller, 10_000)
    await town.spends(seller, 100)
    said = await town.said(card)

    await town.opened(said)
    aside = await purse(town, payer), await purse(town, seller)
    await town.won(await town.said_again(said))

    assert aside == ((0, 0), (400, 400))
    assert await purse(town, payer) == (10_000, 10_000)
    assert await purse(town, seller) == (10_400, 500)
    await town.check()


async def test_a_second_round_gives_back_only_what_it_took(town: Town) -> None:
    payer, seller = await town.member(), await town.member()
    card = await town.card(payer, 3000)
    await town.database.run(
        lambda tx: reserve.set_share(tx, seller, 1000, timedelta(days=30), "a test", seller)
    )
    order = await town.sold(payer, seller, 3000)
    said = await town.said(card, 100)
    chargeback = await town.opened(said)
    await town.release_reserves(order)
    await town.won(await town.said_again(said))  # the reserve's part goes to the wallet
    await town.spends(seller, 3000)

    await town.opened(await town.said_again(said))
    aside = await town.has("contested", chargeback)
    await town.won(await town.said_again(said))

    assert aside == 0
    assert await purse(town, seller) == (0, 0)
    await town.check()


async def test_a_seller_keeps_card_money_and_not_the_disputed_earnings(town: Town) -> None:
    buyer, seller = await town.member(), await town.member()
    await town.card(seller, 10_000)
    card = await town.card(buyer, 10_000)
    await town.sold(buyer, seller, 10_000)
    said = await town.said(card)

    await town.opened(said)
    while_it_runs = await withdrawable(town, seller), await purse(town, seller)
    await town.lost(await town.said_again(said))

    assert while_it_runs == (0, (10_000, 10_000))
    assert await purse(town, seller) == (10_000, 10_000)
    await town.check()


async def test_of_card_money_no_more_is_taken_than_free_money_lacks(town: Town) -> None:
    buyer, seller = await town.member(), await town.member()
    await town.card(seller, 10_000)
    card = await town.card(buyer, 10_000)
    await town.sold(buyer, seller, 6000)
    await town.sold(buyer, seller, 4000)
    await town.gives(seller, 500)
    withdrawal = await town.withdrawal(seller, 5500, "sent")
    said = await town.said(card)

    await town.opened(said)
    aside = await purse(town, seller)
    await town.won(await town.said_again(said))

    assert withdrawal is not None
    assert aside == (5000, 5000)
    assert await purse(town, seller) == (15_000, 10_000)
    await town.check()


@pytest.mark.parametrize("is_lost_before", [False, True])
async def test_a_card_refund_that_fails_late_pays_nobody_twice(
    town: Town, is_lost_before: bool
) -> None:
    payer, friend = await town.member(), await town.member()
    card = await town.card(payer, 10_000)
    before = await town.house()
    await town.card_refund(card, 10_000)
    refund = await town.value("SELECT id FROM money.card_refunds WHERE top_up_id = $1", card.id)
    said = await town.said(card)
    chargeback = await town.opened(said)
    if is_lost_before:
        await town.lost(await town.said_again(said))

    await town.database.run(lambda tx: card_returns.book_failed(tx, refund, "card_closed", None))
    aside = await town.has("contested", chargeback)
    with pytest.raises(InsufficientFunds):
        await town.sold(payer, friend, 10_000)
    await town.check()
    await town.lost(await town.said_again(said))

    assert aside == (0 if is_lost_before else 10_000)
    assert await purse(town, payer) == (0, 0)
    # The provider took 100.00 and holds none of it; nothing is lost.
    after = await town.house()
    assert after.get("losses", 0) == before.get("losses", 0)
    assert after["provider_clearing"] == before["provider_clearing"] + 10_000
    await town.check()


async def test_a_card_refund_that_fails_is_the_payers_again_when_it_is_won(town: Town) -> None:
    payer = await town.member()
    card = await town.card(payer, 10_000)
    await town.card_refund(card, 4000)
    refund = await town.value("SELECT id FROM money.card_refunds WHERE top_up_id = $1", card.id)
    said = await town.said(card)
    await town.opened(said)

    await town.database.run(lambda tx: card_returns.book_failed(tx, refund, "card_closed", None))
    aside = await purse(town, payer)
    await town.check()
    await town.won(await town.said_again(said))

    assert aside == (0, 0)
    assert await purse(town, payer) == (10_000, 10_000)
    await town.check()


async def test_a_debt_is_paid_by_what_is_there_before_it_is_written_off(town: Town) -> None:
    buyer, seller = await town.member(), await town.member()
    card = await town.card(buyer, 10_000)
    await town.sold(buyer, seller, 10_000)
    parked = await town.order(seller, 10_000)
    await town.lost(await town.said(card))
    await town.refund(parked, seller, 7000 + 3000)
    await town.spends(seller, 2000)
    await town.card(seller, 500)
    await town.move_clock(timedelta(days=91))
    before = await town.house()

    written = await town.write_off(seller)

    assert written == 2000
    assert await town.has("receivable", seller) == 0
    assert await purse(town, seller) == (500, 500)
    after = await town.house()
    lost = [after.get(k, 0) - before.get(k, 0) for k in ("protection_fund", "losses")]
    assert sum(lost) == -2000
    await town.check()


async def test_what_came_back_covers_no_other_part(town: Town) -> None:
    payer = await town.member()
    card = await town.card(payer, 20_000)
    order = await town.order(payer, 10_000)
    await town.spends(payer, 10_000)
    await town.opened(await town.said(card))
    await town.refund(order, payer, 10_000)

    await town.gives(payer, 10_000)
    found = await town.database.run(lambda tx: payout_rules.lock_wallet(tx, payer, "EUR"))

    assert (found.withdrawable, found.uncovered) == (0, 10_000)


async def test_two_partial_disputes_claim_no_sale_twice(town: Town) -> None:
    payer, one, two = [await town.member() for _ in range(3)]
    card = await town.card(payer, 10_000)
    await town.sold(payer, one, 6000)
    await town.sold(payer, two, 4000)
    first, second = await town.said(card, 5000), await town.said(card, 5000)

    await town.opened(first)
    await town.opened(second)
    await town.lost(await town.said_again(first))
    await town.lost(await town.said_again(second))

    assert [await town.has("wallet", seller) for seller in (one, two)] == [0, 0]
    assert [await town.has("receivable", who) for who in (payer, one, two)] == [0, 0, 0]
    await town.check()


async def test_two_partial_disputes_of_orders_that_went_back(town: Town) -> None:
    payer = await town.member()
    card = await town.card(payer, 10_000)
    orders = {await town.order(payer, amount): amount for amount in (6000, 4000)}
    before = await town.house()
    first, second = await town.said(card, 4000), await town.said(card, 4000)
    await town.opened(first)
    await town.opened(second)

    for order, amount in orders.items():
        await town.refund(order, payer, amount)
    await town.lost(await town.said_again(first))
    await town.lost(await town.said_again(second))

    assert await purse(town, payer) == (2000, 2000)
    assert (await town.house())["provider_clearing"] == before["provider_clearing"] + 8000
    await town.check()


async def test_two_losses_at_once_never_overdraw_the_fund(town: Town) -> None:
    await town.fill_fund(1000 - (await town.house()).get("protection_fund", 0))
    facts = {"confirmed": True, "delivered": True}
    ends = []
    for _ in range(2):
        payer, seller = await town.member(), await town.member()
        card = await town.card(payer, 3000)
        order = await town.sold(payer, seller, 3000)
        await town.spends(seller, 3000)
        said = await town.said(card)
        chargeback = await town.opened(said)

        async def attach(
            tx: Tx, cb: UUID = chargeback, at: UUID = order, by: UUID = seller
        ) -> None:
            await chargebacks.attach(tx, cb, at, by, facts)

        await town.database.run(attach)
        ends.append(await town.said_again(said))

    async with town.database.transaction() as tx:
        await chargebacks.lost(tx, ends[0])
        other = asyncio.create_task(town.lost(ends[1]))
        await asyncio.wait({other}, timeout=1)
        overtook = other.done()
    await other

    assert not overtook
    assert (await town.house()).get("protection_fund", 0) == 0
    await town.check()


async def test_the_first_of_two_sellers_gives_up_nothing_of_the_other(town: Town) -> None:
    """The other order is held, and whose it is a job has to say."""
    payer, seller = await town.member(), await town.member()
    card = await town.card(payer, 6000)
    await town.sold(payer, seller, 3000)
    await town.order(payer, 3000)
    chargeback = await town.opened(await town.said(card))

    with pytest.raises(Problem) as refused:
        await give_up(town, seller, chargeback)

    assert refused.value.code == "not_yours_alone"
    given_up = "SELECT accepted_at FROM money.chargebacks WHERE id = $1"
    assert await town.value(given_up, chargeback) is None


async def test_after_giving_up_there_is_nothing_to_say(town: Town) -> None:
    payer, seller = await town.member(), await town.member()
    card = await town.card(payer, 3000)
    await town.sold(payer, seller, 3000)
    chargeback = await town.opened(await town.said(card))
    await give_up(town, seller, chargeback)

    with pytest.raises(Problem) as refused:
        await town.database.run(
            lambda tx: chargebacks.give_evidence(tx, principal(seller), chargeback, "It was fine")
        )

    assert refused.value.code == "chargeback_decided"
    assert await town.value("SELECT count(*) FROM money.chargeback_evidence") == 0


def principal(member: UUID) -> Principal:
    return Principal(member, member, "somebody")


async def give_up(town: Town, seller: UUID, chargeback: UUID) -> None:
    await town.database.run(lambda tx: chargebacks.accept(tx, principal(seller), chargeback))
