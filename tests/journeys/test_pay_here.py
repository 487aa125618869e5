"""Every end of a `pay_here` over HTTP, and the codes that are paid at.

The payer has 100.00 EUR and is at T1; the seller's first small orders are held for three days.
"""

from collections.abc import AsyncIterator
from datetime import timedelta
from typing import Any

import pytest

from tests.journeys.deals import DAY, INITIATE, START, UNTOUCHED, experienced, house, told
from tests.journeys.gifts import GIFT, at_a_code, paid
from tests.journeys.story import Member, Story
from tests.journeys.test_chargebacks import decided, dispute

FUND = ("fund", "customer", {"escrow": GIFT})
MINUTES = timedelta(minutes=1)


@pytest.fixture(scope="module", autouse=True)
async def _nothing_is_broken(story: Story) -> AsyncIterator[None]:
    """After every ending of this module the invariants hold."""
    yield
    await story.check()


async def test_who_pays_on_the_spot_becomes_a_customer(story: Story) -> None:
    deal = await paid(story, await at_a_code(story))
    await story.drain()
    assert (await deal.state(), await told(deal.seller)) == ("paid", ["order_moved"])
    assert await deal.wallets() == ((START - GIFT, 0, GIFT), (0, 0, 0))

    await story.pass_time(15 * MINUTES)
    assert await deal.state() == "completed"
    assert await deal.wallets() == ((START - GIFT, 0, 0), (0, GIFT, 0))
    await story.pass_time(3 * DAY)

    assert await deal.state() == "settled"
    assert await deal.wallets() == ((START - GIFT, 0, 0), (GIFT, 0, 0))
    assert await deal.timeline() == [
        INITIATE,
        FUND,
        ("complete", "system", {"provider": GIFT}),
        ("settle", "system", {"provider": GIFT}),
    ]
    code = await deal.seller.made("/v1/pay-codes", {"label": "Again", "currency": "EUR"})
    seen = await deal.buyer.get(f"/v1/pay-codes/{code['code']}")
    assert seen["trust"]["distinct_customers"] == 1
    gift = {"to": deal.seller.handle, "amount": {"amount_minor": 100, "currency": "EUR"}}
    assert (await deal.buyer.made("/v1/transfers", gift))["terms"]["relation"] == "traded_before"


async def test_the_fee_is_that_of_every_sale(story: Story) -> None:
    seller, _ = await experienced(story)
    before = await house(story)
    deal = await paid(story, await at_a_code(story, seller))

    await story.pass_time(15 * MINUTES)

    after = await house(story)
    assert (await deal.timeline())[-1] == (
        "complete",
        "system",
        {"provider": 1840, "fee": 144, "protection_fund": 16},
    )
    assert (after[0] - before[0], after[1] - before[1]) == (144, 16)


async def test_a_payment_is_taken_back_within_a_quarter_of_an_hour(story: Story) -> None:
    deal = await paid(story, await at_a_code(story))
    assert deal.order["revocable_until"] == deal.order["next_deadline"]["due_at"]
    await story.move_clock(14 * MINUTES)

    await deal.buyer.move(deal.id, "revoke")

    assert await deal.state() == "revoked"
    assert await deal.wallets() == UNTOUCHED


async def test_and_not_after_it(story: Story) -> None:
    deal = await paid(story, await at_a_code(story))
    await story.pass_time(15 * MINUTES)

    problem = await deal.buyer.refused(f"/v1/orders/{deal.id}/transitions", {"name": "revoke"}, 409)

    assert problem["code"] == "transition_not_allowed"
    assert await deal.wallets() == ((START - GIFT, 0, 0), (0, GIFT, 0))


async def test_a_seller_gives_the_money_back_at_once(story: Story) -> None:
    deal = await paid(story, await at_a_code(story))

    await deal.seller.move(deal.id, "give_back")

    assert await deal.state() == "returned"
    assert await deal.wallets() == UNTOUCHED
    assert (await deal.timeline())[2:] == [("give_back", "provider", {"customer": GIFT})]


@pytest.mark.parametrize("name", ["abandon", None], ids=["abandoned", "forgotten"])
async def test_what_nobody_pays_closes(story: Story, name: str | None) -> None:
    deal = await at_a_code(story)

    if name:
        await deal.buyer.move(deal.id, name)
    else:
        await story.pass_time(15 * MINUTES)

    assert await deal.state() == "payment_expired"
    assert await deal.wallets() == UNTOUCHED


@pytest.mark.parametrize("waited", [timedelta(0), 15 * MINUTES], ids=["paid", "completed"])
async def test_the_bank_takes_a_payment_back(story: Story, waited: timedelta) -> None:
    deal = await paid(story, await at_a_code(story))
    await story.pass_time(waited)
    word = await dispute(story, deal)

    await decided(story, word, "lost")

    assert await deal.state() == "charged_back"
    assert await deal.wallets() == ((0, 0, 0), (0, 0, 0))


async def test_a_code_says_to_everybody_who_is_paid(story: Story) -> None:
    seller = await story.person("seller")
    listing = await story.listing(seller, GIFT)
    body = {"label": "An hour", "currency": "EUR", "amount_minor": GIFT, "listing_id": listing}
    made = await seller.made("/v1/pay-codes", body)

    seen = await story.http.get(f"/v1/pay-codes/{made['code']}")
    drawn = await story.http.get(made["qr"])

    assert seen.json() | {"trust": None} == {
        "code": made["code"],
        "payee_id": seller.id,
        "payee": seller.handle,
        "label": "An hour",
        "currency": "EUR",
        "amount_minor": GIFT,
        "listing_id": listing,
        "trust": None,
    }
    assert seen.json()["trust"]["identity_tier"] == "T2"
    assert drawn.headers["content-type"] == "image/svg+xml"
    assert f"<title>{made['url']}</title>" in drawn.text
    assert made["url"].endswith(f"/v1/pay-codes/{made['code']}")


async def _code(seller: Member, **more: Any) -> str:
    made = await seller.made("/v1/pay-codes", {"label": "Tips", "currency": "EUR", **more})
    return str(made["code"])


async def test_a_code_without_an_amount_takes_what_the_payer_says(story: Story) -> None:
    seller, payer = await story.person("seller"), await story.person("payer")
    path = f"/v1/pay-codes/{await _code(seller)}/payments"

    problem = await payer.refused(path, {}, 422)
    order = await payer.made(path, {"amount": {"amount_minor": 350, "currency": "EUR"}})

    assert problem["code"] == "pay_code_amount_missing"
    assert (order["amount"]["amount_minor"], order["terms"]["title"]) == (350, "Tips")


@pytest.mark.parametrize(
    ("amount_minor", "currency"), [(GIFT + 1, "EUR"), (GIFT, "GBP")], ids=["amount", "currency"]
)
async def test_a_code_takes_only_what_it_asks_for(
    story: Story, amount_minor: int, currency: str
) -> None:
    seller, payer = await story.person("seller"), await story.person("payer")
    path = f"/v1/pay-codes/{await _code(seller, amount_minor=GIFT)}/payments"
    body = {"amount": {"amount_minor": amount_minor, "currency": currency}}

    problem = await payer.refused(path, body, 422)

    assert problem["code"] == "pay_code_amount_mismatch"
    assert (await payer.get("/v1/orders"))["items"] == []


async def test_codes_that_are_over_or_were_never_there(story: Story) -> None:
    seller, payer = await story.person("seller"), await story.person("payer")
    revoked, expired = await _code(seller), await _code(
        seller, expires_at=(await story.now() + timedelta(hours=1)).isoformat()
    )  # fmt: skip
    await seller.made(f"/v1/pay-codes/{revoked}/revoke")
    await story.move_clock(timedelta(hours=1))
    body = {"amount": {"amount_minor": GIFT, "currency": "EUR"}}

    codes = [
        (await payer.refused(f"/v1/pay-codes/{code}/payments", body, status))["code"]
        for code, status in ((revoked, 409), (expired, 409), ("0" * 12, 404))
    ]
    read = [(await story.http.get(f"/v1/pay-codes/{code}")).status_code for code in (revoked, "0")]

    assert codes == ["pay_code_revoked", "pay_code_expired", "unknown_pay_code"]
    assert read == [409, 404]
    assert (await payer.get("/v1/orders"))["items"] == []
    listed = await seller.get("/v1/pay-codes")
    assert [item["state"] for item in listed["items"]] == ["expired", "revoked"]


async def test_who_may_not_make_or_pay_a_code(story: Story) -> None:
    seller = await story.person("seller")
    stranger = await story.person("stranger", verified=False)
    code, body = await _code(seller, amount_minor=GIFT), {"label": "Tips", "currency": "EUR"}
    past = body | {"expires_at": "2020-01-01T00:00:00Z"}

    problems = [
        await stranger.refused("/v1/pay-codes", body, 403),
        await seller.refused(f"/v1/pay-codes/{code}/payments", {}, 409),
        await stranger.refused(f"/v1/pay-codes/{code}/revoke", None, 404),
        await seller.refused("/v1/pay-codes", past, 422),
        await seller.refused("/v1/pay-codes", body | {"currency": "MIN"}, 403),
    ]

    assert [problem["code"] for problem in problems] == [
        "cannot_receive",
        "with_oneself",
        "unknown_pay_code",
        "pay_code_expiry_passed",
        "currency_not_supported",
    ]
