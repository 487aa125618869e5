"""The full circle: nothing is learnt before it could be known, and the same seed tells the same."""

from __future__ import annotations

from datetime import timedelta

import msgspec
import numpy as np
import pytest

from handsel_ml import quarter
from handsel_ml.config import TOWN_CONFIG, read_config
from handsel_ml.contract import FactKind, micros
from handsel_ml.errors import TrainingRefused
from handsel_ml.facts import KIND_CODE, FactTable
from handsel_ml.labels import MATURITY_DAYS
from handsel_ml.quarter import Quarter, QuarterPlan, in_harder_times, known_rows, run_quarter
from handsel_ml.simulate import TownPlan, simulate_town

PLAN = QuarterPlan(seed=3, members=1000, least_bads=1, resamples=20)
SMALL = TownPlan(seed=5, members=150, deals_per_member=8.0)
MOMENT = SMALL.start + timedelta(days=600)
CONFIG = read_config(TOWN_CONFIG)


@pytest.fixture(scope="module")
def circle() -> Quarter:
    """One small circle."""
    return run_quarter(PLAN).quarter


def test_a_label_counts_until_the_very_moment_and_not_a_microsecond_later() -> None:
    town = simulate_town(SMALL)
    matured, _ = known_rows(town.table, "social", CONFIG, MOMENT)
    newest = int(matured.available.max())
    at = SMALL.start + timedelta(microseconds=newest - micros(SMALL.start))

    until, _ = known_rows(town.table, "social", CONFIG, at)
    before, waiting = known_rows(town.table, "social", CONFIG, at - timedelta(microseconds=1))

    assert until.available.max() == newest == micros(at)
    assert before.available.max() < newest
    assert waiting >= 1


def test_a_fact_that_comes_a_microsecond_late_is_no_label() -> None:
    town = simulate_town(SMALL)
    rows, _ = known_rows(town.table, "financial", CONFIG, MOMENT)
    good = int(np.flatnonzero((rows.label == 0) & (rows.role == 0))[0])

    early = _with_chargeback(town.table, rows.member[good], rows.opened[good], micros(MOMENT) - 1)
    late = _with_chargeback(town.table, rows.member[good], rows.opened[good], micros(MOMENT))

    assert _label(early, rows.member[good], rows.opened[good]) == 1
    assert _label(late, rows.member[good], rows.opened[good]) == 0


def _with_chargeback(table: FactTable, member: int, opened: int, known: int) -> FactTable:
    """The same facts and one more: the buyer's bank took the money of this deal back."""
    begun = (table.kind == KIND_CODE[FactKind.ORDER_FUNDED]) & (table.member == member)
    like = int(np.flatnonzero(begun & (table.happened == opened))[0])
    more = table.take(np.append(np.arange(len(table)), like))
    more.kind[-1], more.source[-1] = KIND_CODE[FactKind.CHARGEBACK_LOST], table.source.max() + 1
    more.happened[-1] = more.known[-1] = known
    return more


def _label(table: FactTable, member: int, opened: int) -> int:
    rows, _ = known_rows(table, "financial", CONFIG, MOMENT)
    return int(rows.label[(rows.member == member) & (rows.opened == opened)][0])


def test_harder_times_begin_in_the_last_quarter_and_take_good_deals_alone() -> None:
    town = simulate_town(SMALL)
    plan = QuarterPlan(seed=1, ends=SMALL.start + timedelta(days=700), hardship=0.5)

    harder = in_harder_times(town.table, town.exposures, plan)

    half = len(town.exposures) // 2
    gone = np.setdiff1d(town.table.order, harder.order)
    social, financial = town.exposures.labels["social"], town.exposures.labels["financial"]
    assert len(gone) > 10
    assert town.exposures.opened[gone].min() >= micros(plan.ends - quarter.QUARTER / 2)
    for side in (gone, gone + half):
        assert not social[side].any()
        assert not financial[side].any()


def test_the_circle_is_closed_in_order_of_time(circle: Quarter) -> None:
    ends = PLAN.ends
    for score in circle.scores:
        assert score.champion.trained_as_of == ends - quarter.QUARTER
        assert score.challenger.trained_as_of == ends
        assert score.challenger.fitted_rows > score.champion.fitted_rows > 0
        assert 0 < score.judged_bads < score.judged_rows
        gap = score.difference["auc"]
        old, new = score.champion.figures["auc"], score.challenger.figures["auc"]
        assert gap.value == pytest.approx(new.value - old.value)
        assert gap.lower <= gap.upper
    late = [score.challenger.waiting for score in circle.scores]
    assert late[0] > late[1] > 0  # 120 days against 30
    assert PLAN.judged_at >= ends + quarter.MONTH + timedelta(days=MATURITY_DAYS["financial"])


def test_the_same_seed_tells_the_same(circle: Quarter) -> None:
    again = run_quarter(msgspec.structs.replace(PLAN, kinds=("social",))).quarter

    assert msgspec.json.encode(again.scores) == msgspec.json.encode(circle.scores[1:])


def test_a_town_that_is_too_small_is_refused() -> None:
    with pytest.raises(TrainingRefused, match="too_few_bads"):
        run_quarter(msgspec.structs.replace(PLAN, members=60, least_bads=30))
