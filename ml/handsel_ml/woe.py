"""A weight-of-evidence scorecard: what is served while a market has too few bads for trees.

Each feature is cut into few bins; a bin's weight of evidence is the smoothed log-odds of bad in it
less that of everybody, so that more is worse (the usual sign is the other way round). A logistic
regression then weighs the features. Where a feature has a sign its bins are monotone and no weight
is negative, so the whole is monotone. All of it is a table that a person can read and a JSON text.
"""

from __future__ import annotations

import math
from bisect import bisect_left
from collections.abc import Sequence

import msgspec
import numpy as np
from numpy.typing import NDArray
from scipy.optimize import minimize

from handsel_ml.errors import ScoringFailed, TrainingRefused

Floats = NDArray[np.float64]
Ints = NDArray[np.int64]

PRE_BINS = 20  # quantiles that a numeric feature is cut into before merging
LEAST_SHARE = 0.05  # a bin with fewer of the rows joins a neighbour
SIGNIFICANT = 3.841  # neighbours stay apart above this chi-square: 5 % with one degree of freedom
SMOOTHING = 20.0  # rows of the average kind added to each bin
RIDGE = 1.0  # half the squared weights, against the summed log loss
INNER_FOLDS = 5


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


class Line(msgspec.Struct, frozen=True, kw_only=True):
    """A line of the points table: what a bin adds to the log-odds of bad."""

    feature: str
    bin: str
    rows: int
    bads: int
    evidence: float
    log_odds: float


class Scorecard(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """`features` in the order of the matrix' columns, a weight for each, and an intercept."""

    features: tuple[Binned, ...]
    weights: tuple[float, ...]
    intercept: float

    def contributions(self, matrix: Floats) -> Floats:
        """What each feature adds to the log-odds of bad, (n, features); from (n, features)."""
        self._check(matrix.shape[1] if matrix.ndim == 2 else -1)
        parts = np.empty(matrix.shape)
        for j, (feature, weight) in enumerate(zip(self.features, self.weights, strict=True)):
            parts[:, j] = (weight * np.array(feature.evidence))[feature.bins_of(matrix[:, j])]
        return parts

    def log_odds(self, matrix: Floats) -> Floats:
        """Log-odds of bad (n,): the intercept and then each contribution, added in order."""
        total = np.full(len(matrix), self.intercept)
        for part in self.contributions(matrix).T:
            total += part
        return total

    def one(self, vector: Sequence[float]) -> float:
        """`log_odds` of a single row, to the same bit, without an array."""
        self._check(len(vector))
        total = self.intercept
        for feature, weight, value in zip(self.features, self.weights, vector, strict=True):
            total += weight * feature.evidence[feature.bin_of(value)]
        return total

    def table(self) -> tuple[Line, ...]:
        """All bins for people: features by the order of the matrix, bins from low to high."""
        return tuple(
            Line(
                feature=feature.name,
                bin=label,
                rows=feature.rows[i],
                bads=feature.bads[i],
                evidence=feature.evidence[i],
                log_odds=weight * feature.evidence[i],
            )
            for feature, weight in zip(self.features, self.weights, strict=True)
            for i, label in enumerate(_labels(feature))
        )

    def _check(self, width: int) -> None:
        if width != len(self.features):
            detail = f"{width} columns, the scorecard has {len(self.features)}"
            raise ScoringFailed("shape_wrong", detail)


def _labels(feature: Binned) -> list[str]:
    if feature.levels:
        named = [", ".join(f"{code:g}" for code in codes) for codes in feature.levels]
    else:
        edges = [f"{upper:g}" for upper in feature.uppers]
        pairs = zip(["-inf", *edges], [*edges, "inf"], strict=True)
        named = [f"({low}, {high}]" for low, high in pairs]
    return [*named, "missing"]


def fit_scorecard(
    matrix: Floats,
    label: Ints,
    names: Sequence[str],
    signs: Sequence[int],
    *,
    categorical: Sequence[str] = (),
    least_bads: int = 20,
    seed: int = 0,
) -> Scorecard:
    """Bin, weigh and return a scorecard. `matrix` (n, f) with NaN where missing; `label` 0/1.

    The weights are fitted on evidence of rows that its bins have not seen (inner folds, drawn from
    `seed`): a feature that only looks good on the rows it was binned on gets little weight.
    Raises `TrainingRefused`: shape_wrong, label_invalid, constant_label, too_few_bads,
    config_invalid.
    """
    _check_fit(matrix, label, names, signs, categorical, least_bads)
    kinds = [name in set(categorical) for name in names]

    def bin_all(rows: NDArray[np.bool_]) -> tuple[Binned, ...]:
        return tuple(
            bin_feature(matrix[rows, j], label[rows], names[j], signs[j], categorical=kinds[j])
            for j in range(len(names))
        )

    fold = inner_folds(label, INNER_FOLDS, seed)
    unseen = np.empty(matrix.shape)
    for k in range(INNER_FOLDS):
        for j, feature in enumerate(bin_all(fold != k)):
            held = matrix[fold == k, j]
            unseen[fold == k, j] = np.array(feature.evidence)[feature.bins_of(held)]
    intercept, weights = fit_weights(unseen, label)
    features = bin_all(np.full(len(label), True))
    return Scorecard(features=features, weights=weights, intercept=intercept)


def _check_fit(
    matrix: Floats,
    label: Ints,
    names: Sequence[str],
    signs: Sequence[int],
    categorical: Sequence[str],
    least_bads: int,
) -> None:
    if matrix.shape != (len(label), len(names)) or len(signs) != len(names):
        detail = f"{matrix.shape}, {len(label)} labels, {len(names)} names, {len(signs)} signs"
        raise TrainingRefused("shape_wrong", detail)
    if not np.isin(label, (0, 1)).all():
        raise TrainingRefused("label_invalid", "labels are 0 or 1")
    if len(np.unique(label)) < 2:
        raise TrainingRefused("constant_label", f"every row is {label[:1].tolist()}")
    rarer = int(min(label.sum(), len(label) - label.sum()))
    if rarer < max(least_bads, INNER_FOLDS):
        raise TrainingRefused("too_few_bads", f"{rarer} of the rarer outcome, needed {least_bads}")
    if unknown := sorted(set(categorical) - set(names)):
        raise TrainingRefused("config_invalid", f"categorical, but not a feature: {unknown}")
    signed = [n for n, s in zip(names, signs, strict=True) if s and n in set(categorical)]
    if signed:
        raise TrainingRefused("config_invalid", f"a category has no order, so no sign: {signed}")


def inner_folds(label: Ints, folds: int, seed: int) -> Ints:
    """A fold 0..folds-1 for each row, each with its share of bads; shape (n,)."""
    rng = np.random.Generator(np.random.PCG64(seed))
    fold = np.empty(len(label), dtype=np.int64)
    for outcome in (0, 1):
        rows = rng.permutation(np.flatnonzero(label == outcome))
        fold[rows] = np.arange(len(rows)) % folds
    return fold


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
    groups = _merge(rows, bads, rate, 1 if categorical else sign)
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


def _smooth(rows: Ints, bads: Ints, rate: float) -> Floats:
    """Bad rates drawn towards that of everybody: a small bin says little."""
    smoothed: Floats = (bads + SMOOTHING * rate) / (rows + SMOOTHING)
    return smoothed


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
    spread = np.maximum(rate * (1 - rate), 1e-12) * (1 / np.maximum(one, 1) + 1 / np.maximum(two, 1))
    gap = bads[:-1] / np.maximum(one, 1) - bads[1:] / np.maximum(two, 1)
    squared: Floats = gap * gap / spread
    return squared


def fit_weights(evidence: Floats, label: Ints) -> tuple[float, tuple[float, ...]]:
    """Ridge logistic regression of (n, f) evidence with weights >= 0: (intercept, weights).

    No weight is negative, signed or not: a bin that is worse alone must not be better in company.
    """
    sign = np.where(label == 1, -1.0, 1.0)

    def loss(theta: Floats) -> tuple[float, Floats]:
        z = sign * (theta[0] + evidence @ theta[1:])
        pull = sign / (1.0 + np.exp(-np.clip(z, -700, 700)))
        slope = np.concatenate([[pull.sum()], evidence.T @ pull + RIDGE * theta[1:]])
        return float(np.logaddexp(0.0, z).sum() + RIDGE / 2 * (theta[1:] ** 2).sum()), slope

    rate = float(label.mean())
    start = np.append(math.log(rate / (1 - rate)), np.full(evidence.shape[1], 0.5))
    bounds = [(None, None)] + [(0.0, None)] * evidence.shape[1]
    found = minimize(
        loss, start, jac=True, method="L-BFGS-B", bounds=bounds,
        options={"maxiter": 500, "ftol": 1e-12, "gtol": 1e-6},
    )  # fmt: skip
    if not np.isfinite(found.fun):
        raise TrainingRefused("fit_failed", str(found.message))
    weights = tuple(float(weight) for weight in found.x[1:])
    return float(found.x[0]), weights
