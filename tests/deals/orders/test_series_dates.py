"""When a series takes place."""

from datetime import UTC, datetime, timedelta

import pytest

from handsel.deals.orders.series.dates import starts
from handsel.deals.orders.series.errors import SeriesLength

#: 17:00 in London, a week before summer time ends there.
FIRST = datetime(2026, 10, 21, 16, tzinfo=UTC)
WEEK = timedelta(days=7)


def test_the_hour_stays_when_summer_time_ends() -> None:
    found = starts(FIRST, WEEK, occurrences=3, until=None, time_zone="Europe/London")

    assert [(s.day, s.hour) for s in found] == [(21, 16), (28, 17), (4, 17)]


def test_until_is_included() -> None:
    found = starts(FIRST, WEEK, occurrences=None, until=FIRST + 2 * WEEK, time_zone=None)

    assert found == [FIRST, FIRST + WEEK, FIRST + 2 * WEEK]


@pytest.mark.parametrize(
    ("occurrences", "until", "every"),
    [
        (None, None, WEEK),
        (3, FIRST + WEEK, WEEK),
        (None, FIRST, WEEK),
        (None, FIRST + 52 * WEEK, WEEK),
        (52, None, 4 * WEEK),
    ],
    ids=["neither", "both", "one date", "53 dates", "four years"],
)
def test_a_series_that_is_none_is_refused(
    occurrences: int | None, until: datetime | None, every: timedelta
) -> None:
    with pytest.raises(SeriesLength):
        starts(FIRST, every, occurrences=occurrences, until=until, time_zone=None)
