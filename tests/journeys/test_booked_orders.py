"""Orders of what is booked by time: a unit is sold once for one time, and may come back."""

import asyncio
from datetime import datetime, timedelta
from typing import Any
from uuid import uuid4

from tests.journeys.deals import DAY, HOUR, PRICE, Deal, rich
from tests.journeys.story import Member, Story

_RULES = {
    "time_zone": "UTC",
    "weekly": [{"weekday": day, "opens": "06:00", "closes": "22:00"} for day in range(1, 8)],
    "slot_minutes": 60,
    "lead_minutes": 0,
}


async def _bookable(story: Story) -> tuple[Member, str, datetime]:
    """A seller, a listing by the hour, and a time that is free."""
    seller = await story.person("seller")
    listing = await story.listing(seller, PRICE, unit="per_hour")
    answer = await seller.http.put(
        f"/v1/listings/{listing}/availability",
        json=_RULES,
        headers={
            "Authorization": f"Bearer {seller.token}",
            "If-Match": '"0"',
            "Idempotency-Key": uuid4().hex,
        },
    )
    assert answer.status_code in (200, 201), answer.text
    tomorrow = (await story.now() + 2 * DAY).replace(hour=10, minute=0, second=0, microsecond=0)
    return seller, listing, tomorrow


def _order(listing: str, starts_at: datetime, **more: Any) -> dict[str, Any]:
    return {"listing_id": listing, "starts_at": starts_at.isoformat(), **more}


async def _free(story: Story, buyer: Member, listing: str, starts_at: datetime) -> bool:
    end = starts_at + HOUR
    slots = await buyer.get(
        f"/v1/listings/{listing}/slots", **{"from": starts_at.isoformat(), "to": end.isoformat()}
    )
    return bool(slots["items"])


async def test_one_hour_is_sold_once(story: Story) -> None:
    _, listing, at = await _bookable(story)
    buyers = [await story.person(f"b{n}") for n in range(6)]

    answers = await asyncio.gather(
        *(buyer.post("/v1/orders", _order(listing, at)) for buyer in buyers)
    )

    codes = sorted(answer.json().get("code", "placed") for answer in answers)
    assert codes == ["placed", *["slot_gone"] * 5]


async def test_an_hour_that_nobody_pays_for_is_free_again(story: Story) -> None:
    _, listing, at = await _bookable(story)
    buyer = await story.person("buyer")

    await buyer.made("/v1/orders", _order(listing, at))
    taken = await _free(story, buyer, listing, at)
    await story.pass_time(timedelta(minutes=15))

    assert (taken, await _free(story, buyer, listing, at)) == (False, True)


async def test_a_cancelled_hour_is_free_again(story: Story) -> None:
    seller, listing, at = await _bookable(story)
    buyer = await rich(story)
    order = await buyer.made("/v1/orders", _order(listing, at))
    deal = Deal(seller, buyer, order["id"], order)
    await buyer.move(deal.id, "fund", confirmation=await story.confirmation(buyer, order))
    await seller.move(deal.id, "accept")

    taken = await _free(story, buyer, listing, at)
    await seller.move(deal.id, "withdraw")

    assert (taken, await _free(story, buyer, listing, at)) == (False, True)


async def test_a_booking_moves_with_its_order_or_not_at_all(story: Story) -> None:
    seller, listing, at = await _bookable(story)
    buyer, other = await rich(story), await story.person("other")
    order = await buyer.made("/v1/orders", _order(listing, at))
    await other.made("/v1/orders", _order(listing, at + 2 * HOUR))
    await buyer.move(order["id"], "fund", confirmation=await story.confirmation(buyer, order))
    await seller.move(order["id"], "accept")
    path = f"/v1/orders/{order['id']}/transitions"

    await buyer.move(order["id"], "propose_change", due_at=(at + 3 * HOUR).isoformat())
    first = (await buyer.get(f"/v1/orders/{order['id']}/proposals"))[0]["id"]
    gone = await seller.refused(path, {"name": "accept_change", "proposal": first}, 409)
    await buyer.move(order["id"], "propose_change", due_at=(at + 5 * HOUR).isoformat())
    second = (await buyer.get(f"/v1/orders/{order['id']}/proposals"))[0]["id"]
    moved = await seller.move(order["id"], "accept_change", proposal=second)

    assert gone["code"] == "slot_gone"
    assert datetime.fromisoformat(moved["terms"]["starts_at"]) == at + 4 * HOUR
    assert await _free(story, buyer, listing, at)
    assert not await _free(story, buyer, listing, at + 4 * HOUR)


async def test_what_is_wrong_about_a_time_has_a_name(story: Story) -> None:
    _, listing, at = await _bookable(story)
    buyer = await story.person("buyer")

    async def refused(status: int, body: dict[str, Any]) -> str:
        return str((await buyer.refused("/v1/orders", body, status))["code"])

    no_time = await refused(422, {"listing_id": listing})
    ends = (at + 3 * HOUR).isoformat()
    differs = await refused(422, _order(listing, at, quantity=2, ends_at=ends))
    night = await refused(409, _order(listing, at.replace(hour=23)))

    assert (no_time, differs, night) == ("time_missing", "duration_differs", "slot_not_offered")
    assert await _free(story, buyer, listing, at)
