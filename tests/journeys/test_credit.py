"""Credit that one earns, can see, and can question: from the first deals to an upheld appeal."""

from functools import partial
from typing import Any
from uuid import UUID

import pytest

from handsel.foundation.core.ids import decode
from handsel.people.credit import deciding
from handsel.people.credit.errors import AppealNeedsSecond
from tests.deals.disputes.cases import claim, staff
from tests.journeys.deals import DAY, rich, told
from tests.journeys.story import Member, Story

CREDIT, FACTS, APPEALS = "/v1/credit", "/v1/credit/facts", "/v1/credit/appeals"


async def deal(story: Story, seller: Member, listing: str, *moves: str) -> tuple[Member, str]:
    """A funded order of a new buyer, after these moves."""
    buyer = await rich(story)
    order = await story.funded(buyer, listing)
    for name in moves:
        who = buyer if name == "approve" else seller
        await who.move(order["id"], name, note="Two hours on derivatives")
    return buyer, order["id"]


async def fact(member: Member, kind: str) -> Any:
    page = await member.get(FACTS, limit=200)
    return next(item for item in page["items"] if item["kind"] == kind)


@pytest.fixture(scope="module")
async def sold(story: Story) -> tuple[Member, Member]:
    """A seller whose three sales were settled and who then lost a dispute; its buyer."""
    seller = await story.person("seller")
    listing = await story.listing(seller)
    for _ in range(3):
        await deal(story, seller, listing, "accept", "deliver", "approve")
    await story.drain()
    await story.pass_time(15 * DAY)
    buyer, order = await deal(story, seller, listing, "accept", "deliver")
    body = claim(2500, 2500)
    dispute = await buyer.made(f"/v1/orders/{order}/disputes", body)
    await seller.made(f"/v1/disputes/{dispute['id']}/moves", {"name": "concede"})
    await story.drain()
    return seller, buyer


async def test_wrong_input_files_nothing(story: Story, sold: tuple[Member, Member]) -> None:
    seller, buyer = sold
    mine, theirs = await fact(seller, "dispute_lost"), await fact(buyer, "order_funded")
    body = {"about": "social", "text": "It was not like that"}

    codes = [
        (await seller.refused(APPEALS, body | wrong, status))["code"]
        for wrong, status in (
            ({"facts": ["fct_" + "0" * 32]}, 404),
            ({"facts": [theirs["id"]]}, 404),
            ({"facts": ["ord_1"]}, 404),
            ({"decision_id": "dec_" + "0" * 32}, 404),
            ({"text": "x" * 2001}, 422),
            ({"text": "   "}, 422),
            ({"about": "both"}, 422),
            ({"facts": [mine["id"]] * 21}, 422),
            ({"score": 950}, 422),
        )
    ]

    assert codes == ["not_found"] * 4 + ["invalid"] * 5
    assert await seller.get(APPEALS) == {"items": [], "next_cursor": None}


async def test_a_lost_dispute_is_contested_and_taken_out(
    story: Story, sold: tuple[Member, Member]
) -> None:
    seller, buyer = sold
    judges = [await staff(story), await staff(story)]
    first, second = (decode("mem", judge.id) for judge in judges)

    seen = await seller.get(CREDIT)
    contested = [await fact(seller, kind) for kind in ("dispute_lost", "dispute_opened_against")]
    appeal = await seller.made(
        APPEALS,
        {
            "about": "social",
            "text": "I conceded the wrong case",
            "facts": [item["id"] for item in contested],
        },
    )
    again = await seller.refused(
        APPEALS, {"about": "social", "text": "Again", "facts": [contested[0]["id"]]}, 409
    )
    hidden = await story.http.get(
        f"{APPEALS}/{appeal['id']}", headers={"Authorization": f"Bearer {buyer.token}"}
    )
    which = decode("apl", appeal["id"])
    wrong = [decode("fct", item["id"]) for item in contested]
    await story.database.run(partial(_propose, first, which, wrong))
    _, proposal = await story.database.run(lambda tx: deciding.read(tx, second, which))
    assert proposal is not None
    with pytest.raises(AppealNeedsSecond):
        await story.database.run(lambda tx: deciding.confirm(tx, first, which, proposal.digest()))
    await story.database.run(lambda tx: deciding.confirm(tx, second, which, proposal.digest()))
    await story.drain()

    assert again["code"] == "fact_contested"
    assert hidden.status_code == 404
    social, now = seen["social"], (await seller.get(CREDIT))["social"]
    assert social["state"] == now["state"] == "scored"
    assert "disputes" in [reason["code"] for reason in social["reasons"]]
    assert now["points"] > social["points"]
    assert now["changed"]["before"]["points"] == social["points"]
    assert [line["text"] for line in now["changed"]["facts"]] == [
        "2 facts taken out after an appeal"
    ]
    newest = (await seller.get(f"{CREDIT}/history", kind="social"))["items"][0]
    assert newest == now["changed"]
    decided = await seller.get(f"{APPEALS}/{appeal['id']}")
    assert (decided["state"], decided["answer"]) == ("upheld", "The ruling was about another order")
    assert all(item["retracted_at"] for item in decided["facts"])
    assert (await fact(seller, "dispute_lost"))["retracted_at"] is not None
    assert [kind for kind in await told(seller) if kind.startswith("appeal")] == [
        "appeal_filed", "appeal_upheld",
    ]  # fmt: skip
    out = await seller.refused(
        APPEALS, {"about": "social", "text": "Again", "facts": [contested[0]["id"]]}, 409
    )
    assert out["code"] == "fact_retracted"


async def _propose(by: UUID, appeal: UUID, facts: list[UUID], tx: Any) -> None:
    await deciding.propose(tx, by, appeal, facts, "The ruling was about another order")


async def test_a_refusal_is_contested_and_the_staff_are_urged(story: Story) -> None:
    seller, buyer = await story.person("seller"), await story.person("buyer")
    listing = await story.listing(seller, 6500)
    order = await buyer.made("/v1/orders", {"listing_id": listing})
    move = f"/v1/orders/{order['id']}/transitions"
    decision = (await buyer.refused(move, {"name": "fund"}, 403))["decision_id"]
    body = {"about": "financial", "text": "I am good for it", "decision_id": decision}

    foreign = await seller.refused(APPEALS, body, 404)
    appeal = await buyer.made(APPEALS, body)
    await story.pass_time(24 * DAY)
    early = await _alerts(story)
    await story.pass_time(2 * DAY)
    urged = await _alerts(story)
    await story.pass_time(DAY)
    once = await _alerts(story)
    judge = decode("mem", (await staff(story)).id)
    await story.database.run(
        lambda tx: deciding.deny(tx, judge, decode("apl", appeal["id"]), "The limit is the tier's")
    )
    await story.drain()

    assert foreign["code"] == "not_found"
    assert (appeal["decision_id"], appeal["facts"]) == (decision, [])
    assert (early, urged, once) == ([], [(appeal["id"], False)], [(appeal["id"], False)])
    assert await _alerts(story) == [(appeal["id"], True)]
    await story.returns(buyer)
    assert (await told(buyer))[-1] == "appeal_denied"


async def _alerts(story: Story) -> list[tuple[str, bool]]:
    """(subject, closed) of what the house was told about appeals."""
    async with story.database.reading() as conn:
        rows = await conn.fetch(
            "SELECT subject, closed_at IS NOT NULL AS closed FROM money.alerts"
            " WHERE kind = 'appeal_waits'"
        )
    return [(row["subject"], row["closed"]) for row in rows]


async def test_everything_adds_up_at_the_end(story: Story) -> None:
    report = await story.check()

    rows = {check.name: check.rows for check in report.checks}
    assert rows["K01_appeals_are_decided_by_people"] == 2
    assert rows["K02_facts_are_taken_out_by_two"] == 2
