"""Scoring against the C library itself: one row, one row with reasons, many rows.

On a model of 300 trees with 31 leaves over 23 features, as research/credit.md §3.3 measured it; the
one with reasons has depth 4, as every model that we serve.
"""

import time
from collections.abc import Callable
from functools import cache

import lightgbm
import numpy as np
from numpy.typing import NDArray

from handsel_ml.bundle import FORMAT, BundleInfo, Reference
from handsel_ml.calibrate import Calibrator
from handsel_ml.features import FEATURES
from handsel_ml.model import Model, Trees
from handsel_ml.scale.batch import score_batch
from handsel_ml.scorecard import BANDS, Prior, ScoreMap, Segment
from tests.bench.rounds import Effort, Line, compare

Floats = NDArray[np.float64]
_CALLS = 2000
_WIDTH = 23
_TREES = 300
_ROWS = 6000
_BATCH_ROWS = 200_000
_THREADS = 2


def score_vs_c_api(effort: Effort) -> Line:
    """Microseconds of one score; a ratio of 1 would be the C call itself."""
    model, engine = _model(depth=-1)
    row = _rows(1)[0]
    raw = engine.raw_c_call()
    return compare(
        "score_vs_c_api",
        "microseconds/score",
        "LGBM_BoosterPredictForMatSingleRowFast",
        lambda: _median_us(lambda: model.score(row), effort),
        lambda: _median_us(raw, effort),
        effort,
    )


def reasons_p50_us(effort: Effort) -> Line:
    """Microseconds of one score with its reasons; a ratio of 1 would be TreeSHAP in C itself."""
    model, engine = _model(depth=4)
    row = _rows(1)[0]
    return compare(
        "reasons_p50_us",
        "microseconds/explained score",
        "LGBM_BoosterPredictForMatSingleRowFast with predict_contrib",
        lambda: _median_us(lambda: model.explain(row), effort),
        lambda: _median_us(lambda: engine.parts(row), effort),
        effort,
    )


def batch_rows_per_s(effort: Effort) -> Line:
    """Rows per second of raw score, chance and points on two cores, against Booster.predict."""
    model, engine = _model(depth=-1)
    rows = _rows(_BATCH_ROWS if effort.seconds >= 5 else _BATCH_ROWS // 100)
    return compare(
        "batch_rows_per_s",
        "rows/s",
        "Booster.predict of the raw score alone",
        lambda: _rows_per_s(lambda: score_batch(model, rows, _THREADS), len(rows)),
        lambda: _rows_per_s(lambda: engine.raw_many(rows, _THREADS), len(rows)),
        effort,
    )


def _rows(count: int) -> Floats:
    """Rows of anything; a tenth of the values is missing."""
    rng = np.random.Generator(np.random.PCG64(7))
    rows = rng.normal(size=(count, _WIDTH))
    rows[rng.random(rows.shape) < 0.1] = np.nan
    return rows


@cache
def _model(depth: int) -> tuple[Model, Trees]:
    """A model of full size, trained on rows of anything: only its shape matters here."""
    rows = _rows(_ROWS)
    rng = np.random.Generator(np.random.PCG64(8))
    label = rng.random(_ROWS) < 1 / (1 + np.exp(2 - np.nan_to_num(rows[:, :5]).sum(axis=1)))
    parameters = {
        "objective": "binary",
        "num_leaves": 31,
        "max_depth": depth,
        "learning_rate": 0.03,
        "num_threads": 1,
        "deterministic": True,
        "force_row_wise": True,
        "seed": 7,
        "verbosity": -1,
    }
    booster = lightgbm.train(parameters, lightgbm.Dataset(rows, label), _TREES)
    engine = Trees(booster)
    return Model(engine, _info(engine)), engine


def _info(engine: Trees) -> BundleInfo:
    """What a bundle says, with the groups of reasons dealt out in turns."""
    groups = sorted({feature.group for own in FEATURES.values() for feature in own})
    usual = np.zeros(_WIDTH)
    return BundleInfo(
        format=FORMAT,
        kind="financial",
        engine="trees",
        model_id="bench",
        model_sha256="",
        lightgbm_version=lightgbm.__version__,
        features=engine.names,
        signs=(1,) * _WIDTH,
        groups=tuple(groups[i % len(groups)] for i in range(_WIDTH)),
        calibrator=Calibrator(method="beta", a=0.9, b=1.1, c=0.05),
        score_map=ScoreMap(),
        bands=BANDS,
        prior=Prior(feature=None, segments=(Segment(least=0, pd=0.05),), strength=20.0),
        reference=Reference(
            vector=tuple(usual.tolist()),
            raw=engine.raw(usual),
            contributions=tuple(engine.parts(usual)[:-1]),
        ),
        as_of="2026-01-01T00:00:00+00:00",
        seed=7,
        rows={},
        metrics={},
        config={},
        environment={},
    )


def _median_us(call: Callable[[], object], effort: Effort) -> float:
    calls = _CALLS if effort.seconds >= 5 else _CALLS // 10
    taken = []
    for _ in range(calls):
        began = time.perf_counter_ns()
        call()
        taken.append(time.perf_counter_ns() - began)
    return sorted(taken)[len(taken) // 2] / 1000


def _rows_per_s(call: Callable[[], object], rows: int) -> float:
    began = time.perf_counter()
    call()
    return rows / (time.perf_counter() - began)
