"""Two books of the same money, compared: pure, and blind to the order of the lines."""

from collections import defaultdict
from collections.abc import Iterable
from dataclasses import dataclass
from datetime import datetime
from typing import Literal

What = Literal[
    "missing_here", "missing_there", "amount_differs", "currency_differs", "duplicate_there"
]


@dataclass(frozen=True, slots=True)
class Line:
    """One line of either book. ``amount`` in minor units, signed as the provider sees it."""

    kind: str
    reference: str
    unit: str
    amount: int
    at: datetime


@dataclass(frozen=True, slots=True)
class Difference:
    """What the books make of one kind, reference and unit; None where a book does not know it."""

    what: What
    kind: str
    reference: str
    unit: str
    ours: int | None
    theirs: int | None
    since: datetime


@dataclass(slots=True)
class _Side:
    total: int = 0
    lines: int = 0


def compare(ours: Iterable[Line], theirs: Iterable[Line]) -> list[Difference]:
    """Where the sums differ, by (kind, reference, unit), sorted."""
    here, there = _sums(ours), _sums(theirs)
    since: dict[tuple[str, str, str], datetime] = {}
    for side in (here, there):
        for key, (_, at) in side.items():
            since[key] = min(at, since.get(key, at))
    return [
        _difference(key, here, there, since[key])
        for key in sorted(since)
        if _total(here, key) != _total(there, key)
    ]


_Sums = dict[tuple[str, str, str], tuple[_Side, datetime]]


def _sums(lines: Iterable[Line]) -> _Sums:
    sides: dict[tuple[str, str, str], _Side] = defaultdict(_Side)
    first: dict[tuple[str, str, str], datetime] = {}
    for line in lines:
        key = (line.kind, line.reference, line.unit)
        sides[key].total += line.amount
        sides[key].lines += 1
        first[key] = min(line.at, first.get(key, line.at))
    return {key: (side, first[key]) for key, side in sides.items()}


def _total(side: _Sums, key: tuple[str, str, str]) -> int | None:
    return side[key][0].total if key in side else None


def _difference(
    key: tuple[str, str, str], here: _Sums, there: _Sums, since: datetime
) -> Difference:
    kind, reference, unit = key
    mine, other = _total(here, key), _total(there, key)
    what: What
    if mine is None or other is None:
        elsewhere = there if other is None else here
        same = any(k == kind and r == reference and u != unit for k, r, u in elsewhere)
        what = "currency_differs" if same else "missing_here" if mine is None else "missing_there"
    elif mine and there[key][0].lines > here[key][0].lines and other % mine == 0:
        what = "duplicate_there"
    else:
        what = "amount_differs"
    return Difference(what, kind, reference, unit, mine, other, since)
