"""Whether the two met, and what follows when they did not: check-in by code, no-show, contest."""

from datetime import timedelta

import pytest

from handsel.deals.orders import service as orders
from handsel.foundation.core.ids import decode
from tests.journeys.deals import DAY, HOUR, PRICE, Deal, brought_to
from tests.journeys.story import Story

_MINUTE = timedelta(minutes=1)


async def _meeting(story: Story) -> Deal:
    """An accepted order that begins in two days."""
    starts_at = (await story.now() + 2 * DAY).isoformat()
    return await brought_to(story, "accept", starts_at=starts_at)


async def _code(deal: Deal) -> str:
    shown = await deal.buyer.get(f"/v1/orders/{deal.id}/codes")
    assert [one["purpose"] for one in shown] == ["meeting"]
    return str(shown[0]["code"])


async def test_who_met_needs_no_other_proof(story: Story) -> None:
    deal = await _meeting(story)
    await story.move_clock(2 * DAY)

    await deal.seller.move(deal.id, "check_in", code=await _code(deal))
    met = await deal.state()
    await deal.seller.move(deal.id, "deliver")
    await deal.buyer.move(deal.id, "approve")
    await story.pass_time(14 * DAY)

    assert met == "in_progress"
    assert await deal.state() == "settled"
    assert await deal.seller.get(f"/v1/orders/{deal.id}/codes") == []


@pytest.mark.parametrize(
    ("worked", "told", "late_s"),
    [
        (HOUR, "delivered_on_time", None),
        (8 * HOUR - _MINUTE, "delivered_on_time", None),
        (9 * HOUR, "delivered_late", 3600),
    ],
    ids=["an-hour", "a-working-day", "longer"],
)
async def test_work_without_an_agreed_end_has_a_working_day(
    story: Story, worked: timedelta, told: str, late_s: int | None
) -> None:
    deal = await _meeting(story)
    await story.move_clock(2 * DAY + worked)

    await deal.seller.move(deal.id, "deliver", note="Two hours on derivatives")
    await story.drain()

    order = decode("ord", deal.id)
    async with story.database.reading() as conn:
        on_time = await orders.delivered_on_time(conn, order)
        facts = await conn.fetch(
            "SELECT kind, value FROM people.facts WHERE order_id = $1 AND kind LIKE 'delivered%'",
            order,
        )
    assert on_time is (late_s is None)
    assert [row["kind"] for row in facts] == [told]
    # Some milliseconds pass beside the clock that was moved.
    assert (facts[0]["value"] or 0) // 10 * 10 == (late_s or 0)


async def test_a_code_is_not_guessed(story: Story) -> None:
    deal = await _meeting(story)
    await story.move_clock(2 * DAY)
    right = await _code(deal)
    wrong = f"{(int(right) + 1) % 10**6:06}"
    path = f"/v1/orders/{deal.id}/transitions"

    left = []
    for _ in range(5):
        refused = await deal.seller.refused(path, {"name": "check_in", "code": wrong}, 409)
        left.append((refused["code"], refused["tries_left"]))
    locked = await deal.seller.refused(path, {"name": "check_in", "code": right}, 409)
    missing = await deal.seller.refused(path, {"name": "check_in"}, 422)

    assert left == [("code_wrong", n) for n in (4, 3, 2, 1, 0)]
    assert (locked["code"], missing["code"]) == ("code_locked", "code_missing")
    assert await deal.state() == "accepted"


async def test_nobody_meets_days_before(story: Story) -> None:
    deal = await _meeting(story)
    path = f"/v1/orders/{deal.id}/transitions"

    early = await deal.seller.refused(path, {"name": "check_in", "code": await _code(deal)}, 409)
    missed = await deal.buyer.refused(path, {"name": "report_no_show"}, 409)
    await story.move_clock(3 * DAY + _MINUTE)
    late = await deal.buyer.refused(path, {"name": "report_no_show"}, 409)

    assert [early["code"], missed["code"], late["code"]] == [
        "too_early_to_meet", "nothing_missed", "nothing_missed",
    ]  # fmt: skip
    assert await deal.state() == "accepted"


async def test_a_seller_who_met_and_then_is_silent_is_not_paid(story: Story) -> None:
    deal = await _meeting(story)
    await story.move_clock(2 * DAY)
    await deal.seller.move(deal.id, "check_in", code=await _code(deal))

    await story.pass_time(4 * DAY)

    assert await deal.state() == "cancelled"
    assert (await deal.timeline())[-1] == ("auto_cancel", "system", {"customer": PRICE})


async def test_a_seller_who_did_not_come_and_says_nothing_gets_nothing(story: Story) -> None:
    deal = await _meeting(story)
    await story.move_clock(2 * DAY + 15 * _MINUTE)

    await deal.buyer.move(deal.id, "report_no_show")
    await story.pass_time(24 * HOUR)

    assert await deal.state() == "cancelled"
    assert (await deal.timeline())[-1] == ("uphold_no_show", "system", {"customer": PRICE})
    async with story.database.reading() as conn:
        absent = await conn.fetch(
            "SELECT member_id FROM people.facts WHERE kind = 'no_show' AND order_id = $1",
            decode("ord", deal.id),
        )
    assert [row["member_id"] for row in absent] == [decode("mem", deal.seller.id)]


async def test_a_buyer_who_did_not_come_pays_what_cancelling_late_costs(story: Story) -> None:
    deal = await _meeting(story)
    await story.move_clock(2 * DAY + HOUR)
    bps = deal.order["terms"]["cancellation"]["late_share_bps"]
    kept = PRICE * bps // 10_000

    await deal.seller.move(deal.id, "report_absence")
    await story.pass_time(24 * HOUR)
    shared = await deal.state()
    await story.pass_time(14 * DAY)

    name, by, money = (await deal.timeline())[-2]
    assert (shared, await deal.state()) == ("shared", "closed")
    assert (name, by, money["customer"]) == ("uphold_absence", "system", PRICE - kept)


@pytest.mark.parametrize(
    ("reports", "contests"), [("report_no_show", "contest"), ("report_absence", "contest_absence")]
)
@pytest.mark.parametrize("end", ["share", "approve", "give_back"])
async def test_a_report_can_be_contested(
    story: Story, reports: str, contests: str, end: str
) -> None:
    deal = await _meeting(story)
    await story.move_clock(2 * DAY + HOUR)
    by_buyer = reports == "report_no_show"
    accuser, other = (deal.buyer, deal.seller) if by_buyer else (deal.seller, deal.buyer)

    await accuser.move(deal.id, reports)
    path = f"/v1/orders/{deal.id}/transitions"
    wordless = await other.refused(path, {"name": contests}, 422)
    await other.move(deal.id, contests, note="I waited at the door for half an hour")
    if end == "share":
        await story.pass_time(7 * DAY)
    else:
        await (deal.buyer if end == "approve" else deal.seller).move(deal.id, end)
        await story.drain()

    assert wordless["code"] == "reason_missing"
    expected = {"share": "shared", "approve": "completed", "give_back": "refunded"}
    assert await deal.state() == expected[end]


async def test_nobody_cancels_for_free_whom_the_other_waits_for(story: Story) -> None:
    deal = await _meeting(story)
    path = f"/v1/orders/{deal.id}/transitions"

    codes = []
    for hours in (47, 2, 22):
        await story.move_clock(hours * HOUR)
        codes.append((await deal.buyer.refused(path, {"name": "cancel"}, 409))["code"])
    await story.move_clock(HOUR + _MINUTE)
    await deal.buyer.move(deal.id, "cancel")

    assert codes == ["cancelling_costs"] * 3
    assert await deal.state() == "cancelled"


async def test_who_is_said_to_be_at_work_still_proves_it(story: Story) -> None:
    """A dispute that is dropped leads into progress, but nobody has met by that."""
    deal = await _meeting(story)
    await story.database.run(
        lambda tx: orders.system_move(tx, decode("ord", deal.id), on="dispute.opened")
    )
    await story.database.run(
        lambda tx: orders.system_move(tx, decode("ord", deal.id), on="dispute.withdrawn")
    )
    await story.move_clock(2 * DAY)
    path = f"/v1/orders/{deal.id}/transitions"

    free = await deal.buyer.refused(path, {"name": "cancel"}, 409)
    wordless = await deal.seller.refused(path, {"name": "deliver"}, 422)

    assert await deal.state() == "in_progress"
    assert (free["code"], wordless["code"]) == ("transition_not_allowed", "proof_missing")
