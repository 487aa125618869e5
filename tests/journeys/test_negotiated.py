"""A job is asked for, haggled over, agreed, and done in milestones; and every way it can end."""

from datetime import timedelta
from typing import Any

import pytest

from handsel.deals.orders import service as orders
from handsel.deals.orders.schemas import TransitionInput
from handsel.foundation.core.ids import decode
from tests.journeys.agreements import DAY, FIRST, SECOND, TOTAL, agreed, asked, offer_body
from tests.journeys.deals import START, told
from tests.journeys.story import Story


async def test_offers_are_countered_and_milestones_paid_for_one_by_one(story: Story) -> None:
    job = await asked(story)
    await job.offer(job.seller, first=2500)
    countered = await job.offer(job.buyer, first=1800)
    last = await job.offer(job.seller)
    shown = await job.buyer.get(f"/v1/orders/{job.id}/offers")
    running = await job.buyer.made(
        f"/v1/orders/{job.id}/agreement", {"terms_hash": last["terms_hash"]}
    )
    first, second = await job.parts()
    await job.delivered(story, first)
    await job.buyer.move(first["id"], "request_changes", note="One sticks")
    await job.seller.move(first["id"], "deliver_changes", note="It closes now")
    await job.buyer.move(first["id"], "approve")
    await job.delivered(story, second)
    await story.drain()
    half_way = await job.state(), await job.states(), await job.seller.available()
    await _silence(story, 6, 14)

    assert [(o["round"], o["by"]) for o in shown["items"]] == [
        (1, "provider"), (1, "customer"), (2, "provider"),
    ]  # fmt: skip
    assert countered["terms"]["price"] == {"amount_minor": 1800 + SECOND, "currency": "EUR"}
    assert (running["state"], running["amount"]["amount_minor"]) == ("running", TOTAL)
    assert [p["amount"]["amount_minor"] for p in (first, second)] == [FIRST, SECOND]
    assert {p["parent_id"] for p in (first, second)} == {job.id}
    assert {p["terms"]["offer_hash"] for p in (first, second)} == {last["terms_hash"]}
    assert half_way == ("running", ["completed", "delivered"], (0, FIRST, 0))
    assert (await job.state(), await job.states()) == ("finished", ["settled", "settled"])
    assert await job.buyer.available() == (START - TOTAL, 0, 0)
    assert await job.seller.available() == (TOTAL, 0, 0)
    await story.check()


async def test_the_provider_accepts_a_counter_offer_and_a_stop_drops_what_is_unpaid(
    story: Story,
) -> None:
    job = await asked(story)
    await job.offer(job.seller)
    countered = await job.offer(job.buyer, first=1500)
    await job.seller.made(f"/v1/orders/{job.id}/agreement", {"terms_hash": countered["terms_hash"]})
    first, second = await job.parts()
    await job.fund(story, first)
    await job.seller.move(job.id, "stop", note="Ill for a month")
    late = await job.buyer.refused(f"/v1/orders/{second['id']}/transitions", {"name": "fund"}, 409)
    await story.drain()
    stopped = await job.state(), await job.states()
    await job.seller.move(first["id"], "deliver", note="Hung and levelled")
    await _silence(story, 6, 14)

    assert late["code"] == "agreement_stopped"
    assert stopped == ("winding_down", ["accepted", "payment_expired"])
    assert (await job.state(), await job.states()) == ("finished", ["settled", "payment_expired"])
    assert await job.seller.available() == (1500, 0, 0)
    await story.check()


ENDS: list[tuple[str, tuple[str, ...], timedelta, str]] = [
    ("nobody offers", (), 7 * DAY, "lapsed"),
    ("nobody accepts", ("offer",), 3 * DAY, "lapsed"),
    ("nobody answers the counter", ("offer", "counter"), 3 * DAY, "lapsed"),
    ("the customer breaks off", ("offer", "break_off"), 0 * DAY, "broken_off"),
    ("nothing is paid for", ("offer", "agree"), 14 * DAY, "unused"),
    ("stopped before anything is paid for", ("offer", "agree", "stop"), 0 * DAY, "unused"),
]


@pytest.mark.parametrize(("moves", "silence", "end"), [row[1:] for row in ENDS],
                         ids=[row[0] for row in ENDS])  # fmt: skip
async def test_a_job_without_money_ends_by_itself(
    story: Story, moves: tuple[str, ...], silence: timedelta, end: str
) -> None:
    job = await asked(story)
    for move in moves:
        if move == "offer":
            made = await job.offer(job.seller)
        elif move == "counter":
            made = await job.offer(job.buyer, first=1500)
        elif move == "agree":
            named = {"terms_hash": made["terms_hash"]}
            await job.buyer.made(f"/v1/orders/{job.id}/agreement", named)
        else:
            await job.buyer.move(job.id, move)

    await story.pass_time(silence)

    assert await job.state() == end
    assert await job.buyer.available() == (START, 0, 0)
    await story.check()


async def _silence(story: Story, *days: int) -> None:
    """Nobody says anything; what begins when a time is over begins when the worker sees it."""
    for day in days:
        await story.pass_time(day * DAY)


#: (moves, days of silence, how it ends, what the provider has of it)
MILESTONE_ENDS: list[tuple[tuple[str, ...], tuple[int, ...], str, int]] = [
    ((), (10,), "cancelled", 0),
    (("deliver",), (5, 14), "settled", FIRST),
    (("deliver", "request_changes"), (7,), "cancelled", 0),
    (("deliver", "object"), (7, 14), "closed", FIRST // 2),
    (("deliver", "give_back"), (), "refunded", 0),
    (("cancel",), (), "cancelled", 0),
    (("withdraw",), (), "cancelled", 0),
]


@pytest.mark.parametrize(("moves", "silence", "end", "earned"), MILESTONE_ENDS,
                         ids=["-".join(row[0]) or "silence" for row in MILESTONE_ENDS])  # fmt: skip
async def test_a_paid_milestone_ends_as_its_promise_says(
    story: Story, moves: tuple[str, ...], silence: tuple[int, ...], end: str, earned: int
) -> None:
    job = await agreed(story)
    first, _ = await job.parts()
    await job.fund(story, first)
    for move in moves:
        who = job.buyer if move in ("request_changes", "object", "cancel") else job.seller
        await who.move(first["id"], move, note="Three doors stick")

    await _silence(story, *silence)

    assert (await job.states())[0] == end
    assert await job.buyer.available() == (START - earned, 0, 0)
    assert await job.seller.available() == (earned, 0, 0)
    await story.check()


async def test_a_dispute_or_a_bank_decides_where_a_milestones_money_goes(story: Story) -> None:
    job = await agreed(story)
    first, second = await job.parts()
    await job.delivered(story, first)
    await job.fund(story, second)
    ruling = TransitionInput(name="rule", customer_minor=500)

    for part, event, data in (
        (first, "dispute.opened", None),
        (first, "dispute.resolved", ruling),
        (second, "chargeback.lost", None),
    ):
        async with story.database.transaction() as tx:
            assert await orders.system_move(tx, decode("ord", part["id"]), on=event, data=data)
    decided = await job.states()
    await _silence(story, 14)

    assert decided == ["shared", "charged_back"]
    assert (await job.state(), await job.states()) == ("finished", ["closed", "charged_back"])
    assert await job.buyer.available() == (START - FIRST + 500, 0, 0)
    assert await job.seller.available() == (FIRST - 500, 0, 0)
    await story.check()


async def test_what_is_accepted_is_named_by_its_hash(story: Story) -> None:
    job = await asked(story)
    before = await job.offer(job.seller)
    await job.offer(job.buyer)
    now_on_the_table = await job.offer(job.seller, second=1501)
    path = f"/v1/orders/{job.id}/agreement"

    problem = await job.buyer.refused(path, {"terms_hash": before["terms_hash"]}, 409)

    assert problem["code"] == "terms_hash_mismatch"
    assert problem["terms_hash"] == now_on_the_table["terms_hash"]
    assert (await job.state(), await job.parts()) == ("offer_pending", [])


async def test_five_rounds_and_no_more(story: Story) -> None:
    job = await asked(story)
    for _ in range(5):
        await job.offer(job.seller)
        await job.offer(job.buyer)

    body = offer_body(job.asked_at)
    problem = await job.seller.refused(f"/v1/orders/{job.id}/offers", body, 409)

    assert problem["code"] == "too_many_rounds"
    assert len((await job.buyer.get(f"/v1/orders/{job.id}/offers"))["items"]) == 10
    assert await job.state() == "counter_pending"


async def test_a_wrong_offer_is_refused(story: Story) -> None:
    job = await asked(story)
    wrong: list[dict[str, Any]] = [
        {"lines": [{"title": "All", "amount_minor": TOTAL + 1}]},
        {"valid_until": "2020-01-01T00:00:00Z"},
        {"valid_until": "2999-01-01T00:00:00Z"},
    ]

    bodies = [offer_body(job.asked_at, **more) for more in wrong]
    problems = [await job.seller.refused(f"/v1/orders/{job.id}/offers", b, 422) for b in bodies]

    codes = [problem["code"] for problem in problems]
    assert codes == ["milestones_do_not_sum", "invalid_validity", "invalid_validity"]
    assert await job.state() == "quote_requested"


async def test_a_milestone_is_paid_for_a_month_ahead_at_most(story: Story) -> None:
    job = await asked(story)
    body = offer_body(job.asked_at)
    body["milestones"][1]["due_at"] = (job.asked_at + 31 * DAY).isoformat()
    made = await job.seller.made(f"/v1/orders/{job.id}/offers", body)
    named = {"terms_hash": made["terms_hash"]}
    await job.buyer.made(f"/v1/orders/{job.id}/agreement", named)
    _, late = await job.parts()

    path = f"/v1/orders/{late['id']}/transitions"
    problem = await job.buyer.refused(path, {"name": "fund"}, 409)

    assert problem["code"] == "too_early_to_fund"
    assert await job.buyer.available() == (START, 0, 0)


async def test_an_offer_and_its_acceptance_have_their_own_routes(story: Story) -> None:
    job = await asked(story)
    path = f"/v1/orders/{job.id}/transitions"

    offered = await job.seller.refused(path, {"name": "make_offer"}, 422)
    await job.offer(job.seller)
    accepted = await job.buyer.refused(path, {"name": "accept_offer"}, 422)

    assert (offered["code"], accepted["code"]) == ("offer_missing", "agreement_missing")
    assert await job.state() == "offer_pending"


async def test_the_provider_hears_of_a_request_and_the_customer_of_an_offer(story: Story) -> None:
    job = await asked(story)
    await job.offer(job.seller)
    await story.drain()

    assert await told(job.seller) == ["order_moved"]
    assert await told(job.buyer) == ["order_moved"]
