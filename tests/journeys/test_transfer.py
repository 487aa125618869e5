"""Every end of an `instant_transfer` over HTTP: wallets, timeline and what may be done with a gift.

The giver has 100.00 EUR that came by card and is at T1: a payment may be taken back for a day.
"""

from collections.abc import AsyncIterator
from datetime import timedelta
from typing import Any

import pytest

from tests.factories.members import PASSWORD
from tests.journeys.deals import DAY, HOUR, INITIATE, START, UNTOUCHED, body_of, told
from tests.journeys.gifts import GIFT, opened, paid
from tests.journeys.story import Story
from tests.journeys.test_chargebacks import decided, dispute

HELD = ((START - GIFT, 0, GIFT), (0, 0, 0))
GIVEN = ((START - GIFT, 0, 0), (GIFT, 0, 0))
FUND = ("fund", "customer", {"escrow": GIFT})


@pytest.fixture(scope="module", autouse=True)
async def _nothing_is_broken(story: Story) -> AsyncIterator[None]:
    """After every ending of this module the invariants hold."""
    yield
    await story.check()


async def test_a_gift_arrives_by_itself(story: Story) -> None:
    deal = await paid(story, await opened(story))
    await story.drain()
    assert await deal.wallets() == HELD
    assert await told(deal.seller) == ["order_moved"]

    await story.pass_time(24 * HOUR)

    assert await deal.state() == "arrived"
    assert await deal.wallets() == GIVEN
    assert await deal.timeline() == [INITIATE, FUND, ("arrive", "system", {"provider": GIFT})]
    assert (await deal.buyer.get(f"/v1/orders/{deal.id}"))["hold_period_s"] == 0
    assert "€20.00 from" in await body_of(deal.seller, "order_moved")


async def test_a_stranger_waits_a_day_the_first_time(story: Story) -> None:
    order = (await opened(story)).order

    assert (order["process"], order["state"]) == ("instant_transfer@1", "pending_payment")
    assert order["terms"]["relation"] == "stranger"
    assert order["terms"]["durations"] == {"revocable_for": 86_400}
    assert order["terms"]["fee"]["amount_minor"] == 0
    assert order["amount"] == {"amount_minor": GIFT, "currency": "EUR"}
    assert order["confirmation_required"] is True


async def test_card_money_that_was_given_is_still_card_money(story: Story) -> None:
    deal = await paid(story, await opened(story))
    await story.pass_time(24 * HOUR)
    method = {"token": "bank_ok", "label": "My bank", "password": PASSWORD}
    bank = await deal.seller.made("/v1/payout-methods", method)
    amount = {"amount_minor": GIFT, "currency": "EUR"}

    problem = await deal.seller.refused(
        "/v1/wallet/withdrawals", {"amount": amount, "payout_method": bank["id"]}, 409
    )

    assert problem["code"] == "not_withdrawable"
    assert await deal.wallets() == GIVEN
    spent = await story.funded(deal.seller, await story.listing(await story.person("seller"), GIFT))
    assert spent["state"] == "funded"
    assert await deal.seller.available() == (0, 0, GIFT)


async def test_a_gift_is_taken_back_whole(story: Story) -> None:
    deal = await paid(story, await opened(story))

    await deal.buyer.move(deal.id, "revoke")

    assert await deal.state() == "revoked"
    assert await deal.wallets() == UNTOUCHED
    assert (await deal.timeline())[2:] == [("revoke", "customer", {"customer": GIFT})]


async def test_until_it_arrives_and_not_after(story: Story) -> None:
    deal = await paid(story, await opened(story))
    assert deal.order["revocable_until"] == deal.order["next_deadline"]["due_at"]
    await story.move_clock(24 * HOUR)

    problem = await deal.buyer.refused(f"/v1/orders/{deal.id}/transitions", {"name": "revoke"}, 409)

    assert problem["code"] == "deadline_passed"
    assert await deal.wallets() == HELD


async def test_nobody_has_to_take_a_gift(story: Story) -> None:
    deal = await paid(story, await opened(story))

    await deal.seller.move(deal.id, "decline")
    await story.drain()

    assert await deal.state() == "returned"
    assert await deal.wallets() == UNTOUCHED
    assert (await deal.timeline())[2:] == [("decline", "provider", {"customer": GIFT})]
    assert await told(deal.buyer) == ["order_moved"]


@pytest.mark.parametrize("name", ["abandon", None], ids=["abandoned", "forgotten"])
async def test_a_transfer_that_nobody_funds_closes(story: Story, name: str | None) -> None:
    deal = await opened(story)

    if name:
        await deal.buyer.move(deal.id, name)
    else:
        await story.pass_time(timedelta(minutes=15))

    assert await deal.state() == "payment_expired"
    assert await deal.wallets() == UNTOUCHED


async def test_the_bank_takes_back_a_gift_that_is_under_way(story: Story) -> None:
    deal = await paid(story, await opened(story))
    word = await dispute(story, deal)

    await story.pass_time(2 * DAY)
    waiting = await deal.state(), await deal.wallets()
    await decided(story, word, "lost")

    assert waiting == ("sent", ((0, 0, GIFT), (0, 0, 0)))
    assert await deal.state() == "charged_back"
    assert await deal.wallets() == ((0, 0, 0), (0, 0, 0))
    assert (await deal.timeline())[2:] == [("charge_back", "system", {"customer": GIFT})]


async def test_it_arrives_when_the_bank_has_lost(story: Story) -> None:
    deal = await paid(story, await opened(story))
    word = await dispute(story, deal)
    await story.pass_time(2 * DAY)

    await decided(story, word, "won")
    await story.pass_time(timedelta(seconds=1))

    assert await deal.state() == "arrived"
    assert await deal.wallets() == GIVEN


async def test_the_bank_takes_back_a_gift_that_has_arrived(story: Story) -> None:
    deal = await paid(story, await opened(story))
    await story.pass_time(24 * HOUR)

    word = await dispute(story, deal)
    aside = await deal.wallets()
    await decided(story, word, "lost")

    assert aside == ((0, 0, 0), (0, 0, 0))
    assert await deal.state() == "arrived"
    assert await deal.wallets() == ((0, 0, 0), (0, 0, 0))


@pytest.mark.parametrize(
    ("change", "status", "code"),
    [
        pytest.param({"to": "me"}, 409, "with_oneself", id="to oneself"),
        pytest.param({"to": "nobody-of-this-name"}, 404, "not_found", id="to nobody"),
        pytest.param({"to": "mem_" + "0" * 32}, 404, "not_found", id="to nobody's id"),
        pytest.param(
            {"amount": {"amount_minor": 60, "currency": "MIN"}},
            403,
            "currency_not_supported",
            id="hours",
        ),
        pytest.param(
            {"amount": {"amount_minor": 0, "currency": "EUR"}}, 422, "invalid_amount", id="nothing"
        ),
    ],
)
async def test_what_is_not_sent(
    story: Story, change: dict[str, Any], status: int, code: str
) -> None:
    me, you = await story.person("me"), await story.person("you")
    body = {"to": you.handle, "amount": {"amount_minor": GIFT, "currency": "EUR"}} | change
    if body["to"] == "me":
        body["to"] = me.id

    problem = await me.refused("/v1/transfers", body, status)

    assert problem["code"] == code
    assert (await me.get("/v1/transfers"))["items"] == []


async def test_both_sides_find_their_transfers_and_nobody_else(story: Story) -> None:
    deal = await opened(story)
    other = await story.person("other")

    pages = [await who.get("/v1/transfers") for who in (deal.buyer, deal.seller, other)]

    assert [[item["id"] for item in page["items"]] for page in pages] == [[deal.id], [deal.id], []]
    assert [page["items"][0]["your_role"] for page in pages[:2]] == ["customer", "provider"]
