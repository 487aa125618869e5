"""Stability indices by hand, bins that can see what moved."""

from __future__ import annotations

import math

import msgspec
import numpy as np
import pytest

from handsel_ml.drift import counts_of, drift_base, drift_report, edges_of, psi, shift_of
from handsel_ml.errors import JudgementRefused
from tests.ml.judging import drawn


def test_equal_samples_have_not_moved() -> None:
    assert psi([10, 20, 30], [10, 20, 30]) == 0.0
    assert shift_of("x", np.arange(100.0), np.arange(100.0)).psi == 0.0


def test_a_shift_by_hand() -> None:
    """99.5 and 0.5 of 100 against 0.5 and 99.5: two bins, half a row more in each."""
    found = psi([99, 0], [0, 99])

    assert found == pytest.approx(2 * 0.99 * math.log(99.5 / 0.5))


@pytest.mark.parametrize(
    ("part", "level"), [(0.5, "steady"), (0.65, "steady"), (0.68, "warn"), (0.8, "alert")]
)
def test_levels(part: float, level: str) -> None:
    values = np.repeat([0.0, 1.0], [5000, 5000])
    moved = np.repeat([0.0, 1.0], [round(10_000 * (1 - part)), round(10_000 * part)])

    assert shift_of("x", values, moved).level == level


def test_bins_are_deciles_and_what_is_missing_has_its_own() -> None:
    base = np.arange(1.0, 1001.0)

    edges = edges_of(base)

    assert edges.tolist() == [100, 200, 300, 400, 500, 600, 700, 800, 900]
    assert counts_of(np.array([100.0, 100.5, 2000.0, np.nan]), edges).tolist() == [
        1, 1, 0, 0, 0, 0, 0, 0, 0, 1, 1,
    ]  # fmt: skip


@pytest.mark.parametrize("now", [[0.0, 1.0], [2.0, 1.0], [np.nan, 1.0]])
def test_a_column_that_was_always_the_same_is_seen_to_move(now: list[float]) -> None:
    base = np.ones(1000)

    found = shift_of("x", base, np.repeat(now, 500))

    assert found.level == "alert"


def test_a_shift_of_a_mostly_empty_count_is_seen() -> None:
    base = np.repeat([0.0, 3.0], [970, 30])

    found = shift_of("x", base, np.repeat([0.0, 3.0], [700, 300]))

    assert found.level == "alert"


@pytest.mark.parametrize(
    ("base", "current", "code"),
    [([1, 2], [1, 2, 3], "bins_differ"), ([0, 0], [1, 2], "no_rows"), ([1, -1], [1, 2], "no_rows")],
)
def test_counts_one_cannot_compare(base: list[int], current: list[int], code: str) -> None:
    with pytest.raises(JudgementRefused) as refused:
        psi(base, current)

    assert refused.value.code == code


def test_the_report_names_what_moved() -> None:
    base = drawn()
    moved = base.matrix + np.array([0.0, 2.0])
    current = msgspec.structs.replace(base, matrix=moved)

    found = drift_report(base, current)

    assert found.score.psi == 0.0
    assert [shift.name for shift in found.of_level("alert")] == ["two"]
    assert (found.base_rows, found.current_rows) == (3000, 3000)


def test_the_base_is_the_newest_fifth_of_scored_deals() -> None:
    rows = drawn(rows=1000)
    thin = msgspec.structs.replace(rows, closed=np.where(np.arange(1000) % 2, 3, 2))

    found = drift_base(thin)

    assert len(found) == 100
    assert found.opened.min() >= np.quantile(thin.opened[1::2], 0.8)
    assert len(drift_base(msgspec.structs.replace(rows, closed=np.zeros(1000)))) == 1000


def test_other_columns_are_not_compared() -> None:
    with pytest.raises(JudgementRefused) as refused:
        drift_report(drawn(rows=50), drawn(rows=50, names=("one", "other")))

    assert refused.value.code == "columns_differ"
