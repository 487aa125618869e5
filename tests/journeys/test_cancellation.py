"""The named cancellation policies: what a listing says when it is sold holds for the order."""

from uuid import uuid4

import pytest

from tests.journeys.deals import DAY, PRICE, START, Deal, rich
from tests.journeys.story import Story


async def _sold(story: Story, policy: str | None) -> Deal:
    """An accepted order that begins in two days."""
    seller, buyer = await story.person("seller"), await rich(story)
    listing = await story.listing(seller, PRICE, cancellation_policy=policy)
    starts_at = (await story.now() + 2 * DAY).isoformat()
    order = await buyer.made("/v1/orders", {"listing_id": listing, "starts_at": starts_at})
    token = await story.confirmation(buyer, order)
    await buyer.move(order["id"], "fund", confirmation=token)
    await seller.move(order["id"], "accept")
    return Deal(seller, buyer, order["id"], order)


@pytest.mark.parametrize(("policy", "bps"), [("moderate", 5000), ("strict", 8000)])
async def test_two_days_before_a_stricter_policy_costs(story: Story, policy: str, bps: int) -> None:
    deal = await _sold(story, policy)
    kept = PRICE * bps // 10_000

    refused = await deal.buyer.refused(f"/v1/orders/{deal.id}/transitions", {"name": "cancel"}, 409)
    await deal.buyer.move(deal.id, "cancel_late")

    assert (refused["code"], refused["late_share_bps"]) == ("cancelling_costs", bps)
    assert await deal.wallets() == ((START - kept, 0, 0), (0, kept, 0))


async def test_a_flexible_one_is_free_until_the_day_before(story: Story) -> None:
    deal, late = await _sold(story, "flexible"), await _sold(story, "flexible")

    await deal.buyer.move(deal.id, "cancel")
    await story.move_clock(DAY)
    await late.buyer.move(late.id, "cancel_late")

    kept = 750  # a quarter of 29.99, rounded half up
    assert await deal.wallets() == ((START, 0, 0), (0, 0, 0))
    assert await late.wallets() == ((START - kept, 0, 0), (0, kept, 0))


async def test_what_was_sold_keeps_its_policy(story: Story) -> None:
    deal = await _sold(story, "flexible")
    listing = deal.order["terms"]["listing_id"]
    own = await deal.seller.http.get(
        f"/v1/listings/{listing}", headers={"Authorization": f"Bearer {deal.seller.token}"}
    )
    edited = await deal.seller.http.patch(
        f"/v1/listings/{listing}",
        json={"cancellation_policy": "strict"},
        headers={
            "Authorization": f"Bearer {deal.seller.token}",
            "If-Match": own.headers["etag"],
            "Idempotency-Key": uuid4().hex,
        },
    )

    await deal.buyer.move(deal.id, "cancel")

    assert edited.status_code == 200, edited.text
    assert edited.json()["cancellation"] == {"free_until": "P7D", "late_share_bps": 8000}
    assert await deal.wallets() == ((START, 0, 0), (0, 0, 0))
