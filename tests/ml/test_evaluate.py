"""Figures against brute force, intervals that find what is there, vintages and swap sets."""

from __future__ import annotations

import math

import msgspec
import numpy as np
import pytest

from handsel_ml.errors import JudgementRefused
from handsel_ml.evaluate import (
    auc,
    brier,
    by_band,
    by_segment,
    by_vintage,
    ece,
    equal_bins,
    figures,
    intervals,
    ks,
    log_loss,
    paired_difference,
    roc,
    swap_difference,
    swap_sets,
    vintage_curves,
)
from handsel_ml.evaluate.bootstrap import drawn_members
from handsel_ml.judged import Grouping
from tests.ml.judging import DAY_US, START_US, drawn, judged

LABEL = np.array([1, 0, 1, 0, 0, 1, 0, 0])
PD = np.array([0.9, 0.8, 0.5, 0.5, 0.4, 0.2, 0.2, 0.1])


def test_auc_is_the_share_of_pairs_in_order_ties_half() -> None:
    pairs = [(b, g) for b in PD[LABEL == 1] for g in PD[LABEL == 0]]

    found = auc(LABEL, PD)

    assert found == sum((b > g) + (b == g) / 2 for b, g in pairs) / len(pairs)


def test_ks_is_the_widest_gap_at_any_cut() -> None:
    cuts = [cut >= PD for cut in PD]

    found = ks(LABEL, PD)

    assert found == max(abs(c[LABEL == 1].mean() - c[LABEL == 0].mean()) for c in cuts)


def test_losses_and_calibration_error_by_hand() -> None:
    label, pd = np.array([0, 1, 0, 1]), np.array([0.1, 0.3, 0.4, 0.8])

    found = (brier(label, pd), log_loss(label, pd), ece(label, pd, bins=2))

    assert found[0] == pytest.approx((0.01 + 0.49 + 0.16 + 0.04) / 4)
    assert found[1] == pytest.approx(-math.log(0.9 * 0.3 * 0.6 * 0.8) / 4)
    assert found[2] == pytest.approx((abs(0.4 - 1) + abs(1.2 - 1)) / 4)


def test_calibration_error_is_the_same_in_any_order_of_rows() -> None:
    """One of fifty goes bad and 2 % are foretold of each: the bads first or spread out."""
    first = np.repeat([1, 0], [40, 1960])
    spread = (np.arange(2000) % 50 == 0).astype(np.int64)
    pd = np.full(2000, 0.02)
    mixed = np.where(np.arange(2000) < 300, 0.01, 0.02)  # the tie begins within a tenth

    found = [ece(first, pd), ece(spread, pd)]
    back = [ece(spread, mixed), ece(spread[::-1], mixed[::-1])]

    assert found == [pytest.approx(0.0, abs=1e-12)] * 2
    assert back[0] == pytest.approx(back[1])


def test_an_interval_of_calibration_error_is_the_same_in_any_order_of_rows() -> None:
    rows = drawn(rows=400, members=80)
    coarse = msgspec.structs.replace(rows, pd=np.round(rows.pd, 1) + 0.01)

    found = [
        intervals(coarse.take(np.argsort(by, kind="stable")), resamples=20)["ece"]
        for by in (coarse.label, -coarse.label)
    ]

    assert found[0].value == pytest.approx(found[1].value)
    assert found[0].lower == pytest.approx(found[1].lower)
    assert found[0].upper == pytest.approx(found[1].upper)


def test_without_ties_the_bins_are_of_equal_count_the_first_ones_longer() -> None:
    pd = np.random.Generator(np.random.PCG64(3)).permutation(23) / 100

    found = equal_bins(pd, 10)

    assert np.bincount(found).tolist() == [3, 3, 3, 2, 2, 2, 2, 2, 2, 2]
    assert found[pd.argsort()].tolist() == sorted(found.tolist())


def test_equal_values_share_the_bin_of_the_middle_one() -> None:
    found = equal_bins(np.array([0.3, 0.2, 0.1, 0.2, 0.2, 0.4]), 3)

    assert found.tolist() == [2, 1, 0, 1, 1, 2]


def test_one_class_gives_no_ranking_and_no_error() -> None:
    found = figures(np.zeros(4, dtype=np.int64), np.full(4, 0.2))

    assert math.isnan(found["auc"])
    assert math.isnan(found["ks"])
    assert found["observed_to_expected"] == 0.0


def test_the_area_under_the_curve_is_the_auc() -> None:
    false, true = roc(LABEL, PD)

    assert np.trapezoid(true, false) == pytest.approx(auc(LABEL, PD))
    assert (false[0], true[0], false[-1], true[-1]) == (0, 0, 1, 1)


def test_a_resample_gives_the_figures_of_the_rows_that_were_drawn() -> None:
    rows = drawn(rows=200, members=40)
    coarse = msgspec.structs.replace(rows, pd=np.round(rows.pd, 1) + 0.01)  # with ties
    place, counts = drawn_members(coarse.member, 1, 7)
    repeated = coarse.take(np.repeat(np.arange(200), next(counts)[place]))

    found = intervals(coarse, resamples=1, seed=7)

    for name, expected in figures(repeated.label, repeated.pd).items():
        if name in ("auc", "ks", "brier", "log_loss", "observed_to_expected"):
            assert found[name].lower == pytest.approx(expected, abs=1e-6)


def test_intervals_hold_the_figure_and_come_out_the_same_again() -> None:
    rows = drawn()

    found = intervals(rows, resamples=100)

    assert found == intervals(rows, resamples=100)
    for name in ("auc", "ks", "brier", "log_loss", "observed_to_expected"):
        assert found[name].lower < found[name].value < found[name].upper


def test_deals_that_share_a_fate_widen_the_interval() -> None:
    """Sixty members, each with fifty deals that all end the same way."""
    fates = np.arange(60) % 10 == 0
    rows = judged(np.repeat(fates, 50), np.full(3000, 0.1), member=np.repeat(np.arange(60), 50))
    alone = msgspec.structs.replace(rows, member=np.arange(3000))

    found, other = intervals(rows, resamples=100), intervals(alone, resamples=100)

    widths = [one["observed_to_expected"].upper - one["observed_to_expected"].lower
              for one in (found, other)]  # fmt: skip
    assert widths[0] > 5 * widths[1]  # by the root of fifty


def test_the_paired_difference_finds_a_planted_one_and_none_where_there_is_none() -> None:
    champion, better, equal = drawn(noise=1.0), drawn(noise=0.0), drawn(noise=1.0)

    found = paired_difference(champion, better, resamples=150)
    none = paired_difference(champion, equal, resamples=20)

    assert found["auc"].lower > 0 > found["log_loss"].upper
    apart = intervals(better, resamples=150)["auc"], intervals(champion, resamples=150)["auc"]
    unpaired = apart[0].upper - apart[0].lower + apart[1].upper - apart[1].lower
    assert found["auc"].upper - found["auc"].lower < unpaired / 2
    assert none["auc"] == type(none["auc"])(0.0, 0.0, 0.0)


def test_models_that_answered_about_other_rows_are_not_compared() -> None:
    rows = drawn(rows=50)

    with pytest.raises(JudgementRefused) as refused:
        paired_difference(rows, rows.take(np.arange(49)))

    assert refused.value.code == "rows_differ"


def test_no_rows_have_no_intervals() -> None:
    with pytest.raises(JudgementRefused) as refused:
        intervals(judged([], []))

    assert refused.value.code == "no_rows"


def test_bands_and_segments_by_hand() -> None:
    rows = judged(
        [0, 1, 0, 1],
        [0.1, 0.2, 0.3, 0.4],
        points=np.array([700, 699, 350, 340]),
        segments={"role": Grouping(labels=("a", "b"), code=np.array([0, 0, 1, -1]))},
    )

    bands, segments = by_band(rows, resamples=5), by_segment(rows, resamples=5)["role"]

    assert [(g.name, g.rows, g.bads) for g in bands] == [
        ("excellent", 1, 0), ("very_good", 1, 1), ("poor", 2, 1),
    ]  # fmt: skip
    assert bands[2].observed_to_expected.value == pytest.approx(1 / 0.7)
    assert (segments[0].name, segments[0].rows, segments[0].auc) == ("a", 2, 1.0)
    assert math.isnan(segments[1].auc)


def test_vintages_by_month_and_curves_by_cohort() -> None:
    """Two members start in October, one in November; December is only begun."""
    days = np.array([0, 3, 30, 61, 32, 62, 70])  # 2024-10-04, -07, 11-03, 12-04, 11-05, 12-05, -13
    rows = judged(
        [0, 1, 1, 0, 0, 1, 0],
        np.full(7, 0.5),
        member=np.array([1, 2, 1, 1, 3, 3, 2]),
        opened=START_US + days * DAY_US,
    )

    months = by_vintage(rows, resamples=5)
    curves = vintage_curves(rows, cohort_months=1, least_members=1)

    assert [(g.name, g.rows, g.bads) for g in months] == [
        ("2024-10", 2, 1), ("2024-11", 2, 1), ("2024-12", 3, 1),
    ]  # fmt: skip
    assert [(c.cohort, c.members, c.deals, c.bads) for c in curves] == [
        ("2024-10", 2, (2, 3), (1, 2)),
        ("2024-11", 1, (1,), (0,)),
    ]


def test_swap_sets_by_hand() -> None:
    champion = judged(
        [0, 1, 1, 0], np.full(4, 0.1), points=np.array([700, 560, 540, 540]),
        member=np.array([1, 1, 2, 3]),
    )  # fmt: skip
    challenger = msgspec.structs.replace(champion, points=np.array([710, 540, 560, 549]))

    found = swap_sets(champion, challenger, 550)

    assert found.bands == ("excellent", "very_good", "good", "fair", "poor")
    assert found.rows[0][0] == found.rows[3][4] == found.rows[4][3] == found.rows[4][4] == 1
    assert found.bads[3][4] == found.bads[4][3] == 1
    assert found.changed == 0.5
    assert found.changed_members == pytest.approx(2 / 3)
    assert (found.swapped_in, found.swapped_in_bad_rate) == (1, 1.0)
    assert (found.swapped_out, found.swapped_out_bad_rate) == (1, 1.0)


def test_newly_approved_against_newly_refused_by_resampled_members() -> None:
    """Ten deals let in, five of them bad, and ten kept out, none bad: each of a member of its own,
    or all five bad ones of one member."""
    label = np.repeat([1, 0], [5, 15])
    before, after = np.repeat([500, 600], 10), np.repeat([600, 500], 10)
    alone = judged(label, np.full(20, 0.1), points=before)
    shared = msgspec.structs.replace(alone, member=np.r_[np.zeros(5, dtype=int), np.arange(5, 20)])

    found = [
        swap_difference(rows, msgspec.structs.replace(rows, points=after), 550, tail=0.05)
        for rows in (alone, shared)
    ]

    assert [one.value for one in found] == [0.5, 0.5]
    assert found[0].lower > 0.2
    assert found[1].lower == 0.0  # the one member is not drawn


def test_newly_approved_against_a_given_rate_where_nobody_is_refused() -> None:
    rows = judged(np.repeat([1, 0], [5, 15]), np.full(20, 0.1), points=np.full(20, 500))
    lenient = msgspec.structs.replace(rows, points=np.full(20, 600))

    found = swap_difference(rows, lenient, 550, tail=0.05, otherwise=0.1)

    assert found.value == pytest.approx(0.15)
    assert found.lower < 0.15 < found.upper
