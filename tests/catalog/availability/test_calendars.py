"""iCalendar texts of all kinds: what makes somebody busy, and what is refused."""

import time
from datetime import UTC, datetime
from zoneinfo import ZoneInfo

import icalendar
import pytest

from handsel.catalog.availability import calendars
from handsel.catalog.availability.errors import (
    CalendarTooLarge,
    MalformedCalendar,
    RecurrenceNotSupported,
)
from handsel.catalog.availability.hours import moment_of
from handsel.catalog.listings.errors import UnknownTimeZone
from handsel.foundation.core.errors import Problem

BERLIN = ZoneInfo("Europe/Berlin")
FIRST, LAST = datetime(2026, 3, 1, tzinfo=UTC), datetime(2026, 5, 1, tzinfo=UTC)
HEAD = ("BEGIN:VCALENDAR", "VERSION:2.0", "PRODID:-//test//EN")
#: A zone of the calendar's own, whose rule would be followed to the year 9999.
OWN_ZONE = (
    "BEGIN:VTIMEZONE", "TZID:Own", "BEGIN:STANDARD", "DTSTART:19700101T000000",
    "TZOFFSETFROM:+0100", "TZOFFSETTO:+0200", "RRULE:FREQ=SECONDLY;BYMONTH=2;BYMONTHDAY=30",
    "END:STANDARD", "END:VTIMEZONE",
)  # fmt: skip


def text(*events: str, more: tuple[str, ...] = ()) -> str:
    """A calendar of events, each given as lines."""
    wrapped = [line for e in events for line in ("BEGIN:VEVENT", *e.split("\n"), "END:VEVENT")]
    return "\r\n".join((*HEAD, *more, *wrapped, "END:VCALENDAR"))


def busy(given: str) -> list[tuple[str, str]]:
    found = calendars.busy_times(given, BERLIN, FIRST, LAST)
    return [(_short(span.start), _short(span.end)) for span in found]


def _short(minute: int) -> str:
    return moment_of(minute).strftime("%m-%dT%H:%M")


@pytest.mark.parametrize(
    ("event", "expected"),
    [
        pytest.param(
            "DTSTART:20260310T100000Z\nDTEND:20260310T113000Z",
            [("03-10T10:00", "03-10T11:30")], id="utc",
        ),
        pytest.param(
            "DTSTART;TZID=America/New_York:20260310T100000\nDURATION:PT45M",
            [("03-10T14:00", "03-10T14:45")], id="a zone and a duration",
        ),
        pytest.param(
            "DTSTART;TZID=W. Europe Standard Time:20260310T100000\nDURATION:PT1H",
            [("03-10T09:00", "03-10T10:00")], id="a name of Windows",
        ),
        pytest.param(
            "DTSTART:20260310T100000\nDTEND:20260310T110000",
            [("03-10T09:00", "03-10T10:00")], id="floating is the listing's zone",
        ),
        pytest.param(
            "DTSTART;VALUE=DATE:20260329", [("03-28T23:00", "03-29T22:00")],
            id="a whole day of 23 hours",
        ),
        pytest.param(
            "DTSTART;VALUE=DATE:20260301\nDTEND;VALUE=DATE:20260303",
            [("02-28T23:00", "03-02T23:00")], id="two days",
        ),
        pytest.param("DTSTART:20260310T100000Z", [], id="a moment"),
        pytest.param(
            "DTSTART:20260310T100000Z\nDURATION:PT1H\nTRANSP:TRANSPARENT", [], id="free time",
        ),
        pytest.param(
            "DTSTART:20260310T100000Z\nDURATION:PT1H\nSTATUS:CANCELLED", [], id="cancelled",
        ),
        pytest.param(
            f"UID:1{calendars.OURS}\nDTSTART:20260310T100000Z\nDURATION:PT1H", [], id="ours",
        ),
        pytest.param(
            "DTSTART:20260310T100010Z\nDTEND:20260310T100110Z",
            [("03-10T10:00", "03-10T10:02")], id="whole minutes around seconds",
        ),
        pytest.param(
            "DTSTART;TZID=Europe/Berlin:20260324T100000\nDURATION:PT1H\n"
            "RRULE:FREQ=WEEKLY;COUNT=3\nEXDATE;TZID=Europe/Berlin:20260331T100000\n"
            "RDATE:20260402T080000Z",
            [("03-24T09:00", "03-24T10:00"), ("04-02T08:00", "04-02T09:00"),
             ("04-07T08:00", "04-07T09:00")],
            id="weekly over the change of the clock, one left out, one added",
        ),
        pytest.param(
            "DTSTART:20190101T230000Z\nDURATION:PT2H\nRRULE:FREQ=MONTHLY;UNTIL=20260401T230000Z",
            [("03-01T23:00", "03-02T01:00"), ("04-01T23:00", "04-02T01:00")],
            id="until is included",
        ),
    ],
)  # fmt: skip
def test_when_an_event_makes_busy(event: str, expected: list[tuple[str, str]]) -> None:
    assert busy(text(event)) == expected


def test_an_occurrence_that_was_moved_counts_where_it_is_now() -> None:
    series = "UID:a\nDTSTART:20260310T100000Z\nDURATION:PT1H\nRRULE:FREQ=DAILY;COUNT=3"
    moved = "UID:a\nRECURRENCE-ID:20260311T100000Z\nDTSTART:20260311T150000Z\nDURATION:PT1H"

    found = busy(text(series, moved))

    assert [start for start, _ in found] == ["03-10T10:00", "03-11T15:00", "03-12T10:00"]


def test_times_that_touch_or_overlap_are_one_and_what_is_outside_of_the_window_is_none() -> None:
    given = text(
        "DTSTART:20260310T100000Z\nDURATION:PT1H",
        "DTSTART:20260310T110000Z\nDURATION:PT1H",
        "DTSTART:20260310T103000Z\nDURATION:PT10M",
        "DTSTART:20260501T000000Z\nDURATION:PT1H",
        "DTSTART:20260228T230000Z\nDURATION:PT1H",
    )

    assert busy(given) == [("03-10T10:00", "03-10T12:00")]


@pytest.mark.parametrize(
    ("given", "refusal"),
    [
        pytest.param("", MalformedCalendar, id="nothing"),
        pytest.param("hello", MalformedCalendar, id="prose"),
        pytest.param("\r\n".join(HEAD), MalformedCalendar, id="no end"),
        pytest.param("\r\n".join((*HEAD, "END:VEVENT")), MalformedCalendar, id="wrong end"),
        pytest.param(text("SUMMARY:x"), MalformedCalendar, id="no start"),
        pytest.param(text("DTSTART:soon"), MalformedCalendar, id="no time"),
        pytest.param(text("DTSTART:00010101T000000Z"), MalformedCalendar, id="the year 1"),
        pytest.param(text("DTSTART:99991231T000000Z"), MalformedCalendar, id="the year 9999"),
        pytest.param(
            text("DTSTART:20260310T100000Z\nDTEND:20260310T090000Z"), MalformedCalendar,
            id="backwards",
        ),
        pytest.param(
            text("DTSTART:20260310T100000Z\nDURATION:P99999999D"), MalformedCalendar, id="for ever",
        ),
        pytest.param(
            text("DTSTART:20260310T100000Z\nRRULE:FREQ=NEVER"), MalformedCalendar, id="no rule",
        ),
        pytest.param(
            text("DTSTART:20260310T100000Z\nDTSTART:20260311T100000Z"), MalformedCalendar,
            id="two starts",
        ),
        *(
            pytest.param(text(f"DTSTART;TZID={zone}:20260310T100000"), UnknownTimeZone, id=zone[:9])
            for zone in ("Europe", "Mars/Olympus", "x" * 300, "../etc")
        ),
        *(
            pytest.param(text(f"DTSTART:20260310T100000Z\n{line}"), MalformedCalendar, id=line)
            for line in (
                "EXDATE;VALUE=TEXT:x", "DURATION;VALUE=TEXT:x", "RRULE;VALUE=TEXT:x",
                "RDATE;VALUE=,PERIOD:20260402T080000Z/PT1H",
                "RDATE;VALUE=PERIOD:20260402T080000Z/PT1H",
            )
        ),
        pytest.param(
            text("DTSTART:20260310T100000Z\nRRULE:FREQ=HOURLY"), RecurrenceNotSupported,
            id="hourly",
        ),
        pytest.param(
            text("DTSTART;TZID=Own:20260310T100000", more=OWN_ZONE), UnknownTimeZone, id="own zone",
        ),
        pytest.param(
            text(*(f"DTSTART:20260301T{n // 60:02}{n % 60:02}00Z\nDURATION:PT1S\n"
                   "RRULE:FREQ=DAILY" for n in range(0, 300, 2))),
            CalendarTooLarge, id="too many",
        ),
    ],
)  # fmt: skip
def test_what_no_calendar_may_be(given: str, refusal: type[Problem]) -> None:
    with pytest.raises(refusal) as refused:
        busy(given)
    assert type(refused.value) is refusal


def test_a_zone_of_the_calendars_own_is_never_built() -> None:
    given = text("DTSTART:20260310T100000Z\nDURATION:PT1H", more=OWN_ZONE)
    began = time.monotonic()

    found = busy(given)

    assert found == [("03-10T10:00", "03-10T11:00")]
    assert time.monotonic() - began < 5
    with pytest.raises(UnknownTimeZone):
        busy(text("DTSTART;TZID=Own:20260310T100000"))


def test_a_feed_can_be_read_back_and_says_no_more_than_it_was_given() -> None:
    moment = datetime(2026, 3, 10, 10, tzinfo=UTC)
    line = calendars.Line("b1", moment, moment.replace(hour=11), "Maths; tutor, Ann", moment)

    body = calendars.feed([line])

    (event,) = icalendar.Calendar.from_ical(body).walk("VEVENT")
    assert (event["DTSTART"].dt, event["DTEND"].dt) == (moment, moment.replace(hour=11))
    assert (event["SUMMARY"], event["UID"]) == ("Maths; tutor, Ann", f"b1{calendars.OURS}")
    assert set(event) == {"UID", "DTSTAMP", "DTSTART", "DTEND", "SUMMARY"}
    assert busy(body.decode()) == []
