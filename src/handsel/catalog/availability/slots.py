"""Which times can be booked. Pure: rules, taken times and now go in, slots come out.

All numbers are minutes since 1970, UTC. Steps count elapsed time from each opening.
"""

from bisect import bisect_left, bisect_right
from collections.abc import Iterable, Iterator, Sequence
from itertools import pairwise
from typing import NamedTuple

from handsel.catalog.availability.errors import (
    EndBeforeStart,
    SlotNotOffered,
    SlotTooFar,
    SlotTooSoon,
)
from handsel.catalog.availability.hours import Span, opening_times
from handsel.catalog.availability.schemas import MINUTES_A_DAY, Rules

#: A start and an end, as ``Span`` has them; plain where there are thousands.
Minutes = tuple[int, int]


class Free(NamedTuple):
    """Units that are free from a minute to another."""

    start: int
    end: int
    units: int


def check_offered(rules: Rules, period: Span, now: int) -> None:
    """Whether the rules offer this period, taken or not.

    Raises ``EndBeforeStart``, ``SlotTooSoon``, ``SlotTooFar``, ``SlotNotOffered``.
    """
    if period.end <= period.start:
        raise EndBeforeStart
    earliest, latest = bounds(rules, now)
    if period.start < earliest:
        raise SlotTooSoon(f"it must be booked {rules.lead_minutes} minutes ahead")
    if period.start > latest:
        raise SlotTooFar(f"it can be booked {rules.horizon_days} days ahead")
    if rules.slot_minutes is not None:
        fits = _is_slots(rules, rules.slot_minutes, period)
    else:
        fits = _is_open(rules, period)
    if not fits:
        raise SlotNotOffered


def bounds(rules: Rules, now: int) -> Span:
    """The first and the last minute at which a booking may start."""
    return Span(now + rules.lead_minutes, now + rules.horizon_days * MINUTES_A_DAY)


def _is_slots(rules: Rules, length: int, period: Span) -> bool:
    """One slot or several, from a step of an opening time, within it."""
    step = rules.step_minutes or length
    return (period.end - period.start) % length == 0 and any(
        opening.start <= period.start
        and period.end <= opening.end
        and (period.start - opening.start) % step == 0
        for opening in opening_times(rules, period.start, period.start + 1)
    )


def _is_open(rules: Rules, period: Span) -> bool:
    if not rules.shortest_minutes <= period.end - period.start <= rules.longest_minutes:
        return False
    if rules.may_span_closing:
        # An opening time may begin at its last minute: a thing is handed back until it closes.
        return any(o.start <= period.start < o.end for o in _around(rules, period.start)) and any(
            o.start < period.end <= o.end for o in _around(rules, period.end)
        )
    openings = joined(opening_times(rules, period.start, period.end))
    return any(o.start <= period.start and period.end <= o.end for o in openings)


def _around(rules: Rules, minute: int) -> Iterator[Span]:
    return opening_times(rules, minute - 1, minute + 1)


def joined(spans: Iterable[Minutes]) -> Iterator[Span]:
    """Sorted spans, with those that touch or overlap made one."""
    begun: Span | None = None
    for start, end in spans:
        if begun is not None and start <= begun.end:
            begun = Span(begun.start, max(begun.end, end))
            continue
        if begun is not None:
            yield begun
        begun = Span(start, end)
    if begun is not None:
        yield begun


def free_slots(
    rules: Rules,
    period: Span,
    now: int,
    taken: Sequence[Sequence[Minutes]],
    busy: Sequence[Minutes],
) -> Iterator[Free]:
    """What can be booked, from ``period.start`` and before ``period.end``, in order.

    ``taken`` holds for each unit the times that it is booked, sorted and apart, buffers included;
    ``busy`` when all are closed. A slot needs its own buffers free too.
    """
    earliest, latest = bounds(rules, now)
    first, last = max(period.start, earliest), min(period.end, latest + 1)
    if first >= last:
        return iter(())
    by_unit = [list(joined(sorted((*spans, *busy)))) if busy else spans for spans in taken]
    if rules.slot_minutes is None:
        return _stretches(rules, first, last, by_unit)
    return _whole_slots(rules, rules.slot_minutes, first, last, by_unit)


def _whole_slots(
    rules: Rules, length: int, first: int, last: int, by_unit: Sequence[Sequence[Minutes]]
) -> Iterator[Free]:
    step = rules.step_minutes or length
    starts = [
        start
        for opening in opening_times(rules, first, last)
        for start in range(opening.start, opening.end - length + 1, step)
        if first <= start < last
    ]
    before, after = rules.buffer_before_minutes, rules.buffer_after_minutes
    changes = [0] * (len(starts) + 1)
    for spans in by_unit:
        done = 0
        for start, end in spans:
            # The slots that would touch this booking; each counts once for a unit.
            low = max(done, bisect_right(starts, start - length - after))
            done = bisect_left(starts, end + before, low)
            if low < done:
                changes[low] += 1
                changes[done] -= 1
    units = len(by_unit)
    for start, change in zip(starts, changes, strict=False):
        units -= change
        if units:
            yield Free(start, start + length, units)


def _stretches(
    rules: Rules, first: int, last: int, by_unit: Sequence[Sequence[Minutes]]
) -> Iterator[Free]:
    """Opening time cut where the number of free units changes. Buffers of the next booking are not
    known yet: the ends of a stretch are kept free by them."""
    before, after = rules.buffer_before_minutes, rules.buffer_after_minutes
    changes: dict[int, int] = {}
    for spans in by_unit:
        for start, end in joined(Span(start - after, end + before) for start, end in spans):
            changes[start] = changes.get(start, 0) - 1
            changes[end] = changes.get(end, 0) + 1
    edges = sorted(edge for edge, change in changes.items() if change)
    units, at = len(by_unit), 0
    for opening in joined(opening_times(rules, first, last)):
        start, end = max(opening.start, first), min(opening.end, last)
        while at < len(edges) and edges[at] <= start:
            units += changes[edges[at]]
            at += 1
        inner = at
        while inner < len(edges) and edges[inner] < end:
            inner += 1
        for low, high in pairwise([start, *edges[at:inner], end]):
            if units and low < high:
                yield Free(low, high, units)
            if high < end:
                units += changes[high]
        at = inner
