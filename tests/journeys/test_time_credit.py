"""Every end of a `time_credit` over HTTP. Hours are counted in minutes: 95 of them, and the odd one
of halves is whose hours they were."""

import asyncio
from collections.abc import AsyncIterator
from datetime import timedelta
from typing import Any

import pytest

from handsel.foundation.core.ids import decode
from tests.journeys.deals import DAY, HOUR, INITIATE, body_of, told
from tests.journeys.gifts import MINUTES, hours_after, minutes_of
from tests.journeys.story import Story

FUND = ("fund", "customer", {"escrow": MINUTES})
NOTHING = ((0, 0), (0, 0))
ASIDE = ((-MINUTES, MINUTES), (0, 0))
GIVEN = ((-MINUTES, 0), (MINUTES, 0))


@pytest.fixture(scope="module", autouse=True)
async def _nothing_is_broken(story: Story) -> AsyncIterator[None]:
    """After every ending of this module the invariants hold."""
    yield
    await story.check()


async def test_hours_are_given_for_work(story: Story) -> None:
    deal = await hours_after(story, "fund")
    await story.drain()
    assert await minutes_of(deal) == ASIDE
    assert "1 h 35 min are set aside" in await body_of(deal.seller, "order_moved")
    await deal.seller.move(deal.id, "accept")
    await deal.seller.move(deal.id, "deliver", note="The chain is new")

    await deal.buyer.move(deal.id, "approve")
    await story.drain()

    assert await deal.state() == "settled"
    assert await minutes_of(deal) == GIVEN
    assert await deal.timeline() == [
        INITIATE,
        FUND,
        ("accept", "provider", {}),
        ("deliver", "provider", {}),
        ("approve", "customer", {"provider": MINUTES}),
    ]
    assert await told(deal.seller) == ["order_moved", "order_moved"]
    # It is no money, raises no limit, and can be reviewed.
    assert await deal.wallets() == NOTHING_IN_MONEY
    assert await _known_to_credit_and_trust(story, deal.id) == (0, 0)
    await deal.buyer.made("/v1/reviews", {"order_id": deal.id, "stars": 5})


NOTHING_IN_MONEY = ((0, 0, 0), (0, 0, 0))


async def _known_to_credit_and_trust(story: Story, order: str) -> tuple[int, int]:
    """How many facts and settlements speak of an order."""
    async with story.database.reading() as conn:
        row = await conn.fetchrow(
            "SELECT (SELECT count(*) FROM people.facts WHERE order_id = $1),"
            " (SELECT count(*) FROM people.settlements WHERE order_id = $1)",
            decode("ord", order),
        )
    assert row is not None
    return row[0], row[1]


#: The moves, the time that passes, where it ends, the last move, and who has which minutes then.
ENDS: list[tuple[tuple[str, ...], timedelta, str, tuple[str, str, dict[str, int]], Any]] = [
    (("abandon",), timedelta(0), "payment_expired", ("abandon", "customer", {}), NOTHING),
    ((), HOUR / 4, "payment_expired", ("expire_payment", "system", {}), NOTHING),
    (("fund", "revoke"), timedelta(0), "revoked",
     ("revoke", "customer", {"customer": MINUTES}), NOTHING),
    (("fund", "decline"), timedelta(0), "declined",
     ("decline", "provider", {"customer": MINUTES}), NOTHING),
    (("fund",), 24 * HOUR, "expired", ("expire", "system", {"customer": MINUTES}), NOTHING),
    (("fund", "accept", "cancel"), timedelta(0), "cancelled",
     ("cancel", "customer", {"customer": MINUTES}), NOTHING),
    (("fund", "accept", "withdraw"), timedelta(0), "cancelled",
     ("withdraw", "provider", {"customer": MINUTES}), NOTHING),
    (("fund", "accept"), 17 * DAY, "cancelled",
     ("auto_cancel", "system", {"customer": MINUTES}), NOTHING),
    (("fund", "accept", "deliver"), 3 * DAY, "settled",
     ("auto_approve", "system", {"provider": MINUTES}), GIVEN),
    (("fund", "accept", "deliver", "object", "approve"), timedelta(0), "settled",
     ("approve", "customer", {"provider": MINUTES}), GIVEN),
    (("fund", "accept", "deliver", "object", "give_back"), timedelta(0), "refunded",
     ("give_back", "provider", {"customer": MINUTES}), NOTHING),
    (("fund", "accept", "deliver", "object"), 7 * DAY, "shared",
     ("share", "system", {"customer": 48, "provider": 47}), ((-47, 0), (47, 0))),
]  # fmt: skip


@pytest.mark.parametrize(
    ("moves", "waited", "end", "last", "minutes"), ENDS, ids=[f"{e[3][0]}-{e[2]}" for e in ENDS]
)
async def test_an_end_of_hours(
    story: Story,
    moves: tuple[str, ...],
    waited: timedelta,
    end: str,
    last: tuple[str, str, dict[str, int]],
    minutes: Any,
) -> None:
    deal = await hours_after(story, *moves)

    if waited:
        await story.pass_time(waited)

    assert await deal.state() == end
    assert (await deal.timeline())[-1] == last
    assert await minutes_of(deal) == minutes


async def test_ten_hours_may_be_owed_and_no_minute_more(story: Story) -> None:
    deal = await hours_after(story, "fund", minutes=600)
    body = {"provider": deal.seller.id, "minutes": 15, "title": "And the brakes"}
    more = await deal.buyer.made("/v1/time-credits", body)

    problem = await deal.buyer.refused(
        f"/v1/orders/{more['id']}/transitions", {"name": "fund"}, 409
    )

    assert (problem["code"], problem["available_minutes"]) == ("too_few_hours", 0)
    assert await minutes_of(deal) == ((-600, 600), (0, 0))
    account = await deal.buyer.get("/v1/time-credits/account")
    assert account == {"balance": -600, "held": 600, "floor": -600, "available": 0}
    assert (await deal.buyer.get("/v1/wallet"))["balances"] == []


async def test_of_two_orders_at_once_one_finds_the_hours_gone(story: Story) -> None:
    deal = await hours_after(story, minutes=360)
    body = {"provider": deal.seller.id, "minutes": 360, "title": "And the brakes"}
    more = await deal.buyer.made("/v1/time-credits", body)

    answers = await asyncio.gather(
        *(
            deal.buyer.post(f"/v1/orders/{order}/transitions", {"name": "fund"})
            for order in (deal.id, more["id"])
        )
    )

    assert sorted(answer.status_code for answer in answers) == [200, 409]
    assert [a.json()["code"] for a in answers if a.status_code == 409] == ["too_few_hours"]
    assert await minutes_of(deal) == ((-360, 360), (0, 0))


async def test_hours_need_two_people_whom_we_know(story: Story) -> None:
    known, unknown = await story.person("known"), await story.person("new", verified=False)
    codes = []

    for asker, helper in ((known, unknown), (unknown, known)):
        body = {"provider": helper.id, "minutes": 60, "title": "Mend my bicycle"}
        order = await asker.made("/v1/time-credits", body)
        path = f"/v1/orders/{order['id']}/transitions"
        codes.append((await asker.refused(path, {"name": "fund"}, 403))["code"])

    assert codes == ["time_not_for_you", "time_not_for_you"]
    assert (await known.get("/v1/time-credits/account"))["balance"] == 0


@pytest.mark.parametrize(
    ("change", "status", "code"),
    [
        pytest.param({"provider": "me"}, 409, "with_oneself", id="with oneself"),
        pytest.param({"minutes": 7}, 422, "invalid", id="seven minutes"),
        pytest.param({"minutes": 605}, 422, "invalid", id="more than may be owed"),
        pytest.param({"due_at": "2020-01-01T00:00:00Z"}, 422, "invalid_start", id="yesterday"),
    ],
)
async def test_what_is_not_asked_for(
    story: Story, change: dict[str, Any], status: int, code: str
) -> None:
    me, you = await story.person("me"), await story.person("you")
    body = {"provider": you.id, "minutes": 60, "title": "Mend my bicycle"} | change
    if body["provider"] == "me":
        body["provider"] = me.handle

    problem = await me.refused("/v1/time-credits", body, status)

    assert problem["code"] == code
    assert (await me.get("/v1/time-credits"))["items"] == []


async def test_hours_cannot_be_bought_or_paid_out(story: Story) -> None:
    deal = await hours_after(story, "fund", "accept", "deliver", "approve")
    amount = {"amount_minor": 60, "currency": "MIN"}
    method = {"token": "bank_ok", "label": "My bank", "password": "a long enough secret"}
    bank = await deal.seller.made("/v1/payout-methods", method)

    problems = [
        await deal.seller.refused("/v1/wallet/top-ups", {"amount": amount, "token": "tok_ok"}, 403),
        await deal.seller.refused(
            "/v1/wallet/withdrawals", {"amount": amount, "payout_method": bank["id"]}, 403
        ),
        await deal.seller.refused("/v1/wallet/card-refunds", {"amount": amount}, 409),
    ]

    assert [problem["code"] for problem in problems] == [
        "currency_not_supported",
        "currency_not_supported",
        "insufficient_funds",
    ]
    assert await minutes_of(deal) == GIVEN
