"""Every end of a `service` order over HTTP: wallets, fees, timeline and notices, to the cent.

Each story has a seller and a buyer of its own with 100.00 EUR, at T1: the hold of a first small
order lasts three days, of any other fourteen, and a payment may be taken back for a day.
"""

import asyncio
from collections.abc import Sequence
from datetime import timedelta

import pytest

from handsel.foundation.core.ids import decode
from tests.journeys.deals import (
    ACCEPT,
    DAY,
    DELIVER,
    FEE,
    FUND,
    FUND_MOVE,
    HELD,
    HOUR,
    INITIATE,
    OBJECT,
    PRICE,
    START,
    UNTOUCHED,
    body_of,
    brought_to,
    fourth,
    funded,
    house,
    placed,
    rich,
    told,
)
from tests.journeys.story import Story


async def test_an_unpaid_order_closes_by_itself(story: Story) -> None:
    deal = await placed(story)

    await story.pass_time(timedelta(minutes=15))

    assert await deal.state() == "payment_expired"
    assert await deal.wallets() == UNTOUCHED
    assert await deal.timeline() == [INITIATE, ("expire_payment", "system", {})]
    assert (await told(deal.buyer), await told(deal.seller)) == ([], [])


async def test_an_unpaid_order_can_be_abandoned(story: Story) -> None:
    deal = await placed(story)

    await deal.buyer.move(deal.id, "abandon")
    await story.drain()

    assert await deal.state() == "payment_expired"
    assert await deal.wallets() == UNTOUCHED
    assert await deal.timeline() == [INITIATE, ("abandon", "customer", {})]


async def test_a_payment_is_taken_back_whole(story: Story) -> None:
    deal = await funded(story)
    assert await deal.wallets() == HELD

    await deal.buyer.move(deal.id, "revoke")
    await story.drain()

    assert await deal.state() == "revoked"
    assert await deal.wallets() == UNTOUCHED
    assert await deal.timeline() == [
        INITIATE,
        FUND_MOVE,
        ("revoke", "customer", {"customer": PRICE}),
    ]
    assert await told(deal.seller) == ["order_funded", "order_revoked"]
    assert await told(deal.buyer) == []


async def test_a_payment_cannot_be_taken_back_too_late(story: Story) -> None:
    deal = await funded(story)
    await story.move_clock(24 * HOUR + timedelta(seconds=1))

    problem = await deal.buyer.refused(f"/v1/orders/{deal.id}/transitions", {"name": "revoke"}, 409)

    assert problem["code"] == "deadline_passed"
    assert await deal.state() == "funded"
    assert await deal.wallets() == HELD
    assert await deal.timeline() == [INITIATE, FUND_MOVE]


async def test_nor_after_it_was_accepted(story: Story) -> None:
    deal = await brought_to(story, "accept")

    problem = await deal.buyer.refused(f"/v1/orders/{deal.id}/transitions", {"name": "revoke"}, 409)

    assert problem["code"] == "transition_not_allowed"
    assert problem["allowed_transitions"] == [
        "cancel", "cancel_late", "report_no_show", "propose_split", "accept_split",
        "propose_change", "accept_change",
    ]  # fmt: skip
    assert await deal.wallets() == HELD


async def test_a_declined_order_gives_all_back(story: Story) -> None:
    deal = await funded(story)

    await deal.seller.move(deal.id, "decline")
    await story.drain()

    assert await deal.state() == "declined"
    assert await deal.wallets() == UNTOUCHED
    assert (await deal.timeline())[2:] == [("decline", "provider", {"customer": PRICE})]
    assert await told(deal.seller) == ["order_funded"]
    assert await told(deal.buyer) == ["order_declined"]
    assert "€29.99 is back in your wallet" in await body_of(deal.buyer, "order_declined")


async def test_an_unanswered_order_expires(story: Story) -> None:
    deal = await funded(story)

    await story.pass_time(24 * HOUR - timedelta(seconds=30))
    assert await deal.state() == "funded"
    await story.pass_time(timedelta(seconds=60))

    assert await deal.state() == "expired"
    assert await deal.wallets() == UNTOUCHED
    assert (await deal.timeline())[2:] == [("expire", "system", {"customer": PRICE})]
    assert await told(deal.seller) == ["order_funded", "order_expired"]
    assert await told(deal.buyer) == ["order_expired"]


async def test_an_order_that_begins_soon_expires_an_hour_before(story: Story) -> None:
    start = await story.now() + 5 * HOUR
    deal = await funded(story, starts_at=start.isoformat())

    await story.pass_time(4 * HOUR - timedelta(minutes=1))
    assert await deal.state() == "funded"
    await story.pass_time(timedelta(minutes=2))

    assert await deal.state() == "expired"
    assert await deal.wallets() == UNTOUCHED


async def test_cancelling_early_is_free(story: Story) -> None:
    start = await story.now() + 3 * DAY
    deal = await fourth(story, "accept", starts_at=start.isoformat())
    before = await house(story)

    await deal.buyer.move(deal.id, "cancel")
    await story.drain()

    assert await deal.state() == "cancelled"
    assert await deal.wallets() == UNTOUCHED
    assert (await deal.timeline())[3:] == [("cancel", "customer", {"customer": PRICE})]
    assert await house(story) == before
    assert (await told(deal.seller))[-1] == "order_cancelled"
    assert await told(deal.buyer) == ["order_accepted"]
    assert "€29.99 went back" in await body_of(deal.seller, "order_cancelled")


async def test_cancelling_late_pays_the_agreed_share_and_its_fee(story: Story) -> None:
    start = await story.now() + 20 * HOUR
    deal = await fourth(story, "accept", starts_at=start.isoformat())
    before = await house(story)

    problem = await deal.buyer.refused(f"/v1/orders/{deal.id}/transitions", {"name": "cancel"}, 409)
    assert (problem["code"], problem["late_share_bps"]) == ("cancelling_costs", 5000)
    assert await deal.wallets() == HELD
    await deal.buyer.move(deal.id, "cancel_late")
    await story.drain()

    # Half of 29.99 is 15.00 back and 14.99 kept; of the fee of 2.40 (0.24 of it the
    # fund's) the part 1499/2999 stays, rounded down. The seller's part waits like a whole price.
    assert await deal.state() == "shared"
    assert await deal.wallets() == ((START - 1499, 0, 0), (0, 1499 - 119, 0))
    assert (await deal.timeline())[3:] == [
        (
            "cancel_late",
            "customer",
            {"customer": 1500, "provider": 1380, "fee": 108, "protection_fund": 11},
        )
    ]
    assert await house(story) == (before[0] + 108, before[1] + 11)
    assert "€15.00 went back" in await body_of(deal.seller, "order_cancelled")
    await story.pass_time(14 * DAY + HOUR)
    assert await deal.state() == "closed"
    assert await deal.wallets() == ((START - 1499, 0, 0), (1380, 0, 0))
    await story.check()


async def test_cancelling_late_is_not_offered_while_cancelling_is_free(story: Story) -> None:
    start = await story.now() + 3 * DAY
    deal = await brought_to(story, "accept", starts_at=start.isoformat())

    path = f"/v1/orders/{deal.id}/transitions"
    problem = await deal.buyer.refused(path, {"name": "cancel_late"}, 409)

    assert problem["code"] == "cancelling_is_free"
    assert await deal.wallets() == HELD


async def test_a_seller_who_did_not_come_is_not_paid_for_it(story: Story) -> None:
    start = await story.now() + 5 * HOUR
    deal = await brought_to(story, "accept", starts_at=start.isoformat())
    await story.move_clock(30 * HOUR)

    await deal.buyer.move(deal.id, "cancel")
    await story.drain()

    assert await deal.state() == "cancelled"
    assert await deal.wallets() == UNTOUCHED
    async with story.database.reading() as conn:
        kinds = await conn.fetch(
            "SELECT kind FROM people.facts WHERE order_id = $1 AND role = 'seller' ORDER BY kind",
            decode("ord", deal.id),
        )
    assert [row["kind"] for row in kinds] == ["no_show", "order_funded"]


async def test_a_deadline_binds_also_before_the_worker_comes(story: Story) -> None:
    deal = await funded(story)
    await story.move_clock(25 * HOUR)

    path = f"/v1/orders/{deal.id}/transitions"
    problem = await deal.seller.refused(path, {"name": "accept"}, 409)

    assert (problem["code"], problem["transition"]) == ("deadline_passed", "expire")
    assert await deal.wallets() == HELD
    await story.pass_time(timedelta(0))
    assert await deal.state() == "expired"


async def test_of_many_orders_at_once_only_three_are_free(story: Story) -> None:
    seller = await story.person("seller")
    listing = await story.listing(seller, PRICE)
    buyers = [await rich(story) for _ in range(5)]

    orders = await asyncio.gather(
        *(buyer.made("/v1/orders", {"listing_id": listing}) for buyer in buyers)
    )

    reasons = sorted(order["terms"]["fee"]["reason"] for order in orders)
    assert reasons == ["free_first_orders"] * 3 + ["standard"] * 2


async def test_a_share_that_was_paid_still_counts_against_the_limit(story: Story) -> None:
    start = await story.now() + 20 * HOUR
    deal = await brought_to(story, "accept", starts_at=start.isoformat())

    await deal.buyer.move(deal.id, "cancel_late")

    trust = await deal.buyer.get("/v1/trust")
    used = {limit["code"]: limit["used"]["amount_minor"] for limit in trust["limits"]}
    assert (used["per_24h"], used["per_30d"]) == (PRICE, PRICE)


@pytest.mark.parametrize(
    "moves", [("accept", "withdraw"), ("decline",), ("accept", "deliver", "give_back")]
)
async def test_what_was_given_back_no_longer_counts(story: Story, moves: Sequence[str]) -> None:
    deal = await brought_to(story, *moves)

    trust = await deal.buyer.get("/v1/trust")

    used = {limit["code"]: limit["used"]["amount_minor"] for limit in trust["limits"]}
    assert (used["per_24h"], used["per_30d"]) == (0, 0)


async def test_a_seller_who_withdraws_gives_all_back(story: Story) -> None:
    start = await story.now() + 3 * HOUR
    deal = await brought_to(story, "accept", "withdraw", starts_at=start.isoformat())
    await story.drain()

    assert await deal.state() == "cancelled"
    assert await deal.wallets() == UNTOUCHED
    assert (await deal.timeline())[3:] == [("withdraw", "provider", {"customer": PRICE})]
    assert await told(deal.buyer) == ["order_accepted", "order_cancelled"]
    assert await told(deal.seller) == ["order_funded"]


async def test_a_no_show_is_never_paid_by_silence(story: Story) -> None:
    start = await story.now() + 10 * HOUR
    deal = await brought_to(story, "accept", starts_at=start.isoformat())

    await story.pass_time(10 * HOUR + 3 * DAY - timedelta(minutes=1))
    assert (await deal.state(), await deal.wallets()) == ("accepted", HELD)
    await story.pass_time(timedelta(minutes=2))
    await story.pass_time(20 * DAY)

    assert await deal.state() == "cancelled"
    assert await deal.wallets() == UNTOUCHED
    assert (await deal.timeline())[3:] == [("auto_cancel", "system", {"customer": PRICE})]
    assert (await told(deal.buyer))[-1] == (await told(deal.seller))[-1] == "order_cancelled"
    async with story.database.reading() as conn:
        assert not await conn.fetchval(
            "SELECT EXISTS (SELECT FROM money.holds WHERE state = 'released'"
            " AND reference_id = $1::uuid)",
            deal.id.removeprefix("ord_"),
        )


async def test_silence_after_a_delivery_approves(story: Story) -> None:
    deal = await brought_to(story, "accept", "deliver")

    await story.pass_time(2 * DAY - timedelta(minutes=1))
    assert (await deal.state(), await deal.wallets()) == ("delivered", HELD)
    await story.pass_time(timedelta(minutes=2))

    assert await deal.state() == "completed"
    assert await deal.wallets() == ((START - PRICE, 0, 0), (0, PRICE, 0))
    assert (await deal.timeline())[4:] == [("auto_approve", "system", {"provider": PRICE})]
    assert await told(deal.seller) == ["order_funded", "order_approved"]


async def test_an_objection_is_given_in_to(story: Story) -> None:
    deal = await brought_to(story, "accept", "deliver", "object")
    assert (await deal.state(), await deal.wallets()) == ("objected", HELD)

    await deal.seller.move(deal.id, "give_back")
    await story.drain()

    assert await deal.state() == "refunded"
    assert await deal.wallets() == UNTOUCHED
    assert (await deal.timeline())[4:] == [OBJECT, ("give_back", "provider", {"customer": PRICE})]
    assert await told(deal.seller) == ["order_funded", "order_objected"]
    assert await told(deal.buyer) == ["order_accepted", "order_delivered", "order_refunded"]


async def test_an_objection_is_taken_back(story: Story) -> None:
    deal = await brought_to(story, "accept", "deliver", "object", "approve")
    await story.drain()

    assert await deal.state() == "completed"
    assert await deal.wallets() == ((START - PRICE, 0, 0), (0, PRICE, 0))
    assert (await deal.timeline())[4:] == [OBJECT, ("approve", "customer", {"provider": PRICE})]
    assert await told(deal.seller) == ["order_funded", "order_objected", "order_approved"]


async def test_an_objection_without_agreement_is_shared(story: Story) -> None:
    deal = await fourth(story, "accept", "deliver", "object")
    before = await house(story)

    await story.pass_time(7 * DAY - timedelta(minutes=1))
    assert await deal.state() == "objected"
    await story.pass_time(timedelta(minutes=2))

    assert await deal.state() == "shared"
    assert await deal.wallets() == ((START - 1499, 0, 0), (0, 1380, 0))
    shared = {"customer": 1500, "provider": 1380, "fee": 108, "protection_fund": 11}
    assert (await deal.timeline())[5:] == [("share", "system", shared)]
    assert await house(story) == (before[0] + 108, before[1] + 11)
    assert (await told(deal.buyer))[-1] == (await told(deal.seller))[-1] == "order_shared"
    await story.pass_time(14 * DAY + HOUR)
    assert await deal.state() == "closed"
    assert await deal.wallets() == ((START - 1499, 0, 0), (1380, 0, 0))


async def test_a_first_small_order_settles_after_three_days_without_a_fee(story: Story) -> None:
    deal = await brought_to(story, "accept", "deliver", "approve")
    before = await house(story)

    await story.pass_time(3 * DAY - timedelta(minutes=1))
    assert await deal.wallets() == ((START - PRICE, 0, 0), (0, PRICE, 0))
    await story.pass_time(timedelta(minutes=2))

    assert await deal.state() == "settled"
    assert await deal.wallets() == ((START - PRICE, 0, 0), (PRICE, 0, 0))
    assert await deal.timeline() == [
        INITIATE, FUND_MOVE, ACCEPT, DELIVER,
        ("approve", "customer", {"provider": PRICE}),
        ("settle", "system", {"provider": PRICE}),
    ]  # fmt: skip
    assert await house(story) == before
    assert await told(deal.seller) == ["order_funded", "order_approved", "order_settled"]
    assert await told(deal.buyer) == ["order_accepted", "order_delivered"]


async def test_the_fourth_sale_pays_the_fee_to_the_cent(story: Story) -> None:
    deal = await fourth(story, "accept", "deliver")
    before = await house(story)
    assert deal.order["terms"]["fee"] == {
        "amount_minor": FEE + FUND, "fund_share_minor": FUND, "rate_bps": 800,
        "reason": "standard", "table_version": "2026-11",
    }  # fmt: skip

    await deal.buyer.move(deal.id, "approve")
    net = PRICE - FEE - FUND
    assert await deal.wallets() == ((START - PRICE, 0, 0), (0, net, 0))
    assert await house(story) == (before[0] + FEE, before[1] + FUND)
    await story.pass_time(14 * DAY - timedelta(minutes=1))
    assert await deal.state() == "completed"
    await story.pass_time(timedelta(minutes=2))

    assert await deal.state() == "settled"
    assert await deal.wallets() == ((START - PRICE, 0, 0), (net, 0, 0))
    paid = {"provider": net, "fee": FEE, "protection_fund": FUND}
    assert (await deal.timeline())[4:] == [
        ("approve", "customer", paid), ("settle", "system", {"provider": net}),
    ]  # fmt: skip
    assert await house(story) == (before[0] + FEE, before[1] + FUND)
    assert "€27.59 is now available" in await body_of(deal.seller, "order_settled")


async def test_whoever_must_move_is_reminded_once(story: Story) -> None:
    deal = await brought_to(story, "accept", "deliver")

    await story.pass_time(25 * HOUR)
    await story.pass_time(HOUR)

    page = await deal.buyer.get("/v1/notices", limit=200)
    near = [item for item in page["items"] if item["kind"] == "deadline_near"]
    assert len(near) == 1
    assert near[0]["body"].startswith("Approve or object by ")


async def test_everything_adds_up_at_the_end(story: Story) -> None:
    report = await story.check()

    assert {c.state for c in report.checks} == {"ok"}
    # What other rooms add is looked at by their own stories.
    assert {c.name for c in report.checks if c.rows == 0 and c.name.startswith("L")} <= {
        "L14_reversed_once", "L17_closed_accounts_rest", "L22_ledger_chain", "L23_closed_months",
        "L24_chargebacks_clear", "L25_disputes_stop_money", "L26_bonds_agree_with_holds",
        "L27_bonds_end_with_their_order",
    }  # fmt: skip
