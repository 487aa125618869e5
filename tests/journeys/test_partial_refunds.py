"""The seller gives a part back while the money is held: exact to the cent, and the rest goes on."""

from datetime import timedelta
from typing import Any

import pytest

from tests.journeys.deals import DAY, PRICE, START, brought_to, fourth, funded, house, told
from tests.journeys.story import Story


@pytest.mark.parametrize(
    "moves", [("accept",), ("accept", "deliver"), ("accept", "deliver", "object")]
)
async def test_a_part_goes_back_in_every_state_that_holds_money(
    story: Story, moves: tuple[str, ...]
) -> None:
    deal = await brought_to(story, *moves)
    before = (await deal.buyer.get(f"/v1/orders/{deal.id}"))["next_deadline"]

    order = await deal.seller.move(deal.id, "refund_part", amount_minor=999)
    await story.drain()

    assert order["state"] == await deal.state()
    assert order["refunded"] == {"amount_minor": 999, "currency": "EUR"}
    assert order["next_deadline"] == before, "the clock goes on as it did"
    assert "€20.00" in order["promise"]
    assert await deal.wallets() == ((START - 2000, 0, 2000), (0, 0, 0))
    assert (await deal.timeline())[-1] == ("refund_part", "provider", {"customer": 999})
    assert (await told(deal.buyer))[-1] == "order_part_refunded"


async def test_the_fee_follows_what_is_left(story: Story) -> None:
    deal = await fourth(story, "accept", "deliver")
    before = await house(story)
    await deal.seller.move(deal.id, "refund_part", amount_minor=1000)
    await deal.seller.move(deal.id, "refund_part", amount_minor=500)

    await deal.buyer.move(deal.id, "approve")

    # 1499 of 2999 are left: 119 of the fee of 240, of which 11 of 24 are the fund's, rounded down.
    assert await deal.wallets() == ((START - 1499, 0, 0), (0, 1380, 0))
    assert await house(story) == (before[0] + 108, before[1] + 11)
    await story.pass_time(14 * DAY + timedelta(minutes=1))
    assert await deal.wallets() == ((START - 1499, 0, 0), (1380, 0, 0))
    await story.check()


@pytest.mark.parametrize("end", ["give_back", "share", "cancel_late"])
async def test_what_is_left_goes_every_other_way_too(story: Story, end: str) -> None:
    soon: dict[str, Any] = {}
    if end == "cancel_late":
        soon = {"starts_at": (await story.now() + timedelta(hours=12)).isoformat()}
    moves = {"give_back": ("accept", "deliver"), "share": ("accept", "deliver", "object")}
    deal = await brought_to(story, *moves.get(end, ("accept",)), **soon)
    await deal.seller.move(deal.id, "refund_part", amount_minor=1000)

    if end == "share":
        await story.pass_time(7 * DAY + timedelta(minutes=1))
    else:
        who = deal.seller if end == "give_back" else deal.buyer
        await who.move(deal.id, end)

    kept = {"give_back": 0, "share": 999, "cancel_late": 999}[end]
    assert await deal.wallets() == ((START - kept, 0, 0), (0, kept, 0))
    await story.check()


@pytest.mark.parametrize(
    ("body", "status", "code"),
    [
        ({}, 422, "amount_missing"),
        ({"amount_minor": 0}, 422, "invalid_amount"),
        ({"amount_minor": -5}, 422, "invalid_amount"),
        ({"amount_minor": PRICE}, 409, "part_too_large"),
        ({"amount_minor": PRICE + 1}, 409, "part_too_large"),
        ({"amount_minor": 10**15 + 1}, 422, "invalid_amount"),
    ],
)
async def test_a_part_that_is_none_moves_nothing(
    story: Story, body: dict[str, Any], status: int, code: str
) -> None:
    deal = await brought_to(story, "accept")
    before = await deal.timeline()

    problem = await deal.seller.refused(
        f"/v1/orders/{deal.id}/transitions", {"name": "refund_part", **body}, status
    )

    assert problem["code"] == code
    assert (await deal.timeline(), (await deal.wallets())[0]) == (before, (START - PRICE, 0, PRICE))


async def test_parts_never_add_up_to_more_than_is_held(story: Story) -> None:
    deal = await brought_to(story, "accept")
    await deal.seller.move(deal.id, "refund_part", amount_minor=2000)
    path = f"/v1/orders/{deal.id}/transitions"

    problem = await deal.seller.refused(path, {"name": "refund_part", "amount_minor": 999}, 409)
    not_theirs = await deal.buyer.refused(path, {"name": "refund_part", "amount_minor": 1}, 403)

    assert (problem["code"], problem["left_minor"]) == ("part_too_large", 999)
    assert not_theirs["code"] == "not_your_move"
    assert await deal.wallets() == ((START - 999, 0, 999), (0, 0, 0))


async def test_before_it_is_accepted_there_is_only_all_or_nothing(story: Story) -> None:
    deal = await funded(story)

    problem = await deal.seller.refused(
        f"/v1/orders/{deal.id}/transitions", {"name": "refund_part", "amount_minor": 1}, 409
    )

    assert problem["code"] == "transition_not_allowed"
