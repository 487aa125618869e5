"""Boosting on two workers: the trees of one machine within a hair, loadable like any other."""

from __future__ import annotations

import lightgbm
import msgspec
import numpy as np
import pytest

from handsel_ml.config import Trees
from handsel_ml.errors import CreditError
from handsel_ml.evaluate import auc
from handsel_ml.features import FEATURES
from handsel_ml.fitting import fit_trees
from handsel_ml.model import open_engine
from handsel_ml.rows import Slices, TrainingSet
from handsel_ml.scale.training import fit_distributed, local_cluster, rounds_on_sample

_NAMES = tuple(feature.name for feature in FEATURES["financial"])
_SIGNS = np.array([feature.sign for feature in FEATURES["financial"]])
_ROWS = 20_000
_TREES = Trees(
    leaves=12, depth=4, learning_rate=0.3, rounds=80, patience=5, rows_per_leaf=40,
    feature_fraction=0.7, bagging_fraction=0.8, l2=5.0,
)  # fmt: skip


def drawn() -> tuple[TrainingSet, Slices]:
    """Rows whose outcome follows the features' signs; the last ones are the test."""
    rng = np.random.Generator(np.random.PCG64(3))
    matrix = rng.normal(size=(_ROWS, len(_NAMES)))
    chance = 1 / (1 + np.exp(2 - 0.5 * matrix @ _SIGNS))
    nothing = np.zeros(_ROWS, dtype=np.int64)
    rows = TrainingSet(
        kind="financial", names=_NAMES, matrix=matrix,
        label=(rng.random(_ROWS) < chance).astype(np.int64), member=nothing, role=nothing,
        opened=np.arange(_ROWS), available=np.arange(_ROWS), closed=nothing, indeterminate=0,
    )  # fmt: skip
    fit, validation, test = np.split(np.arange(_ROWS), [10_000, 13_000])
    cut = Slices(fit=fit, validation=validation, calibration=validation, test=test, unseen=test[:0])
    return rows, cut


@pytest.fixture(scope="module")
def distributed() -> str:
    """What two workers made of the rows."""
    rows, cut = drawn()
    with local_cluster(2, processes=False) as client:
        assert len(client.scheduler_info()["workers"]) == 2
        text = fit_distributed(rows, cut, _TREES, seed=5, client=client)
    assert client.status == "closed"
    return text


def test_two_workers_make_the_model_of_one_machine(distributed: str) -> None:
    rows, cut = drawn()
    alone = lightgbm.Booster(model_str=fit_trees(rows, cut, _TREES, seed=5))

    engine = open_engine("trees", distributed)

    found = auc(rows.label[cut.test], engine.raw_many(rows.matrix[cut.test], 1))
    usual = auc(rows.label[cut.test], np.asarray(alone.predict(rows.matrix[cut.test])))
    assert usual > 0.75
    assert abs(found - usual) <= 0.005
    assert engine.names == _NAMES
    assert lightgbm.Booster(model_str=distributed).num_trees() == alone.num_trees()


def test_workers_keep_the_signs(distributed: str) -> None:
    rows, _ = drawn()
    booster = lightgbm.Booster(model_str=distributed)

    for column, sign in enumerate(_SIGNS.tolist()):
        grid = np.tile(rows.matrix[:40], (5, 1))
        grid[:, column] = np.repeat(np.linspace(-2, 2, 5), 40)
        raw = np.asarray(booster.predict(grid, raw_score=True)).reshape(5, 40)
        assert sign == 0 or (sign * np.diff(raw, axis=0) >= 0).all()


def test_rounds_are_those_of_one_machine_where_the_sample_is_everything() -> None:
    rows, cut = drawn()
    alone = lightgbm.Booster(model_str=fit_trees(rows, cut, _TREES, seed=5))

    everything = rounds_on_sample(rows, cut, _TREES, seed=5)
    part = rounds_on_sample(rows, cut, _TREES, seed=5, most=500)

    assert everything == alone.num_trees() < _TREES.rounds
    assert 1 <= part < everything


def test_what_one_machine_refuses_workers_refuse() -> None:
    rows, cut = drawn()
    constant = msgspec.structs.replace(rows, label=np.zeros(_ROWS, dtype=np.int64))

    with (
        pytest.raises(CreditError, match="constant_label"),
        local_cluster(1, processes=False) as client,
    ):
        fit_distributed(constant, cut, _TREES, seed=5, client=client)

    assert client.status == "closed"
