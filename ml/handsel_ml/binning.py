"""Cutting a feature into the bins of a scorecard, each with its weight of evidence.

Evidence is the smoothed log-odds of bad in a bin less that of everybody: more is worse.
"""

from __future__ import annotations

import math
from bisect import bisect_left
from typing import Any

import msgspec
import numpy as np
from numpy.typing import NDArray

Floats = NDArray[np.float64]
Ints = NDArray[np.int64]

PRE_BINS = 20  # quantiles that a numeric feature is cut into before merging
LEAST_SHARE = 0.05  # a bin with fewer of the rows joins a neighbour
SIGNIFICANT = 0.455  # neighbours stay apart above this chi-square, which luck exceeds half the time
SMOOTHING = 20.0  # rows of the average kind added to each bin


class Binned(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """One feature. A numeric bin i holds values in (uppers[i-1], uppers[i]], the last all above;
    a categorical bin holds the codes in `levels`. `rows`, `bads` and `evidence` have one entry
    more than there are bins: what is missing, and categories never seen in training.
    """

    name: str
    sign: int
    uppers: tuple[float, ...]
    levels: tuple[tuple[float, ...], ...]
    rows: tuple[int, ...]
    bads: tuple[int, ...]
    evidence: tuple[float, ...]

    def bin_of(self, value: float) -> int:
        """The index of a value's bin in `evidence`."""
        if math.isnan(value):
            return len(self.evidence) - 1
        if self.levels:
            held = (i for i, codes in enumerate(self.levels) if value in codes)
            return next(held, len(self.evidence) - 1)
        return bisect_left(self.uppers, value)

    def bins_of(self, column: Floats) -> Ints:
        """`bin_of` for a column (n,)."""
        missing = len(self.evidence) - 1
        if not self.levels:
            found = np.searchsorted(np.array(self.uppers), column, side="left")
            return np.where(np.isnan(column), missing, found).astype(np.int64)
        bins = np.full(len(column), missing, dtype=np.int64)
        for index, codes in enumerate(self.levels):
            bins[np.isin(column, codes)] = index
        return bins


def labels_of(feature: Binned) -> list[str]:
    """The bins' names for people, the missing ones last."""
    if feature.levels:
        named = [", ".join(f"{code:g}" for code in codes) for codes in feature.levels]
    else:
        edges = [f"{upper:g}" for upper in feature.uppers]
        pairs = zip(["-inf", *edges], [*edges, "inf"], strict=True)
        named = [f"({low}, {high}]" for low, high in pairs]
    return [*named, "missing"]


def bin_feature(column: Floats, label: Ints, name: str, sign: int, *, categorical: bool) -> Binned:
    """Cut one feature (n,) by its outcomes (n,) into bins that differ, monotone by `sign`."""
    rate = float(label.mean())
    known = ~np.isnan(column)
    if categorical:
        values, place = np.unique(column[known], return_inverse=True)
    else:
        cuts = _quantiles(column[known])
        values, place = cuts, np.searchsorted(cuts[:-1], column[known], side="left")
    rows = np.bincount(place, minlength=len(values)).astype(np.int64)
    bads = np.bincount(place, weights=label[known], minlength=len(values)).astype(np.int64)
    order = np.argsort(_smooth(rows, bads, rate), kind="stable") if categorical else None
    if order is not None:
        values, rows, bads = values[order], rows[order], bads[order]
    groups = _grouped(rows, bads, rate, 1 if categorical else sign)
    rows = np.array([rows[a:b].sum() for a, b in groups] + [(~known).sum()], dtype=np.int64)
    bads = np.array([bads[a:b].sum() for a, b in groups] + [label[~known].sum()], dtype=np.int64)
    odds = _smooth(rows, bads, rate)
    evidence = np.log(odds / (1 - odds)) - math.log(rate / (1 - rate))
    return Binned(
        name=name,
        sign=sign,
        uppers=() if categorical else tuple(float(values[b - 1]) for _, b in groups[:-1]),
        levels=tuple(tuple(values[a:b].tolist()) for a, b in groups) if categorical else (),
        rows=tuple(rows.tolist()),
        bads=tuple(bads.tolist()),
        evidence=tuple(evidence.tolist()),
    )


def _quantiles(column: Floats) -> Floats:
    """Distinct upper edges, values that occur; the last is the greatest. Shape (1..PRE_BINS,)."""
    if len(column) == 0:
        return np.array([np.inf])
    shares = np.arange(1, PRE_BINS + 1) / PRE_BINS
    edges: Floats = np.unique(np.quantile(column, shares, method="inverted_cdf"))
    return edges


def _smooth(rows: NDArray[Any], bads: NDArray[Any], rate: float) -> Floats:
    """Bad rates drawn towards that of everybody: a small bin says little."""
    smoothed: Floats = (bads + SMOOTHING * rate) / (rows + SMOOTHING)
    return smoothed


def _grouped(rows: Ints, bads: Ints, rate: float, sign: int) -> list[tuple[int, int]]:
    """Groups that rise or fall with the sign; without one, as the rows themselves tell more of."""
    found = [_merge(rows, bads, rate, trend) for trend in ([sign] if sign else [1, -1])]
    return max(found, key=lambda groups: _told(groups, rows, bads, rate))


def _told(groups: list[tuple[int, int]], rows: Ints, bads: Ints, rate: float) -> float:
    """Log-likelihood of the outcomes given their groups."""
    n = np.array([rows[a:b].sum() for a, b in groups])
    b = np.array([bads[a:b].sum() for a, b in groups])
    p = _smooth(n, b, rate)
    return float((b * np.log(p) + (n - b) * np.log1p(-p)).sum())


def _merge(rows: Ints, bads: Ints, rate: float, sign: int) -> list[tuple[int, int]]:
    """Join neighbours until all differ; half-open index ranges of the pre-bins.

    The worst pair goes first: one against the sign (pool adjacent violators), then one with too
    small a bin, then the pair that differs least.
    """
    groups = [(i, i + 1) for i in range(len(rows))]
    n, b = rows.astype(np.float64), bads.astype(np.float64)
    least = LEAST_SHARE * rows.sum()
    while len(groups) > 1:
        smoothed = _smooth(n, b, rate)
        apart = _chi_square(n, b)
        small = np.minimum(n[:-1], n[1:]) < least
        against = sign * np.diff(smoothed) < 0
        urgency = np.where(small, apart - 1e9, apart)
        urgency = np.where(against, apart - 2e9, urgency)
        i = int(np.argmin(urgency))
        if urgency[i] >= SIGNIFICANT:
            break
        groups[i : i + 2] = [(groups[i][0], groups[i + 1][1])]
        n = np.concatenate([n[:i], [n[i] + n[i + 1]], n[i + 2 :]])
        b = np.concatenate([b[:i], [b[i] + b[i + 1]], b[i + 2 :]])
    return groups


def _chi_square(rows: Floats, bads: Floats) -> Floats:
    """Pearson's statistic of each pair of neighbours, (bins - 1,)."""
    one, two = rows[:-1], rows[1:]
    rate = (bads[:-1] + bads[1:]) / np.maximum(one + two, 1)
    spread = np.maximum(rate * (1 - rate), 1e-12) * (
        1 / np.maximum(one, 1) + 1 / np.maximum(two, 1)
    )
    gap = bads[:-1] / np.maximum(one, 1) - bads[1:] / np.maximum(two, 1)
    squared: Floats = gap * gap / spread
    return squared
