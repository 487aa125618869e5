"""Calibration of the model's log-odds on the newest matured slice.

One form for both methods (Kull, Silva Filho, Flach 2017): log-odds' = a ln p - b ln(1 - p) + c
with a, b > 0, so order is kept and no ties are made. Platt is the case a = b.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from typing import Literal

import msgspec
import numpy as np
from numpy.typing import NDArray
from scipy.optimize import minimize

from handsel_ml.errors import TrainingRefused

Floats = NDArray[np.float64]
Method = Literal["platt", "beta"]
_BOUND = (0.05, 20.0)


class Calibrator(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """Three numbers. Non-decreasing in the raw log-odds."""

    method: Method
    a: float
    b: float
    c: float

    def log_odds(self, raw: float) -> float:
        """Calibrated log-odds of one raw log-odds."""
        if self.a == self.b:
            return self.a * raw + self.c
        if raw > 0:
            rest = math.log1p(math.exp(-raw))
            return self.b * (raw + rest) - self.a * rest + self.c
        rest = math.log1p(math.exp(raw))
        return self.a * (raw - rest) + self.b * rest + self.c

    def bound(self) -> Callable[[float], float]:
        """`log_odds` with its numbers bound, for the hot path; the same values to the bit."""
        if self.a != self.b:
            return self.log_odds
        a, c = self.a, self.c
        return lambda raw: a * raw + c

    def slope(self, raw: float) -> float:
        """Calibrated log-odds gained per unit of raw log-odds, at `raw`."""
        p = 1.0 / (1.0 + math.exp(-raw)) if raw > -700 else 0.0
        return self.a * (1.0 - p) + self.b * p


def calibrated_log_odds(calibrator: Calibrator, raw: Floats) -> Floats:
    """`Calibrator.log_odds` for many, for evaluation; equal to it within rounding."""
    rise: Floats = (
        -calibrator.a * np.logaddexp(0.0, -raw)
        + calibrator.b * np.logaddexp(0.0, raw)
        + calibrator.c
    )
    return rise


def fit_calibrator(raw: Floats, label: NDArray[np.int64], method: Method) -> Calibrator:
    """Least log loss by L-BFGS-B from the identity. Raises `TrainingRefused`."""
    up, down = -np.logaddexp(0.0, -raw), np.logaddexp(0.0, raw)
    sign = np.where(label == 1, -1.0, 1.0)

    def split(theta: Floats) -> tuple[float, float, float]:
        a, b, c = (theta[0], theta[0], theta[1]) if method == "platt" else theta
        return float(a), float(b), float(c)

    def loss(theta: Floats) -> float:
        a, b, c = split(theta)
        return float(np.mean(np.logaddexp(0.0, sign * (a * up + b * down + c))))

    start = [1.0, 0.0] if method == "platt" else [1.0, 1.0, 0.0]
    bounds = [_BOUND] * (len(start) - 1) + [(-10.0, 10.0)]
    found = minimize(loss, np.array(start), method="L-BFGS-B", bounds=bounds)
    if not np.isfinite(found.fun):
        raise TrainingRefused("calibration_failed", str(found.message))
    a, b, c = split(found.x)
    return Calibrator(method=method, a=a, b=b, c=c)
