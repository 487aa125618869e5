"""The score call on a ready vector against the raw single-row C call of the same model."""

import time
from collections.abc import Callable

import numpy as np

from handsel_ml.serve import load_models, raw_c_call
from tests.bench.rounds import Effort, Line, compare

_CALLS = 2000


def score_vs_c_api(effort: Effort) -> Line:
    """Microseconds of one score; a ratio of 1 would be the C call itself."""
    model = load_models()["financial"]
    vector = np.zeros(len(model.info.features), dtype=np.float64)
    raw = raw_c_call(model)
    return compare(
        "score_vs_c_api",
        "microseconds/score",
        "LGBM_BoosterPredictForMatSingleRowFast",
        lambda: _median_us(lambda: model.score(vector), effort),
        lambda: _median_us(raw, effort),
        effort,
    )


def _median_us(call: Callable[[], object], effort: Effort) -> float:
    calls = _CALLS if effort.seconds >= 1 else _CALLS // 10
    taken = []
    for _ in range(calls):
        began = time.perf_counter_ns()
        call()
        taken.append(time.perf_counter_ns() - began)
    return sorted(taken)[len(taken) // 2] / 1000
