"""Integer sums over facts: the part of a feature that any engine can agree on to the bit.

A `Tally` says which facts add how much. Two engines read the same declarations: `tally_member`
walks the facts of one member (serving), `tally_many` uses prefix sums over columns (training:
O(n log n) in facts, then O(1) per row and tally). Both see only facts with known_at < as_of.

Ties: facts known in the same microsecond are taken in order of their value, so the order in
which they arrive never matters.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Sequence
from datetime import datetime
from typing import Literal

import msgspec
import numpy as np

from handsel_ml.contract import ROLES, Fact, FactKind, Role, micros
from handsel_ml.facts import KIND_CODE, FactTable, Ints, distinct

DAY_US = 86_400 * 1_000_000
MONTH_US = 30 * DAY_US
Measure = Literal["one", "amount", "value", "known_s", "growth_of_square"]
Key = Literal["none", "member", "counterparty", "value", "month"]


class Tally(msgspec.Struct, frozen=True, kw_only=True):
    """Sum of `measure` over the facts of `kinds` (and `role`, and value in [least, most]).

    `days`: only facts known in the last so many days. `cap`: per `key`, only the first `cap`
    facts count (cap 1 counts distinct keys; such tallies have no window). `growth_of_square`
    adds 2 n + 1 for the key's n-th repeat, so the sum is the sum of squared counts.
    A month is a block of thirty days since 1970.
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
    known = [(micros(fact.known_at), fact.value or 0, fact) for fact in facts]
    past = sorted((row for row in known if row[0] < now), key=lambda row: row[:2])
    for known_us, _, fact in past:
        for position, tally, since in by_kind[fact.kind]:
            if (since is None or known_us >= since) and _counts(tally, fact):
                sums[position] += _increment(tally, fact, known_us, position, seen)
    return np.array(sums, dtype=np.int64)


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
    if tally.measure == "amount":
        return fact.amount_minor
    if tally.measure == "value":
        return fact.value or 0
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
    return sums


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
