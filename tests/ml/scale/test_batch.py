"""Many rows at once: to the bit what one row gets, or nothing."""

from __future__ import annotations

import re

import msgspec
import numpy as np
import pytest

from handsel_ml.bundle import read_bundle
from handsel_ml.calibrate import Calibrator
from handsel_ml.contract import SCORE_KINDS, ScoreKind
from handsel_ml.errors import ScoringFailed
from handsel_ml.features import feature_rows
from handsel_ml.model import Model, open_engine
from handsel_ml.scale import batch
from handsel_ml.scale.batch import score_batch
from handsel_ml.serve import BUNDLES
from handsel_ml.simulate import Town

_CALIBRATORS = (
    Calibrator(method="platt", a=1.1, b=1.1, c=-0.2),
    Calibrator(method="beta", a=0.7, b=1.3, c=0.1),
)


@pytest.mark.parametrize("kind", SCORE_KINDS)
@pytest.mark.parametrize("calibrator", _CALIBRATORS, ids=lambda c: c.method)
def test_many_rows_get_what_each_alone_gets(
    town: Town, models: dict[ScoreKind, Model], kind: ScoreKind, calibrator: Calibrator
) -> None:
    deals = town.exposures
    matrix = feature_rows(town.table, deals.member, deals.opened, kind).matrix[:600]
    given = models[kind]
    model = Model(given.engine, msgspec.structs.replace(given.info, calibrator=calibrator))

    found = score_batch(model, np.asfortranarray(matrix))

    single = [model.score(np.ascontiguousarray(row)) for row in matrix]
    assert found.raw.tolist() == [one.raw for one in single]
    assert found.pd.tolist() == [one.pd for one in single]
    assert found.points.tolist() == [one.points for one in single]
    assert len(set(found.points.tolist())) > 20


def test_blocks_and_threads_change_nothing(
    town: Town, models: dict[ScoreKind, Model], monkeypatch: pytest.MonkeyPatch
) -> None:
    deals = town.exposures
    matrix = feature_rows(town.table, deals.member, deals.opened, "social").matrix[:1000]
    whole = score_batch(models["social"], matrix, threads=1)

    monkeypatch.setattr(batch, "BLOCK_ROWS", 37)
    parts = score_batch(models["social"], matrix, threads=3)

    assert parts.pd.tobytes() == whole.pd.tobytes()
    assert parts.points.tobytes() == whole.points.tobytes()


def test_no_rows_are_no_scores(models: dict[ScoreKind, Model]) -> None:
    model = models["financial"]

    found = score_batch(model, np.empty((0, len(model.info.features))))

    assert (len(found.raw), len(found.pd), len(found.points)) == (0, 0, 0)


def test_other_shapes_are_refused(models: dict[ScoreKind, Model]) -> None:
    width = len(models["financial"].info.features)

    for matrix in (
        np.zeros((2, width - 1)),
        np.zeros(width),
        np.zeros((2, width), dtype=np.float32),
    ):
        with pytest.raises(ScoringFailed, match="shape_wrong"):
            score_batch(models["financial"], matrix)


def test_one_answer_that_is_no_number_fails_them_all() -> None:
    text, info = read_bundle(BUNDLES / "social")
    # One leaf of the first tree: some rows get a number, others none.
    leaf = re.search(r"leaf_value=(\S+)", text)
    assert leaf is not None
    spoilt = re.sub(r"tree_sizes=.*\n", "", text[: leaf.start(1)] + "nan" + text[leaf.end(1) :])
    model = Model(open_engine("trees", spoilt), info)
    rng = np.random.Generator(np.random.PCG64(2))
    matrix = rng.exponential(5.0, size=(500, len(info.features)))
    fine = [row for row in matrix if np.isfinite(model.engine.raw(row))]

    with pytest.raises(ScoringFailed, match="not_finite"):
        score_batch(model, matrix)

    assert 0 < len(fine) < len(matrix)
    assert len(score_batch(model, np.array(fine)).pd) == len(fine)
