"""Free slots against a slow count of minutes, and what a booking may ask for."""

from datetime import date, datetime
from itertools import pairwise
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from handsel.catalog.availability import policy
from handsel.catalog.availability.errors import (
    EndBeforeStart,
    InvalidAvailability,
    OverlappingAvailability,
    SlotNotOffered,
    SlotTooFar,
    SlotTooSoon,
)
from handsel.catalog.availability.hours import Span, minute_of, opening_times
from handsel.catalog.availability.schemas import ClosedDays, ExtraHours, OpeningHours, Rules
from handsel.catalog.availability.slots import Free, check_offered, free_slots, joined
from handsel.catalog.listings.errors import UnknownTimeZone
from tests.factories.availability import rules, weekly

#: The weekend on which Berlin goes back to winter time: Friday to Monday.
DAY = minute_of(datetime.fromisoformat("2026-10-23T00:00Z"))
PERIOD = Span(DAY, DAY + 4 * 1440)


def at(text: str) -> int:
    return minute_of(datetime.fromisoformat(text))


spans = st.lists(
    st.tuples(st.integers(0, 4 * 288), st.integers(1, 40)).map(
        lambda drawn: Span(DAY + drawn[0] * 5, DAY + drawn[0] * 5 + drawn[1] * 5)
    ),
    max_size=8,
).map(lambda drawn: list(joined(sorted(drawn))))


@st.composite
def some_rules(draw: Any, *, slots: bool) -> Rules:
    cuts = sorted(draw(st.lists(st.integers(0, 96), min_size=2, max_size=4, unique=True)))
    pairs = zip(cuts[::2], cuts[1::2], strict=False)
    clock = [(f"{a // 4:02}:{a % 4 * 15:02}", f"{b // 4:02}:{b % 4 * 15:02}") for a, b in pairs]
    return rules(
        weekly=[
            OpeningHours(weekday=day, opens=opens, closes=closes)
            for day in draw(st.sets(st.integers(1, 7), min_size=4))
            for opens, closes in clock
        ],
        slot_minutes=draw(st.sampled_from((5, 30, 45, 90))) if slots else None,
        step_minutes=draw(st.sampled_from((None, 15, 60))) if slots else None,
        buffer_before_minutes=draw(st.sampled_from((0, 10))),
        buffer_after_minutes=draw(st.sampled_from((0, 15))),
        lead_minutes=draw(st.sampled_from((0, 90))),
        horizon_days=draw(st.sampled_from((2, 30))),
    )


def minutes(taken: list[Span], before: int = 0, after: int = 0) -> set[int]:
    return {m for span in taken for m in range(span.start - before, span.end + after)}


@settings(max_examples=40, deadline=None)
@given(
    asked=some_rules(slots=True),
    taken=st.lists(spans, min_size=1, max_size=3),
    busy=spans,
    now=st.integers(0, 1440),
)
def test_a_slot_is_free_on_units_where_none_of_its_minutes_is_taken(
    asked: Rules, taken: list[list[Span]], busy: list[Span], now: int
) -> None:
    found = list(free_slots(asked, PERIOD, DAY + now, taken, busy))

    length = asked.slot_minutes or 0
    closed = [minutes([*unit, *busy]) for unit in taken]
    expected = []
    for opening in opening_times(asked, *PERIOD):
        for start in range(opening.start, opening.end, asked.step_minutes or length):
            early = start < max(PERIOD.start, DAY + now + asked.lead_minutes)
            late = start >= PERIOD.end or start > DAY + now + asked.horizon_days * 1440
            needed = range(
                start - asked.buffer_before_minutes, start + length + asked.buffer_after_minutes
            )
            units = sum(unit.isdisjoint(needed) for unit in closed)
            if units and not early and not late and start + length <= opening.end:
                expected.append(Free(start, start + length, units))
    assert found == expected
    for slot in found:
        check_offered(asked, Span(slot.start, slot.end), DAY + now)


@settings(max_examples=40, deadline=None)
@given(
    asked=some_rules(slots=False),
    taken=st.lists(spans, min_size=1, max_size=3),
    busy=spans,
    now=st.integers(0, 1440),
)
def test_a_stretch_says_of_each_of_its_minutes_how_many_units_are_free(
    asked: Rules, taken: list[list[Span]], busy: list[Span], now: int
) -> None:
    found = list(free_slots(asked, PERIOD, DAY + now, taken, busy))

    before, after = asked.buffer_before_minutes, asked.buffer_after_minutes
    closed = [minutes([*unit, *busy], after, before) for unit in taken]
    first = max(PERIOD.start, DAY + now + asked.lead_minutes)
    last = min(PERIOD.end, DAY + now + asked.horizon_days * 1440 + 1)
    expected = {}
    for minute in minutes(list(opening_times(asked, *PERIOD))):
        units = sum(minute not in unit for unit in closed)
        if units and first <= minute < last:
            expected[minute] = units
    assert {m: free.units for free in found for m in range(free.start, free.end)} == expected
    assert all(a.end < b.start or a.units != b.units for a, b in pairwise(found))


@pytest.mark.parametrize(
    ("starts", "ends", "refusal"),
    [
        pytest.param("2026-11-02T08:00Z", "2026-11-02T09:00Z", None, id="the first of the day"),
        pytest.param("2026-11-02T08:00Z", "2026-11-02T11:00Z", None, id="three in a row"),
        pytest.param("2026-11-02T15:00Z", "2026-11-02T16:00Z", None, id="the last of the day"),
        pytest.param("2026-11-02T15:00Z", "2026-11-02T17:00Z", SlotNotOffered, id="over its end"),
        pytest.param("2026-11-02T08:30Z", "2026-11-02T09:30Z", SlotNotOffered, id="no step"),
        pytest.param("2026-11-02T08:00Z", "2026-11-02T08:30Z", SlotNotOffered, id="half a slot"),
        pytest.param("2026-11-02T07:00Z", "2026-11-02T08:00Z", SlotNotOffered, id="too early"),
        pytest.param("2026-11-02T09:00Z", "2026-11-02T09:00Z", EndBeforeStart, id="no length"),
        pytest.param("2026-11-02T09:00Z", "2026-11-02T08:00Z", EndBeforeStart, id="backwards"),
        pytest.param("2026-11-01T11:00Z", "2026-11-01T12:00Z", SlotTooSoon, id="within the lead"),
        pytest.param("2026-12-02T10:00Z", "2026-12-02T11:00Z", SlotTooFar, id="after the horizon"),
    ],
)
def test_what_a_slot_may_be(starts: str, ends: str, refusal: type[Exception] | None) -> None:
    asked = rules(lead_minutes=120, horizon_days=30)
    period, now = Span(at(starts), at(ends)), at("2026-11-01T09:30Z")

    if refusal is None:
        check_offered(asked, period, now)
        return
    with pytest.raises(refusal) as refused:
        check_offered(asked, period, now)
    assert type(refused.value) is refusal


@pytest.mark.parametrize(
    ("spanning", "starts", "ends", "offered"),
    [
        pytest.param(True, "2026-11-02T08:00Z", "2026-11-05T16:00Z", True, id="three nights"),
        pytest.param(True, "2026-11-02T16:00Z", "2026-11-03T16:00Z", False, id="fetched too late"),
        pytest.param(True, "2026-11-02T15:59Z", "2026-11-03T16:01Z", False, id="back too late"),
        pytest.param(True, "2026-11-02T10:00Z", "2026-11-02T10:29Z", False, id="too short"),
        pytest.param(True, "2026-11-02T08:00Z", "2026-11-10T08:01Z", False, id="too long"),
        pytest.param(False, "2026-11-02T08:00Z", "2026-11-02T16:00Z", True, id="one whole day"),
        pytest.param(False, "2026-11-02T08:00Z", "2026-11-03T16:00Z", False, id="over a night"),
    ],
)
def test_what_a_free_period_may_be(spanning: bool, starts: str, ends: str, offered: bool) -> None:
    asked = rules(slot_minutes=None, may_span_closing=spanning, longest_minutes=8 * 1440)
    period, now = Span(at(starts), at(ends)), at("2026-11-01T09:30Z")

    if offered:
        check_offered(asked, period, now)
        return
    with pytest.raises(SlotNotOffered):
        check_offered(asked, period, now)


def test_round_the_clock_has_no_midnight_for_a_free_period() -> None:
    asked = rules(slot_minutes=None, weekly=weekly("00:00", "24:00"))

    check_offered(asked, Span(at("2026-10-24T20:00Z"), at("2026-10-26T03:00Z")), DAY)


def days(first: int, last: int) -> dict[str, date]:
    return {"first_day": date(2026, 12, first), "last_day": date(2026, 12, last)}


@pytest.mark.parametrize(
    ("changes", "refusal"),
    [
        pytest.param({"time_zone": "Europe/Atlantis"}, UnknownTimeZone, id="zone"),
        pytest.param({"weekly": weekly("17:00", "09:00")}, EndBeforeStart, id="hours backwards"),
        pytest.param({"weekly": weekly("24:00", "24:00")}, EndBeforeStart, id="hours of nothing"),
        pytest.param(
            {"weekly": [*weekly(), *weekly("16:59", "18:00")]}, OverlappingAvailability, id="weekly"
        ),
        pytest.param({"closed": [ClosedDays(**days(2, 1))]}, EndBeforeStart, id="days backwards"),
        pytest.param(
            {"closed": [ClosedDays(first_day=date(2026, 1, 1), last_day=date(2027, 1, 2))]},
            InvalidAvailability, id="closed for ever",
        ),
        pytest.param(
            {"extra": [ExtraHours(**days(1, 3), opens="16:00", closes="19:00")]},
            OverlappingAvailability, id="extra over weekly",
        ),
        pytest.param(
            {
                "extra": [
                    ExtraHours(**days(1, 3), opens="18:00", closes="19:00"),
                    ExtraHours(**days(3, 4), opens="18:30", closes="20:00"),
                ]
            },
            OverlappingAvailability, id="extra over extra",
        ),
        pytest.param({"slot_minutes": None, "step_minutes": 5}, InvalidAvailability, id="step"),
        pytest.param({"may_span_closing": True}, InvalidAvailability, id="a slot over a night"),
        pytest.param(
            {"slot_minutes": None, "shortest_minutes": 60, "longest_minutes": 30},
            InvalidAvailability, id="shortest above longest",
        ),
    ],
)  # fmt: skip
def test_rules_that_make_no_sense(changes: dict[str, Any], refusal: type[Exception]) -> None:
    with pytest.raises(refusal):
        policy.check(rules(**changes))


def test_hours_that_touch_do_not_overlap_and_extra_ones_may_stand_for_closed_ones() -> None:
    policy.check(
        rules(
            weekly=[*weekly(), *weekly("17:00", "18:00")],
            closed=[ClosedDays(**days(1, 3))],
            extra=[ExtraHours(**days(2, 3), opens="16:00", closes="19:00")],
        )
    )
