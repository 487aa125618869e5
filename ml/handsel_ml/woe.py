"""A weight-of-evidence scorecard: what is served while a market has too few bads for trees.

Each feature is cut into few bins (`binning`), then a logistic regression weighs the evidence of the
features. Bins of an ordered feature are monotone, by its sign or else by the trend of the rows, and
no weight is negative, so the whole is monotone. All of it is a table that a person can read, and a
JSON text.

The constants here and of `binning` were chosen on random 1,000-row parts of the two large tables
of `handsel_ml.tables`, judged on the rest of them; those near a tie, by other splits of the small
table than are reported.
"""

from __future__ import annotations

import math
from collections.abc import Sequence

import msgspec
import numpy as np
from numpy.typing import NDArray
from scipy.optimize import minimize

from handsel_ml.binning import Binned, bin_feature, labels_of
from handsel_ml.errors import ScoringFailed, TrainingRefused

Floats = NDArray[np.float64]
Ints = NDArray[np.int64]

CENTRE = 0.5  # weight of a feature of which the rows say nothing; 1 if features were independent
RIDGE = 10.0  # half the squared distance of the weights from it, against the summed log loss
INNER_FOLDS = 5


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
            for i, label in enumerate(labels_of(feature))
        )

    def _check(self, width: int) -> None:
        if width != len(self.features):
            detail = f"{width} columns, the scorecard has {len(self.features)}"
            raise ScoringFailed("shape_wrong", detail)


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


def fit_weights(evidence: Floats, label: Ints) -> tuple[float, tuple[float, ...]]:
    """Ridge logistic regression of (n, f) evidence with weights >= 0: (intercept, weights).

    No weight is negative, signed or not: a bin that is worse alone must not be better in company.
    """
    sign = np.where(label == 1, -1.0, 1.0)

    def loss(theta: Floats) -> tuple[float, Floats]:
        z = sign * (theta[0] + evidence @ theta[1:])
        pull = sign / (1.0 + np.exp(-np.clip(z, -700, 700)))
        off = theta[1:] - CENTRE
        slope = np.concatenate([[pull.sum()], evidence.T @ pull + RIDGE * off])
        return float(np.logaddexp(0.0, z).sum() + RIDGE / 2 * off @ off), slope

    rate = float(label.mean())
    start = np.append(math.log(rate / (1 - rate)), np.full(evidence.shape[1], CENTRE))
    bounds = [(None, None)] + [(0.0, None)] * evidence.shape[1]
    found = minimize(
        loss, start, jac=True, method="L-BFGS-B", bounds=bounds,
        options={"maxiter": 500, "ftol": 1e-12, "gtol": 1e-6},
    )  # fmt: skip
    if not np.isfinite(found.fun):
        raise TrainingRefused("fit_failed", str(found.message))
    weights = tuple(float(weight) for weight in found.x[1:])
    return float(found.x[0]), weights
