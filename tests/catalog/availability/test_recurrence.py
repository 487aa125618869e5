"""Rules of recurrence against dateutil's; and the budget for those that never match."""

from datetime import datetime
from typing import Any

import pytest
from dateutil.rrule import rrulestr
from hypothesis import example, given, settings
from hypothesis import strategies as st
from icalendar import vRecur

from handsel.catalog.availability.errors import CalendarTooLarge, RecurrenceNotSupported
from handsel.catalog.availability.recurrence import Budget, occurrences, parse

START = datetime(2024, 1, 31, 9, 30)  # noqa: DTZ001 - naive: what the clock shows
FIRST, LAST = datetime(2026, 2, 3, 10), datetime(2027, 3, 1)  # noqa: DTZ001
_DAYS = ("MO", "TU", "WE", "TH", "FR", "SA", "SU")


def ours(text: str, start: datetime = START, days: int = 100_000) -> list[datetime]:
    rule = parse(vRecur.from_ical(text), start.date())
    return list(occurrences(rule, start, FIRST, LAST, Budget(days)))


@st.composite
def texts(draw: Any) -> str:
    frequency = draw(st.sampled_from(("DAILY", "WEEKLY", "MONTHLY", "YEARLY")))
    parts = [f"FREQ={frequency}", f"INTERVAL={draw(st.integers(1, 4))}"]
    if draw(st.booleans()):
        months = draw(st.lists(st.integers(1, 12), min_size=1, max_size=3, unique=True))
        parts.append("BYMONTH=" + ",".join(map(str, months)))
    by = draw(st.sampled_from(("", "BYMONTHDAY", "BYDAY", "place")))
    if by == "BYMONTHDAY" and frequency != "WEEKLY":
        days = draw(st.lists(st.sampled_from((1, 15, 29, 31, -1, -30)), min_size=1, unique=True))
        parts.append("BYMONTHDAY=" + ",".join(map(str, days)))
    if by in ("BYDAY", "place"):
        named = draw(st.lists(st.sampled_from(_DAYS), min_size=1, max_size=3, unique=True))
        places = ("1", "2", "-1", "5") if by == "place" and frequency[0] in "MY" else ("",)
        parts.append("BYDAY=" + ",".join(draw(st.sampled_from(places)) + day for day in named))
        if draw(st.booleans()) and frequency in ("WEEKLY", "MONTHLY"):
            parts.append(f"BYSETPOS={draw(st.sampled_from((1, 2, -1)))}")
    parts.append(f"WKST={draw(st.sampled_from(('MO', 'SU')))}")
    end = draw(st.sampled_from(("", "COUNT=40", "UNTIL=20261101T093000")))
    return ";".join((*parts, *([end] if end else [])))


@settings(max_examples=12, deadline=None)
@given(text=texts(), day=st.integers(1, 28))
@example(text="FREQ=WEEKLY;INTERVAL=2;BYDAY=TU,SU;WKST=MO", day=9)
@example(text="FREQ=WEEKLY;INTERVAL=2;BYDAY=TU,SU;WKST=SU", day=9)
@example(text="FREQ=MONTHLY;BYDAY=MO,TU,WE,TH,FR;BYSETPOS=-1", day=1)
def test_rules_match_when_dateutil_says_so(text: str, day: int) -> None:
    start = START.replace(day=day)

    found = ours(text, start)

    oracle = rrulestr(text, dtstart=start).between(FIRST, LAST, inc=True)
    assert found == [moment for moment in oracle if moment < LAST]


@pytest.mark.parametrize(
    "text",
    [
        "FREQ=DAILY;BYMONTH=2;BYMONTHDAY=30;COUNT=1",
        "FREQ=YEARLY;BYMONTH=2;BYMONTHDAY=30;COUNT=1",
        "FREQ=WEEKLY;INTERVAL=1000000000",
        "FREQ=YEARLY;INTERVAL=1000000000",
    ],
)
def test_a_rule_that_never_matches_ends(text: str) -> None:
    assert ours(text) == []


def test_looking_for_it_has_a_budget() -> None:
    with pytest.raises(CalendarTooLarge):
        ours("FREQ=DAILY", days=100)


@pytest.mark.parametrize("text", ["FREQ=SECONDLY", "FREQ=DAILY;BYHOUR=1", "FREQ=YEARLY;BYWEEKNO=1"])
def test_what_is_not_followed_is_refused(text: str) -> None:
    with pytest.raises(RecurrenceNotSupported):
        ours(text)
