"""When a series takes place: pure arithmetic of dates."""

from datetime import UTC, datetime, timedelta
from zoneinfo import ZoneInfo

from handsel.deals.orders.errors import InvalidStart
from handsel.deals.orders.series.errors import SeriesLength

_FEWEST, _MOST = 2, 52
_LONGEST = timedelta(days=366)


def starts(
    first: datetime,
    every: timedelta,
    *,
    occurrences: int | None,
    until: datetime | None,
    time_zone: str | None,
) -> list[datetime]:
    """The starts of all occurrences, in UTC: the same hour of the day in ``time_zone``.

    Raises ``SeriesLength``, ``InvalidStart`` (422).
    """
    if (occurrences is None) == (until is None):
        raise SeriesLength
    if first.tzinfo is None or (until is not None and until.tzinfo is None):
        raise InvalidStart("a time needs its offset")
    # One more than there may be: so it shows when ``until`` lies too far ahead.
    count = occurrences or _MOST + 1
    local = first.astimezone(ZoneInfo(time_zone) if time_zone else UTC)
    # Wall-clock arithmetic: the zone finds its own offset for each date.
    found = [(local + number * every).astimezone(UTC) for number in range(count)]
    if until is not None:
        found = [start for start in found if start <= until]
    if not _FEWEST <= len(found) <= _MOST or found[-1] - found[0] > _LONGEST:
        raise SeriesLength
    return found
