"""A chargeback in each of its ways, to the cent; the invariants hold after each."""

from datetime import timedelta
from uuid import UUID

import pytest

from handsel.foundation.db.uow import Tx
from handsel.money.escrow import reserve
from handsel.money.escrow import service as escrow
from handsel.money.escrow.chargebacks import service as chargebacks
from handsel.money.ledger import service as ledger
from handsel.money.ledger.errors import PaymentDisputed
from handsel.money.ledger.service import Account
from handsel.money.payments.disputes import UnknownCharge
from tests.money.chargebacks.town import FEE, NO_FEE, Town

NET = 3000 - FEE.amount_minor


async def gained(town: Town, before: dict[str, int]) -> dict[str, int]:
    """How the house's accounts changed since then, but for what the provider holds."""
    after = await town.house()
    kinds = sorted((before.keys() | after.keys()) - {"provider_clearing"})
    moved = {kind: after.get(kind, 0) - before.get(kind, 0) for kind in kinds}
    return {kind: amount for kind, amount in moved.items() if amount}


async def balances(town: Town, buyer: UUID, seller: UUID, chargeback: UUID) -> tuple[int, int, int]:
    """Buyer's wallet, seller's wallet, what is set aside."""
    return (
        await town.has("wallet", buyer),
        await town.has("wallet", seller),
        await town.has("contested", chargeback),
    )


async def test_unspent_money_is_set_aside_and_pays(town: Town) -> None:
    buyer = await town.member()
    card = await town.card(buyer, 5000)
    before = await town.house()
    said = await town.said(card)

    chargeback = await town.opened(said)
    aside = await balances(town, buyer, buyer, chargeback)
    await town.lost(await town.said(card, reference=said.reference))

    assert aside == (0, 0, 5000)
    assert await balances(town, buyer, buyer, chargeback) == (0, 0, 0)
    assert await gained(town, before) == {}
    assert await town.events(chargeback) == ["chargeback.opened", "chargeback.lost"]
    await town.check()


async def test_unspent_money_comes_back_restricted_when_it_is_won(town: Town) -> None:
    buyer = await town.member()
    card = await town.card(buyer, 5000)
    before = await town.house()
    said = await town.said(card, fee_minor=1500)

    chargeback = await town.opened(said)
    taken = await gained(town, before)
    await town.won(await town.said(card, reference=said.reference))

    assert taken == {"dispute_transit": -5000, "provider_costs": -1500}
    assert await balances(town, buyer, buyer, chargeback) == (5000, 5000, 0)
    wallet = Account("wallet", buyer, "EUR").id
    restricted = "SELECT restricted FROM money.accounts WHERE id = $1"
    assert await town.value(restricted, wallet) == 5000
    assert await gained(town, before) == {"provider_costs": -1500}
    disputed = "SELECT disputed_at FROM money.top_ups WHERE id = $1"
    assert await town.value(disputed, card.id) is None
    await town.check()


async def test_the_provider_may_give_its_fee_back(town: Town) -> None:
    card = await town.card(await town.member(), 5000)
    before = await town.house()
    said = await town.said(card, fee_minor=1500)

    await town.opened(said)
    await town.won(await town.said(card, reference=said.reference, fee_minor=1500))

    assert await gained(town, before) == {}
    await town.check()


async def test_a_held_order_stops_and_goes_on_when_it_is_won(town: Town) -> None:
    buyer, seller = await town.member(), await town.member()
    card = await town.card(buyer, 5000)
    order = await town.order(buyer, 3000)
    said = await town.said(card)

    chargeback = await town.opened(said)
    aside = await balances(town, buyer, seller, chargeback)
    with pytest.raises(PaymentDisputed):
        await town.release(order, seller, 3000)
    await town.won(await town.said(card, reference=said.reference))
    await town.release(order, seller, 3000)

    assert aside == (0, 0, 2000)
    assert await town.has("wallet", buyer) == 2000
    assert await town.has("pending", order) == 3000
    await town.check()


async def test_what_a_disputed_order_gives_back_is_set_aside_at_once(town: Town) -> None:
    buyer = await town.member()
    card = await town.card(buyer, 5000)
    order = await town.order(buyer, 3000)
    said = await town.said(card)
    chargeback = await town.opened(said)

    await town.run(lambda tx: ledger.refund_part(tx, order, 1000))
    part = await balances(town, buyer, buyer, chargeback)
    await town.refund(order, buyer, 2000)
    whole = await balances(town, buyer, buyer, chargeback)
    await town.won(await town.said(card, reference=said.reference))

    assert part == (0, 0, 3000)
    assert whole == (0, 0, 5000)
    assert await balances(town, buyer, buyer, chargeback) == (5000, 5000, 0)
    await town.check()


async def test_a_held_order_pays_when_it_closes_after_the_loss(town: Town) -> None:
    buyer, seller = await town.member(), await town.member()
    card = await town.card(buyer, 3000)
    await town.gives(buyer, 1000)
    order = await town.order(buyer, 4000)
    before = await town.house()
    said = await town.said(card)

    chargeback = await town.opened(said)
    await town.lost(await town.said(card, reference=said.reference))
    undecided = await gained(town, before)
    with pytest.raises(PaymentDisputed):
        await town.release(order, seller, 4000)
    await town.check()
    await town.refund(order, buyer, 4000)

    assert undecided == {"dispute_transit": -3000}
    assert await gained(town, before) == {}
    assert await balances(town, buyer, seller, chargeback) == (1000, 0, 0)
    assert await town.value("SELECT disputed_at FROM money.holds WHERE id = $1", order) is None
    await town.check()


async def test_a_part_that_went_back_pays_and_the_rest_when_the_order_closes(town: Town) -> None:
    buyer = await town.member()
    card = await town.card(buyer, 3000)
    order = await town.order(buyer, 3000)
    before = await town.house()
    said = await town.said(card)
    await town.opened(said)

    await town.run(lambda tx: ledger.refund_part(tx, order, 1000))
    await town.lost(await town.said_again(said))
    held = await gained(town, before)
    await town.run(lambda tx: ledger.refund_part(tx, order, 500))
    less = await gained(town, before)
    await town.check()
    await town.refund(order, buyer, 1500)

    assert (held, less) == ({"dispute_transit": -2000}, {"dispute_transit": -1500})
    assert await gained(town, before) == {}
    assert await town.has("wallet", buyer) == 0
    await town.check()


async def test_two_payments_of_one_order_are_disputed_apart(town: Town) -> None:
    buyer, seller = await town.member(), await town.member()
    first, second = await town.card(buyer, 1000), await town.card(buyer, 2000)
    order = await town.order(buyer, 3000)
    one, two = await town.said(first), await town.said(second)
    lost, won = await town.opened(one), await town.opened(two)

    await town.run(lambda tx: ledger.refund_part(tx, order, 1500))
    aside = [await town.has("contested", chargeback) for chargeback in (lost, won)]
    await town.won(await town.said_again(two))
    with pytest.raises(PaymentDisputed):
        await town.release(order, seller, 1500)
    await town.lost(await town.said_again(one))
    await town.release(order, seller, 1500)  # the first has been paid out of what went back

    assert sorted(aside) == [500, 1000]
    assert aside[0] == 1000  # the older chargeback first
    assert await town.has("wallet", buyer) == 500
    assert await town.has("pending", order) == 1500
    await town.check()


async def test_waiting_money_is_taken_where_it_waits_and_the_fee_goes_back(town: Town) -> None:
    buyer, seller = await town.member(), await town.member()
    before = await town.house()
    card = await town.card(buyer, 3000)
    order = await town.order(buyer, 3000)
    await town.release(order, seller, 3000, FEE)
    said = await town.said(card)

    await town.opened(said)
    with pytest.raises(PaymentDisputed):
        await town.settle(order, seller, NET)
    stopped = await town.has("pending", order)
    await town.lost(await town.said(card, reference=said.reference))

    assert stopped == NET
    assert await town.has("pending", order) == 0
    assert await town.has("receivable", seller) == 0
    assert await gained(town, before) == {}
    await town.check()


async def test_of_waiting_money_only_the_disputed_part_is_taken(town: Town) -> None:
    buyer, seller = await town.member(), await town.member()
    card = await town.card(buyer, 1000)
    await town.gives(buyer, 2000)
    order = await town.order(buyer, 3000)
    await town.release(order, seller, 3000, FEE)
    before = await town.house()
    said = await town.said(card)

    await town.opened(said)
    await town.lost(await town.said(card, reference=said.reference))
    left = await town.has("pending", order)
    await town.settle(order, seller, NET - 920)

    # Of 1000, 920 came to the seller, 72 to the house and 8 to the fund.
    assert left == NET - 920
    assert await gained(town, before) == {"fee": -72, "protection_fund": -8}
    # The loss has 30 % of what this seller, whom nobody knows, earns from now on kept back.
    assert [await town.has(kind, seller) for kind in ("reserve", "wallet")] == [552, 1288]
    await town.check()


async def test_a_settled_sale_is_borne_by_its_seller_without_the_fee(town: Town) -> None:
    buyer, seller = await town.member(), await town.member()
    before = await town.house()
    card = await town.card(buyer, 3000)
    await town.sold(buyer, seller, 3000, FEE)
    await town.gives(seller, 500)
    said = await town.said(card)

    chargeback = await town.opened(said)
    aside = await balances(town, buyer, seller, chargeback)
    await town.lost(await town.said(card, reference=said.reference))

    assert aside == (0, 500, NET)
    assert await balances(town, buyer, seller, chargeback) == (0, 500, 0)
    assert await gained(town, before) == {"fee": -500}  # what the seller was given out of it
    await town.check()


async def test_the_waterfall_reserve_then_wallet_then_receivable(town: Town) -> None:
    buyer, seller = await town.member(), await town.member()
    card = await town.card(buyer, 3000)
    await with_share(town, seller, 1000)
    order = await town.sold(buyer, seller, 3000)
    await town.spends(seller, 2200)
    before = await town.house()
    said = await town.said(card)

    chargeback = await town.opened(said)
    aside = [await town.has(k, seller) for k in ("reserve", "wallet")]
    contested = await town.has("contested", chargeback)
    await town.lost(await town.said(card, reference=said.reference))

    assert aside == [0, 0]
    assert contested == 800  # 300 kept back and 500 in the wallet
    assert await town.has("receivable", seller) == -2200
    assert await gained(town, before) == {}
    left = "SELECT left_amount FROM money.reserves WHERE order_id = $1"
    assert await town.value(left, order) == 0
    await town.check()


@pytest.mark.parametrize("is_over", [False, True])
async def test_won_gives_the_reserve_back_or_the_wallet_once_its_time_is_over(
    town: Town, is_over: bool
) -> None:
    buyer, seller = await town.member(), await town.member()
    card = await town.card(buyer, 3000)
    await with_share(town, seller, 1000)
    order = await town.sold(buyer, seller, 3000)
    said = await town.said(card, amount=100)

    chargeback = await town.opened(said)
    aside = [await town.has(k, seller) for k in ("reserve", "wallet")]
    if is_over:
        # What the sweep does when the time has come: the rest of the reserve goes to the wallet.
        await town.release_reserves(order)
    await town.won(await town.said(card, amount=100, reference=said.reference))

    assert aside == [200, 2700]
    found = [await town.has(k, seller) for k in ("reserve", "wallet")]
    assert found == ([0, 3000] if is_over else [300, 2700])
    assert await town.has("contested", chargeback) == 0
    await town.check()


async def with_share(town: Town, seller: UUID, bps: int) -> None:
    """From now on a part of this seller's sales is kept back."""
    await town.database.run(
        lambda tx: reserve.set_share(tx, seller, bps, timedelta(days=30), "a test", seller)
    )


async def test_what_the_seller_earns_before_the_loss_pays_too(town: Town) -> None:
    buyer, seller = await town.member(), await town.member()
    card = await town.card(buyer, 3000)
    await town.sold(buyer, seller, 3000)
    await town.spends(seller, 3000)
    said = await town.said(card)

    chargeback = await town.opened(said)
    assert await town.has("contested", chargeback) == 0
    await town.gives(seller, 1200)
    await town.lost(await town.said(card, reference=said.reference))

    assert await town.has("wallet", seller) == 0
    assert await town.has("receivable", seller) == -1800
    await town.check()


@pytest.mark.parametrize(
    ("facts", "owed"),
    [
        ({"confirmed": True, "delivered": True}, 0),
        ({"confirmed": True, "delivered": False}, -3000),
        ({"confirmed": False, "delivered": True}, -3000),
    ],
)
async def test_the_fund_bears_what_a_blameless_seller_cannot(
    town: Town, facts: dict[str, bool], owed: int
) -> None:
    buyer, seller = await town.member(), await town.member()
    card = await town.card(buyer, 3000)
    order = await town.sold(buyer, seller, 3000)
    await town.spends(seller, 3000)
    fund = (await town.house()).get("protection_fund", 0)
    await town.fill_fund(1000 - fund)
    before = await town.house()
    said = await town.said(card)

    chargeback = await town.opened(said)
    await town.database.run(lambda tx: chargebacks.attach(tx, chargeback, order, seller, facts))
    await town.lost(await town.said(card, reference=said.reference))

    assert await town.has("receivable", seller) == owed
    # The fund reaches for 10.00; the rest is lost.
    expected = {} if owed else {"protection_fund": -1000, "losses": -2000}
    assert await gained(town, before) == expected
    await town.check()


async def test_money_spent_otherwise_is_the_payers_to_bear(town: Town) -> None:
    buyer = await town.member()
    card = await town.card(buyer, 3000)
    await town.spends(buyer, 3000)
    await town.gives(buyer, 400)
    said = await town.said(card)

    chargeback = await town.opened(said)
    aside = await balances(town, buyer, buyer, chargeback)
    await town.lost(await town.said(card, reference=said.reference))

    assert aside == (0, 0, 400)
    assert await town.has("receivable", buyer) == -2600
    await town.check()


async def test_what_is_left_and_what_is_spent_are_not_the_same_money(town: Town) -> None:
    buyer = await town.member()
    card = await town.card(buyer, 3000)
    await town.spends(buyer, 1000)
    said = await town.said(card)

    chargeback = await town.opened(said)
    aside = await balances(town, buyer, buyer, chargeback)
    await town.lost(await town.said_again(said))

    assert aside == (0, 0, 2000)
    assert await town.has("receivable", buyer) == -1000
    await town.check()


async def test_the_wallet_goes_before_the_newest_order(town: Town) -> None:
    buyer, seller = await town.member(), await town.member()
    card = await town.card(buyer, 5000)
    sold = await town.sold(buyer, seller, 1000)
    held = await town.order(buyer, 1000)
    said = await town.said(card, amount=4500)

    chargeback = await town.opened(said)

    parts = (
        "SELECT array_agg(concat_ws(' ', place, amount, hold_id) ORDER BY id)"
        " FROM money.chargeback_parts WHERE chargeback_id = $1"
    )
    assert await town.value(parts, chargeback) == [
        "wallet 3000",
        f"hold 1000 {held}",
        f"hold 500 {sold}",
    ]


async def test_a_part_takes_the_payers_own_money_first(town: Town) -> None:
    buyer, seller = await town.member(), await town.member()
    card = await town.card(buyer, 5000)
    order = await town.order(buyer, 3000)
    said = await town.said(card, amount=2000)

    chargeback = await town.opened(said)
    await town.release(order, seller, 3000)  # nothing of it is disputed
    await town.lost(await town.said(card, amount=2000, reference=said.reference))

    assert await balances(town, buyer, seller, chargeback) == (0, 0, 0)
    assert await town.has("pending", order) == 3000
    await town.check()


async def test_two_disputes_of_one_payment_never_take_it_twice(town: Town) -> None:
    buyer = await town.member()
    card = await town.card(buyer, 5000)
    await town.card(buyer, 1000)
    before = await town.house()
    first, second = await town.said(card, amount=3000), await town.said(card, amount=3000)

    await town.opened(first)
    beyond = await town.opened(second)
    aside = await town.has("wallet", buyer), await town.has("contested", beyond)
    await town.lost(await town.said(card, amount=3000, reference=first.reference))
    await town.lost(await town.said(card, amount=3000, reference=second.reference))

    assert aside == (1000, 2000)
    assert await town.has("wallet", buyer) == 1000
    assert await gained(town, before) == {"losses": -1000}
    assert await town.alerts(second.reference) == ["chargeback_beyond_payment"]
    await town.check()


async def test_what_went_back_to_the_card_is_not_taken_again(town: Town) -> None:
    buyer = await town.member()
    card = await town.card(buyer, 5000)
    await town.card_refund(card, 2000)
    before = await town.house()
    said = await town.said(card)

    chargeback = await town.opened(said)
    aside = await balances(town, buyer, buyer, chargeback)
    await town.lost(await town.said(card, reference=said.reference))

    assert aside == (0, 0, 3000)
    assert await gained(town, before) == {"losses": -2000}
    assert await town.alerts(said.reference) == ["chargeback_beyond_payment"]
    await town.check()


async def test_won_and_taken_again_and_lost(town: Town) -> None:
    buyer, seller = await town.member(), await town.member()
    before = await town.house()
    card = await town.card(buyer, 3000)
    order = await town.order(buyer, 3000)
    said = await town.said(card)
    chargeback = await town.opened(said)
    await town.won(await town.said(card, reference=said.reference))
    await town.release(order, seller, 3000, FEE)
    await town.settle(order, seller, NET)

    again = await town.opened(await town.said(card, reference=said.reference))
    aside = await balances(town, buyer, seller, chargeback)
    await town.lost(await town.said(card, reference=said.reference))

    assert again == chargeback
    assert aside == (0, 0, NET)
    assert await gained(town, before) == {}
    assert await town.steps(chargeback) == [
        "1 opened", "1 won", "2 opened_again", "2 lost",
    ]  # fmt: skip
    await town.check()


async def test_lost_after_won_opens_the_next_round_by_itself(town: Town) -> None:
    buyer = await town.member()
    card = await town.card(buyer, 3000)
    said = await town.said(card)
    chargeback = await town.opened(said)
    await town.won(await town.said(card, reference=said.reference))

    await town.lost(await town.said(card, reference=said.reference))

    assert await balances(town, buyer, buyer, chargeback) == (0, 0, 0)
    row = "SELECT round || state FROM money.chargebacks WHERE id = $1"
    assert await town.value(row, chargeback) == "2lost"
    await town.check()


@pytest.mark.parametrize("end", ["lost", "won"])
async def test_every_word_counts_once_in_any_order(town: Town, end: str) -> None:
    buyer = await town.member()
    card = await town.card(buyer, 3000)
    opening = await town.said(card)
    ending = await town.said(card, reference=opening.reference)
    decide = town.lost if end == "lost" else town.won

    chargeback = await decide(ending)
    for _ in range(2):
        await town.opened(opening)
        await decide(ending)

    assert await town.has("wallet", buyer) == (0 if end == "lost" else 3000)
    assert await town.events(chargeback) == ["chargeback.opened", f"chargeback.{end}"]
    await town.check()


async def test_an_old_word_of_the_first_round_ends_no_second_one(town: Town) -> None:
    buyer = await town.member()
    card = await town.card(buyer, 3000)
    said = await town.said(card)
    await town.opened(said)
    first_end = await town.said(card, reference=said.reference)
    await town.won(first_end)
    chargeback = await town.opened(await town.said(card, reference=said.reference))

    await town.won(first_end)

    assert await balances(town, buyer, buyer, chargeback) == (0, 0, 3000)
    await town.check()


async def test_won_after_it_was_lost_moves_nothing_and_raises_an_alert(town: Town) -> None:
    buyer = await town.member()
    card = await town.card(buyer, 3000)
    said = await town.said(card)
    await town.lost(said)
    before = await town.value("SELECT count(*) FROM money.transfers")

    await town.won(await town.said(card, reference=said.reference))

    assert await town.value("SELECT count(*) FROM money.transfers") == before
    assert await town.alerts(said.reference) == ["chargeback_won_after_lost"]


async def test_an_unknown_charge_moves_nothing(town: Town) -> None:
    card = await town.card(await town.member(), 3000)
    before = await town.value("SELECT count(*) FROM money.transfers")
    said = await town.said(card)
    strange = type(said)(
        **{**{f: getattr(said, f) for f in said.__slots__}, "charge_reference": "ch_x"}
    )

    with pytest.raises(UnknownCharge):
        await town.opened(strange)

    assert await town.value("SELECT count(*) FROM money.transfers") == before


async def test_a_payout_that_was_not_sent_comes_back_first(town: Town) -> None:
    buyer, seller = await town.member(), await town.member()
    card = await town.card(buyer, 3000)
    await town.sold(buyer, seller, 3000)
    withdrawal = await town.withdrawal(seller, 2500)
    said = await town.said(card)

    chargeback = await town.opened(said)

    assert await balances(town, buyer, seller, chargeback) == (0, 0, 3000)
    state = "SELECT state || ' ' || failure FROM money.withdrawals WHERE id = $1"
    assert await town.value(state, withdrawal) == "stopped payment_disputed"
    await town.check()


async def test_a_sent_payout_is_not_touched(town: Town) -> None:
    buyer, seller = await town.member(), await town.member()
    card = await town.card(buyer, 3000)
    await town.sold(buyer, seller, 3000)
    withdrawal = await town.withdrawal(seller, 2500, state="sent")
    said = await town.said(card)

    chargeback = await town.opened(said)

    assert await balances(town, buyer, seller, chargeback) == (0, 0, 500)
    assert (
        await town.value("SELECT state FROM money.withdrawals WHERE id = $1", withdrawal) == "sent"
    )


async def test_old_debts_go_to_the_fund_as_far_as_it_reaches(town: Town) -> None:
    buyer, seller = await town.member(), await town.member()
    card = await town.card(buyer, 3000)
    await town.sold(buyer, seller, 3000)
    await town.spends(seller, 3000)
    await town.lost(await town.said(card))
    young = await town.write_off(seller)
    await town.move_clock(timedelta(days=91))
    await town.fill_fund(700 - (await town.house()).get("protection_fund", 0))
    # A later sale pays debts, the oldest first, and is charged back itself; so is a repayment.
    other = await town.card(await town.member(), 500)
    await town.sold(other.payer, seller, 500)
    await town.lost(await town.said(other))
    await town.repay(seller, 500)
    before = await town.house()

    written = await town.write_off(seller), await town.write_off(seller)

    assert young == 0
    assert written == (2000, 0)
    assert await town.has("receivable", seller) == -500
    assert await gained(town, before) == {"protection_fund": -700, "losses": -1300}
    await town.check()


async def test_escrow_knows_what_waits(town: Town) -> None:
    buyer, seller = await town.member(), await town.member()
    await town.card(buyer, 3000)
    order = await town.order(buyer, 3000)
    await town.release(order, seller, 3000, NO_FEE)

    async def read(tx: Tx) -> int:
        return await escrow.pending(tx, order)

    assert await town.database.run(read) == 3000
