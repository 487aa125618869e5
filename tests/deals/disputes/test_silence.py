"""Silence: of either side and of the staff, each ends in the outcome that is declared for it."""

import asyncio
from datetime import timedelta

from handsel.deals.disputes import machine
from handsel.front.worker import disputes
from tests.deals.disputes.cases import (
    DELIVERED,
    DESK,
    SOLD,
    Case,
    claimed_by_the_seller,
    disputed,
    ruling,
    snapshot,
    split,
)
from tests.journeys.deals import DAY, PRICE, START, told
from tests.journeys.story import Story

HOUR = timedelta(hours=1)


async def test_a_silent_respondent_is_reminded_and_then_the_claim_is_granted(story: Story) -> None:
    case = await disputed(story, customer_minor=2000)
    await story.drain()

    await story.pass_time(3 * DAY)
    reminded, waiting = await told(case.respondent), await case.state()
    await story.pass_time(DAY)

    assert (waiting[0], reminded[-1]) == ("opened", "dispute_moved")
    assert await case.state() == ("granted", "shared")
    assert await case.deal.wallets() == ((START - PRICE + 2000, 0, 0), (0, PRICE - 2000, 0))
    assert (await case.read())["outcome"]["respondent_fault_bps"] == 10_000


async def test_a_claim_that_is_not_pursued_lapses(story: Story) -> None:
    case = await disputed(story)
    await case.move(case.respondent, "answer", note="All of it was there", split=split(500))

    await story.pass_time(5 * DAY)

    assert await case.state() == ("lapsed", "shared")
    assert await case.deal.wallets() == ((START - PRICE, 0, 0), (0, PRICE, 0))
    assert (await case.read())["outcome"]["claimant_fault_bps"] == 0


async def test_silence_pays_no_seller_who_delivered_nothing(story: Story) -> None:
    case = await claimed_by_the_seller(story, "accept")
    before = await case.deal.wallets()
    announced = (await case.read())["next_deadline"]

    await story.pass_time(4 * DAY)
    doubted, waiting = await case.names(), await case.state()
    await story.pass_time(26 * DAY)
    await case.come_back()

    assert announced["transition"] == "doubt"
    assert (doubted[-1], waiting) == (("doubt", "system"), ("mediation", "disputed"))
    assert before == ((START - PRICE, 0, PRICE), (0, 0, 0))
    assert await case.state() == ("defaulted", "cancelled")
    assert await case.deal.wallets() == ((START, 0, 0), (0, 0, 0))


async def test_silence_pays_a_seller_who_delivered(story: Story) -> None:
    case = await claimed_by_the_seller(story, *DELIVERED)

    await story.pass_time(4 * DAY)

    assert await case.state() == ("granted", "shared")
    assert await case.deal.wallets() == ((START - PRICE, 0, 0), (0, PRICE, 0))


async def test_a_claim_to_what_was_not_delivered_is_let_go_and_the_order_goes_on(
    story: Story,
) -> None:
    case = await disputed(story, "accept")
    before = await case.deal.wallets()
    await case.move(case.respondent, "answer", note="I was there")

    await story.pass_time(5 * DAY)

    assert await case.state() == ("withdrawn", "in_progress")
    assert await case.deal.wallets() == before
    assert (await case.read())["outcome"]["provider_minor"] is None


async def test_an_offer_expires(story: Story) -> None:
    case = await disputed(story)
    await case.move(case.respondent, "answer", note="A part was", split=split(500))

    await story.pass_time(3 * DAY)

    offer = await case.standing()
    assert await case.refused(case.claimant, "accept", 409, offer=offer) == "offer_expired"
    assert (await case.state())[0] == "answered"


async def test_silent_negotiators_and_a_silent_side_of_a_proposal_come_before_the_staff(
    story: Story,
) -> None:
    case = await disputed(story)
    await case.move(case.respondent, "answer", note="All of it was there")
    await case.move(case.claimant, "offer", split=split(2000))

    await story.pass_time(3 * DAY)
    negotiated = (await case.state())[0]
    await case.judged("propose", split=split(1000))
    await story.pass_time(2 * DAY)

    assert (negotiated, (await case.state())[0]) == ("mediation", "arbitration")


async def test_silent_staff_are_replaced_and_then_the_order_says_what_happens(story: Story) -> None:
    case = await (await disputed(story)).in_mediation()
    await case.judged("take")
    had = await _has(case)

    await story.pass_time(5 * DAY)
    has = await _has(case)
    handed_on, waiting = await case.names(), (await case.state())[0]
    await story.pass_time(25 * DAY)
    await case.come_back()

    assert (had, has) == (True, False)
    assert (handed_on[-1], waiting) == (("reassign_mediation", "system"), "mediation")
    # Of a delivered order half goes to each, and the odd unit to the buyer.
    assert await case.state() == ("defaulted", "shared")
    assert await case.deal.wallets() == ((START - PRICE + 1500, 0, 0), (0, 1499, 0))
    async with story.database.reading() as conn:
        alerts = await conn.fetchval(
            "SELECT count(*) FROM money.alerts WHERE kind = 'dispute_not_decided' AND subject = $1",
            case.id,
        )
    assert alerts == 1


async def _has(case: Case) -> bool:
    """Whether the judge has the case, as the queue says."""
    queue = await (await case.judge()).get(DESK)
    return bool(next(item["taken_by_you"] for item in queue["items"] if item["id"] == case.id))


async def test_without_a_decision_the_buyer_of_nothing_gets_it_back_and_a_sale_stays(
    story: Story,
) -> None:
    nothing = await (await disputed(story, "accept")).in_arbitration()
    sale = await (await disputed(story, *SOLD)).in_arbitration()

    await story.pass_time(30 * DAY)
    await nothing.come_back()
    await sale.come_back()

    assert (await nothing.state())[0] == (await sale.state())[0] == "defaulted"
    assert await nothing.deal.wallets() == ((START, 0, 0), (0, 0, 0))
    assert (await sale.deal.wallets())[0] == (START - PRICE, 0, 0)
    assert sum((await sale.deal.wallets())[1]) == PRICE


async def test_an_appeal_that_nobody_decides_leaves_the_ruling(story: Story) -> None:
    case = await (await disputed(story)).in_arbitration()
    await case.judged("rule", ruling=ruling(0, "claimant"))
    await case.show(case.claimant)
    await case.move(case.claimant, "appeal", note="This is wrong")

    await story.pass_time(7 * DAY)

    assert await case.state() == ("final", "shared")
    assert await case.deal.wallets() == ((START - PRICE, 0, 0), (0, PRICE, 0))
    assert ("reassign_appeal", "system") in await case.names()


async def test_the_hold_ends_before_the_thirty_days(story: Story) -> None:
    case = await disputed(story)
    async with story.database.reading() as conn:
        await conn.execute("SET ROLE handsel_owner")
        await conn.execute(
            "UPDATE deals.disputes SET money_until = foundation.handsel_now() + interval '9 days'"
            " WHERE ended_at IS NULL"
        )
        await conn.execute("RESET ROLE")
    await case.in_arbitration()

    await story.pass_time(7 * DAY - HOUR)
    before = (await case.state())[0]
    await story.pass_time(HOUR)

    assert (before, (await case.state())[0]) == ("arbitration", "defaulted")


async def test_a_time_that_has_come_is_not_raced_for(story: Story) -> None:
    case = await disputed(story)
    await story.move_clock(4 * DAY)
    before = await snapshot(case)

    late = await case.refused(case.respondent, "answer", 409, note="All of it was there")
    unmoved = await snapshot(case) == before
    moved = await asyncio.gather(*(disputes.sweep(story.database) for _ in range(3)))

    assert (late, unmoved) == ("deadline_passed", True)
    assert sum(moved) == 1
    assert await case.state() == ("granted", "shared")


def test_every_stage_ends_by_itself_within_thirty_days() -> None:
    process = machine.processes()[machine.CURRENT]

    for name, state in process.states.items():
        leaving = [t for t in process.leaving(name) if t.at and not t.stays]
        capped = [t for t in leaving if {"opened + P30D", "due - P2D"} <= set(t.at)]
        assert state.terminal or len(capped) == 1, name


async def test_the_books_agree_after_all_of_this(story: Story) -> None:
    report = await story.check()

    assert report.violations == 0
