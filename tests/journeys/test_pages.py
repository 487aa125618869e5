"""Lists that are newest first by id come whole, page by page, and a cursor fits its own list."""

from tests.journeys.story import Story


async def test_orders_and_statement_come_page_by_page(story: Story) -> None:
    seller, buyer = await story.member(name="seller"), await story.member(name="buyer")
    listing = await story.listing(seller, 2500)
    placed = [(await buyer.made("/v1/orders", {"listing_id": listing}))["id"] for _ in range(3)]
    for amount in (100, 200, 300):
        await story.top_up(buyer, amount)

    first = await buyer.get("/v1/orders", page_size=2)
    second = await buyer.get("/v1/orders", page_size=2, cursor=first["next_cursor"])
    lines = await buyer.get("/v1/wallet/statement", currency="EUR", page_size=2)
    rest = await buyer.get(
        "/v1/wallet/statement", currency="EUR", page_size=2, cursor=lines["next_cursor"]
    )

    found = [order["id"] for order in (*first["items"], *second["items"])]
    assert (found, second["next_cursor"]) == (placed[::-1], None)
    balances = [line["balance_minor"] for line in (*lines["items"], *rest["items"])]
    assert (balances, rest["next_cursor"]) == ([600, 300, 100], None)
    foreign = await story.http.get(
        "/v1/orders",
        params={"cursor": lines["next_cursor"]},
        headers={"Authorization": f"Bearer {buyer.token}"},
    )
    assert (foreign.status_code, foreign.json()["code"]) == (400, "invalid_cursor")
