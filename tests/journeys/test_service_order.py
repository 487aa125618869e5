"""The life of a `service` order through HTTP, to each of its ends, to the cent."""

from datetime import timedelta

from tests.journeys.story import Story


async def test_from_listing_to_settled_money_and_reviews(story: Story) -> None:
    seller, buyer = await story.member(name="seller"), await story.member(name="buyer")
    listing = await story.listing(seller, 2500)
    await story.top_up(buyer, 10_000)

    order = await story.funded(buyer, listing)
    assert (order["state"], await buyer.available()) == ("funded", (7500, 0, 2500))
    await seller.move(order["id"], "accept")
    await seller.move(order["id"], "deliver", note="Two hours on derivatives")
    await buyer.move(order["id"], "approve")
    assert await seller.available() == (0, 2500, 0)
    await story.pass_time(timedelta(days=14))

    assert await seller.available() == (2500, 0, 0)
    settled = await buyer.get(f"/v1/orders/{order['id']}")
    assert settled["state"] == "settled"
    timeline = await buyer.get(f"/v1/orders/{order['id']}/timeline")
    names = [move["transition"] for move in timeline["items"]]
    assert names == ["initiate", "fund", "accept", "deliver", "approve", "settle"]
    await buyer.made("/v1/reviews", {"order_id": order["id"], "stars": 5, "text": "Clear."})
    again = await buyer.refused("/v1/reviews", {"order_id": order["id"], "stars": 1}, 409)
    assert again["code"] == "reviewed_already"
    await story.drain()
    report = await story.check()
    assert {c.state for c in report.checks} == {"ok"}
