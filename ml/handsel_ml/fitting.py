"""Fitting: rows to the text of an engine, trees or a scorecard.

Deterministic: one thread, row-wise histograms, fixed seeds, so the same rows give the same text
byte for byte on the same kind of machine. No class weights: they ruin calibration.
"""

from __future__ import annotations

from typing import Any

import lightgbm
import msgspec
import numpy as np

from handsel_ml.bundle import EngineKind
from handsel_ml.config import ScoreConfig, Trees
from handsel_ml.features import FEATURES
from handsel_ml.rows import Slices, TrainingSet
from handsel_ml.woe import fit_scorecard


def engine_for(rows: TrainingSet, cut: Slices, config: ScoreConfig) -> EngineKind:
    """Trees above the data gate; a scorecard below it, where trees lose to one.

    Measured (research/credit.md §3.1): at 300 bads a scorecard is ahead by .010 AUC, at 6,600
    trees are by .015.
    """
    matured = np.concatenate([cut.fit, cut.validation, cut.calibration])
    bads = int(rows.label[matured].sum())
    return "trees" if bads >= config.scorecard_below_bads else "scorecard"


def fit_engine(
    engine: EngineKind, rows: TrainingSet, cut: Slices, config: ScoreConfig, seed: int
) -> str:
    """The text of a fitted engine."""
    if engine == "trees":
        return fit_trees(rows, cut, config.trees, seed)
    return fit_card(rows, cut, seed)


def tree_parameters(trees: Trees, signs: list[int], seed: int) -> dict[str, Any]:
    """LightGBM's parameters; the same for one machine and for several."""
    return {
        "objective": "binary",
        "metric": "binary_logloss",
        "num_leaves": trees.leaves,
        "max_depth": trees.depth,
        "learning_rate": trees.learning_rate,
        "min_data_in_leaf": trees.rows_per_leaf,
        "feature_fraction": trees.feature_fraction,
        "bagging_fraction": trees.bagging_fraction,
        "bagging_freq": 1,
        "lambda_l2": trees.l2,
        "monotone_constraints": signs,
        "monotone_constraints_method": "basic",
        "deterministic": True,
        "force_row_wise": True,
        "num_threads": 1,
        "seed": seed,
        "verbosity": -1,
    }


def fit_trees(rows: TrainingSet, cut: Slices, trees: Trees, seed: int) -> str:
    """Boost with monotone constraints and early stopping on the validation slice."""
    signs = [feature.sign for feature in FEATURES[rows.kind]]
    names = list(rows.names)
    fit = lightgbm.Dataset(rows.matrix[cut.fit], rows.label[cut.fit], feature_name=names)
    check = lightgbm.Dataset(rows.matrix[cut.validation], rows.label[cut.validation], reference=fit)
    stop = lightgbm.early_stopping(trees.patience, verbose=False)
    booster = lightgbm.train(
        tree_parameters(trees, signs, seed), fit, trees.rounds, valid_sets=[check], callbacks=[stop]
    )
    text: str = booster.model_to_string(num_iteration=booster.best_iteration)
    return text


def fit_card(rows: TrainingSet, cut: Slices, seed: int) -> str:
    """A scorecard of both older slices: it stops by itself and needs no validation."""
    older = np.concatenate([cut.fit, cut.validation])
    signs = [feature.sign for feature in FEATURES[rows.kind]]
    card = fit_scorecard(rows.matrix[older], rows.label[older], rows.names, signs, seed=seed)
    return msgspec.json.format(msgspec.json.encode(card), indent=1).decode() + "\n"
