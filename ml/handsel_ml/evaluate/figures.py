"""Figures by which a model is judged. Labels 0/1, predictions are PDs; all shape (rows,).

A figure that the rows cannot give (one class alone, nothing expected) is NaN, never a guess.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray
from scipy.stats import rankdata

Floats = NDArray[np.float64]
Ints = NDArray[np.int64]


def auc(label: Ints, pd: Floats) -> float:
    """Area under the ROC curve by ranks (Mann-Whitney), ties counted half; NaN for one class."""
    bad = int(label.sum())
    good = len(label) - bad
    if bad == 0 or good == 0:
        return float("nan")
    ranks = rankdata(pd)
    return float((ranks[label == 1].sum() - bad * (bad + 1) / 2) / (bad * good))


def gini(label: Ints, pd: Floats) -> float:
    """2 AUC - 1: 0 for chance, 1 for a perfect order."""
    return 2.0 * auc(label, pd) - 1.0


def ks(label: Ints, pd: Floats) -> float:
    """Kolmogorov-Smirnov distance between bad and good; ties move together; NaN for one class."""
    if not 0 < int(label.sum()) < len(label):
        return float("nan")
    order = np.argsort(pd, kind="stable")
    last = np.append(np.diff(pd[order]) > 0, True)
    bad = np.cumsum(label[order]) / int(label.sum())
    good = np.cumsum(1 - label[order]) / int((1 - label).sum())
    return float(np.abs(bad - good)[last].max())


def brier(label: Ints, pd: Floats) -> float:
    """Mean squared error of the PD."""
    return float(np.mean((pd - label) ** 2))


def log_loss(label: Ints, pd: Floats) -> float:
    """Mean negative log-likelihood in nats."""
    held = np.clip(pd, 1e-15, 1 - 1e-15)
    return float(-np.mean(np.where(label == 1, np.log(held), np.log1p(-held))))


def ece(label: Ints, pd: Floats, bins: int = 10) -> float:
    """Expected calibration error over `equal_bins`."""
    gaps = np.bincount(equal_bins(pd, bins), pd - label, minlength=bins)
    return float(np.abs(gaps).sum()) / len(label)


def equal_bins(values: Floats, bins: int = 10) -> Ints:
    """The bin of each row, lowest first, of equal count as far as ties allow.

    Equal values share the bin of the middle one of them, so that the order of the rows says
    nothing; a bin may be empty then.
    """
    ordered = np.sort(values)
    first = np.searchsorted(ordered, values, side="left")
    last = np.searchsorted(ordered, values, side="right") - 1
    ends = np.cumsum([len(part) for part in np.array_split(ordered, bins)])
    found: Ints = np.searchsorted(ends, (first + last) // 2, side="right").astype(np.int64)
    return found


def observed_to_expected(label: Ints, pd: Floats) -> float:
    """Bads seen over bads foretold; NaN for no rows."""
    expected = float(pd.sum())
    return float(label.sum()) / expected if expected > 0 else float("nan")


def measured(label: Ints, pd: Floats) -> dict[str, float]:
    """All of the above by name, with counts, unrounded."""
    return {
        "rows": float(len(label)),
        "bads": float(label.sum()),
        "bad_rate": float(label.mean()),
        "auc": auc(label, pd),
        "gini": gini(label, pd),
        "ks": ks(label, pd),
        "brier": brier(label, pd),
        "log_loss": log_loss(label, pd),
        "ece": ece(label, pd),
        "observed_to_expected": observed_to_expected(label, pd),
    }


def figures(label: Ints, pd: Floats) -> dict[str, float]:
    """As `measured`, rounded to six digits, without Gini: what a bundle keeps of its judgement."""
    kept = {name: value for name, value in measured(label, pd).items() if name != "gini"}
    return {name: round(value, 6) for name, value in kept.items()}


def roc(label: Ints, pd: Floats) -> tuple[Floats, Floats]:
    """(false alarms, bads found) as the cut-off falls, from (0, 0) to (1, 1); shape (cuts + 1,)."""
    order = np.argsort(-pd, kind="stable")
    last = np.append(np.diff(pd[order]) < 0, True)
    bad = np.cumsum(label[order])[last] / max(int(label.sum()), 1)
    good = np.cumsum(1 - label[order])[last] / max(int((1 - label).sum()), 1)
    return np.append(0.0, good), np.append(0.0, bad)
