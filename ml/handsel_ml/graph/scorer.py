"""The scorer of a member's history: LightGBM, monotone, fixed settings, one thread.

The settings are one fixed default (shallow, slow, early stopping on the validation slice); they
were not searched. Monotone: no praise can lower a standing, no blame can raise one.
"""

from __future__ import annotations

from typing import Any, NamedTuple

import lightgbm
import numpy as np
from numpy.typing import NDArray

from handsel_ml.errors import GraphRefused
from handsel_ml.graph.history import COLUMNS
from handsel_ml.graph.propagate import Floats

Mask = NDArray[np.bool_]
_SETTINGS: dict[str, Any] = {
    "objective": "binary",
    "learning_rate": 0.03,
    "num_leaves": 15,
    "min_data_in_leaf": 60,
    "feature_fraction": 0.7,
    "bagging_fraction": 0.8,
    "bagging_freq": 1,
    "lambda_l2": 5.0,
    "monotone_constraints": list(COLUMNS.values()),
    "deterministic": True,
    "force_row_wise": True,
    "num_threads": 1,
    "seed": 1,
    "verbose": -1,
}
_ROUNDS = 600
_PATIENCE = 50


class Slices(NamedTuple):
    """Events by time: the first ``warm_up`` train nothing, then train, valid, test."""

    train: slice
    valid: slice
    test: slice


def slices_of(events: int) -> Slices:
    """Protocol A: train from event 1,000 (of small files: a twentieth) to 60 %, valid to 70 %."""
    warm_up, train, valid = min(1_000, events // 20), int(0.6 * events), int(0.7 * events)
    return Slices(slice(warm_up, train), slice(train, valid), slice(valid, events))


def fit(rows: Floats, harmed: Mask, slices: Slices) -> lightgbm.Booster:
    """Learn P(the next word is a complaint) on the training slice; stop by the validation slice.

    Raises `GraphRefused`: label_constant where a slice holds no complaint, or nothing else.
    """
    for name, part in zip(Slices._fields, slices, strict=True):
        if harmed[part].all() or not harmed[part].any():
            raise GraphRefused("label_constant", f"the {name} slice needs complaints and praise")
    train = lightgbm.Dataset(rows[slices.train], harmed[slices.train].astype(np.float64))
    valid = lightgbm.Dataset(
        rows[slices.valid], harmed[slices.valid].astype(np.float64), reference=train
    )
    stop = lightgbm.early_stopping(_PATIENCE, verbose=False)
    return lightgbm.train(_SETTINGS, train, _ROUNDS, valid_sets=[valid], callbacks=[stop])


def standing(booster: lightgbm.Booster, rows: Floats) -> Floats:
    """Higher is better: minus the log-odds of a complaint."""
    if len(rows) == 0:
        return np.zeros(0)
    raw = booster.predict(rows, raw_score=True, num_threads=1)
    return -np.asarray(raw, dtype=np.float64)
