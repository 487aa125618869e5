"""The events of an iCalendar text (RFC 5545), as far as they tell a time. Pure.

What comes in is anybody's text. Only the lines of events that tell a time reach the library; zones
that a calendar defines itself are never built (the library would keep them for everybody's
calendars, and follow their rules without end), so a zone must have a name that is known.
"""

import re
from collections.abc import Iterator, Mapping, Sequence
from datetime import date, datetime, timedelta
from typing import Any, Final

import icalendar
import msgspec
from icalendar.parser import Contentlines

from handsel.catalog.availability.errors import MalformedCalendar
from handsel.catalog.listings.errors import UnknownTimeZone

#: Far enough from both ends of the calendar that no zone and no length leads over them.
YEARS: Final = (1900, 2900)
_ONCE: Final = ("DTSTART", "DTEND", "DURATION", "RRULE", "RECURRENCE-ID", "UID")
_WANTED: Final = (*_ONCE, "EXDATE", "RDATE", "STATUS", "TRANSP")
_EVENT: Final = ["VCALENDAR", "VEVENT"]
_NAME = re.compile(r"([A-Za-z-]+)[;:]")
_DAY = timedelta(days=1)
_LONGEST: Final = 3660 * _DAY


class Event(msgspec.Struct, frozen=True, kw_only=True):
    """An event. A ``date`` is a whole day; a datetime without a zone is in the reader's.

    ``replaces`` is the occurrence of the event of the same ``uid`` whose place this one takes.
    """

    uid: str
    start: date
    end: date | None
    duration: timedelta | None
    rule: Mapping[str, Sequence[Any]] | None
    left_out: Sequence[date]
    added: Sequence[date]
    replaces: date | None
    #: False for what is cancelled, or does not make its owner busy.
    counts: bool


def read(text: str) -> Iterator[Event]:
    """The events of a calendar. Raises ``MalformedCalendar``, ``UnknownTimeZone``."""
    stack: list[str] = []
    lines: list[str] = []
    begun = False
    unfolded: list[str] = Contentlines.from_ical(text)  # type: ignore[no-untyped-call]
    for line in unfolded:
        head, _, name = line.upper().strip().partition(":")
        if head == "BEGIN":
            stack.append(name)
            begun = begun or stack == ["VCALENDAR"]
            lines = [] if stack == _EVENT else lines
        elif head == "END":
            if not stack or stack[-1] != name:
                raise MalformedCalendar("an END without its BEGIN")
            if stack == _EVENT:
                yield _event(lines)
            stack.pop()
        elif stack == _EVENT and _is_wanted(line):
            lines.append(line)
    if stack or not begun:
        raise MalformedCalendar


def _is_wanted(line: str) -> bool:
    match = _NAME.match(line)
    return match is not None and match[1].upper() in _WANTED


def _event(lines: Sequence[str]) -> Event:
    try:
        parsed = icalendar.Event.from_ical("\r\n".join(("BEGIN:VEVENT", *lines, "END:VEVENT")))
    except (ValueError, AttributeError) as error:  # the second by a parameter of several values
        raise MalformedCalendar(str(error)[:200]) from None
    except OSError:  # zoneinfo, for a name that is a folder of its files, or too long for one
        raise UnknownTimeZone from None
    if parsed.errors:
        raise MalformedCalendar(": ".join(str(part) for part in parsed.errors[0])[:200])
    given: dict[str, Any] = dict(parsed.items())
    if "DTSTART" not in given or any(isinstance(given.get(name), list) for name in _ONCE):
        raise MalformedCalendar("an event has one start, and not two of what it has once")
    duration = getattr(given["DURATION"], "dt", "") if "DURATION" in given else None
    if not isinstance(duration, timedelta | None) or not isinstance(
        given.get("RRULE"), Mapping | None
    ):
        raise MalformedCalendar("a duration or a rule is none")
    status, transparency = str(given.get("STATUS")), str(given.get("TRANSP"))
    return Event(
        uid=str(given.get("UID", "")),
        start=_time(given["DTSTART"]),
        end=_time(given["DTEND"]) if "DTEND" in given else None,
        duration=duration,
        rule=given.get("RRULE"),
        left_out=_times(given.get("EXDATE", [])),
        added=_times(given.get("RDATE", [])),
        replaces=_time(given["RECURRENCE-ID"]) if "RECURRENCE-ID" in given else None,
        counts=status.upper() != "CANCELLED" and transparency.upper() != "TRANSPARENT",
    )


def _times(given: Any) -> list[date]:
    """The values of a property that may come several times, with several values each."""
    lists = given if isinstance(given, list) else [given]
    return [_time(value) for each in lists for value in getattr(each, "dts", [each])]


def _time(value: Any) -> date:
    """A date, or a datetime whose zone, where it names one, is known."""
    moment = getattr(value, "dt", None)  # a parameter can make a text of it
    if not isinstance(moment, date):
        raise MalformedCalendar("a time is none")
    if not YEARS[0] <= moment.year <= YEARS[1]:
        raise MalformedCalendar(f"the year {moment.year} is none of ours")
    if isinstance(moment, datetime) and moment.tzinfo is None and "TZID" in value.params:
        raise UnknownTimeZone(str(value.params["TZID"])[:100])
    return moment


def length_of(event: Event, absolute: timedelta | None) -> timedelta:
    """How long an event lasts: ``absolute`` for one with a start and an end by the clock, else what
    it says. Whole days are days of the wall clock. Raises ``MalformedCalendar``."""
    if event.duration is not None:
        length = event.duration
    elif absolute is not None:
        length = absolute
    elif event.end is not None:
        end = event.end.date() if isinstance(event.end, datetime) else event.end
        length = end - event.start
    else:
        length = timedelta() if isinstance(event.start, datetime) else _DAY
    if not timedelta() <= length <= _LONGEST:
        raise MalformedCalendar("an event ends before it starts, or after ten years")
    return length
