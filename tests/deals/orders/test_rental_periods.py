"""How long, how much, how late: to the minute, also when the hour changes."""

from datetime import UTC, datetime, timedelta
from zoneinfo import ZoneInfo

import pytest

from handsel.deals.orders.errors import InvalidStart
from handsel.deals.orders.rental import periods
from handsel.deals.orders.rental.errors import NotRentable, RentalTooLong
from handsel.foundation.core.errors import Problem

NOW = datetime(2026, 10, 20, 10, tzinfo=UTC)
BERLIN = ZoneInfo("Europe/Berlin")
HOUR, DAY, MINUTE = timedelta(hours=1), timedelta(days=1), timedelta(minutes=1)


@pytest.mark.parametrize(
    ("unit", "lasts", "units"),
    [
        ("per_hour", HOUR, 1),
        ("per_hour", HOUR + MINUTE, 2),
        ("per_hour", 5 * MINUTE, 1),
        ("per_day", 2 * DAY, 2),
        ("per_day", 2 * DAY + MINUTE, 3),
        ("per_day", HOUR, 1),
    ],
)
def test_a_started_unit_is_a_whole_one(unit: str, lasts: timedelta, units: int) -> None:
    assert periods.units_in(unit, NOW, NOW + lasts, None) == units


@pytest.mark.parametrize(
    ("first", "last"),
    [((10, 24), (10, 25)), ((3, 28), (3, 29))],
    ids=["25 hours", "23 hours"],
)
def test_from_ten_to_ten_is_a_day_also_when_the_hour_changes(
    first: tuple[int, int], last: tuple[int, int]
) -> None:
    starts, ends = [datetime(2026, *day, 10, tzinfo=BERLIN) for day in (first, last)]

    assert ends.astimezone(UTC) - starts.astimezone(UTC) != DAY
    assert periods.units_in("per_day", starts, ends, "Europe/Berlin") == 1


@pytest.mark.parametrize(
    ("unit", "late", "units"),
    [
        ("per_day", -DAY, 0),
        ("per_day", 2 * HOUR, 0),
        ("per_day", 2 * HOUR + MINUTE, 1),
        ("per_day", DAY, 1),
        ("per_day", DAY + MINUTE, 2),
        ("per_hour", 15 * MINUTE, 0),
        ("per_hour", 16 * MINUTE, 1),
        ("per_hour", 61 * MINUTE, 2),
    ],
)
def test_late_counts_started_units_after_the_grace(unit: str, late: timedelta, units: int) -> None:
    assert periods.late_units(unit, NOW, NOW + late) == units


def test_the_timers_count_from_the_start() -> None:
    assert periods.durations("per_day", NOW, NOW + 2 * DAY) == {
        "until_end": 172_800,
        "until_late": 180_000,
        "until_unreturned": 432_000,
    }


@pytest.mark.parametrize(
    ("unit", "starts", "ends", "problem"),
    [
        ("per_job", 3 * HOUR, 5 * HOUR, NotRentable),
        ("per_day", HOUR, 5 * HOUR, InvalidStart),
        ("per_day", DAY, 45 * DAY + MINUTE, RentalTooLong),
    ],
)
def test_what_cannot_be_rented(
    unit: str, starts: timedelta, ends: timedelta, problem: type[Problem]
) -> None:
    with pytest.raises(problem):
        periods.check(unit, NOW + starts, NOW + ends, NOW)

    periods.check("per_day", NOW + DAY, NOW + 45 * DAY, NOW)
