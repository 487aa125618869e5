"""Every stage of a dispute, and what each end does with the money and the order."""

import pytest

from handsel.deals.orders import bonds, chargebacks
from handsel.foundation.core.ids import decode
from tests.deals.disputes.cases import (
    DELIVERED,
    DESK,
    SOLD,
    claim,
    claimed_by_the_seller,
    disputed,
    opened,
    ruling,
    split,
    staff,
    with_fee,
)
from tests.journeys import rentals
from tests.journeys.deals import DAY, FEE, FUND, PRICE, START, brought_to, house, told
from tests.journeys.story import Story

HALF = 1500


async def test_an_offer_is_answered_by_another_and_accepted(story: Story) -> None:
    case = await disputed(story)
    before = await case.deal.wallets()

    await case.move(case.respondent, "answer", note="A part was", split=split(1000))
    await case.move(case.claimant, "offer", split=split(2000))
    await case.move(case.respondent, "counter", split=split(HALF))
    agreed = await case.accept(case.claimant)

    assert before == ((START - PRICE, 0, PRICE), (0, 0, 0))
    assert await case.state() == ("settled", "shared")
    assert await case.deal.wallets() == ((START - PRICE + HALF, 0, 0), (0, PRICE - HALF, 0))
    assert [(o["by"], o["state"]) for o in agreed["offers"]] == [
        ("respondent", "replaced"),
        ("claimant", "replaced"),
        ("respondent", "accepted"),
    ]
    assert agreed["outcome"] == {
        "by": "accept",
        "customer_minor": HALF,
        "provider_minor": PRICE - HALF,
        "bonds": [],
        "claimant_fault_bps": 0,
        "respondent_fault_bps": 0,
    }


async def test_both_are_told_of_every_stage(story: Story) -> None:
    case = await disputed(story)
    await story.drain()

    await case.move(case.respondent, "concede")
    await story.drain()

    kinds = await told(case.respondent), await told(case.claimant)
    assert [k for k in kinds[0] if k.startswith("dispute")] == ["dispute_opened"]
    assert [k for k in kinds[1] if k.startswith("dispute")] == ["dispute_moved"]
    talks = await case.claimant.get("/v1/conversations")
    assert talks["items"][0]["last_message"]["card"] == {"kind": "dispute", "ref": case.id}


async def test_a_claim_that_is_conceded_is_granted(story: Story) -> None:
    case = await disputed(story, customer_minor=2000)

    await case.move(case.respondent, "concede")

    assert await case.state() == ("granted", "shared")
    assert await case.deal.wallets() == ((START - 999, 0, 0), (0, 999, 0))
    assert (await case.read())["outcome"]["respondent_fault_bps"] == 10_000


async def test_a_proposal_needs_the_yes_of_both(story: Story) -> None:
    case = await (await disputed(story)).in_mediation()

    await case.judged("propose", split=split(1200))
    await case.move(case.respondent, "agree")
    half_way = await case.state()
    twice = await case.refused(case.respondent, "agree", 409)
    await case.move(case.claimant, "agree")

    assert (half_way, twice) == (("proposed", "disputed_delivery"), "agreed_already")
    assert await case.state() == ("settled", "shared")
    assert await case.deal.wallets() == ((START - PRICE + 1200, 0, 0), (0, PRICE - 1200, 0))


async def test_a_ruling_takes_effect_when_nobody_appeals(story: Story) -> None:
    case = await (await disputed(story)).in_mediation()
    await case.judged("propose", split=split(100))
    await case.move(case.claimant, "reject")
    await case.judged("rule", ruling=ruling(HALF, "shared", claimant_fault_bps=4000))
    ruled = await case.state()
    waiting = await case.deal.wallets()

    await story.pass_time(2 * DAY)

    assert (ruled, waiting[1]) == (("ruled", "disputed_delivery"), (0, 0, 0))
    assert await case.state() == ("final", "shared")
    assert await case.deal.wallets() == ((START - PRICE + HALF, 0, 0), (0, PRICE - HALF, 0))
    outcome = (await case.read())["outcome"]
    assert (outcome["claimant_fault_bps"], outcome["respondent_fault_bps"]) == (4000, 6000)


async def test_an_appeal_needs_new_evidence_and_another_person(story: Story) -> None:
    case = await (await disputed(story)).in_arbitration()
    await case.judged("rule", ruling=ruling(0, "claimant"))

    without = await case.refused(case.claimant, "appeal", 409, note="This is wrong")
    await case.show(case.claimant)
    await case.move(case.claimant, "appeal", note="This is wrong")
    same = await case.misjudged("rule_on_appeal", 403, ruling=ruling(PRICE))
    taken = await case.misjudged("take", 403)
    other = await staff(story)
    await case.judged("rule_on_appeal", by=other, ruling=ruling(PRICE))

    assert without == "appeal_needs_new_evidence"
    assert (same, taken) == ("same_staff_cannot_decide_appeal", "same_staff_cannot_decide_appeal")
    assert await case.state() == ("final", "shared")
    assert await case.deal.wallets() == ((START, 0, 0), (0, 0, 0))
    assert await case.refused(case.respondent, "appeal", 409, note="Again") == (
        "transition_not_allowed"
    )


async def test_a_withdrawn_claim_counts_for_nobody_and_the_order_goes_on(story: Story) -> None:
    case = await disputed(story, "accept")

    await case.move(case.claimant, "withdraw")

    assert await case.state() == ("withdrawn", "in_progress")
    assert await case.deal.wallets() == ((START - PRICE, 0, PRICE), (0, 0, 0))
    assert (await case.read())["outcome"]["customer_minor"] is None
    path = f"/v1/orders/{case.deal.id}/disputes"
    again = await case.claimant.refused(path, claim(), 409)
    theirs = await case.respondent.made(path, claim(0))
    assert (again["code"], theirs["your_role"]) == ("dispute_exists", "claimant")


@pytest.mark.parametrize(
    ("moves", "state"),
    [(("accept",), "in_progress"), ((*DELIVERED, "object"), "objected"), (SOLD, "completed")],
    ids=["undelivered", "delivered", "sold"],
)
async def test_a_seller_who_withdraws_is_not_paid_for_it(
    story: Story, moves: tuple[str, ...], state: str
) -> None:
    case = await claimed_by_the_seller(story, *moves)
    before = await case.deal.wallets()

    await case.move(case.deal.seller, "withdraw")

    assert await case.state() == ("withdrawn", state)
    assert await case.deal.wallets() == before


async def test_the_seller_may_claim_too(story: Story) -> None:
    deal = await brought_to(story, "accept")
    made = await deal.seller.made(f"/v1/orders/{deal.id}/disputes", claim(0, reason_code="no_show"))

    await deal.buyer.made(f"/v1/disputes/{made['id']}/moves", {"name": "concede"})

    assert made["claimant"]["order_role"] == "provider"
    assert await deal.wallets() == ((START - PRICE, 0, 0), (0, PRICE, 0))


async def test_a_sale_that_waits_goes_back_with_its_part_of_the_fee(story: Story) -> None:
    deal = await with_fee(story, *SOLD)
    house_before = await house(story)
    case = await opened(deal, story, customer_minor=2000)
    sold = (await case.read())["sold"]
    unsettled = await deal.wallets()

    await case.move(case.respondent, "concede")
    after = await deal.wallets()
    await story.pass_time(15 * DAY)

    # Of 2999 the seller keeps 999: the fee of 240 becomes 79, of which 7 are the fund's.
    assert (sold, unsettled[1]) == (True, (0, PRICE - FEE - FUND, 0))
    assert after[0] == (START - 999, 0, 0)
    assert after[1] == (0, 999 - 79, 0)
    house_after = await house(story)
    assert (house_before[0] - house_after[0], house_before[1] - house_after[1]) == (144, 17)
    assert (await deal.state(), await deal.seller.available()) == ("closed", (999 - 79, 0, 0))


async def test_a_sale_that_goes_back_whole_is_card_money_again(story: Story) -> None:
    deal = await with_fee(story, *SOLD)
    case = await opened(deal, story)

    await case.move(case.respondent, "concede")

    assert await deal.wallets() == ((START, 0, 0), (0, 0, 0))
    refused = await deal.buyer.post(
        "/v1/wallet/card-refunds", {"amount": {"amount_minor": START, "currency": "EUR"}}
    )
    assert refused.status_code in (201, 202), refused.text  # all of it still goes to the card
    await story.pass_time(15 * DAY)


async def test_staff_read_the_case_and_both_see_what_they_opened(story: Story) -> None:
    case = await (await disputed(story)).in_mediation()
    shown = (await case.read())["evidence"][0]
    judge = await case.judge()

    queue = await judge.get(DESK)
    named = await judge.get(f"{DESK}/{case.id}")
    piece = await judge.get(f"{DESK}/{case.id}/evidence/{shown['id']}")
    field = await judge.get(
        f"{DESK}/{case.id}/identity", of="respondent", field="verified", why="Is the person known?"
    )

    assert case.id in [item["id"] for item in queue["items"]]
    assert named["evidence"][0]["content"] is None
    assert piece["content"] == shown["content"]
    assert field["value"] == "bank_account, id_document, phone"
    assert (await case.names())[-2:] == [
        ("evidence_opened", "staff"),
        ("identity_revealed", "staff"),
    ]
    async with story.database.reading() as conn:
        audited = await conn.fetch(
            "SELECT action FROM foundation.audit_entries WHERE stream = 'disputes'"
            " AND action LIKE '%e%ed' ORDER BY id"
        )
    assert [row["action"] for row in audited][-2:] == ["evidence_opened", "identity_revealed"]


async def test_a_ruling_shares_the_deposit_of_a_rental_too(story: Story) -> None:
    deal = await rentals.reserved(story)
    await rentals.make(deal, "accept")
    await story.pass_time(rentals.AHEAD)
    async with story.database.reading() as conn:
        bonds_held = await bonds.amounts(conn, decode("ord", deal.id))
    (bond,) = bonds_held
    shares = [{"bond_id": bond, "back_minor": 3800, "other_minor": 1200}]
    path = f"/v1/orders/{deal.id}/disputes"
    asked = {"customer_minor": 0, "provider_minor": rentals.RENT}

    without = await deal.seller.refused(path, claim(request=asked), 422)
    made = await deal.seller.made(path, claim(request=asked | {"bonds": shares}))
    await deal.buyer.made(f"/v1/disputes/{made['id']}/moves", {"name": "concede"})

    assert without["code"] == "split_does_not_sum"
    assert await deal.state() == "shared"
    assert await deal.wallets() == (
        (START - rentals.RENT - 1200, 0, 0),
        (0, rentals.RENT + 1200, 0),
    )


async def test_a_deposit_that_a_bank_has_taken_is_left_out_of_the_ruling(story: Story) -> None:
    deal = await rentals.reserved(story)
    order_id = decode("ord", deal.id)
    async with story.database.reading() as conn:
        (bond,) = await bonds.amounts(conn, order_id)
    await rentals.make(deal, "accept")
    await story.pass_time(rentals.AHEAD)
    shares = [{"bond_id": bond, "back_minor": 0, "other_minor": rentals.DEPOSIT}]
    asked = split(0, rentals.RENT, bonds=shares)
    made = await deal.seller.made(f"/v1/orders/{deal.id}/disputes", claim(request=asked))
    async with story.database.transaction() as tx:
        bonds.end(tx, await bonds.held(tx, order_id))

    ended = await deal.buyer.made(f"/v1/disputes/{made['id']}/moves", {"name": "concede"})

    assert (ended["state"], await deal.state()) == ("granted", "shared")
    assert ended["outcome"]["bonds"] == []
    assert await deal.wallets() == ((START - rentals.RENT, 0, 0), (0, rentals.RENT, 0))


async def test_who_is_at_fault_is_what_a_score_hears(story: Story) -> None:
    lost = await disputed(story)
    settled = await disputed(story)
    await lost.move(lost.respondent, "concede")
    await settled.move(settled.respondent, "answer", note="A part was", split=split(HALF))
    await settled.accept(settled.claimant)

    await story.drain()

    heard = [await _facts(story, case.respondent.id) for case in (lost, settled)]
    assert heard == [["dispute_lost", "dispute_opened_against"], []]


async def _facts(story: Story, member: str) -> list[str]:
    async with story.database.reading() as conn:
        rows = await conn.fetch(
            "SELECT kind FROM people.facts WHERE member_id = $1 AND kind LIKE 'dispute%'"
            " ORDER BY kind",
            decode("mem", member),
        )
    return [row["kind"] for row in rows]


async def test_a_chargeback_ends_the_dispute(story: Story) -> None:
    case = await disputed(story)
    async with story.database.transaction() as tx:
        await chargebacks.lose(tx, decode("ord", case.deal.id))

    await story.drain()

    assert await case.state() == ("closed", "charged_back")
    assert (await case.read())["ended_at"] is not None


async def test_the_books_agree_after_all_of_this(story: Story) -> None:
    report = await story.check()

    assert report.violations == 0
