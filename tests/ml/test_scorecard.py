"""The map, the calibrators, the prior, the interval and the figures, against known values."""

from __future__ import annotations

import math

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from handsel_ml.calibrate import Calibrator, calibrated_log_odds, fit_calibrator
from handsel_ml.evaluate import auc, ece, ks, observed_to_expected
from handsel_ml.scorecard import (
    Prior,
    ScoreMap,
    Segment,
    band_of,
    fit_beta_binomial,
    interval,
    log_odds,
)


@pytest.mark.parametrize(
    ("pd", "points", "band"),
    [
        (0.0001, 950, "excellent"),
        (0.01, 759, "excellent"),
        (1 / 51, 700, "excellent"),
        (0.02, 698, "very_good"),
        (0.06, 600, "good"),
        (0.10, 552, "fair"),
        (0.20, 481, "poor"),
        (0.99, 350, "poor"),
    ],
)
def test_the_map_of_the_design(pd: float, points: int, band: str) -> None:
    assert ScoreMap().points(log_odds(pd)) == points
    assert band_of(points) == band


@given(st.floats(-40, 40), st.floats(0, 5), st.floats(0.05, 20), st.floats(0.05, 20))
def test_calibration_keeps_order(raw: float, more: float, a: float, b: float) -> None:
    beta = Calibrator(method="beta", a=a, b=b, c=0.3)

    assert beta.log_odds(raw + more) >= beta.log_odds(raw) - 1e-9
    assert ScoreMap().points(beta.log_odds(raw + more)) <= ScoreMap().points(beta.log_odds(raw))


def test_calibration_mends_a_known_distortion() -> None:
    rng = np.random.Generator(np.random.PCG64(3))
    true = rng.normal(-2.5, 1.0, 60_000)
    label = (rng.random(60_000) < 1 / (1 + np.exp(-true))).astype(np.int64)

    platt = fit_calibrator(2 * true + 1, label, "platt")
    beta = fit_calibrator(2 * true + 1, label, "beta")

    assert (platt.a, platt.c) == pytest.approx((0.5, -0.5), abs=0.03)
    for found in (platt, beta):
        many = calibrated_log_odds(found, 2 * true + 1)
        assert many[7] == pytest.approx(found.log_odds(float(2 * true[7] + 1)), abs=1e-9)
        assert label.sum() / (1 / (1 + np.exp(-many))).sum() == pytest.approx(1, abs=0.01)


def test_empirical_bayes_finds_the_beta_it_was_drawn_from() -> None:
    rng = np.random.Generator(np.random.PCG64(4))
    trials = rng.integers(1, 12, 20_000)
    bads = rng.binomial(trials, rng.beta(0.05 * 12, 0.95 * 12, 20_000))

    mean, strength = fit_beta_binomial(bads, trials)

    assert mean == pytest.approx(0.05, abs=0.003)
    assert strength == pytest.approx(12, rel=0.15)


def test_a_thin_file_starts_at_the_prior_and_learns() -> None:
    parts = (Segment(least=2, pd=0.02), Segment(least=0, pd=0.10))
    prior = Prior(feature="verification_steps", segments=parts, strength=8.0)

    assert prior.posterior(3, 0, 0) == 0.02
    assert prior.posterior(1, 0, 0) == 0.10
    assert prior.posterior(1, 1, 2) == pytest.approx(0.18)
    assert prior.posterior(1, 0, 2) < 0.10


@given(st.floats(1e-6, 0.9), st.floats(1.0, 1.1), st.integers(0, 300))
def test_the_interval_follows_the_pd_and_narrows(pd: float, factor: float, closed: int) -> None:
    low, high = interval(pd, closed, 6.0)
    low_up, high_up = interval(min(pd * factor, 0.99), closed, 6.0)

    assert low <= high
    assert high >= pd
    assert low_up >= low - 1e-12
    assert high_up >= high - 1e-12
    assert interval(0.02, closed + 50, 6.0)[1] <= interval(0.02, closed, 6.0)[1]


def test_figures_against_brute_force() -> None:
    rng = np.random.Generator(np.random.PCG64(5))
    label = rng.integers(0, 2, 300)
    pd = np.round(rng.random(300), 1)
    bad, good = pd[label == 1], pd[label == 0]
    pairs = (bad[:, None] > good).sum() + 0.5 * (bad[:, None] == good).sum()
    gaps = [abs((bad <= cut).mean() - (good <= cut).mean()) for cut in np.unique(pd)]

    assert auc(label, pd) == pytest.approx(pairs / (len(bad) * len(good)))
    assert ks(label, pd) == pytest.approx(max(gaps))
    assert math.isnan(auc(np.ones(3, dtype=np.int64), np.ones(3)))
    assert observed_to_expected(np.array([1, 0]), np.array([0.5, 0.5])) == 1.0
    assert ece(np.array([0, 1]), np.array([0.2, 0.6]), bins=2) == pytest.approx(0.3)
