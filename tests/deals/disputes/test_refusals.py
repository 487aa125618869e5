"""What a dispute refuses, each with its code, and nothing has moved; races that one side wins."""

import asyncio
from typing import Any

import pytest

from handsel.foundation.core.ids import decode
from tests.deals.disputes.cases import (
    DELIVERED,
    DESK,
    DISPUTES,
    SOLD,
    Case,
    claim,
    disputed,
    ruling,
    snapshot,
    split,
    text,
)
from tests.journeys.deals import DAY, PRICE, Deal, brought_to, funded, placed
from tests.journeys.story import Story

BAD_SUM = {"customer_minor": 1, "provider_minor": PRICE}


@pytest.fixture(scope="module")
async def case(story: Story) -> Case:
    """A dispute that was opened, and that no test of this module moves."""
    return await disputed(story)


async def test_who_may_open_one_and_with_what(story: Story) -> None:
    deal = await brought_to(story, "accept", "deliver")
    path, stranger = f"/v1/orders/{deal.id}/disputes", await story.person("stranger")
    before = await deal.wallets()

    codes = [
        (await who.refused(path, body, status))["code"]
        for who, body, status in (
            (stranger, claim(), 404),
            (deal.buyer, claim(evidence=[]), 422),
            (deal.buyer, claim(request=BAD_SUM), 422),
            (deal.buyer, claim(reason_code="bad_mood"), 422),
            (deal.buyer, claim(evidence=[{"kind": "upload", "text": "a file"}]), 422),
        )
    ]

    assert codes == ["not_found", "evidence_missing", "split_does_not_sum", "invalid", "invalid"]
    assert (await deal.state(), await deal.wallets()) == ("delivered", before)
    assert (await deal.buyer.get(DISPUTES))["items"] == []


async def test_what_cannot_be_disputed(story: Story) -> None:
    unpaid, early = await placed(story), await funded(story)
    settled = await brought_to(story, *SOLD)
    await story.pass_time(15 * DAY)

    codes = [
        (await deal.buyer.refused(f"/v1/orders/{deal.id}/disputes", claim(), 409))["code"]
        for deal in (unpaid, early, settled)
    ]

    assert codes == ["not_disputable", "not_disputable", "dispute_too_late"]
    assert await settled.state() == "settled"


async def test_a_deadline_comes_before_a_dispute(story: Story) -> None:
    delivered, accepted = await brought_to(story, *DELIVERED), await brought_to(story, "accept")
    await story.move_clock(18 * DAY)
    await story.returns(delivered.buyer)
    await story.returns(accepted.seller)
    late = ((delivered.buyer, delivered, PRICE), (accepted.seller, accepted, 0))

    codes = [
        (await who.refused(f"/v1/orders/{deal.id}/disputes", claim(part), 409))["code"]
        for who, deal, part in late
    ]

    assert codes == ["deadline_passed", "deadline_passed"]
    assert await disputes_about(story, delivered, accepted) == 0
    await story.pass_time(DAY)


async def disputes_about(story: Story, *deals: Deal) -> int:
    """How many disputes there are about them."""
    ids = [decode("ord", deal.id) for deal in deals]
    async with story.database.reading() as conn:
        found: int = await conn.fetchval(
            "SELECT count(*) FROM deals.disputes WHERE order_id = ANY ($1)", ids
        )
    return found


async def test_an_order_has_one_dispute(case: Case) -> None:
    path, before = f"/v1/orders/{case.deal.id}/disputes", await snapshot(case)

    codes = [
        (await who.refused(path, claim(), 409))["code"] for who in (case.claimant, case.respondent)
    ]

    assert codes == ["dispute_exists", "dispute_exists"]
    assert await snapshot(case) == before


@pytest.mark.parametrize(
    ("who", "name", "more", "code", "status"),
    [
        ("claimant", "answer", {"note": "It was so"}, "not_your_move", 403),
        ("respondent", "withdraw", {}, "not_your_move", 403),
        ("respondent", "answer", {}, "reason_missing", 422),
        ("respondent", "answer", {"note": "Half", "split": BAD_SUM}, "split_does_not_sum", 422),
        ("respondent", "counter", {"split": split(1)}, "transition_not_allowed", 409),
        ("claimant", "accept", {}, "transition_not_allowed", 409),
        ("claimant", "rule", {"ruling": ruling(0)}, "transition_not_allowed", 409),
        ("claimant", "grant", {}, "not_your_move", 403),
        ("claimant", "overtake", {}, "not_your_move", 403),
    ],
)
async def test_a_move_that_is_not_theirs_moves_nothing(
    case: Case, who: str, name: str, more: dict[str, Any], code: str, status: int
) -> None:
    before = await snapshot(case)

    found = await case.refused(getattr(case, who), name, status, **more)

    assert found == code
    assert await snapshot(case) == before


async def test_somebody_elses_dispute_is_not_there(case: Case, story: Story) -> None:
    stranger = await story.person("stranger")
    before = await snapshot(case)

    codes = [
        (await stranger.post(f"{DISPUTES}/{case.id}{path}", body)).status_code
        for path, body in (("/moves", {"name": "answer"}), ("/evidence", text()))
    ]
    read = await story.http.get(
        f"{DISPUTES}/{case.id}", headers={"Authorization": f"Bearer {stranger.token}"}
    )

    assert (codes, read.status_code) == ([404, 404], 404)
    assert await snapshot(case) == before


async def test_the_desk_is_the_staffs_and_nobody_judges_their_own(story: Story) -> None:
    case = await (await disputed(story)).in_arbitration()
    judge = await case.judge()
    before = await snapshot(case)

    outside = await case.misjudged("rule", 403, by=case.claimant, ruling=ruling(0))
    bad_sum = await case.misjudged("rule", 422, ruling={**ruling(0), "split": BAD_SUM})
    without = await case.misjudged("rule", 422)
    unshared = await case.misjudged("rule", 422, ruling=ruling(0, "shared"))

    assert (outside, bad_sum, without, unshared) == (
        "staff_only",
        "split_does_not_sum",
        "ruling_missing",
        "invalid",
    )
    assert await snapshot(case) == before
    assert (await judge.get(f"{DESK}/{case.id}"))["your_moves"] == ["take", "rule"]


async def test_staff_do_not_judge_a_dispute_of_their_own(story: Story) -> None:
    case = await (await disputed(story)).in_arbitration()
    async with story.database.reading() as conn:
        await conn.execute("SET ROLE handsel_owner")
        await conn.execute(
            "UPDATE people.members SET is_staff = true WHERE id = $1",
            decode("mem", case.claimant.id),
        )
        await conn.execute("RESET ROLE")
    before = await snapshot(case)

    code = await case.misjudged("rule", 403, by=case.claimant, ruling=ruling(PRICE))
    queue = await case.claimant.get(DESK)

    assert code == "own_dispute"
    assert case.id not in [item["id"] for item in queue["items"]]
    assert await snapshot(case) == before


async def test_evidence_is_shown_once_and_some_of_it_to_the_staff_alone(story: Story) -> None:
    case = await (await disputed(story)).in_mediation()
    file = {"kind": "upload", "sha256": "ab" * 32, "title": "A photo", "text": None}
    shown = await case.show(case.respondent, **file, visible_to="staff")

    again = await case.claimant.refused(f"{DISPUTES}/{case.id}/evidence", text() | file, 409)
    seen = next(item for item in (await case.read())["evidence"] if item["id"] == shown["id"])
    judge = await case.judge()
    opened = await judge.get(f"{DESK}/{case.id}/evidence/{shown['id']}")

    assert again["code"] == "evidence_known"
    assert (seen["title"], seen.get("content"), seen["sha256"]) == ("", None, "ab" * 32)
    assert opened["content"] == {"sha256": "ab" * 32}


async def test_messages_and_the_log_of_the_order_are_evidence(story: Story) -> None:
    case = await disputed(story)
    pair = {"handle": case.respondent.handle}
    talk = await case.claimant.made("/v1/conversations", pair | {"text": "Where are you?"})
    said = talk["last_message"]
    other = await case.claimant.made(
        "/v1/conversations", {"handle": (await case.judge()).handle, "text": "Help"}
    )
    show = f"{DISPUTES}/{case.id}/evidence"

    chat = await case.claimant.made(show, {"kind": "chat", "message_ids": [said["id"]]})
    log = await case.respondent.made(show, {"kind": "event_log"})
    foreign = await case.claimant.refused(
        show, {"kind": "chat", "message_ids": [other["last_message"]["id"]]}, 422
    )

    assert chat["content"]["messages"][0]["text"] == "Where are you?"
    assert chat["content"]["messages"][0]["hash"] == said["hash"]
    assert [m["move"] for m in log["content"]["moves"]][:3] == ["initiate", "fund", "accept"]
    assert foreign["code"] == "evidence_missing"


async def test_of_accepting_and_withdrawing_at_once_one_happens(story: Story) -> None:
    case = await disputed(story)
    await case.move(case.respondent, "answer", note="A part was", split=split(500))
    path, offer = f"{DISPUTES}/{case.id}/moves", await case.standing()

    answers = await asyncio.gather(
        *(
            case.claimant.post(path, {"name": name, "offer": offer})
            for name in ("accept", "withdraw") * 3
        )
    )

    assert sorted(answer.status_code for answer in answers) == [200, *[409] * 5]
    state, order = await case.state()
    assert (state, order) in [("settled", "shared"), ("withdrawn", "completed")]
    assert sum((await case.deal.wallets())[1]) in (PRICE - 500, PRICE)


async def test_who_accepts_an_offer_names_it(story: Story) -> None:
    case = await disputed(story)
    await case.move(case.respondent, "answer", note="All back", split=split(PRICE))
    seen = await case.standing()
    await case.move(case.claimant, "offer", split=split(2500))
    await case.move(case.respondent, "counter", split=split(0))
    before = await snapshot(case)

    unnamed = await case.refused(case.claimant, "accept", 422)
    swapped = await case.refused(case.claimant, "accept", 409, offer=seen)

    assert (unnamed, swapped) == ("offer_missing", "offer_changed")
    assert await snapshot(case) == before


async def test_of_many_who_open_at_once_one_does(story: Story) -> None:
    deal = await brought_to(story, "accept", "deliver")
    path = f"/v1/orders/{deal.id}/disputes"

    answers = await asyncio.gather(
        *(who.post(path, claim()) for who in (deal.buyer, deal.seller) * 3)
    )

    assert sorted(answer.status_code for answer in answers) == [201, *[409] * 5]
    assert await deal.state() == "disputed_delivery"


async def test_the_books_agree_after_all_of_this(story: Story) -> None:
    report = await story.check()

    assert report.violations == 0
