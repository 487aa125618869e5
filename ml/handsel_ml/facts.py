"""Facts by column, for training on millions of them.

The same columns as `contract.Fact`, as numpy arrays; strings become indices. Times are whole
microseconds since 1970 (UTC), so comparisons are exact. -1 stands for "none", and in `retracted`
a moment that never comes, `NOT_RETRACTED`.
"""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime, timedelta
from typing import Any

import msgspec
import numpy as np
from numpy.typing import NDArray

from handsel_ml.contract import EPOCH, ROLES, Fact, FactKind, micros
from handsel_ml.errors import TrainingRefused

Ints = NDArray[np.int64]
KINDS: tuple[FactKind, ...] = tuple(FactKind)
KIND_CODE: dict[FactKind, int] = {kind: code for code, kind in enumerate(KINDS)}
COLUMNS = (
    "member",
    "kind",
    "happened",
    "known",
    "source",
    "order",
    "counterparty",
    "role",
    "amount",
    "value",
    "weight",
    "retracted",
)
NOT_RETRACTED = 2**62


class FactTable(msgspec.Struct, frozen=True, kw_only=True):
    """Columns of equal length n, all int64. `names[i]` is the id of member index i."""

    names: tuple[str, ...]
    member: Ints
    kind: Ints
    happened: Ints
    known: Ints
    source: Ints
    order: Ints
    counterparty: Ints
    role: Ints
    amount: Ints
    value: Ints
    weight: Ints
    retracted: Ints

    def __len__(self) -> int:
        """Return the number of facts."""
        return len(self.member)

    def take(self, rows: NDArray[Any] | slice) -> FactTable:
        """Return the facts at `rows` (indices, a mask or a slice), in that order."""
        return FactTable(names=self.names, **{name: getattr(self, name)[rows] for name in COLUMNS})

    def known_before(self, moment_us: int) -> FactTable:
        """Return what was known strictly before a moment: later retractions are not known yet."""
        past = self.take(self.known < moment_us)
        retracted = np.where(past.retracted < moment_us, past.retracted, NOT_RETRACTED)
        return msgspec.structs.replace(past, retracted=retracted)


def table_of(facts: Sequence[Fact]) -> FactTable:
    """Turn facts of any members into columns; members and sources are numbered by sorted id."""
    parties = {f.member_id for f in facts} | {f.counterparty_id or "" for f in facts}
    names = tuple(sorted(parties - {""}))
    index = {name: i for i, name in enumerate(names)}
    orders = {o: i for i, o in enumerate(sorted({f.order_id for f in facts if f.order_id}))}
    sources = {s: i for i, s in enumerate(sorted({f.source_id for f in facts}))}
    rows = [
        (
            index[f.member_id],
            KIND_CODE[f.kind],
            micros(f.happened_at),
            micros(f.known_at),
            sources[f.source_id],
            -1 if f.order_id is None else orders[f.order_id],
            -1 if f.counterparty_id is None else index[f.counterparty_id],
            -1 if f.role is None else ROLES.index(f.role),
            f.amount_minor,
            -1 if f.value is None else f.value,
            f.weight_bps,
            NOT_RETRACTED if f.retracted_at is None else micros(f.retracted_at),
        )
        for f in facts
    ]
    block = np.array(rows, dtype=np.int64).reshape(-1, len(COLUMNS))
    columns = {name: np.ascontiguousarray(block[:, i]) for i, name in enumerate(COLUMNS)}
    return FactTable(names=names, **columns)


def facts_of(table: FactTable) -> list[Fact]:
    """Turn columns back into facts; orders and sources get the names `order-i`, `source-i`."""
    lists = [getattr(table, name).tolist() for name in COLUMNS]
    return [_fact(table.names, *row) for row in zip(*lists, strict=True)]


def _fact(names: tuple[str, ...], *row: int) -> Fact:
    member, kind, happened, known, source, order, counterparty, role = row[:8]
    amount, value, weight, retracted = row[8:]
    return Fact(
        member_id=names[member],
        kind=KINDS[kind],
        happened_at=_moment(happened),
        known_at=_moment(known),
        source_id=f"source-{source}",
        order_id=None if order < 0 else f"order-{order}",
        counterparty_id=None if counterparty < 0 else names[counterparty],
        role=None if role < 0 else ROLES[role],
        amount_minor=amount,
        value=None if value < 0 else value,
        weight_bps=weight,
        retracted_at=None if retracted >= NOT_RETRACTED else _moment(retracted),
    )


def _moment(us: int) -> datetime:
    return EPOCH + timedelta(microseconds=us)


def distinct(values: Ints) -> Ints:
    """Sorted distinct values; by sorting, which beats numpy's hashing `unique` by far here."""
    ordered = np.sort(values)
    keep = np.ones(len(ordered), dtype=bool)
    keep[1:] = ordered[1:] != ordered[:-1]
    return ordered[keep]


def check_table(table: FactTable) -> None:
    """Refuse a table no one should train on. Raises `TrainingRefused`."""
    if len(table) == 0:
        raise TrainingRefused("no_facts", "the table is empty")
    late = int((table.known < table.happened).sum())
    if late:
        raise TrainingRefused("dates_out_of_order", f"{late} facts known before they happened")
    early = int((table.retracted < table.known).sum())
    if early:
        raise TrainingRefused("dates_out_of_order", f"{early} facts retracted before known")
    if len(distinct(table.source)) == len(table):
        return
    order = np.lexsort((table.source, table.kind, table.member))
    same = np.ones(len(table) - 1, dtype=bool)
    for column in (table.member, table.kind, table.source):
        same &= column[order][1:] == column[order][:-1]
    if same.any():
        raise TrainingRefused("duplicate_facts", f"{int(same.sum())} repeat (member, kind, source)")
