"""Integer sums over facts: the part of a feature that any engine can agree on to the bit.

A `Tally` says which facts add how much. Two engines read the same declarations: `tally_member`
walks the facts of one member (serving), `tally_many` uses prefix sums over columns (training:
O(n log n) in facts, then O(1) per row and tally). A fact is seen as of T if known_at < T and it
is not retracted before T (retracted_at >= T, or None). Prefix sums cannot take a fact back, so
`tally_many` gives the members who have retracted facts, few as they are, to `tally_member`.

Ties: facts known in the same microsecond are taken in order of their value, so the order in
which they arrive never matters.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Sequence
from datetime import datetime, timedelta
from typing import Literal

import msgspec
import numpy as np

from handsel_ml.contract import EPOCH, ROLES, Fact, FactKind, Role, micros
from handsel_ml.facts import KIND_CODE, NOT_RETRACTED, FactTable, Ints, distinct, facts_of

DAY_US = 86_400 * 1_000_000
MONTH_US = 30 * DAY_US
Measure = Literal[
    "one", "amount", "value", "weight", "weighted_value", "known_s", "growth_of_square"
]
Key = Literal["none", "member", "counterparty", "value", "month"]


class Tally(msgspec.Struct, frozen=True, kw_only=True):
    """Sum of `measure` over the facts of `kinds` (and `role`, and value in [least, most]).

    `days`: only facts known in the last so many days. `cap`: per `key`, only the first `cap`
    facts count (cap 1 counts distinct keys; such tallies have no window). `growth_of_square`
    adds 2 n + 1 for the key's n-th repeat, so the sum is the sum of squared counts.
    `weight` adds ten-thousandths, `weighted_value` value times ten-thousandths. A month is a block
    of thirty days since 1970.
    """

    name: str
    kinds: tuple[FactKind, ...]
    measure: Measure = "one"
    role: Role | None = None
    days: int | None = None
    key: Key = "none"
    cap: int | None = None
    least: int | None = None
    most: int | None = None

    def __post_init__(self) -> None:
        """A capped tally needs a key and the whole history."""
        keyed = self.cap is not None or self.measure == "growth_of_square"
        if keyed != (self.key != "none") or (keyed and self.days is not None):
            raise ValueError(f"{self.name}: cap, key and window do not fit together")


def tally_member(facts: Sequence[Fact], as_of: datetime, tallies: Sequence[Tally]) -> Ints:
    """Tallies of one member's facts as of a moment: int64, shape (tallies,)."""
    now = micros(as_of)
    by_kind: dict[FactKind, list[tuple[int, Tally, int | None]]] = defaultdict(list)
    for position, tally in enumerate(tallies):
        since = None if tally.days is None else now - tally.days * DAY_US
        for kind in tally.kinds:
            by_kind[kind].append((position, tally, since))
    sums = [0] * len(tallies)
    seen: dict[tuple[int, object], int] = defaultdict(int)
    known = [(micros(fact.known_at), fact.value or 0, fact) for fact in facts if _seen(fact, now)]
    past = sorted((row for row in known if row[0] < now), key=lambda row: row[:2])
    for known_us, _, fact in past:
        for position, tally, since in by_kind[fact.kind]:
            if (since is None or known_us >= since) and _counts(tally, fact):
                sums[position] += _increment(tally, fact, known_us, position, seen)
    return np.array(sums, dtype=np.int64)


def _seen(fact: Fact, now: int) -> bool:
    """Whether a fact was not taken back before a moment (microseconds)."""
    return fact.retracted_at is None or micros(fact.retracted_at) >= now


def _counts(tally: Tally, fact: Fact) -> bool:
    """Whether role and value let the fact count."""
    if tally.role is not None and fact.role != tally.role:
        return False
    value = -1 if fact.value is None else fact.value
    return (tally.least is None or value >= tally.least) and (
        tally.most is None or value <= tally.most
    )


def _increment(
    tally: Tally, fact: Fact, known_us: int, position: int, seen: dict[tuple[int, object], int]
) -> int:
    """What one counted fact adds; `seen` counts repeats by (tally, key)."""
    repeat = 0
    if tally.key != "none":
        key: object = None
        if tally.key == "counterparty":
            key = fact.counterparty_id
        elif tally.key == "value":
            key = fact.value
        elif tally.key == "month":
            key = micros(fact.happened_at) // MONTH_US
        repeat = seen[position, key]
        seen[position, key] += 1
        if tally.cap is not None and repeat >= tally.cap:
            return 0
    return _measure(tally, fact, known_us, repeat)


def _measure(tally: Tally, fact: Fact, known_us: int, repeat: int) -> int:
    if tally.measure == "amount":
        return fact.amount_minor
    if tally.measure == "value":
        return fact.value or 0
    if tally.measure == "weight":
        return fact.weight_bps
    if tally.measure == "weighted_value":
        return (fact.value or 0) * fact.weight_bps
    if tally.measure == "known_s":
        return known_us // 1_000_000
    return 2 * repeat + 1 if tally.measure == "growth_of_square" else 1


def tally_many(table: FactTable, member: Ints, as_of_us: Ints, tallies: Sequence[Tally]) -> Ints:
    """Tallies for rows of (member index, moment): int64, shape (rows, tallies)."""
    asked = np.lexsort((as_of_us, member))
    member, as_of_us = member[asked], as_of_us[asked]
    table = table.take(np.lexsort((np.maximum(table.value, 0), table.known, table.member)))
    moments = distinct(table.known)
    width = len(moments) + 1
    keys = table.member * width + np.searchsorted(moments, table.known)

    def facts_before(moment_us: Ints) -> Ints:
        rank = np.searchsorted(moments, moment_us)
        return np.searchsorted(keys, member * width + rank).astype(np.int64)

    first = np.searchsorted(keys, member * width).astype(np.int64)
    end = facts_before(as_of_us)
    windows = {tally.days for tally in tallies if tally.days is not None}
    begin = {days: facts_before(as_of_us - days * DAY_US) for days in windows}
    sums = np.empty((len(member), len(tallies)), dtype=np.int64)
    for position, tally in enumerate(tallies):
        running = np.zeros(len(table) + 1, dtype=np.int64)
        np.cumsum(_increments(tally, table), out=running[1:])
        start = first if tally.days is None else begin[tally.days]
        sums[asked, position] = running[end] - running[start]
    _tally_retracted(table, member, as_of_us, tallies, asked, sums)
    return sums


def _tally_retracted(
    table: FactTable,
    member: Ints,
    as_of_us: Ints,
    tallies: Sequence[Tally],
    asked: Ints,
    sums: Ints,
) -> None:
    """Overwrite the rows of members who have retracted facts; table and rows are by member."""
    for who in distinct(table.member[table.retracted < NOT_RETRACTED]).tolist():
        first, end = np.searchsorted(member, [who, who + 1])
        if first == end:
            continue
        facts = facts_of(table.take(slice(*np.searchsorted(table.member, [who, who + 1]))))
        for row in range(first, end):
            as_of = EPOCH + timedelta(microseconds=int(as_of_us[row]))
            sums[asked[row]] = tally_member(facts, as_of, tallies)


def _increments(tally: Tally, table: FactTable) -> Ints:
    """What each fact of the sorted table adds: int64, shape (facts,)."""
    wanted = np.zeros(len(KIND_CODE), dtype=bool)
    wanted[[KIND_CODE[kind] for kind in tally.kinds]] = True
    mask = wanted[table.kind]
    if tally.role is not None:
        mask &= table.role == ROLES.index(tally.role)
    if tally.least is not None:
        mask &= table.value >= tally.least
    if tally.most is not None:
        mask &= table.value <= tally.most
    rows = np.flatnonzero(mask)
    added = np.zeros(len(table), dtype=np.int64)
    repeat = np.zeros(len(rows), dtype=np.int64)
    if tally.key != "none":
        repeat = _repeats(table.member[rows], _key_column(tally, table)[rows])
    added[rows] = _measured(tally, table, rows, repeat)
    if tally.cap is not None:
        added[rows[repeat >= tally.cap]] = 0
    return added


def _measured(tally: Tally, table: FactTable, rows: Ints, repeat: Ints) -> Ints:
    if tally.measure == "amount":
        return table.amount[rows]
    if tally.measure == "value":
        return np.maximum(table.value[rows], 0)
    if tally.measure == "weight":
        return table.weight[rows]
    if tally.measure == "weighted_value":
        return np.maximum(table.value[rows], 0) * table.weight[rows]
    if tally.measure == "known_s":
        return table.known[rows] // 1_000_000
    return 2 * repeat + 1 if tally.measure == "growth_of_square" else np.ones_like(rows)


def _key_column(tally: Tally, table: FactTable) -> Ints:
    if tally.key == "counterparty":
        return table.counterparty
    if tally.key == "value":
        return table.value
    return table.happened // MONTH_US if tally.key == "month" else np.zeros_like(table.member)


def _repeats(member: Ints, key: Ints) -> Ints:
    """For each row, how many earlier rows share its member and key (rows come in time order)."""
    order = np.lexsort((key, member))
    same_m, same_k = member[order], key[order]
    fresh = np.ones(len(order), dtype=bool)
    fresh[1:] = (same_m[1:] != same_m[:-1]) | (same_k[1:] != same_k[:-1])
    starts = np.maximum.accumulate(np.where(fresh, np.arange(len(order)), 0))
    repeats = np.empty(len(order), dtype=np.int64)
    repeats[order] = np.arange(len(order)) - starts
    return repeats
