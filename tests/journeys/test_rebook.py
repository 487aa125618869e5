"""The same again, in one call, at the price of today."""

import httpx

from handsel.foundation.core.ids import decode
from tests.journeys.deals import DAY, Deal, brought_to, placed, rich
from tests.journeys.story import Member, Story


async def orders_of(who: Member) -> int:
    return len((await who.get("/v1/orders"))["items"])


async def edit_price(story: Story, deal: Deal, amount_minor: int) -> httpx.Response:
    listing = deal.order["terms"]["listing_id"]
    headers = {"Authorization": f"Bearer {deal.seller.token}"}
    read = await story.http.get(f"/v1/listings/{listing}", headers=headers)
    headers["If-Match"] = read.headers["etag"]
    price = {"amount_minor": amount_minor, "currency": "EUR"}
    return await story.http.patch(f"/v1/listings/{listing}", json={"price": price}, headers=headers)


async def test_the_same_again_costs_what_it_costs_now_and_is_not_paid(story: Story) -> None:
    deal = await placed(story, price=1000, quantity=3, note="Blue, please")
    before = await deal.wallets()
    starts_at = (await story.now() + 2 * DAY).isoformat()
    assert (await edit_price(story, deal, 1200)).status_code == 200

    again = await deal.buyer.made(f"/v1/orders/{deal.id}/rebook", {"starts_at": starts_at})

    assert again["id"] != deal.id
    assert (deal.order["amount"]["amount_minor"], again["amount"]["amount_minor"]) == (3000, 3600)
    assert (again["state"], again["your_role"]) == ("pending_payment", "customer")
    assert (again["terms"]["quantity"], again["terms"]["note"]) == (3, "Blue, please")
    assert again["terms"]["listing_id"] == deal.order["terms"]["listing_id"]
    assert decode("ord", again["id"]).version == 7
    assert await deal.wallets() == before


async def test_who_cannot_order_again_opens_nothing(story: Story) -> None:
    deal = await brought_to(story, "accept")
    stranger = await rich(story)
    path = f"/v1/orders/{deal.id}/rebook"

    by_seller = await deal.seller.refused(path, {}, 403)
    by_stranger = await stranger.refused(path, {}, 404)
    yesterday = (await story.now() - DAY).isoformat()
    too_early = await deal.buyer.refused(path, {"starts_at": yesterday}, 422)
    await deal.seller.made(f"/v1/listings/{deal.order['terms']['listing_id']}/pause")
    paused = await deal.buyer.refused(path, {}, 409)

    codes = [p["code"] for p in (by_seller, by_stranger, too_early, paused)]
    assert codes == ["not_your_move", "not_found", "invalid_start", "listing_not_orderable"]
    assert [await orders_of(who) for who in (deal.buyer, deal.seller, stranger)] == [1, 1, 0]
