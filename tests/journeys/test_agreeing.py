"""What the two agree on while the money is held: changes, a split, another price or time."""

from typing import Any

import pytest

from handsel.foundation.core.ids import decode
from tests.factories.members import PASSWORD
from tests.journeys.deals import DAY, HOUR, PRICE, START, Deal, brought_to, heard
from tests.journeys.story import Story

_DONE = "Two hours on derivatives"
_WISH = "The last page is missing"


async def _refused(deal: Deal, who: str, status: int, name: str, **more: Any) -> str:
    member = deal.buyer if who == "buyer" else deal.seller
    path = f"/v1/orders/{deal.id}/transitions"
    return str((await member.refused(path, {"name": name, **more}, status))["code"])


async def _proposal(deal: Deal) -> str:
    """The id of the newest proposal."""
    return str((await deal.buyer.get(f"/v1/orders/{deal.id}/proposals"))[0]["id"])


async def test_changes_are_asked_for_twice_and_no_more(story: Story) -> None:
    deal = await brought_to(story, "accept", "deliver")

    for _ in range(2):
        await deal.buyer.move(deal.id, "request_changes", note=_WISH)
        await deal.seller.move(deal.id, "deliver_changes", note=_DONE)
    code = await _refused(deal, "buyer", 409, "request_changes", note=_WISH)
    await deal.buyer.move(deal.id, "approve")
    await story.drain()

    assert code == "too_many_rounds"
    assert await deal.state() == "completed"
    # Who keeps to a time is told by the first delivery alone.
    assert (await heard(story, deal))["seller"] == ["delivered_on_time", "order_funded"]


async def test_changes_that_never_come_give_all_back(story: Story) -> None:
    deal = await brought_to(story, "accept", "deliver")

    await deal.buyer.move(deal.id, "request_changes", note=_WISH)
    await story.pass_time(7 * DAY)

    assert await deal.state() == "cancelled"
    assert (await deal.timeline())[-1] == ("drop_changes", "system", {"customer": PRICE})


@pytest.mark.parametrize("part", [0, 1, 1000, PRICE])
async def test_a_split_is_what_both_agreed(story: Story, part: int) -> None:
    deal = await brought_to(story, "accept")

    unnamed = await _refused(deal, "buyer", 422, "accept_split")
    await deal.seller.move(deal.id, "propose_split", customer_minor=part, note="We part here")
    named = await _proposal(deal)
    own = await _refused(deal, "seller", 409, "accept_split", proposal=named)
    await deal.buyer.move(deal.id, "accept_split", proposal=named)
    await story.pass_time(14 * DAY)

    assert (unnamed, own) == ("proposal_missing", "nothing_proposed")
    assert await deal.state() == "closed"
    assert await deal.wallets() == ((START - PRICE + part, 0, 0), (PRICE - part, 0, 0))


async def test_a_split_must_fit_and_stands_for_two_days(story: Story) -> None:
    deal = await brought_to(story, "accept")

    missing = await _refused(deal, "buyer", 422, "propose_split")
    large = await _refused(deal, "buyer", 409, "propose_split", customer_minor=PRICE + 1)
    await deal.buyer.move(deal.id, "propose_split", customer_minor=2000)
    named = await _proposal(deal)
    await deal.seller.move(deal.id, "refund_part", amount_minor=1500)
    outgrown = await _refused(deal, "seller", 409, "accept_split", proposal=named)
    await deal.buyer.move(deal.id, "propose_split", customer_minor=1000)
    named = await _proposal(deal)
    await story.move_clock(48 * HOUR)
    over = await _refused(deal, "seller", 409, "accept_split", proposal=named)

    assert (missing, large) == ("split_missing", "split_too_large")
    assert (outgrown, over) == ("nothing_proposed", "nothing_proposed")
    assert await deal.wallets() == ((START - PRICE + 1500, 0, PRICE - 1500), (0, 0, 0))


async def test_a_lower_price_goes_back_at_once(story: Story) -> None:
    deal = await brought_to(story, "accept")

    await deal.buyer.move(deal.id, "propose_change", amount_minor=2000, note="One hour is enough")
    await deal.seller.move(deal.id, "accept_change", proposal=await _proposal(deal))
    await story.drain()

    assert await deal.state() == "accepted"
    assert await deal.wallets() == ((START - 2000, 0, 2000), (0, 0, 0))
    assert await deal.seller.get(f"/v1/orders/{deal.id}/proposals") == []


async def test_a_higher_price_is_confirmed_like_a_payment(story: Story) -> None:
    deal = await brought_to(story, "accept")
    before = (await deal.buyer.get(f"/v1/orders/{deal.id}"))["terms_hash"]

    await deal.seller.move(deal.id, "propose_change", amount_minor=PRICE + 501, note="Two hours")
    named = await _proposal(deal)
    unconfirmed = await _refused(deal, "buyer", 403, "accept_change", proposal=named)
    confirmed = await deal.buyer.made(
        "/v1/confirmations",
        {
            "payee_id": deal.seller.id,
            "amount": {"amount_minor": 501, "currency": "EUR"},
            "terms_hash": before,
            "password": PASSWORD,
        },
    )
    moved = await deal.buyer.move(
        deal.id, "accept_change", proposal=named, confirmation=confirmed["token"]
    )

    assert unconfirmed == "confirmation_required"
    assert moved["amount"]["amount_minor"] == PRICE + 501
    assert moved["terms_hash"] != before
    assert await deal.wallets() == ((START - PRICE - 501, 0, PRICE + 501), (0, 0, 0))
    await deal.seller.move(deal.id, "deliver", note=_DONE)
    await deal.buyer.move(deal.id, "approve")
    await story.pass_time(14 * DAY)
    assert await deal.wallets() == ((START - PRICE - 501, 0, 0), (PRICE + 501, 0, 0))


async def test_only_the_seller_asks_for_more(story: Story) -> None:
    deal = await brought_to(story, "accept")

    more = await _refused(deal, "buyer", 409, "propose_change", amount_minor=PRICE + 1)
    nothing = await _refused(deal, "seller", 422, "propose_change", note="Something")
    late = (await story.now() + 61 * DAY).isoformat()
    too_late = await _refused(deal, "seller", 422, "propose_change", due_at=late)

    assert (more, nothing, too_late) == ("price_is_the_providers", "change_missing", "due_too_late")


async def test_another_time_moves_the_deadline(story: Story) -> None:
    starts_at = (await story.now() + 2 * DAY).isoformat()
    deal = await brought_to(story, "accept", starts_at=starts_at)
    later = await story.now() + 9 * DAY

    await deal.buyer.move(deal.id, "propose_change", due_at=later.isoformat())
    moved = await deal.seller.move(deal.id, "accept_change", proposal=await _proposal(deal))
    await story.pass_time(11 * DAY)

    assert moved["terms"]["starts_at"] == moved["terms"]["due_at"]
    assert moved["next_deadline"]["transition"] == "auto_cancel"
    assert await deal.state() == "accepted"
    await story.pass_time(1 * DAY)
    assert await deal.state() == "cancelled"


async def test_a_seller_can_end_it_at_any_time_before_delivery(story: Story) -> None:
    deal = await brought_to(story, "accept")

    await deal.seller.move(deal.id, "withdraw")

    assert await deal.state() == "cancelled"
    assert await deal.wallets() == ((START, 0, 0), (0, 0, 0))


async def test_what_was_put_in_its_place_is_not_accepted(story: Story) -> None:
    deal = await brought_to(story, "accept")
    await deal.seller.move(deal.id, "propose_split", customer_minor=PRICE)
    seen = await _proposal(deal)

    await deal.seller.move(deal.id, "propose_split", customer_minor=0)
    code = await _refused(deal, "buyer", 409, "accept_split", proposal=seen)

    assert code == "nothing_proposed"
    assert await deal.wallets() == ((START - PRICE, 0, PRICE), (0, 0, 0))


async def test_a_seller_does_not_take_back_what_was_given_back(story: Story) -> None:
    deal = await brought_to(story, "accept")
    later = (await story.now() + 9 * DAY).isoformat()
    await deal.buyer.move(deal.id, "propose_change", amount_minor=PRICE, due_at=later)
    named = await _proposal(deal)

    await deal.seller.move(deal.id, "refund_part", amount_minor=2000)
    code = await _refused(deal, "seller", 409, "accept_change", proposal=named)

    assert code == "nothing_proposed"
    assert await deal.wallets() == ((START - PRICE + 2000, 0, PRICE - 2000), (0, 0, 0))


async def test_a_raise_passes_the_limit_of_an_order_as_a_whole(story: Story) -> None:
    """T1 may pay 60.00 in an order: not 1.00 and then 59.01 more."""
    deal = await brought_to(story, "accept", price=100)

    await deal.seller.move(deal.id, "propose_change", amount_minor=6001)
    code = await _refused(deal, "buyer", 403, "accept_change", proposal=await _proposal(deal))

    assert code == "over_limit"
    assert await deal.wallets() == ((START - 100, 0, 100), (0, 0, 0))


async def test_a_raise_lengthens_the_hold_period_and_keeps_the_house_in_order(
    story: Story,
) -> None:
    """The first small orders of a seller are paid out after three days; a larger one is not."""
    deal = await brought_to(story, "accept", price=100)
    before = (await deal.buyer.get(f"/v1/orders/{deal.id}"))["hold_period_s"]
    await deal.seller.move(deal.id, "propose_change", amount_minor=5900)
    terms_hash = (await deal.buyer.get(f"/v1/orders/{deal.id}"))["terms_hash"]
    confirmed = await deal.buyer.made(
        "/v1/confirmations",
        {
            "payee_id": deal.seller.id,
            "amount": {"amount_minor": 5800, "currency": "EUR"},
            "terms_hash": terms_hash,
            "password": PASSWORD,
        },
    )

    moved = await deal.buyer.move(
        deal.id, "accept_change", proposal=await _proposal(deal), confirmation=confirmed["token"]
    )
    await deal.seller.move(deal.id, "withdraw")
    await story.check()

    assert (before, moved["hold_period_s"]) == (3 * 86_400, 14 * 86_400)
    async with story.database.reading() as conn:
        left = await conn.fetchval(
            "SELECT count(*) FROM people.exposures WHERE payer_id = $1 AND state <> 'released'",
            decode("mem", deal.buyer.id),
        )
    assert left == 0


async def test_an_hour_that_has_passed_is_not_agreed_on(story: Story) -> None:
    deal = await brought_to(story, "accept")
    soon = (await story.now() + HOUR).isoformat()
    await deal.seller.move(deal.id, "propose_change", due_at=soon)
    named = await _proposal(deal)
    await story.move_clock(2 * HOUR)

    code = await _refused(deal, "buyer", 409, "accept_change", proposal=named)

    assert code == "nothing_proposed"
