"""The clock on the wall against a minute grid; and what a change of it does to opening times."""

from datetime import UTC, date, datetime, timedelta
from itertools import pairwise
from zoneinfo import ZoneInfo

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from handsel.catalog.availability.hours import (
    Span,
    first_showing,
    minute_of,
    moment_of,
    opening_times,
)
from handsel.catalog.availability.schemas import ClosedDays, ExtraHours, OpeningHours
from tests.factories.availability import rules

#: Zone, a day on which the clock goes forward, and one on which it goes back.
ZONES = {
    "Europe/Berlin": (date(2026, 3, 29), date(2026, 10, 25)),
    "America/New_York": (date(2026, 3, 8), date(2026, 11, 1)),
    "Australia/Lord_Howe": (date(2026, 10, 4), date(2026, 4, 5)),  # by half an hour
    "Africa/Cairo": (date(2026, 4, 24), date(2026, 10, 29)),  # at midnight
}
DAYS = [(zone, day) for zone, days in ZONES.items() for day in days]


def at(text: str) -> int:
    return minute_of(datetime.fromisoformat(text))


@pytest.mark.parametrize(("zone", "day"), DAYS)
def test_a_wall_time_is_the_first_moment_at_which_the_clock_shows_it_or_more(
    zone: str, day: date
) -> None:
    place = ZoneInfo(zone)
    noon_before = datetime(day.year, day.month, day.day, tzinfo=UTC) - timedelta(hours=26)
    grid = [minute_of(noon_before) + n for n in range(62 * 60)]
    shown = [moment_of(minute).astimezone(place).replace(tzinfo=None) for minute in grid]
    walls = [(clock, datetime(day.year, day.month, day.day)) for clock in range(0, 1441, 5)]  # noqa: DTZ001

    found = [first_showing(place, day, clock) for clock, _ in walls]

    expected = []
    for clock, midnight in walls:
        wall = midnight + timedelta(minutes=clock)
        expected.append(next(m for m, s in zip(grid, shown, strict=True) if s >= wall))
    assert found == expected
    assert found == sorted(found)


@pytest.mark.parametrize(
    ("zone", "day", "opens", "closes", "expected"),
    [
        pytest.param(
            "Europe/Berlin", date(2026, 3, 29), "01:00", "04:00",
            ("2026-03-29T00:00Z", "2026-03-29T02:00Z"), id="the hour that is skipped is missing",
        ),
        pytest.param(
            "Europe/Berlin", date(2026, 3, 29), "02:30", "03:15",
            ("2026-03-29T01:00Z", "2026-03-29T01:15Z"), id="opens with the jump",
        ),
        pytest.param(
            "Europe/Berlin", date(2026, 3, 29), "02:00", "03:00", None, id="never on that day",
        ),
        pytest.param(
            "Europe/Berlin", date(2026, 10, 25), "02:00", "03:00",
            ("2026-10-25T00:00Z", "2026-10-25T02:00Z"), id="the hour that comes twice is two",
        ),
        pytest.param(
            "Europe/Berlin", date(2026, 10, 25), "01:00", "02:30",
            ("2026-10-24T23:00Z", "2026-10-25T00:30Z"), id="closes at the first half past two",
        ),
        pytest.param(
            "America/New_York", date(2026, 3, 8), "00:00", "24:00",
            ("2026-03-08T05:00Z", "2026-03-09T04:00Z"), id="a day of 23 hours",
        ),
        pytest.param(
            "Australia/Lord_Howe", date(2026, 10, 4), "02:15", "02:45",
            ("2026-10-03T15:30Z", "2026-10-03T15:45Z"), id="half an hour is skipped",
        ),
        pytest.param(
            "Australia/Lord_Howe", date(2026, 4, 5), "00:00", "24:00",
            ("2026-04-04T13:00Z", "2026-04-05T13:30Z"), id="a day of 24 hours and a half",
        ),
    ],
)  # fmt: skip
def test_opening_times_on_the_day_that_the_clock_changes(
    zone: str, day: date, opens: str, closes: str, expected: tuple[str, str] | None
) -> None:
    hours = [OpeningHours(weekday=day.isoweekday(), opens=opens, closes=closes)]
    noon = minute_of(datetime(day.year, day.month, day.day, 12, tzinfo=ZoneInfo(zone)))

    found = list(opening_times(rules(time_zone=zone, weekly=hours), noon, noon + 1))

    assert found == ([Span(at(expected[0]), at(expected[1]))] if expected else [])


@settings(max_examples=30, deadline=None)
@given(
    zone=st.sampled_from(sorted(ZONES)),
    day=st.sampled_from([day for _, day in DAYS]),
    cuts=st.lists(st.integers(0, 288), min_size=2, max_size=8, unique=True),
)
def test_a_day_cut_in_pieces_stays_a_day_without_holes(
    zone: str, day: date, cuts: list[int]
) -> None:
    edges = sorted({0, 288, *cuts})
    clock = [f"{edge // 12:02}:{edge % 12 * 5:02}" for edge in edges]
    hours = [
        OpeningHours(weekday=day.isoweekday(), opens=opens, closes=closes)
        for opens, closes in pairwise(clock)
    ]
    noon = minute_of(datetime(day.year, day.month, day.day, 12, tzinfo=ZoneInfo(zone)))

    found = list(opening_times(rules(time_zone=zone, weekly=hours), noon, noon + 1))

    place = ZoneInfo(zone)
    assert found[0].start == first_showing(place, day, 0)
    assert found[-1].end == first_showing(place, day + timedelta(days=1), 0)
    assert all(a.end == b.start for a, b in pairwise(found))
    assert all(span.start < span.end for span in found)


def test_closed_days_have_no_hours_and_extra_hours_come_on_top_or_instead() -> None:
    given = rules(
        closed=[ClosedDays(first_day=date(2026, 12, 24), last_day=date(2026, 12, 26))],
        extra=[
            ExtraHours(
                first_day=date(2026, 12, 26), last_day=date(2026, 12, 27),
                opens="18:00", closes="20:00",
            )
        ],
    )  # fmt: skip

    found = list(opening_times(given, at("2026-12-23T00:00Z"), at("2026-12-28T00:00Z")))

    assert found == [
        Span(at("2026-12-23T08:00Z"), at("2026-12-23T16:00Z")),
        Span(at("2026-12-26T17:00Z"), at("2026-12-26T19:00Z")),
        Span(at("2026-12-27T08:00Z"), at("2026-12-27T16:00Z")),
        Span(at("2026-12-27T17:00Z"), at("2026-12-27T19:00Z")),
        Span(at("2026-12-28T08:00Z"), at("2026-12-28T16:00Z")),
    ]
