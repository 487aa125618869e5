"""Impact ratio, opportunity gap and level by group, by hand."""

from __future__ import annotations

import math

import numpy as np
import pytest

from handsel_ml.errors import JudgementRefused
from handsel_ml.fairness import fairness, fairness_report
from handsel_ml.judged import Grouping, Judged
from tests.ml.judging import judged

A, B, C = 0, 1, 2


@pytest.fixture
def rows() -> Judged:
    """1,000 of A: 100 bad, 900 approved, 50 of the bad among them. 500 of B: 100 bad, 300
    approved, none bad. 10 of C: all refused. 5 of nobody."""
    code = np.repeat([A, B, C, -1], [1000, 500, 10, 5])
    label, points = np.zeros(1515, dtype=np.int64), np.full(1515, 500, dtype=np.int64)
    label[:100] = label[1000:1100] = 1
    points[50:950] = points[1150:1450] = 550
    grouping = Grouping(labels=("a", "b", "c", "d"), code=code)
    pd = np.where(code == B, 0.25, 0.1)
    empty = Grouping(labels=("x",), code=np.full(1515, -1))
    return judged(label, pd, points=points, protected={"letter": grouping, "none": empty})


def test_three_looks_by_hand(rows: Judged) -> None:
    found = fairness(rows, "letter", 550, resamples=50)
    a, b, c = found.groups

    assert found.reference == "a"
    assert (a.rows, a.bads, a.approved, a.impact_ratio.value) == (1000, 100, 0.9, 1.0)
    assert (b.approved, b.impact_ratio.value) == pytest.approx((0.6, 2 / 3))
    assert a.approved_good == pytest.approx(850 / 900)
    assert b.approved_good == 0.75
    assert b.opportunity_gap.value == pytest.approx(850 / 900 - 0.75)
    assert a.observed_to_expected.value == pytest.approx(1.0)
    assert b.observed_to_expected.value == pytest.approx(100 / 125)
    assert b.impact_ratio.lower < 2 / 3 < b.impact_ratio.upper
    assert (c.rows, c.enough, c.approved) == (10, False, 0.0)


def test_too_small_a_group_decides_nothing(rows: Judged) -> None:
    found = fairness(rows, "letter", 550, resamples=5)

    assert found.lowest_ratio == pytest.approx(2 / 3)  # c, with 0, is left out
    assert found.widest_gap == pytest.approx(850 / 900 - 0.75)


def test_499_rows_are_too_few(rows: Judged) -> None:
    small = rows.take(np.r_[0:499, 1000:1499])

    found = fairness(small, "letter", 550, resamples=5)

    assert (found.held, found.reference) == (False, None)
    assert math.isnan(found.lowest_ratio)
    assert [group.enough for group in found.groups] == [False, False]


def test_nobody_approved_is_held_and_gives_no_ratio(rows: Judged) -> None:
    found = fairness(rows, "letter", 900, resamples=5)

    assert (found.held, found.reference) == (True, None)
    assert math.isnan(found.lowest_ratio)
    assert math.isnan(found.widest_gap)


@pytest.mark.parametrize("order", [(0, 1, 2), (1, 0, 2), (1, 2, 0), (2, 1, 0)])
def test_a_large_group_without_a_figure_leaves_none_wherever_it_stands(
    order: tuple[int, ...],
) -> None:
    """Group 1 has no good row, so nobody knows whether its good ones are approved."""
    code = np.repeat([1, 0, 2], 600)
    grouping = Grouping(labels=("x", "y", "z"), code=np.array(order)[code])
    rows = judged(code == 1, np.full(1800, 0.1), protected={"letter": grouping})

    found = fairness(rows, "letter", 550, resamples=1)

    assert found.lowest_ratio == 1.0
    assert math.isnan(found.widest_gap)


def test_the_report_has_every_attribute_that_is_held(rows: Judged) -> None:
    found = fairness_report(rows, 550, resamples=5)

    assert [one.attribute for one in found] == ["letter"]


def test_an_attribute_that_is_not_held_is_refused(rows: Judged) -> None:
    with pytest.raises(JudgementRefused) as refused:
        fairness(rows, "star_sign", 550)

    assert refused.value.code == "attribute_unknown"
