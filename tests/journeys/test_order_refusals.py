"""What is refused over HTTP, and that nothing moved then: moves, limits, confirmations, money."""

from collections.abc import Callable
from datetime import timedelta
from typing import Any
from uuid import UUID, uuid4

import pytest

from handsel.deals.orders.registry import current
from tests.journeys.deals import HOUR, PRICE, START, Deal, brought_to, funded, placed, rich
from tests.journeys.story import Member, Story

#: How an order comes to each state.
WAYS: dict[str, tuple[str, ...]] = {
    "funded": (),
    "accepted": ("accept",),
    "delivered": ("accept", "deliver"),
    "objected": ("accept", "deliver", "object"),
    "completed": ("accept", "deliver", "approve"),
    "revoked": ("revoke",),
    "declined": ("decline",),
    "cancelled": ("accept", "withdraw"),
    "refunded": ("accept", "deliver", "give_back"),
}


async def snapshot(story: Story, *order_ids: str) -> list[Any]:
    """Everything that a refused move must leave as it is."""
    ids = [UUID(order.removeprefix("ord_")) for order in order_ids]
    async with story.database.reading() as conn:
        return [
            await conn.fetch(sql, *args)
            for sql, args in (
                ("SELECT * FROM deals.orders WHERE id = ANY ($1) ORDER BY id", (ids,)),
                (
                    "SELECT * FROM deals.moves WHERE order_id = ANY ($1) ORDER BY order_id, seq",
                    (ids,),
                ),
                ("SELECT * FROM deals.timers WHERE order_id = ANY ($1) ORDER BY 1, 2", (ids,)),
                ("SELECT * FROM money.accounts ORDER BY id", ()),
                ("SELECT * FROM money.holds ORDER BY id", ()),
                ("SELECT count(*), max(id::text) FROM money.transfers", ()),
                ("SELECT count(*) FROM foundation.outbox", ()),
                ("SELECT * FROM people.exposures ORDER BY reference_id", ()),
            )
        ]


async def used_limits(member: Member) -> tuple[int, int]:
    trust = await member.get("/v1/trust")
    used = {limit["code"]: limit["used"]["amount_minor"] for limit in trust["limits"]}
    return used["per_24h"], used["per_30d"]


#: (state, move) -> who may make it. Who may is written down by hand for older versions, in
#: tests/deals/process/test_service.py; here the service is compared with its own file.
TABLE = {(state, t.name): t.actors for t in current("service").transitions for state in t.source}
NAMES = sorted({name for _, name in TABLE})


@pytest.mark.parametrize("state", [*WAYS, "pending_payment"])
async def test_every_move_that_the_table_does_not_have_is_refused(story: Story, state: str) -> None:
    if state == "pending_payment":
        deal = await placed(story)
    else:
        deal = await brought_to(story, *WAYS[state])
    await story.drain()
    before = await snapshot(story, deal.id)

    path = f"/v1/orders/{deal.id}/transitions"
    for member, role in ((deal.buyer, "customer"), (deal.seller, "provider")):
        for name in NAMES:
            known = TABLE.get((state, name))
            if known and role in known:
                continue
            code, status = ("not_your_move", 403) if known else ("transition_not_allowed", 409)
            problem = await member.refused(path, {"name": name, "note": "a note"}, status)
            assert problem["code"] == code, (state, name, role)
            if status == 409:
                own = sorted(n for (s, n), who in TABLE.items() if s == state and role in who)
                assert sorted(problem["allowed_transitions"]) == own

    assert await snapshot(story, deal.id) == before


async def test_an_order_is_nobody_elses(story: Story) -> None:
    deal, stranger = await funded(story), await rich(story, "stranger")
    before = await snapshot(story, deal.id)

    problem = await stranger.refused(f"/v1/orders/{deal.id}/transitions", {"name": "accept"}, 404)

    assert problem["code"] == "not_found"
    for path in ("", "/timeline"):
        answer = await story.http.get(
            f"/v1/orders/{deal.id}{path}", headers={"Authorization": f"Bearer {stranger.token}"}
        )
        assert answer.status_code == 404
    assert await snapshot(story, deal.id) == before


@pytest.mark.parametrize(
    ("moves", "name", "body", "status", "code"),
    [
        (("accept",), "deliver", {"note": "  "}, 422, "proof_missing"),
        (("accept",), "deliver", {"note": "ok"}, 422, "proof_missing"),
        (("accept", "deliver"), "object", {}, 422, "reason_missing"),
        (("accept",), "deliver", {"note": "done", "by": "me"}, 422, "invalid"),
        (("accept",), "deliver", {"note": "x" * 2001}, 422, "invalid"),
        (("accept",), "deliver", {"note": "nul \0 here"}, 422, "invalid_text"),
    ],
)
async def test_a_move_without_what_it_needs_is_refused(
    story: Story, moves: tuple[str, ...], name: str, body: dict[str, Any], status: int, code: str
) -> None:
    deal = await brought_to(story, *moves)
    before = await snapshot(story, deal.id)

    who = deal.buyer if name == "object" else deal.seller
    problem = await who.refused(f"/v1/orders/{deal.id}/transitions", {"name": name, **body}, status)

    assert problem["code"] == code
    assert await snapshot(story, deal.id) == before


async def test_work_is_not_delivered_before_it_begins(story: Story) -> None:
    start = await story.now() + 5 * HOUR
    deal = await brought_to(story, "accept", starts_at=start.isoformat())
    before = await snapshot(story, deal.id)
    path, body = f"/v1/orders/{deal.id}/transitions", {"name": "deliver", "note": "all done"}

    problem = await deal.seller.refused(path, body, 409)

    assert problem["code"] == "not_started"
    assert await snapshot(story, deal.id) == before
    await story.move_clock(5 * HOUR + timedelta(seconds=1))
    assert (await deal.seller.made(path, body))["state"] == "delivered"


@pytest.mark.parametrize(
    ("start", "code"),
    [
        (lambda now: now + timedelta(hours=2, seconds=-5), "invalid_start"),
        (lambda now: now + timedelta(days=60, minutes=1), "invalid_start"),
        (lambda now: now - timedelta(days=1), "invalid_start"),
        (lambda now: (now + timedelta(days=1)).replace(tzinfo=None), "invalid_start"),
    ],
)
async def test_a_start_that_cannot_be_is_refused(
    story: Story, start: Callable[[Any], Any], code: str
) -> None:
    seller, buyer = await story.person("seller"), await rich(story)
    listing = await story.listing(seller, PRICE)
    when = start(await story.now()).isoformat()

    problem = await buyer.refused("/v1/orders", {"listing_id": listing, "starts_at": when}, 422)

    assert problem["code"] == code
    assert (await buyer.get("/v1/orders"))["items"] == []


async def test_nobody_orders_from_himself_from_nobody_or_what_is_not_for_sale(story: Story) -> None:
    seller, buyer = await story.person("seller"), await rich(story)
    listing, quote = await story.listing(seller, PRICE), await story.listing(seller, price=None)
    paused = await story.listing(seller, PRICE)
    await seller.made(f"/v1/listings/{paused}/pause")

    found = [
        (await who.refused("/v1/orders", {"listing_id": what}, status))["code"]
        for who, what, status in (
            (seller, listing, 409),
            (buyer, quote, 409),
            (buyer, paused, 409),
            (buyer, f"lst_{uuid4().hex}", 404),
            (buyer, "nonsense", 404),
        )
    ]

    assert found == [
        "own_listing", "listing_needs_quote", "listing_not_orderable", "not_found", "not_found",
    ]  # fmt: skip
    assert (await buyer.get("/v1/orders"))["items"] == []


async def test_a_newcomer_over_the_limit_is_refused_with_reasons_and_path(story: Story) -> None:
    deal = await placed(story, price=6500)
    before = await snapshot(story, deal.id)
    path, body = f"/v1/orders/{deal.id}/transitions", {"name": "fund"}

    first = await deal.buyer.post(path, body, Idempotency_Key="over-the-limit")
    again = await deal.buyer.post(path, body, Idempotency_Key="over-the-limit")

    problem = first.json()
    assert (first.status_code, problem["code"]) == (403, "over_limit")
    assert [reason["code"] for reason in problem["reasons"]] == ["over_order_limit"]
    assert (problem["reasons"][0]["limit_minor"], problem["reasons"][0]["used_minor"]) == (6000, 0)
    assert [step["code"] for step in problem["path"]] != []
    # What one may do can change by the minute: a 403 is not kept, it is decided again.
    assert (again.status_code, again.json()["code"]) == (403, "over_limit")
    assert "idempotent-replayed" not in again.headers
    assert await snapshot(story, deal.id) == before
    assert await used_limits(deal.buyer) == (0, 0)
    async with story.database.reading() as conn:
        decisions = await conn.fetch(
            "SELECT id, allowed, amount_minor FROM people.decisions WHERE reference_id = $1",
            UUID(deal.id.removeprefix("ord_")),
        )
        told = await conn.fetchval(
            "SELECT count(*) FROM foundation.audit_entries"
            " WHERE action = 'payment_refused' AND subject_id = $1",
            UUID(deal.id.removeprefix("ord_")),
        )
    assert [(d["allowed"], d["amount_minor"]) for d in decisions] == [(False, 6500)] * 2
    assert problem["decision_id"] in {f"dec_{d['id'].hex}" for d in decisions}
    assert told == 2


async def test_the_rolling_limit_counts_what_was_funded(story: Story) -> None:
    seller = await story.person("seller")
    buyer = await story.person("buyer")
    await story.top_up(buyer, 20_000)
    listing = await story.listing(seller, 5500)
    for _ in range(2):
        await story.funded(buyer, listing)
    order = await buyer.made("/v1/orders", {"listing_id": listing})
    before = await snapshot(story, order["id"])

    problem = await buyer.refused(f"/v1/orders/{order['id']}/transitions", {"name": "fund"}, 403)

    assert problem["code"] == "over_limit"
    assert [reason["code"] for reason in problem["reasons"]] == ["over_24h_limit"]
    assert problem["reasons"][0]["used_minor"] == 11_000
    assert await snapshot(story, order["id"]) == before
    assert await used_limits(buyer) == (11_000, 11_000)


async def test_a_visitor_cannot_pay_and_cannot_be_paid(story: Story) -> None:
    visitor, seller, buyer = (
        await story.person("visitor", verified=False),
        await story.person("seller"),
        await rich(story),
    )
    await story.top_up(visitor, START)
    as_buyer = await visitor.made("/v1/orders", {"listing_id": await story.listing(seller, PRICE)})
    as_seller = await buyer.made("/v1/orders", {"listing_id": await story.listing(visitor, PRICE)})
    before = await snapshot(story, as_buyer["id"], as_seller["id"])

    codes = [
        (await who.refused(f"/v1/orders/{order['id']}/transitions", {"name": "fund"}, 403))["code"]
        for who, order in ((visitor, as_buyer), (buyer, as_seller))
    ]

    assert codes == ["payer_not_verified", "payee_not_verified"]
    assert await snapshot(story, as_buyer["id"], as_seller["id"]) == before


async def confirmed(deal: Deal, story: Story, **changes: Any) -> str:
    """A confirmation of this order, but for the changes."""
    return await story.confirmation(deal.buyer, deal.order | changes)


async def test_funding_needs_a_confirmation_of_exactly_this(story: Story) -> None:
    deal, other = await placed(story), await placed(story)
    path = f"/v1/orders/{deal.id}/transitions"
    before = await snapshot(story, deal.id)
    wrong_amount = await confirmed(deal, story, amount={"amount_minor": 1, "currency": "EUR"})
    wrong_terms = await confirmed(deal, story, terms_hash=other.order["terms_hash"])
    wrong_payee = await confirmed(deal, story, provider_id=other.order["provider_id"])
    somebody_elses = await story.confirmation(other.buyer, deal.order)

    missing = await deal.buyer.refused(path, {"name": "fund"}, 403)
    unknown = await deal.buyer.refused(path, {"name": "fund", "confirmation": "made up"}, 403)
    found = [
        await deal.buyer.refused(path, {"name": "fund", "confirmation": token}, 403)
        for token in (wrong_amount, wrong_terms, wrong_payee, somebody_elses)
    ]

    assert missing["code"] == unknown["code"] == "confirmation_required"
    assert missing["confirm"]["path"] == "/v1/confirmations"
    assert missing["confirm"]["body"]["terms_hash"] == deal.order["terms_hash"]
    assert missing["confirm"]["body"]["payee_id"] == deal.order["provider_id"]
    assert [(p["code"], p["differs"]) for p in found] == [
        ("confirmation_mismatch", ["amount"]),
        ("confirmation_mismatch", ["terms"]),
        ("confirmation_mismatch", ["payee"]),
        ("confirmation_mismatch", ["payer"]),
    ]
    assert await snapshot(story, deal.id) == before
    assert await used_limits(deal.buyer) == (0, 0)


async def test_a_confirmation_is_used_once_and_lives_five_minutes(story: Story) -> None:
    deal = await placed(story)
    token = await confirmed(deal, story)
    await deal.buyer.move(deal.id, "fund", confirmation=token)
    later = await placed(story)
    old = await confirmed(later, story)
    before = await snapshot(story, deal.id, later.id)

    used = await deal.buyer.refused(
        f"/v1/orders/{deal.id}/transitions", {"name": "fund", "confirmation": token}, 409
    )
    await story.move_clock(timedelta(minutes=5))
    expired = await later.buyer.refused(
        f"/v1/orders/{later.id}/transitions", {"name": "fund", "confirmation": old}, 403
    )

    assert (used["code"], expired["code"]) == ("transition_not_allowed", "confirmation_expired")
    assert await snapshot(story, deal.id, later.id) == before


async def test_a_confirmation_of_one_order_does_not_fund_its_twin(story: Story) -> None:
    deal = await placed(story)
    twin = await deal.buyer.made("/v1/orders", {"listing_id": deal.order["terms"]["listing_id"]})
    token = await confirmed(deal, story)
    before = await snapshot(story, twin["id"])

    problem = await deal.buyer.refused(
        f"/v1/orders/{twin['id']}/transitions", {"name": "fund", "confirmation": token}, 403
    )

    assert (problem["code"], problem["differs"]) == ("confirmation_mismatch", ["terms"])
    assert await snapshot(story, twin["id"]) == before


async def test_a_buyer_with_too_little_money_keeps_it_the_limit_and_the_confirmation(
    story: Story,
) -> None:
    seller, buyer = await story.person("seller"), await story.person("buyer")
    await story.top_up(buyer, PRICE - 1)
    order = await buyer.made("/v1/orders", {"listing_id": await story.listing(seller, PRICE)})
    deal = Deal(seller, buyer, order["id"], order)
    token = await confirmed(deal, story)
    before = await snapshot(story, deal.id)
    body = {"name": "fund", "confirmation": token}

    problem = await buyer.refused(f"/v1/orders/{deal.id}/transitions", body, 409)

    assert problem["code"] == "insufficient_funds"
    assert await snapshot(story, deal.id) == before
    assert await buyer.available() == (PRICE - 1, 0, 0)
    assert await used_limits(buyer) == (0, 0)
    await story.top_up(buyer, 1)
    assert (await buyer.made(f"/v1/orders/{deal.id}/transitions", body))["state"] == "funded"
    assert await buyer.available() == (0, 0, PRICE)


async def test_fifty_racing_fundings_hold_the_money_once(story: Story) -> None:
    import asyncio

    deal = await placed(story)
    tokens = [await confirmed(deal, story) for _ in range(3)]

    answers = await asyncio.gather(
        *(
            deal.buyer.post(
                f"/v1/orders/{deal.id}/transitions",
                {"name": "fund", "confirmation": tokens[number % 3]},
            )
            for number in range(50)
        )
    )

    statuses = sorted(answer.status_code for answer in answers)
    assert statuses.count(200) == 1
    assert set(statuses) <= {200, 409, 503}
    assert await deal.buyer.available() == (START - PRICE, 0, PRICE)
    assert await used_limits(deal.buyer) == (PRICE, PRICE)


async def test_buyer_and_seller_racing_leave_one_outcome(story: Story) -> None:
    import asyncio

    deals = [await funded(story) for _ in range(6)]

    for deal in deals:
        path = f"/v1/orders/{deal.id}/transitions"
        answers = await asyncio.gather(
            deal.buyer.post(path, {"name": "revoke"}),
            deal.seller.post(path, {"name": "accept"}),
            deal.seller.post(path, {"name": "decline"}),
        )
        won = [answer for answer in answers if answer.status_code == 200]
        assert len(won) == 1
        assert {a.status_code for a in answers} == {200, 409}
        state = await deal.state()
        assert state == won[0].json()["state"]
        held = PRICE if state == "accepted" else 0
        assert await deal.buyer.available() == (START - held, 0, held)
    await story.check()
