"""Work first, money within days: promised, paid, overdue, in default, collected out of income."""

from typing import Any

import pytest

from handsel.foundation.core.ids import decode
from tests.journeys.deals import DAY, HOUR, PRICE, START, Deal, heard, rich
from tests.journeys.story import Member, Story

_DONE = "Two hours on derivatives"


async def _established(story: Story) -> Member:
    """Of T3: whoever dealt well for two months may owe."""
    member = await story.person("buyer")
    async with story.database.transaction() as tx:
        await tx.execute("RESET ROLE")
        await tx.execute("SET ROLE handsel_owner")
        await tx.execute(
            "INSERT INTO people.standings (member_id, settled_orders, counterparties,"
            " first_settled_at) VALUES ($1, 10, 6, foundation.handsel_now() - interval '61 days')",
            decode("mem", member.id),
        )
        await tx.execute("SET ROLE handsel_app")
    return member


async def _proposed(story: Story, price: int = PRICE, **more: Any) -> Deal:
    seller, buyer = await story.person("seller"), await _established(story)
    listing = await story.listing(seller, price)
    body = {"listing_id": listing, "process": "pay_after", **more}
    order = await buyer.made("/v1/orders", body)
    return Deal(seller, buyer, order["id"], order)


async def _promised(story: Story, **more: Any) -> Deal:
    deal = await _proposed(story, **more)
    token = await story.confirmation(deal.buyer, deal.order)
    await deal.buyer.move(deal.id, "promise_to_pay", confirmation=token)
    return deal


async def _due(story: Story, **more: Any) -> Deal:
    deal = await _promised(story, **more)
    await deal.seller.move(deal.id, "accept")
    await deal.seller.move(deal.id, "deliver", note=_DONE)
    await deal.buyer.move(deal.id, "approve")
    return deal


async def _in_default(story: Story) -> Deal:
    deal = await _due(story)
    await story.pass_time(7 * DAY)
    await story.pass_time(14 * DAY)
    assert await deal.state() == "defaulted"
    return deal


async def _earns(story: Story, member: Member, price: int) -> None:
    """The member sells something, and the money becomes theirs."""
    listing = await story.listing(member, price)
    order = await story.funded(await rich(story), listing)
    await member.move(order["id"], "accept")
    await member.move(order["id"], "deliver", note=_DONE)
    await story.pass_time(3 * DAY)
    await story.pass_time(14 * DAY)
    await story.returns(member)


async def _refused(deal: Deal, who: Member, name: str, status: int, **more: Any) -> str:
    path = f"/v1/orders/{deal.id}/transitions"
    return str((await who.refused(path, {"name": name, **more}, status))["code"])


async def test_what_was_promised_is_paid_after_the_work(story: Story) -> None:
    deal = await _due(story)

    short = await _refused(deal, deal.buyer, "pay", 409)
    await story.top_up(deal.buyer, START)
    await deal.buyer.move(deal.id, "pay")
    paid = await deal.wallets()
    await story.pass_time(14 * DAY)

    assert short == "insufficient_funds"
    assert paid == ((START - PRICE, 0, 0), (0, PRICE, 0))
    assert await deal.state() == "settled"
    assert await deal.wallets() == ((START - PRICE, 0, 0), (PRICE, 0, 0))
    assert await heard(story, deal) == {
        "buyer": ["order_funded", "order_settled", "pay_after_paid", "pay_after_promised"],
        "seller": ["delivered_on_time", "order_funded", "order_settled"],
    }


async def test_what_is_paid_when_it_is_overdue_was_late(story: Story) -> None:
    deal = await _due(story)
    await story.top_up(deal.buyer, START)

    await story.pass_time(7 * DAY)
    await story.pass_time(3 * HOUR)
    await deal.buyer.move(deal.id, "pay")
    await story.drain()

    assert (await heard(story, deal))["buyer"] == [
        "order_funded", "pay_after_late", "pay_after_promised",
    ]  # fmt: skip
    async with story.database.reading() as conn:
        late = await conn.fetchrow(
            "SELECT value, amount_minor FROM people.facts WHERE kind = 'pay_after_late'"
            " AND order_id = $1",
            decode("ord", deal.id),
        )
    assert late is not None
    assert 3 * 3600 <= late["value"] < 3 * 3600 + 60
    assert late["amount_minor"] == PRICE


async def test_a_newcomer_may_not_owe(story: Story) -> None:
    seller, buyer = await story.person("seller"), await story.person("buyer")
    listing = await story.listing(seller, PRICE)
    order = await buyer.made("/v1/orders", {"listing_id": listing, "process": "pay_after"})
    deal = Deal(seller, buyer, order["id"], order)

    code = await _refused(deal, buyer, "promise_to_pay", 403)
    await story.pass_time(HOUR)

    assert code == "over_owing_limit"
    assert await deal.state() == "lapsed"


async def test_nobody_owes_more_than_the_tier_lets_them(story: Story) -> None:
    deal = await _promised(story, price=15_000)
    other = await story.listing(await story.person("seller"), 5_001)
    order = await deal.buyer.made("/v1/orders", {"listing_id": other, "process": "pay_after"})
    second = Deal(deal.seller, deal.buyer, order["id"], order)
    token = await story.confirmation(deal.buyer, order)

    code = await _refused(second, deal.buyer, "promise_to_pay", 403, confirmation=token)

    assert code == "over_owing_limit"
    assert await second.state() == "proposed"


@pytest.mark.parametrize(
    ("who", "name", "end"),
    [
        ("buyer", "revoke", "revoked"),
        ("seller", "decline", "declined"),
        ("nobody", "", "expired"),
    ],
)
async def test_a_promise_ends_before_it_is_accepted(
    story: Story, who: str, name: str, end: str
) -> None:
    deal = await _promised(story)

    if who == "nobody":
        await story.pass_time(24 * HOUR)
    else:
        await (deal.buyer if who == "buyer" else deal.seller).move(deal.id, name)

    assert await deal.state() == end
    async with story.database.reading() as conn:
        state = await conn.fetchval(
            "SELECT state FROM people.exposures WHERE reference_id = $1", decode("ord", deal.id)
        )
    assert state == "released"


@pytest.mark.parametrize(("who", "name"), [("buyer", "cancel"), ("seller", "withdraw"), ("", "")])
async def test_what_is_not_delivered_is_not_owed(story: Story, who: str, name: str) -> None:
    deal = await _promised(story)
    await deal.seller.move(deal.id, "accept")

    if who:
        await (deal.buyer if who == "buyer" else deal.seller).move(deal.id, name)
    else:
        await story.pass_time(18 * DAY)

    assert await deal.state() == "cancelled"
    assert await deal.wallets() == ((0, 0, 0), (0, 0, 0))


async def test_abandoned_before_it_was_promised(story: Story) -> None:
    deal = await _proposed(story)

    await deal.buyer.move(deal.id, "abandon")

    assert await deal.state() == "lapsed"


async def test_an_objection_without_agreement_leaves_half_due(story: Story) -> None:
    deal = await _promised(story)
    await deal.seller.move(deal.id, "accept")
    await deal.seller.move(deal.id, "deliver", note=_DONE)

    await deal.buyer.move(deal.id, "object", note="Half of it is missing")
    await story.pass_time(7 * DAY)
    order = await deal.buyer.get(f"/v1/orders/{deal.id}")

    assert (order["state"], order["amount"]["amount_minor"]) == ("payment_due", PRICE // 2)


async def test_the_seller_may_ask_for_less_or_for_nothing(story: Story) -> None:
    deal = await _due(story)

    less = await deal.seller.move(deal.id, "reduce", amount_minor=999)
    too_much = await _refused(deal, deal.seller, "reduce", 409, amount_minor=PRICE - 999)
    await deal.seller.move(deal.id, "waive")

    assert less["amount"]["amount_minor"] == PRICE - 999
    assert too_much == "part_too_large"
    assert await deal.state() == "waived"
    await story.drain()
    assert (await heard(story, deal))["buyer"][0] == "order_cancelled_by_other"


async def test_silence_after_the_work_leads_into_default(story: Story) -> None:
    deal = await _promised(story)
    await deal.seller.move(deal.id, "accept")
    await deal.seller.move(deal.id, "deliver", note=_DONE)

    states = []
    for days in (3, 6, 1, 13, 1, 180):
        await story.pass_time(days * DAY)
        await story.returns(deal.buyer)
        states.append(await deal.state())
    await story.returns(deal.seller)

    assert states == ["payment_due"] * 2 + ["overdue"] * 2 + ["defaulted", "written_off"]
    assert await heard(story, deal) == {
        "buyer": ["order_funded", "pay_after_default", "pay_after_promised"],
        "seller": ["delivered_on_time", "order_cancelled_by_other", "order_funded"],
    }
    assert await deal.wallets() == ((0, 0, 0), (0, 0, 0))
    notices = await deal.buyer.get("/v1/notices", limit=200)
    assert [item["kind"] for item in notices["items"]].count("deadline_near") == 2


async def test_who_is_late_may_not_owe_more(story: Story) -> None:
    deal = await _due(story)
    await story.pass_time(8 * DAY)
    other = await story.listing(await story.person("seller"), 100)
    order = await deal.buyer.made("/v1/orders", {"listing_id": other, "process": "pay_after"})
    second = Deal(deal.seller, deal.buyer, order["id"], order)

    code = await _refused(second, deal.buyer, "promise_to_pay", 403)

    assert (await deal.state(), code) == ("overdue", "debt_open")


async def test_later_income_pays_the_debt(story: Story) -> None:
    deal = await _in_default(story)

    await _earns(story, deal.buyer, 1000)
    await story.returns(deal.seller)
    first = await deal.wallets()
    await _earns(story, deal.buyer, 5000)
    await story.returns(deal.seller)

    assert first == ((0, 0, 0), (1000, 0, 0))
    assert await deal.state() == "collected"
    assert (await heard(story, deal))["buyer"] == [
        "order_funded", "order_settled", "pay_after_default", "pay_after_promised",
    ]  # fmt: skip
    assert await deal.wallets() == ((6000 - PRICE, 0, 0), (PRICE, 0, 0))
    moves = [(name, money) for name, _, money in (await deal.timeline())[-2:]]
    assert moves == [
        ("collect_part", {"provider": 1000}),
        ("collect_rest", {"provider": PRICE - 1000}),
    ]


async def test_what_came_by_card_is_not_collected(story: Story) -> None:
    deal = await _in_default(story)
    await story.top_up(deal.buyer, 500)

    await _earns(story, deal.buyer, 1000)
    await story.returns(deal.seller)

    assert await deal.wallets() == ((500, 0, 0), (1000, 0, 0))


async def test_the_rest_of_a_debt_can_be_paid(story: Story) -> None:
    deal = await _in_default(story)
    await _earns(story, deal.buyer, 1000)
    await story.top_up(deal.buyer, START)

    await deal.buyer.move(deal.id, "pay_debt")
    await story.pass_time(14 * DAY)
    await _earns(story, deal.buyer, 1000)
    await story.returns(deal.seller)

    assert await deal.state() == "settled"
    assert await deal.wallets() == ((START - (PRICE - 1000) + 1000, 0, 0), (PRICE, 0, 0))


async def test_the_house_is_in_order_after_all_of_them(story: Story) -> None:
    await story.check()
