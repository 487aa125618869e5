"""From probability to points, band and interval; and what is said of a thin file.

Points = 700 + 60 / ln 2 * (ln odds of good - ln 50), clipped to 350..950: 700 means 50 good to
1 bad, 60 points double the odds (research/credit.md §4.5). Same map for both scores.
"""

from __future__ import annotations

import math

import msgspec
import numpy as np
from numpy.typing import NDArray
from scipy.optimize import minimize
from scipy.special import betaincinv, betaln

Ints = NDArray[np.int64]


class ScoreMap(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """The map in the bundle."""

    base_points: float = 700.0
    base_odds: float = 50.0
    points_to_double: float = 60.0
    lowest: int = 350
    highest: int = 950

    def line(self) -> tuple[float, float]:
        """(intercept, slope) of points over log-odds of bad, before clipping."""
        slope = self.points_to_double / math.log(2.0)
        return self.base_points - slope * math.log(self.base_odds), -slope

    def points(self, log_odds_bad: float) -> int:
        """Whole points of calibrated log-odds of bad; never rises with them."""
        intercept, slope = self.line()
        return round(min(max(intercept + slope * log_odds_bad, self.lowest), self.highest))


class Band(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """A named stretch of points; `least` is its first point."""

    name: str
    least: int


BANDS: tuple[Band, ...] = (
    Band(name="excellent", least=700),
    Band(name="very_good", least=650),
    Band(name="good", least=600),
    Band(name="fair", least=550),
    Band(name="poor", least=350),
)


def band_of(points: int, bands: tuple[Band, ...] = BANDS) -> str:
    """The band of some points; bands come best first."""
    return next((band.name for band in bands if points >= band.least), bands[-1].name)


class Segment(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """Newcomers whose segment feature is at least `least` go wrong with chance `pd`."""

    least: int
    pd: float


class Prior(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """Empirical-Bayes Beta prior for thin files: worth `strength` deals of evidence.

    `segments` come highest `least` first; `feature` None means one segment for everybody.
    """

    feature: str | None
    segments: tuple[Segment, ...]
    strength: float

    def mean(self, level: float) -> float:
        """Chance of bad in the segment of this level of the segment feature."""
        found = (segment.pd for segment in self.segments if level >= segment.least)
        return next(found, self.segments[-1].pd)

    def posterior(self, level: float, bads: int, closed: int) -> float:
        """(bads + m p) / (n + m): the chance of bad after a few deals."""
        deals = max(closed, bads)
        return (bads + self.strength * self.mean(level)) / (deals + self.strength)


def fit_beta_binomial(bads: Ints, trials: Ints) -> tuple[float, float]:
    """Mean and strength of the Beta from which members' chances come, by maximum likelihood.

    `bads`, `trials`: per member, shape (members,). Strength is held within 2..500 deals.
    """

    def loss(theta: NDArray[np.float64]) -> float:
        mean, strength = 1.0 / (1.0 + math.exp(-theta[0])), math.exp(theta[1])
        a, b = mean * strength, (1.0 - mean) * strength
        return -float(np.mean(betaln(bads + a, trials - bads + b) - betaln(a, b)))

    rate = (bads.sum() + 0.5) / (trials.sum() + 1.0)
    start = np.array([math.log(rate / (1.0 - rate)), math.log(20.0)])
    bounds = [(-9.0, 3.0), (math.log(2.0), math.log(500.0))]
    found = minimize(loss, start, method="L-BFGS-B", bounds=bounds)
    return 1.0 / (1.0 + math.exp(-float(found.x[0]))), math.exp(float(found.x[1]))


def interval(pd: float, closed: int, strength: float) -> tuple[float, float]:
    """The 80 % interval of a PD learnt from `closed` deals and a prior of some strength.

    The 10 % and 90 % quantiles of Beta(max(pd N, 1/2), (1 - pd) N), N = closed + strength: the
    PD as if it had been learnt from N deals, never surer than Jeffreys' half a bad deal allows
    (without that a tiny PD would give an interval that ends below its own mean). Both ends grow
    with pd, so a better model score never gives a worse cautious end; a longer history with the
    same small PD gives a better one.
    """
    total = closed + strength
    a, b = max(pd * total, 0.5), (1.0 - pd) * total
    return float(betaincinv(a, b, 0.1)), float(betaincinv(a, b, 0.9))


def log_odds(p: float) -> float:
    """ln(p / (1 - p)), p held inside 1e-12 and 1 - 1e-12."""
    held = min(max(p, 1e-12), 1.0 - 1e-12)
    return math.log(held / (1.0 - held))
