"""Rules of recurrence (RFC 5545, 3.3.10), day by day within a window.

dateutil would do it, but a rule that never matches keeps it busy until the year 9999, and such a
rule can be sent by anybody. Here every day that is looked at is paid for out of a budget. It
follows DAILY, WEEKLY, MONTHLY and YEARLY with INTERVAL, COUNT, UNTIL, BYMONTH, BYMONTHDAY, BYDAY,
BYSETPOS and WKST; all else is refused. Times are naive: what the clock shows where it happens.
"""

import re
from calendar import monthrange
from collections.abc import Iterator, Mapping, Sequence
from datetime import date, datetime, timedelta
from itertools import count
from typing import Any, Literal, get_args

import msgspec

from handsel.catalog.availability.errors import CalendarTooLarge, RecurrenceNotSupported

Frequency = Literal["DAILY", "WEEKLY", "MONTHLY", "YEARLY"]
_FOLLOWED = {
    "FREQ", "INTERVAL", "COUNT", "UNTIL", "BYMONTH", "BYMONTHDAY", "BYDAY", "BYSETPOS", "WKST",
}  # fmt: skip
_WEEKDAYS = ("MO", "TU", "WE", "TH", "FR", "SA", "SU")
_BY_DAY = re.compile(r"([+-]?\d{1,2})?(MO|TU|WE|TH|FR|SA|SU)")
_DAY = timedelta(days=1)


class Budget:
    """How many days may still be looked at. Raises ``CalendarTooLarge`` beyond them."""

    def __init__(self, days: int) -> None:
        self._left = days

    def spend(self, days: int) -> None:
        """Pay for days."""
        self._left -= days
        if self._left < 0:
            raise CalendarTooLarge("the events repeat too often")


class Rule(msgspec.Struct, frozen=True, kw_only=True):
    """A rule with its defaults filled in. Weekdays count from 0, Monday, each with its place in the
    month or year (0: every one)."""

    frequency: Frequency
    interval: int
    times: int | None
    until: datetime | date | None
    months: frozenset[int]
    month_days: frozenset[int]
    weekdays: frozenset[tuple[int, int]]
    positions: frozenset[int]
    week_start: int


def parse(parts: Mapping[str, Sequence[Any]], start: date) -> Rule:
    """A rule out of its parts as icalendar reads them. Raises ``RecurrenceNotSupported``."""
    frequency = str(parts.get("FREQ", [""])[0])
    unknown = {name.upper() for name in parts} - _FOLLOWED
    if unknown or frequency not in get_args(Frequency):
        raise RecurrenceNotSupported(f"{', '.join(sorted(unknown)) or frequency} is not followed")
    days, months = _integers(parts, "BYMONTHDAY"), _integers(parts, "BYMONTH")
    weekdays = frozenset(_weekday(str(text)) for text in parts.get("BYDAY", ()))
    if frequency == "WEEKLY" and not weekdays and not days:
        weekdays = frozenset({(start.weekday(), 0)})
    if frequency in ("MONTHLY", "YEARLY") and not weekdays and not days:
        days = frozenset({start.day})
        if frequency == "YEARLY" and not months:
            months = frozenset({start.month})
    if frequency in ("DAILY", "WEEKLY"):
        weekdays = frozenset((day, 0) for day, _ in weekdays)
    return Rule(
        frequency=frequency,  # type: ignore[arg-type]
        interval=max(1, next(iter(parts.get("INTERVAL", ())), 1)),
        times=next(iter(parts.get("COUNT", ())), None),
        until=next(iter(parts.get("UNTIL", ())), None),
        months=months,
        month_days=days,
        weekdays=weekdays,
        positions=_integers(parts, "BYSETPOS"),
        week_start=_WEEKDAYS.index(str(next(iter(parts.get("WKST", ())), "MO"))),
    )


def _integers(parts: Mapping[str, Sequence[Any]], name: str) -> frozenset[int]:
    return frozenset(int(value) for value in parts.get(name, ()))


def _weekday(text: str) -> tuple[int, int]:
    match = _BY_DAY.fullmatch(text)
    if match is None:
        raise RecurrenceNotSupported(f"BYDAY={text} is not followed")
    return _WEEKDAYS.index(match[2]), int(match[1] or 0)


def occurrences(
    rule: Rule, start: datetime, first: datetime, last: datetime, budget: Budget
) -> Iterator[datetime]:
    """When a rule that starts at ``start`` matches, from ``first`` and before ``last``, in order.
    All times are naive. Raises ``CalendarTooLarge``."""
    left = rule.times
    # Counted occurrences must all be seen; otherwise the years before the window are left out.
    skipped = 0 if left is not None else _periods_before(rule, start.date(), first.date())
    for number in count(skipped):
        days = _period(rule, start.date(), number * rule.interval)
        if days is None or days[0] > last.date():
            return
        budget.spend(len(days))
        for day in _chosen(rule, days):
            moment = datetime.combine(day, start.time())
            if moment < start:
                continue
            if left == 0 or _is_over(rule, moment) or moment >= last:
                return
            left = None if left is None else left - 1
            if moment >= first:
                yield moment


def _is_over(rule: Rule, moment: datetime) -> bool:
    if rule.until is None:
        return False
    if isinstance(rule.until, datetime):
        return moment > rule.until
    return moment.date() > rule.until


def _periods_before(rule: Rule, start: date, first: date) -> int:
    """How many whole steps lie before the window, less one to be safe; never negative."""
    days = (first - start).days
    length = {"DAILY": 1, "WEEKLY": 7, "MONTHLY": 31, "YEARLY": 366}[rule.frequency]
    return max(0, days // (length * rule.interval) - 1)


def _period(rule: Rule, start: date, steps: int) -> list[date] | None:
    """The days, in order, of the period that lies ``steps`` after the one of ``start``: a day, a
    week, a month or a year, without months that do not count. None beyond the calendar."""
    if rule.frequency in ("DAILY", "WEEKLY"):
        weekly = rule.frequency == "WEEKLY"
        back = (start.weekday() - rule.week_start) % 7 if weekly else 0
        ordinal = start.toordinal() - back + steps * (7 if weekly else 1)
        if not 1 <= ordinal <= date.max.toordinal() - 7:
            return None
        return [date.fromordinal(ordinal + n) for n in range(7 if weekly else 1)]
    months = steps if rule.frequency == "MONTHLY" else 12 * steps
    year, month = divmod(start.year * 12 + start.month - 1 + months, 12)
    if year > date.max.year:
        return None
    in_period = [month + 1] if rule.frequency == "MONTHLY" else list(range(1, 13))
    counting = [m for m in in_period if not rule.months or m in rule.months]
    # A month that does not count is still a place in time, by its first day.
    return [
        date(year, m, day) for m in counting for day in range(1, monthrange(year, m)[1] + 1)
    ] or [date(year, in_period[0], 1)]


def _chosen(rule: Rule, days: Sequence[date]) -> list[date]:
    found = [day for day in days if _matches(rule, day)]
    if not rule.positions:
        return found
    size = len(found)
    places = {p - 1 if p > 0 else size + p for p in rule.positions}
    return [day for place, day in enumerate(found) if place in places]


def _matches(rule: Rule, day: date) -> bool:
    if rule.months and day.month not in rule.months:
        return False
    length = monthrange(day.year, day.month)[1]
    if rule.month_days and not {day.day, day.day - length - 1} & rule.month_days:
        return False
    return not rule.weekdays or any(
        day.weekday() == weekday and (not place or place in _places(rule, day, length))
        for weekday, place in rule.weekdays
    )


def _places(rule: Rule, day: date, length: int) -> tuple[int, int]:
    """Which of its weekday a day is in its month (or year), from the front and from the back."""
    number, total = day.day, length
    if rule.frequency == "YEARLY" and not rule.months:
        number = day.timetuple().tm_yday
        total = date(day.year, 12, 31).timetuple().tm_yday
    return (number - 1) // 7 + 1, -((total - number) // 7 + 1)
