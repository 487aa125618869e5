"""The WoE scorecard: monotone, additive, readable, and near the truth where there is one."""

from __future__ import annotations

import math
from typing import Any

import msgspec
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from numpy.typing import NDArray

from handsel_ml.binning import SMOOTHING, bin_feature
from handsel_ml.errors import ScoringFailed, TrainingRefused
from handsel_ml.woe import Scorecard, fit_scorecard, fit_weights, inner_folds

Floats = NDArray[np.float64]
Ints = NDArray[np.int64]
NAMES = ("late_days", "income", "amount", "region")
SIGNS = (1, -1, 0, 0)


def rows(n: int, seed: int) -> tuple[Floats, Ints, Floats]:
    """(matrix, label, true log-odds); the third column says nothing, a tenth of all is missing."""
    rng = np.random.Generator(np.random.PCG64(seed))
    late, income, amount = rng.integers(0, 4, n), rng.normal(size=n), rng.normal(size=n)
    region = rng.integers(0, 6, n)
    truth = -1.5 + 0.8 * late - 1.0 * (income > 0) + np.where(region == 5, 1.2, 0.0)
    label = (rng.random(n) < 1 / (1 + np.exp(-truth))).astype(np.int64)
    matrix = np.column_stack([late, income, amount, region]).astype(np.float64)
    matrix[rng.random(n) < 0.1, 2] = np.nan
    return matrix, label, truth


@pytest.fixture(scope="module")
def card() -> Scorecard:
    matrix, label, _ = rows(6000, 1)
    return fit_scorecard(matrix, label, NAMES, SIGNS, categorical=("region",), seed=3)


def test_recovers_known_log_odds_and_ignores_what_says_nothing(card: Scorecard) -> None:
    matrix, _, truth = rows(4000, 2)
    found = card.log_odds(matrix)

    off = np.abs(found - truth)
    parts = card.contributions(matrix)

    assert off.mean() < 0.12
    assert np.ptp(parts[:, 2]) < 0.1 * np.ptp(parts[:, 0])


def test_evidence_is_the_smoothed_log_odds_less_that_of_everybody() -> None:
    column = np.repeat([1.0, 2.0, np.nan], [100, 200, 50])
    label = np.concatenate([np.arange(100) < 20, np.arange(200) < 100, np.arange(50) < 10])

    bins = bin_feature(column, label.astype(np.int64), "x", 1, categorical=False)

    rate = 130 / 350
    smooth = [
        (b + SMOOTHING * rate) / (n + SMOOTHING) for n, b in ((100, 20), (200, 100), (50, 10))
    ]
    everybody = math.log(rate / (1 - rate))
    assert (bins.uppers, bins.rows, bins.bads) == ((1.0,), (100, 200, 50), (20, 100, 10))
    assert bins.evidence == pytest.approx([math.log(p / (1 - p)) - everybody for p in smooth])


def test_bins_against_the_sign_are_pooled_and_alike_categories_merged() -> None:
    column = np.repeat([0.0, 1.0, 2.0, 3.0], 100)
    rate = np.repeat([10, 60, 11, 61], 100)
    label = (np.tile(np.arange(100), 4) < rate).astype(np.int64)

    rising = bin_feature(column, label, "x", 1, categorical=False)
    falling = bin_feature(column, label, "x", -1, categorical=False)
    named = bin_feature(column, label, "x", 0, categorical=True)

    assert rising.rows == (100, 200, 100, 0)
    assert list(rising.evidence[:3]) == sorted(rising.evidence[:3])
    assert list(falling.evidence[:-1]) == sorted(falling.evidence[:-1], reverse=True)
    assert [set(codes) for codes in named.levels] == [{0.0, 2.0}, {1.0, 3.0}]


def test_missing_without_rows_and_categories_never_seen_say_nothing() -> None:
    column = np.tile([0.0, 1.0], 200)
    label = (column == 1).astype(np.int64)
    label[:100] = 1 - label[:100]

    bins = bin_feature(column, label, "x", 0, categorical=True)

    assert bins.evidence[bins.bin_of(math.nan)] == pytest.approx(0.0, abs=1e-12)
    assert bins.bin_of(7.0) == bins.bin_of(math.nan)
    assert bins.bins_of(np.array([7.0, math.nan])).tolist() == [bins.bin_of(7.0)] * 2


@settings(max_examples=10, deadline=None)
@given(
    seed=st.integers(0, 10_000),
    signs=st.tuples(*[st.sampled_from((-1, 1))] * 3),
    share=st.floats(0.05, 0.6),
)
def test_never_falls_along_a_sign_whatever_the_rows(
    seed: int, signs: tuple[int, ...], share: float
) -> None:
    rng = np.random.Generator(np.random.PCG64(seed))
    matrix = np.round(rng.normal(size=(400, 3)), 1)
    label = (rng.random(400) < share).astype(np.int64)
    label[:40] = np.arange(40) % 2
    card = fit_scorecard(matrix, label, ("a", "b", "c"), signs, seed=seed)

    for j, sign in enumerate(signs):
        walk = np.tile(matrix[0], (81, 1))
        walk[:, j] = np.linspace(-4, 4, 81)
        assert (sign * np.diff(card.log_odds(walk)) >= 0).all()


def test_contributions_add_up_and_one_row_is_equal_to_the_bit(card: Scorecard) -> None:
    matrix = rows(300, 4)[0]
    matrix[0] = np.nan
    matrix[1] = [1e9, -1e9, 0, 99]

    many = card.log_odds(matrix)

    assert many == pytest.approx(card.intercept + card.contributions(matrix).sum(axis=1), abs=1e-12)
    assert [card.one(row.tolist()) for row in matrix] == many.tolist()
    assert many[0] == pytest.approx(
        card.intercept + card.weights[2] * card.features[2].evidence[-1], abs=1e-9
    )


def test_json_round_trip_same_seed_same_card_and_a_table_of_every_bin(card: Scorecard) -> None:
    matrix, label, _ = rows(6000, 1)

    again = fit_scorecard(matrix, label, NAMES, SIGNS, categorical=("region",), seed=3)
    text = msgspec.json.encode(card)
    lines = card.table()

    assert again == card
    assert msgspec.json.decode(text, type=Scorecard) == card
    assert len(lines) == sum(len(feature.evidence) for feature in card.features)
    assert sum(line.rows for line in lines if line.feature == "income") == 6000
    assert lines[0].bin == "(-inf, 0]"
    assert [line.bin for line in lines if line.feature == "region"][-2:] == ["5", "missing"]


def test_no_weight_is_negative_even_where_the_rows_would_have_it_so() -> None:
    label = np.tile([0, 1], 200)
    evidence = np.column_stack([label * 2.0 - 1.0, 1.0 - label * 2.0])

    _, weights = fit_weights(evidence, label)

    assert weights[0] > 1
    assert weights[1] == 0.0


def test_inner_folds_share_bads_and_goods_evenly() -> None:
    label = np.array([1] * 23 + [0] * 77)

    fold = inner_folds(label, 5, 1)

    assert sorted(np.bincount(fold[label == 1]).tolist()) == [4, 4, 5, 5, 5]
    assert sorted(np.bincount(fold[label == 0]).tolist()) == [15, 15, 15, 16, 16]
    assert (fold != inner_folds(label, 5, 2)).any()


GOOD: dict[str, Any] = {"names": ("a", "b"), "signs": (1, 0), "categorical": ("b",)}


@pytest.mark.parametrize(
    ("code", "bads", "change"),
    [
        ("constant_label", 0, {}),
        ("too_few_bads", 19, {}),
        ("label_invalid", 2, {"label": np.full(100, 2)}),
        ("shape_wrong", 50, {"names": ("a",)}),
        ("shape_wrong", 50, {"signs": (1,)}),
        ("config_invalid", 50, {"categorical": ("c",)}),
        ("config_invalid", 50, {"signs": (0, 1)}),
    ],
    ids=["constant", "few", "label", "names", "signs", "unknown category", "signed category"],
)
def test_refuses_what_cannot_be_defended(code: str, bads: int, change: dict[str, Any]) -> None:
    matrix = np.tile(np.arange(100.0)[:, None], (1, 2))
    given = {"label": (np.arange(100) < bads).astype(np.int64), **GOOD, **change}
    label, names, signs = given.pop("label"), given.pop("names"), given.pop("signs")

    with pytest.raises(TrainingRefused) as refused:
        fit_scorecard(matrix, label, names, signs, **given)

    assert refused.value.code == code


def test_refuses_a_row_of_another_width(card: Scorecard) -> None:
    with pytest.raises(ScoringFailed) as many:
        card.log_odds(np.zeros((2, 3)))
    with pytest.raises(ScoringFailed) as one:
        card.one([0.0] * 5)

    assert {many.value.code, one.value.code} == {"shape_wrong"}
