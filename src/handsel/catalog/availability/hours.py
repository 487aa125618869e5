"""From the clock on the wall to moments: whole minutes since 1970, UTC.

One rule carries daylight saving: **a wall time is the first moment at which the clock shows it or
more**. So a time that comes twice means its first coming, one that the clock jumps over means the
jump, and since that never turns the order of two times round, an opening time can shrink to nothing
in a jump, and grow by the hour that comes twice, but it can never overlap its neighbour.
"""

from collections.abc import Iterator
from datetime import UTC, date, datetime, timedelta
from functools import lru_cache
from typing import NamedTuple
from zoneinfo import ZoneInfo

from handsel.catalog.availability.schemas import MINUTES_A_DAY, ClosedDays, ExtraHours, Rules

EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
_FIRST_DAY = EPOCH.date().toordinal()
_MINUTE = timedelta(minutes=1)


class Span(NamedTuple):
    """From a minute to another, which is no longer in it."""

    start: int
    end: int


def minute_of(moment: datetime) -> int:
    """The minute that an aware datetime lies in."""
    return (moment - EPOCH) // _MINUTE


def moment_of(minute: int) -> datetime:
    """The datetime, in UTC, at which a minute begins."""
    return datetime.fromtimestamp(minute * 60, UTC)


def parse_clock(text: str) -> int:
    """``"09:30"`` as minutes since the day's beginning."""
    return int(text[:2]) * 60 + int(text[3:])


def first_showing(zone: ZoneInfo, day: date, clock: int) -> int:
    """The first minute at which the clock of a zone shows this day and time, or more."""
    wall = (day.toordinal() - _FIRST_DAY) * MINUTES_A_DAY + clock
    naive = EPOCH.replace(tzinfo=None) + wall * _MINUTE
    found = wall - _offset(naive.replace(tzinfo=zone))
    if _shown(zone, found) == wall:
        return found
    # The clock jumps over it. The jump is the first minute that shows more; it lies between what
    # the offset after it makes of the time, and what the one before does.
    low, high = wall - _offset(naive.replace(tzinfo=zone, fold=1)), found
    while low < high:
        middle = (low + high) // 2
        low, high = (low, middle) if _shown(zone, middle) >= wall else (middle + 1, high)
    return low


def _offset(local: datetime) -> int:
    offset = local.utcoffset()
    assert offset is not None
    return offset // _MINUTE


def _shown(zone: ZoneInfo, minute: int) -> int:
    return minute + _offset(moment_of(minute).astimezone(zone))


@lru_cache(maxsize=20_000)
def _day(zone: ZoneInfo, ordinal: int) -> Span:
    """The minutes of a local day."""
    return Span(
        first_showing(zone, date.fromordinal(ordinal), 0),
        first_showing(zone, date.fromordinal(ordinal), MINUTES_A_DAY),
    )


def opening_times(rules: Rules, first: int, last: int) -> Iterator[Span]:
    """The opening times of every local day that the minutes ``first`` to ``last`` touch, in order.

    None is empty and no two overlap, if ``rules`` have passed ``policy.check``.
    """
    zone = ZoneInfo(rules.time_zone)
    weekly: dict[int, list[Span]] = {number: [] for number in range(1, 8)}
    for hours in rules.weekly:
        weekly[hours.weekday].append(Span(parse_clock(hours.opens), parse_clock(hours.closes)))
    begin = moment_of(first).astimezone(zone).toordinal()
    end = moment_of(max(first, last - 1)).astimezone(zone).toordinal()
    special = _special_days(rules, begin, end)
    for ordinal in range(begin, end + 1):
        closed, extra = special.get(ordinal, (False, ()))
        regular = () if closed else weekly[(ordinal - 1) % 7 + 1]
        spans = sorted((*regular, *extra))
        if spans:
            yield from _on(zone, ordinal, spans)


def _on(zone: ZoneInfo, ordinal: int, spans: list[Span]) -> Iterator[Span]:
    day = _day(zone, ordinal)
    plain = day.end - day.start == MINUTES_A_DAY
    for opens, closes in spans:
        if plain:
            yield Span(day.start + opens, day.start + closes)
            continue
        wall = date.fromordinal(ordinal)
        span = Span(first_showing(zone, wall, opens), first_showing(zone, wall, closes))
        if span.start < span.end:
            yield span


def _special_days(rules: Rules, begin: int, end: int) -> dict[int, tuple[bool, tuple[Span, ...]]]:
    """By day, from ``begin`` to ``end``: whether its weekly hours do not count, its extra hours."""

    def days_of(period: ClosedDays | ExtraHours) -> range:
        first, last = period.first_day.toordinal(), period.last_day.toordinal()
        return range(max(begin, first), min(end, last) + 1)

    days: dict[int, tuple[bool, tuple[Span, ...]]] = {}
    for closed in rules.closed:
        days |= dict.fromkeys(days_of(closed), (True, ()))
    for extra in rules.extra:
        span = Span(parse_clock(extra.opens), parse_clock(extra.closes))
        for ordinal in days_of(extra):
            is_closed, before = days.get(ordinal, (False, ()))
            days[ordinal] = (is_closed, (*before, span))
    return days
