"""iCalendar in and out: texts to busy times, bookings to a feed. Pure."""

from collections.abc import Iterator, Sequence
from datetime import UTC, date, datetime, time, timedelta, tzinfo
from typing import Final
from zoneinfo import ZoneInfo

import icalendar
import msgspec

from handsel.catalog.availability import events, recurrence
from handsel.catalog.availability.errors import CalendarTooLarge
from handsel.catalog.availability.events import Event
from handsel.catalog.availability.hours import EPOCH, Span, minute_of
from handsel.catalog.availability.recurrence import Budget, Rule
from handsel.catalog.availability.slots import joined

#: Our own bookings, should they come back by way of another calendar, are left out.
OURS: Final = "@bookings.handsel"
MOST_PERIODS: Final = 5000
_MOST_DAYS: Final = 1_000_000  # about two seconds of looking
_DAY = timedelta(days=1)
_MINUTE = timedelta(minutes=1)


class Line(msgspec.Struct, frozen=True):
    """A booking as the feed shows it."""

    uid: str
    starts_at: datetime
    ends_at: datetime
    summary: str
    changed_at: datetime


def feed(lines: Sequence[Line]) -> bytes:
    """A calendar of bookings."""
    calendar = icalendar.Calendar()
    calendar.add("PRODID", "-//handsel//bookings//EN")
    calendar.add("VERSION", "2.0")
    calendar.add("X-WR-CALNAME", "handsel")
    for line in lines:
        event = icalendar.Event()
        event.add("UID", line.uid + OURS)
        event.add("DTSTAMP", line.changed_at.astimezone(UTC))
        event.add("DTSTART", line.starts_at.astimezone(UTC))
        event.add("DTEND", line.ends_at.astimezone(UTC))
        event.add("SUMMARY", line.summary)
        calendar.add_component(event)
    body: bytes = calendar.to_ical()
    return body


def busy_times(text: str, zone: ZoneInfo, first: datetime, last: datetime) -> list[Span]:
    """When the owner of a calendar is busy between two moments: sorted, apart, whole minutes.

    ``zone`` is for times without one. Events that are cancelled, transparent or ours do not count.
    Raises ``MalformedCalendar``, ``UnknownTimeZone``, ``RecurrenceNotSupported``,
    ``CalendarTooLarge``.
    """
    found = [event for event in events.read(text) if not event.uid.endswith(OURS)]
    moved: dict[str, set[datetime]] = {}
    for event in found:
        if event.replaces is not None:
            moved.setdefault(event.uid, set()).add(_instant(event.replaces, zone))
    budget = Budget(_MOST_DAYS)
    spans: list[Span] = []
    for event in found:
        if not event.counts:
            continue
        for begin, end in _periods(event, zone, first, last, moved.get(event.uid, set()), budget):
            if begin < end and begin < last and first < end:
                spans.append(Span(minute_of(begin), -((EPOCH - end) // _MINUTE)))
    busy = list(joined(sorted(spans)))
    if len(busy) > MOST_PERIODS:
        raise CalendarTooLarge(f"{len(busy)} busy times; the most is {MOST_PERIODS}")
    return busy


def _periods(
    event: Event,
    zone: ZoneInfo,
    first: datetime,
    last: datetime,
    moved: set[datetime],
    budget: Budget,
) -> Iterator[tuple[datetime, datetime]]:
    """Every time of an event that may touch the window."""
    days = not isinstance(event.start, datetime)
    absolute = None
    if not days and event.end is not None:
        absolute = _instant(event.end, zone) - _instant(event.start, zone)
    length = events.length_of(event, absolute)
    left_out = {_instant(moment, zone) for moment in event.left_out}
    if event.replaces is None:
        left_out |= moved
    place = _place(event.start, zone)
    for moment in _starts(event, place, first - length, last, budget):
        begin = moment.replace(tzinfo=place).astimezone(UTC)
        if begin not in left_out:
            # Days of the wall clock are not all of 24 hours.
            yield begin, _instant(moment + length, place) if days else begin + length


def _starts(
    event: Event, place: tzinfo, first: datetime, last: datetime, budget: Budget
) -> Iterator[datetime]:
    """What the clock of the event's own place shows at its start, at what its rule adds, and at
    single dates."""
    begin = _wall(event.start, place)
    yield begin
    if event.rule is not None and event.replaces is None:
        rule = _in_place(recurrence.parse(event.rule, begin.date()), place)
        window = _wall(first - _DAY, place), _wall(last, place)
        yield from recurrence.occurrences(rule, begin, *window, budget)
    for moment in event.added:
        yield _wall(moment, place)


def _in_place(rule: Rule, place: tzinfo) -> Rule:
    """The rule with its end as the clock shows it in the event's place."""
    if rule.until is None or rule.until.year > events.YEARS[1]:
        return msgspec.structs.replace(rule, until=None)
    if not isinstance(rule.until, datetime) or rule.until.tzinfo is None:
        return rule
    return msgspec.structs.replace(rule, until=_wall(rule.until, place))


def _place(moment: date, zone: tzinfo) -> tzinfo:
    return (moment.tzinfo or zone) if isinstance(moment, datetime) else zone


def _instant(moment: date, zone: tzinfo) -> datetime:
    """A date begins at its midnight; a time without zone is in ``zone``."""
    if not isinstance(moment, datetime):
        moment = datetime.combine(moment, time())
    return moment.replace(tzinfo=_place(moment, zone)).astimezone(UTC)


def _wall(moment: date, place: tzinfo) -> datetime:
    return _instant(moment, place).astimezone(place).replace(tzinfo=None)
