"""Scheduled payouts: all that may leave, to the default method, once in a period."""

import asyncio
from datetime import UTC, date, datetime, timedelta
from typing import Any

import pytest

from handsel.money.payments import jobs, schedule
from tests.journeys.deals import DAY
from tests.journeys.story import Member, Story
from tests.money.payments.purses import (
    WITHDRAWALS,
    at_once,
    earn,
    euros,
    id_of,
    method,
    owe,
    purse,
)

SCHEDULE = "/v1/wallet/payout-schedule"


async def every(story: Story, member: Member, how: str, currency: str = "EUR") -> Any:
    answer = await story.http.put(
        SCHEDULE,
        json={"currency": currency, "every": how},
        headers={"Authorization": f"Bearer {member.token}"},
    )
    return answer.json()


async def skipped(member: Member) -> str | None:
    [item] = (await member.get(SCHEDULE))["items"]
    return item["last_skipped"]


async def paid_out(story: Story, member: Member) -> list[tuple[int, str]]:
    """(amount, origin) of the member's withdrawals, oldest first."""
    async with story.database.reading() as conn:
        rows = await conn.fetch(
            "SELECT amount, origin FROM money.withdrawals WHERE member_id = $1 ORDER BY id",
            id_of(member),
        )
    return [(row["amount"], row["origin"]) for row in rows]


async def periods(story: Story, member: Member) -> list[date]:
    """The first day of what each payout was for, oldest first."""
    async with story.database.reading() as conn:
        rows = await conn.fetch(
            "SELECT period FROM money.withdrawals WHERE member_id = $1 ORDER BY id", id_of(member)
        )
    return [row["period"] for row in rows]


@pytest.mark.parametrize(
    ("how", "now", "expected"),
    [
        ("daily", datetime(2026, 11, 22, 0, 0, tzinfo=UTC), datetime(2026, 11, 23, tzinfo=UTC)),
        ("daily", datetime(2026, 12, 31, 23, 59, tzinfo=UTC), datetime(2027, 1, 1, tzinfo=UTC)),
        ("weekly", datetime(2026, 11, 22, 9, tzinfo=UTC), datetime(2026, 11, 23, tzinfo=UTC)),
        ("weekly", datetime(2026, 11, 23, 0, tzinfo=UTC), datetime(2026, 11, 30, tzinfo=UTC)),
        ("manual", datetime(2026, 11, 23, 0, tzinfo=UTC), None),
    ],
)
def test_a_period_starts_at_midnight_or_on_monday(
    how: Any, now: datetime, expected: datetime | None
) -> None:
    assert schedule.next_start(how, now) == expected


async def test_all_that_may_leave_goes_out_once_a_day(story: Story) -> None:
    member = await story.person()
    await story.top_up(member, 700)
    await earn(story, member, 1000)
    await method(member)
    view = await every(story, member, "daily")

    before = await paid_out(story, member)
    await story.pass_time(DAY)
    first = await paid_out(story, member)
    await earn(story, member, 500)
    await story.pass_time(timedelta(minutes=5))
    same_day = await paid_out(story, member)
    await story.pass_time(DAY)
    today = (await story.now()).date()

    assert view["next_at"].endswith("T00:00:00Z")
    assert (before, first, same_day) == ([], [(1000, "schedule")], [(1000, "schedule")])
    assert await paid_out(story, member) == [(1000, "schedule"), (500, "schedule")]
    assert await periods(story, member) == [today - DAY, today]
    assert await purse(story, member) == (700, 700)
    assert await skipped(member) is None


async def test_a_week_is_a_week(story: Story) -> None:
    member = await story.person()
    await earn(story, member, 1000)
    await method(member)
    await every(story, member, "weekly")

    await story.pass_time(7 * DAY)
    await earn(story, member, 500)
    after_one = await paid_out(story, member)
    await story.pass_time(7 * DAY)

    assert after_one == [(1000, "schedule")]
    assert await paid_out(story, member) == [(1000, "schedule"), (500, "schedule")]


async def test_a_worker_that_slept_makes_up_by_one_payout(story: Story) -> None:
    member = await story.person()
    await earn(story, member, 1000)
    await method(member)
    await every(story, member, "daily")

    await story.pass_time(10 * DAY)

    assert await paid_out(story, member) == [(1000, "schedule")]


@pytest.mark.parametrize(
    ("free", "debt", "with_method", "verified", "why"),
    [
        (0, 0, True, True, "nothing_to_pay_out"),
        (99, 0, True, True, "below_payout_minimum"),
        (1000, 1000, True, True, "nothing_to_pay_out"),
        (1000, 0, False, True, "unknown_payout_method"),
        (1000, 0, True, False, "payout_refused"),
        (50_001, 0, True, True, "velocity_limit"),
    ],
)
async def test_who_may_not_is_skipped_and_told_why(
    story: Story, free: int, debt: int, with_method: bool, verified: bool, why: str
) -> None:
    member = await story.person(verified=verified)
    if free:
        await earn(story, member, free)
    if debt:
        await owe(story, member, debt)
    if with_method:
        await method(member)
    await every(story, member, "daily")

    await story.pass_time(DAY)

    assert await skipped(member) == why
    assert await paid_out(story, member) == []
    assert await purse(story, member) == (free, 0)


async def test_by_hand_again_means_no_more(story: Story) -> None:
    member = await story.person()
    await earn(story, member, 1000)
    await method(member)
    await every(story, member, "daily")
    view = await every(story, member, "manual")

    await story.pass_time(2 * DAY)

    assert view["next_at"] is None
    assert await paid_out(story, member) == []


async def test_setting_the_same_again_does_not_put_it_off(story: Story) -> None:
    member = await story.person()
    first = await every(story, member, "weekly")
    await story.move_clock(DAY)

    again = await every(story, member, "weekly")

    assert again["next_at"] == first["next_at"]


async def test_many_workers_and_a_hand_take_the_money_once(story: Story) -> None:
    member = await story.person()
    await earn(story, member, 1000)
    bank = await method(member)
    await every(story, member, "daily")
    await story.move_clock(DAY)

    answers = await asyncio.gather(
        *(jobs.run_schedules(story.database) for _ in range(8)),
        at_once(
            *(
                member.post(WITHDRAWALS, {"amount": euros(400), "payout_method": bank})
                for _ in range(4)
            )
        ),
    )

    by_hand = [answer.status_code for answer in answers[-1]].count(202)
    amounts = sorted(await paid_out(story, member))
    assert sum(amount for amount, _ in amounts) + (await purse(story, member))[0] == 1000
    assert [origin for _, origin in amounts].count("member") == by_hand
    assert [origin for _, origin in amounts].count("schedule") <= 1


async def test_a_currency_that_is_not_kept_is_refused(story: Story) -> None:
    member = await story.person()

    assert (await every(story, member, "daily", "XXX"))["code"] == "unit_not_kept"
    assert (await every(story, member, "hourly"))["code"] == "invalid"
    assert (await member.get(SCHEDULE))["items"] == []


async def test_everything_adds_up_at_the_end(story: Story) -> None:
    await story.check()
