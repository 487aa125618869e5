"""The velocity rules are pure: each reason with its figures and the time at which it is over."""

import asyncio
from datetime import UTC, datetime, timedelta
from itertools import pairwise
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from handsel.money.payments import velocity
from handsel.money.payments.velocity import Asked, Flow, Slow, TierLimits
from handsel.people.trust import service as trust
from handsel.people.trust.table import Tier
from tests.journeys.story import Story
from tests.money.payments.purses import (
    earn,
    euros,
    everything,
    id_of,
    method,
    refused_withdrawal,
    withdraw,
)

NOW = datetime(2026, 11, 22, 12, tzinfo=UTC)
HOUR, DAY = timedelta(hours=1), timedelta(days=1)
TABLE = trust.current_policy()
LIMITS = TierLimits(per_24h_minor=1000, per_30d_minor=3000)
RULES = velocity.policy()


def asked(minor: int) -> Asked:
    return Asked(minor, "EUR", minor)


def ago(hours: float, minor: int) -> Flow:
    return Flow(NOW - timedelta(hours=hours), minor)


def codes(slow: list[Slow]) -> list[str]:
    return [reason.code for reason in slow]


def test_a_sum_is_allowed_up_to_its_limit_to_the_unit() -> None:
    flows = [ago(23, 600)]

    assert velocity.over(TABLE, LIMITS, asked(400), flows, NOW) == []
    [slow] = velocity.over(TABLE, LIMITS, asked(401), flows, NOW)
    assert (slow.code, slow.limit_minor, slow.left_minor) == ("over_24h_limit", 1000, 400)
    assert slow.text == "At most €10.00 in 24 hours; €4.00 are left."
    assert slow.next_at == NOW + HOUR


def test_the_window_is_open_at_its_old_end() -> None:
    assert velocity.over(TABLE, LIMITS, asked(1000), [ago(24, 1000)], NOW) == []
    assert velocity.over(TABLE, LIMITS, asked(1000), [ago(23.999, 1)], NOW) != []


@pytest.mark.parametrize(
    ("amount", "next_at"),
    [(100, NOW + HOUR), (300, NOW + HOUR), (301, NOW + 4 * HOUR), (1000, NOW + 20 * HOUR)],
)
def test_the_next_time_is_when_enough_of_the_oldest_is_out_of_the_window(
    amount: int, next_at: datetime
) -> None:
    flows = [ago(23, 300), ago(20, 300), ago(4, 400)]

    [slow] = velocity.over(TABLE, LIMITS, asked(amount), flows, NOW)

    assert slow.next_at == next_at


def test_more_than_the_limit_itself_never_passes() -> None:
    slow = velocity.over(TABLE, LIMITS, asked(3001), [], NOW)

    assert codes(slow) == ["over_24h_limit", "over_30d_limit"]
    assert [reason.next_at for reason in slow] == [None, None]


flow_lists = st.lists(st.tuples(st.integers(1, 40 * 24), st.integers(1, 900)), max_size=8).map(
    lambda pairs: sorted((ago(hours, minor) for hours, minor in pairs), key=lambda f: f.at)
)


@given(flow_lists, st.integers(1, 1000))
def test_at_the_next_time_it_passes_and_just_before_it_does_not(
    flows: list[Flow], minor: int
) -> None:
    slow = velocity.over(TABLE, LIMITS, asked(minor), flows, NOW)

    for reason in slow:
        assert reason.next_at is not None
        later = velocity.over(TABLE, LIMITS, asked(minor), flows, reason.next_at)
        assert reason.code not in codes(later)
        before = reason.next_at - timedelta(microseconds=1)
        assert reason.code in codes(velocity.over(TABLE, LIMITS, asked(minor), flows, before))


@given(flow_lists, st.integers(1, 5000), st.integers(0, 5000))
def test_a_larger_amount_is_never_allowed_where_a_smaller_one_is_not(
    flows: list[Flow], minor: int, more: int
) -> None:
    small = codes(velocity.over(TABLE, LIMITS, asked(minor), flows, NOW))
    large = codes(velocity.over(TABLE, LIMITS, asked(minor + more), flows, NOW))

    assert set(small) <= set(large)


def test_tries_are_counted_for_a_day() -> None:
    times = [NOW - 25 * HOUR, NOW - 23 * HOUR, NOW - 2 * HOUR]

    assert velocity.too_often("x", "text", 3, times, NOW) == []
    [slow] = velocity.too_often("x", "text", 2, times, NOW)
    assert slow == Slow(code="x", text="text", next_at=NOW + HOUR)
    assert velocity.too_often("x", "text", 1, times, NOW)[0].next_at == NOW + 22 * HOUR


@pytest.mark.parametrize(
    ("minor", "out", "first", "left"),
    [
        (500, 0, NOW - HOUR, None),
        (501, 0, NOW - HOUR, 500),
        (100, 400, NOW - HOUR, None),
        (301, 400, NOW - HOUR, 300),
        (1, 900, NOW - HOUR, 50),
        (1000, 0, NOW - DAY, None),
        (1000, 0, None, None),
    ],
)
def test_after_a_first_sale_half_may_leave_for_a_day(
    minor: int, out: int, first: datetime | None, left: int | None
) -> None:
    """1,000 are free now besides what has left."""
    slow = velocity.after_first_sale(RULES.first_sale, asked(minor), 1000, out, first, NOW)

    allowed = minor + out <= (1000 + out) // 2 or first is None or first <= NOW - DAY
    assert (slow == []) == allowed
    if slow:
        assert slow[0].left_minor == (1000 + out) // 2 - out
        assert slow[0].next_at == NOW - HOUR + DAY


def test_a_bank_account_that_nothing_has_reached_gets_little_at_first() -> None:
    rule = RULES.method

    assert velocity.to_new_method(TABLE, rule, asked(50_000), 0, has_arrived=False) == []
    [slow] = velocity.to_new_method(TABLE, rule, asked(40_001), 10_000, has_arrived=False)
    assert (slow.code, slow.limit_minor, slow.left_minor) == ("new_method", 50_000, 40_000)
    assert velocity.to_new_method(TABLE, rule, asked(10**9), 10**9, has_arrived=True) == []


def test_the_shipped_limits_rise_with_the_tiers() -> None:
    limits = [RULES.limits(tier) for tier in Tier]

    for lower, higher in pairwise(limits):
        assert lower.per_24h_minor <= higher.per_24h_minor
        assert lower.per_30d_minor <= higher.per_30d_minor
    assert all(limit.per_24h_minor <= limit.per_30d_minor for limit in limits)


@pytest.mark.parametrize(
    ("currency", "least"), [("EUR", 100), ("HKD", 1000), ("JPY", 175), ("KWD", 353)]
)
def test_the_least_payout_of_a_currency_that_is_not_named_follows_the_rate(
    currency: str, least: int
) -> None:
    assert RULES.least(currency, TABLE) == least


# Through the API: what the rules say is what is refused.


async def too_fast(answer: Any) -> list[str]:
    assert answer["code"] == "velocity_limit"
    return [reason["code"] for reason in answer["reasons"]]


async def test_a_top_up_over_the_limit_of_a_day_moves_nothing_and_says_when(story: Story) -> None:
    member = await story.person()
    await story.top_up(member, 90_000)
    before = await everything(story)

    body = {"amount": euros(10_001), "token": "tok_ok"}
    problem = await member.refused("/v1/wallet/top-ups", body, 403)

    assert await too_fast(problem) == ["over_24h_limit"]
    [reason] = problem["reasons"]
    assert (reason["limit_minor"], reason["left_minor"]) == (100_000, 10_000)
    assert reason["next_at"] > "2026"
    assert await everything(story) == before
    await story.move_clock(DAY)
    await story.top_up(member, 10_001)


async def test_other_currencies_count_by_their_rate(story: Story) -> None:
    member = await story.person()
    await story.top_up(member, 60_000, "GBP")  # 690.00 EUR

    body = {"amount": euros(31_001), "token": "tok_ok"}
    problem = await member.refused("/v1/wallet/top-ups", body, 403)

    assert await too_fast(problem) == ["over_24h_limit"]
    await story.top_up(member, 31_000)


async def test_declined_top_ups_do_not_use_the_limit_up_but_many_cards_do(story: Story) -> None:
    member = await story.person()
    for n in range(5):
        body = {"amount": euros(90_000), "token": "tok_declined" if n == 0 else f"tok_card_{n}"}
        if n:
            body["amount"] = euros(100)
        await member.made("/v1/wallet/top-ups", body)
        await story.drain()

    body = {"amount": euros(100), "token": "tok_card_5"}
    problem = await member.refused("/v1/wallet/top-ups", body, 403)

    assert await too_fast(problem) == ["too_many_cards"]
    await member.made("/v1/wallet/top-ups", {"amount": euros(99_600), "token": "tok_card_4"})


async def test_racing_top_ups_keep_the_limit(story: Story) -> None:
    member = await story.person()
    body = {"amount": euros(30_000), "token": "tok_ok"}

    answers = await asyncio.gather(*(member.post("/v1/wallet/top-ups", body) for _ in range(10)))
    await story.drain()

    assert sorted(answer.status_code for answer in answers) == [202] * 3 + [403] * 7
    assert await member.available() == (90_000, 0, 0)


async def test_a_first_payout_to_a_bank_account_is_small_until_it_has_arrived(
    story: Story,
) -> None:
    member = await story.person()
    await earn(story, member, 100_000)
    bank = await method(member)

    problem = await refused_withdrawal(member, bank, 50_001, 403)
    await withdraw(member, bank, 50_000)
    waiting = await refused_withdrawal(member, bank, 100, 403)
    await story.drain()
    await withdraw(member, bank, 100)

    assert await too_fast(problem) == ["new_method"]
    assert await too_fast(waiting) == ["new_method"]


async def test_what_came_back_or_was_stopped_does_not_use_the_limit_up(story: Story) -> None:
    member = await story.person()
    await earn(story, member, 100_000)
    bank = await method(member, "bank_returned")
    for _ in range(2):
        await withdraw(member, bank, 50_000)
        await story.drain()
    came_back = await member.available()

    await withdraw(member, bank, 50_000)

    assert (came_back, await member.available()) == ((100_000, 0, 0), (50_000, 0, 0))


async def test_half_of_a_first_sale_may_leave_on_its_day(story: Story) -> None:
    seller, buyer = await story.person("seller"), await story.person("buyer")
    await story.top_up(buyer, 2500)
    order = await story.funded(buyer, await story.listing(seller, 2500))
    for who, name in ((seller, "accept"), (seller, "deliver"), (buyer, "approve")):
        await who.move(order["id"], name, note="Two hours")
    await story.pass_time(timedelta(days=3))
    bank = await method(seller)

    problem = await refused_withdrawal(seller, bank, 1251, 403)
    await withdraw(seller, bank, 1250)
    again = await refused_withdrawal(seller, bank, 100, 403)
    await story.move_clock(DAY)
    await withdraw(seller, bank, 1250)

    assert await too_fast(problem) == ["first_sale"]
    assert problem["reasons"][0]["left_minor"] == 1250
    assert await too_fast(again) == ["first_sale"]
    assert await seller.available() == (0, 0, 0)


async def test_twenty_withdrawals_a_day_are_enough(story: Story) -> None:
    member = await story.person()
    await earn(story, member, 10_000)
    bank = await method(member)
    for _ in range(20):
        await withdraw(member, bank, 100)

    problem = await refused_withdrawal(member, bank, 100, 403)

    assert await too_fast(problem) == ["too_many_withdrawals"]
    async with story.database.reading() as conn:
        count = await conn.fetchval(
            "SELECT count(*) FROM money.withdrawals WHERE member_id = $1", id_of(member)
        )
    assert count == 20
