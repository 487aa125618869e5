"""Which rules make sense. Pure."""

from collections.abc import Iterable
from itertools import pairwise

from handsel.catalog.availability.errors import (
    EndBeforeStart,
    InvalidAvailability,
    OverlappingAvailability,
)
from handsel.catalog.availability.hours import Span, parse_clock
from handsel.catalog.availability.schemas import ClosedDays, ExtraHours, OpeningHours, Rules
from handsel.catalog.listings.service import check_time_zone

#: A closed season or a course may last this long.
LONGEST_EXCEPTION_DAYS = 366


def check(rules: Rules) -> None:
    """Raises ``UnknownTimeZone``, ``EndBeforeStart``, ``OverlappingAvailability``,
    ``InvalidAvailability``."""
    check_time_zone(rules.time_zone)
    for hours in rules.weekly:
        _check_hours(hours)
    for closed in rules.closed:
        _check_days(closed)
    for extra in rules.extra:
        _check_hours(extra)
        _check_days(extra)
    for weekday in range(1, 8):
        _refuse_overlap(_clock(hours) for hours in rules.weekly if hours.weekday == weekday)
    _check_extra(rules)
    _check_lengths(rules)


def _check_hours(hours: OpeningHours | ExtraHours) -> None:
    if parse_clock(hours.opens) >= parse_clock(hours.closes):
        raise EndBeforeStart(f"{hours.opens} to {hours.closes}: a night is two opening times")


def _check_days(days: ClosedDays | ExtraHours) -> None:
    if days.last_day < days.first_day:
        raise EndBeforeStart(f"{days.first_day} to {days.last_day}")
    if (days.last_day - days.first_day).days >= LONGEST_EXCEPTION_DAYS:
        raise InvalidAvailability(f"an exception lasts {LONGEST_EXCEPTION_DAYS} days at most")


def _check_extra(rules: Rules) -> None:
    """Extra hours overlap neither each other nor the weekly hours of the days that are not closed.

    Only days with an extra time are looked at, each once.
    """
    closed = {day for days in rules.closed for day in _ordinals(days)}
    extra: dict[int, list[Span]] = {}
    for hours in rules.extra:
        for day in _ordinals(hours):
            extra.setdefault(day, []).append(_clock(hours))
    for day, spans in extra.items():
        weekday = (day - 1) % 7 + 1
        weekly = [_clock(hours) for hours in rules.weekly if hours.weekday == weekday]
        _refuse_overlap((*spans, *(() if day in closed else weekly)))


def _check_lengths(rules: Rules) -> None:
    if rules.slot_minutes is None:
        if rules.step_minutes is not None:
            raise InvalidAvailability("steps are of slots: give slot_minutes too")
        if rules.shortest_minutes > rules.longest_minutes:
            raise InvalidAvailability("the shortest booking is longer than the longest")
    elif rules.may_span_closing:
        raise InvalidAvailability("a slot lies within the hours: it cannot span a closing")


def _refuse_overlap(spans: Iterable[Span]) -> None:
    for before, after in pairwise(sorted(spans)):
        if after.start < before.end:
            raise OverlappingAvailability


def _clock(hours: OpeningHours | ExtraHours) -> Span:
    return Span(parse_clock(hours.opens), parse_clock(hours.closes))


def _ordinals(days: ClosedDays | ExtraHours) -> range:
    return range(days.first_day.toordinal(), days.last_day.toordinal() + 1)
