"""The benchmark: every model fitted and judged on the same folds."""

from __future__ import annotations

import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from handsel_ml.evaluate import auc, brier, ece, ks, log_loss
from handsel_ml.scorecard import BANDS, ScoreMap, band_of
from handsel_ml.tables.config import read_table_config
from handsel_ml.tables.ours import Predict, fit_card, fit_ours, size_of
from handsel_ml.tables.peers import check_peers, fit_logistic, fit_optbinning, fit_xgboost
from handsel_ml.tables.reading import Table, read_table
from handsel_ml.woe import inner_folds

Floats = NDArray[np.float64]
Ints = NDArray[np.int64]
Fit = Callable[[Table, Ints, int], Predict]
Progress = Callable[[str], None]

MODELS: dict[str, Fit] = {
    "lightgbm": fit_ours,
    "optbinning": fit_optbinning,
    "logistic": fit_logistic,
    "xgboost": fit_xgboost,
    "scorecard": fit_card,
}


def run_benchmark(
    config_name: str, path: Path, progress: Progress = lambda line: None
) -> dict[str, Any]:
    """Read config and table, fit every model on every fold; figures out of fold.

    `auc`, `ks`, `brier`, `log_loss` are means over folds, `ece` has ten bins of equal count over
    all folds, `fit_s` is seconds per fold. Raises `TrainingRefused`: peers_missing, and the codes
    of `read_table_config` and `read_table`.
    """
    config = read_table_config(config_name)
    table = read_table(path, config)
    check_peers()
    fold = inner_folds(table.label, config.folds.count, config.folds.seed)
    progress(
        f"{len(table.label):,} rows, {int(table.label.sum()):,} bad, {len(table.names)} features"
    )
    models = {}
    for name, fit in MODELS.items():
        pd, seconds = out_of_fold(fit, table, fold, config.folds.seed)
        models[name] = figures_by_fold(table.label, pd, fold, seconds)
        progress(f"{name}: AUC {models[name]['auc']:.4f} in {seconds.sum():.0f} s")
    models["lightgbm"]["method"] = size_of(table.label[fold != 0]).method
    return {
        "models": models,
        "folds": config.folds.count,
        "seed": config.folds.seed,
        "rows": len(table.label),
        "bads": int(table.label.sum()),
        "features": list(table.names),
    }


def out_of_fold(fit: Fit, table: Table, fold: Ints, seed: int) -> tuple[Floats, Floats]:
    """PDs (n,) of rows that their model has not seen, and the seconds of each fit (folds,)."""
    pd = np.empty(len(table.label))
    seconds = np.empty(int(fold.max()) + 1)
    for k in range(len(seconds)):
        began = time.perf_counter()
        predict = fit(table, np.flatnonzero(fold != k), seed)
        seconds[k] = time.perf_counter() - began
        pd[fold == k] = predict(table.matrix[fold == k])
    return pd, seconds


def figures_by_fold(label: Ints, pd: Floats, fold: Ints, seconds: Floats) -> dict[str, Any]:
    """The figures of one model, rounded to six digits."""
    parts = [(label[fold == k], pd[fold == k]) for k in range(len(seconds))]
    aucs = [auc(*part) for part in parts]
    named = {
        "auc": np.mean(aucs),
        "ks": np.mean([ks(*part) for part in parts]),
        "brier": np.mean([brier(*part) for part in parts]),
        "ece": ece(label, pd),
        "fit_s": seconds.mean(),
        "log_loss": np.mean([log_loss(*part) for part in parts]),
        "auc_sd": np.std(aucs, ddof=1),
        "auc_pooled": auc(label, pd),
    }
    rounded: dict[str, Any] = {name: round(float(value), 6) for name, value in named.items()}
    return {
        **rounded,
        "auc_by_fold": [round(value, 6) for value in aucs],
        "bands": bands(label, pd),
    }


def bands(label: Ints, pd: Floats) -> list[dict[str, Any]]:
    """Observed and expected bads by the bands that members see, best first; empty ones left out."""
    points = ScoreMap()
    held = np.clip(pd, 1e-12, 1 - 1e-12)
    named = np.array([band_of(points.points(x)) for x in np.log(held / (1 - held)).tolist()])
    found = []
    for band in BANDS:
        inside = named == band.name
        expected, observed = float(pd[inside].sum()), int(label[inside].sum())
        if inside.any():
            found.append({
                "band": band.name,
                "rows": int(inside.sum()),
                "expected": round(expected, 2),
                "observed": observed,
                "observed_to_expected": round(observed / expected, 4),
            })  # fmt: skip
    return found
