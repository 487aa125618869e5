"""Drift: has the population or the score moved since the model learnt?

PSI = sum over bins of (q - p) ln(q / p), p the base's shares and q the current ones: of the score
it is the population stability index, of a feature the characteristic stability index. Below .10
nothing, from .10 a warning, from .25 an alert (research/credit.md §4.9). Bins are the deciles of
the base with equal edges merged (a column of few values: one bin each), and one more for "no
history". Without any drift the expected
PSI is about (bins - 1)(1/n + 1/m): judge samples of some thousands.

`psi` works on counts alone, so that SQL may count and this module judge.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Literal

import msgspec
import numpy as np
from numpy.typing import NDArray

from handsel_ml.errors import JudgementRefused
from handsel_ml.facts import Ints
from handsel_ml.judged import Judged
from handsel_ml.reasons import DEALS_NEEDED

Floats = NDArray[np.float64]
Level = Literal["steady", "warn", "alert"]
WARN, ALERT = 0.10, 0.25
BINS = 10
NEWEST = 0.2
_SMOOTHING = 0.5


class Shift(msgspec.Struct, frozen=True, kw_only=True):
    """How far one column moved. `base` and `current` count rows by bin, "no history" last;
    bin i holds values up to and with `edges[i]`, the last but one what is above all edges."""

    name: str
    psi: float
    level: Level
    edges: tuple[float, ...]
    base: tuple[int, ...]
    current: tuple[int, ...]


class Drift(msgspec.Struct, frozen=True, kw_only=True):
    """The score's shift and every feature's, in the model's order."""

    kind: str
    base_rows: int
    current_rows: int
    score: Shift
    features: tuple[Shift, ...]

    def of_level(self, *levels: Level) -> tuple[Shift, ...]:
        """The features of these levels, farthest first."""
        found = (shift for shift in self.features if shift.level in levels)
        return tuple(sorted(found, key=lambda shift: -shift.psi))


def psi(base: Sequence[int], current: Sequence[int]) -> float:
    """Population stability index of two counts over the same bins.

    Each bin gets half a row more, so that an empty one gives a large number and not infinity; bins
    empty in both are left out. Raises `JudgementRefused` for no rows or other bins.
    """
    before, after = np.asarray(base, dtype=np.float64), np.asarray(current, dtype=np.float64)
    if before.shape != after.shape:
        raise JudgementRefused("bins_differ", f"{before.shape} against {after.shape} bins")
    if (before < 0).any() or (after < 0).any() or not before.sum() or not after.sum():
        raise JudgementRefused("no_rows", "counts must be of something, and none below zero")
    filled = (before + after) > 0
    p, q = before[filled] + _SMOOTHING, after[filled] + _SMOOTHING
    p, q = p / p.sum(), q / q.sum()
    return float(np.sum((q - p) * np.log(q / p)))


def level_of(index: float) -> Level:
    """What an index calls for."""
    return "alert" if index >= ALERT else "warn" if index >= WARN else "steady"


def edges_of(values: Floats, bins: int = BINS) -> Floats:
    """The upper ends of the bins of a base, ascending and distinct; empty if nothing is known.

    Quantiles; but where there are no more than `bins` different values each is its own bin, with
    one bin below all of them, so that a column that was always the same can be seen to move.
    """
    known = np.unique(values[np.isfinite(values)])
    if len(known) <= bins:
        below = known[:1] - np.maximum(1e-9, np.abs(known[:1]) * 1e-9)
        return np.concatenate([below, known])
    steps = np.arange(1, bins) / bins
    every = values[np.isfinite(values)]
    return np.unique(np.quantile(every, steps, method="inverted_cdf")).astype(np.float64)


def counts_of(values: Floats, edges: Floats) -> Ints:
    """Rows by bin, shape (edges + 2,): up to each edge, above the last, not known."""
    known = np.isfinite(values)
    place = np.where(known, np.searchsorted(edges, values, side="left"), len(edges) + 1)
    counts: Ints = np.bincount(place, minlength=len(edges) + 2)
    return counts


def shift_of(name: str, base: Floats, current: Floats) -> Shift:
    """The shift of one column, NaN for "no history". Raises `JudgementRefused` for no rows."""
    edges = edges_of(base)
    before, after = counts_of(base, edges), counts_of(current, edges)
    index = psi(before.tolist(), after.tolist())
    return Shift(
        name=name,
        psi=index,
        level=level_of(index),
        edges=tuple(edges.tolist()),
        base=tuple(before.tolist()),
        current=tuple(after.tolist()),
    )


def drift_base(fitted: Judged) -> Judged:
    """The newest fifth of the scored deals that were learnt from.

    A market that grows differs from its own beginnings, and that is no drift. All rows where none
    is of a member with a score.
    """
    base = fitted.take(fitted.closed >= DEALS_NEEDED)
    if not len(base):
        return fitted
    return base.take(base.opened >= np.quantile(base.opened, 1 - NEWEST))


def drift_report(base: Judged, current: Judged) -> Drift:
    """PSI of the points and CSI of every feature. Raises `JudgementRefused`."""
    if (base.kind, base.names) != (current.kind, current.names):
        detail = f"{base.kind} of {len(base.names)} features, {current.kind} of "
        raise JudgementRefused("columns_differ", f"{detail}{len(current.names)}")
    points = base.points.astype(np.float64), current.points.astype(np.float64)
    columns = zip(base.names, base.matrix.T, current.matrix.T, strict=True)
    return Drift(
        kind=base.kind,
        base_rows=len(base),
        current_rows=len(current),
        score=shift_of("points", *points),
        features=tuple(shift_of(name, before, after) for name, before, after in columns),
    )
