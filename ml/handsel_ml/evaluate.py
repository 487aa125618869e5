"""Figures by which a model is judged. Labels 0/1, predictions are PDs; all shape (rows,)."""

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


def ks(label: Ints, pd: Floats) -> float:
    """Kolmogorov-Smirnov distance between bad and good; ties move together."""
    order = np.argsort(pd, kind="stable")
    last = np.append(np.diff(pd[order]) > 0, True)
    bad = np.cumsum(label[order]) / max(int(label.sum()), 1)
    good = np.cumsum(1 - label[order]) / max(int((1 - label).sum()), 1)
    return float(np.abs(bad - good)[last].max())


def brier(label: Ints, pd: Floats) -> float:
    """Mean squared error of the PD."""
    return float(np.mean((pd - label) ** 2))


def log_loss(label: Ints, pd: Floats) -> float:
    """Mean negative log-likelihood in nats."""
    held = np.clip(pd, 1e-15, 1 - 1e-15)
    return float(-np.mean(np.where(label == 1, np.log(held), np.log1p(-held))))


def ece(label: Ints, pd: Floats, bins: int = 10) -> float:
    """Expected calibration error over bins of equal count."""
    parts = np.array_split(np.argsort(pd, kind="stable"), bins)
    gaps = [len(rows) * abs(float(pd[rows].mean() - label[rows].mean())) for rows in parts]
    return sum(gaps) / len(label)


def observed_to_expected(label: Ints, pd: Floats) -> float:
    """Bads seen over bads foretold."""
    return float(label.sum() / pd.sum())


def figures(label: Ints, pd: Floats) -> dict[str, float]:
    """All of the above, rounded to six digits, with counts."""
    named = {
        "rows": float(len(label)),
        "bads": float(label.sum()),
        "bad_rate": float(label.mean()),
        "auc": auc(label, pd),
        "ks": ks(label, pd),
        "brier": brier(label, pd),
        "log_loss": log_loss(label, pd),
        "ece": ece(label, pd),
        "observed_to_expected": observed_to_expected(label, pd),
    }
    return {name: round(value, 6) for name, value in named.items()}
