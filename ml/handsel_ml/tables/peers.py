"""The peers, each given the same columns and the same rows: optbinning, logistic, XGBoost.

They come from the extra `bench` and are imported only when fitted. They keep the field's usual
settings and are not constrained to be monotone by our signs: that is our burden, not theirs.
"""

from __future__ import annotations

import contextlib
import io
import warnings
from importlib.util import find_spec
from typing import Any

import numpy as np
from numpy.typing import NDArray

from handsel_ml.errors import TrainingRefused
from handsel_ml.tables.ours import Predict
from handsel_ml.tables.reading import Table
from handsel_ml.woe import inner_folds

Floats = NDArray[np.float64]
Ints = NDArray[np.int64]
LIBRARIES = ("optbinning", "pandas", "sklearn", "xgboost")


def check_peers() -> None:
    """Refuse when a peer's library is missing. Raises `TrainingRefused`: peers_missing."""
    if missing := [name for name in LIBRARIES if find_spec(name) is None]:
        detail = f"install the extra `bench` (handsel[bench]): no {', '.join(missing)}"
        raise TrainingRefused("peers_missing", detail)


def fit_optbinning(table: Table, rows: Ints, seed: int) -> Predict:
    """Optimal binning with its own defaults (trend "auto"), logistic regression on the WoE."""
    # Its solver's library prints a broken import of a solver that is not used.
    with contextlib.redirect_stdout(io.StringIO()), contextlib.redirect_stderr(io.StringIO()):
        from optbinning import BinningProcess, Scorecard
    from sklearn.linear_model import LogisticRegression

    names = list(table.names)
    binning = BinningProcess(names, categorical_variables=list(table.categorical))
    card = Scorecard(binning, LogisticRegression(max_iter=1000))
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        card.fit(_frame(table, table.matrix[rows]), table.label[rows], metric_missing="empirical")

    def predict(raw: Floats) -> Floats:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            return _second(card.predict_proba(_frame(table, raw)))

    return predict


def _frame(table: Table, raw: Floats) -> Any:
    """The table as pandas has it: categories as texts."""
    import pandas

    frame = pandas.DataFrame(raw, columns=list(table.names))
    for name in table.categorical:
        texts = dict(enumerate(table.levels[name]))
        frame[name] = frame[name].map(texts).astype(object)
    return frame


def fit_logistic(table: Table, rows: Ints, seed: int) -> Predict:
    """Scaled numbers and one-hot categories, gaps by the median, L2 with C = 1."""
    from sklearn.compose import ColumnTransformer
    from sklearn.impute import SimpleImputer
    from sklearn.linear_model import LogisticRegression
    from sklearn.pipeline import make_pipeline
    from sklearn.preprocessing import OneHotEncoder, StandardScaler

    named = set(table.categorical)
    coded = [j for j, name in enumerate(table.names) if name in named]
    plain = [j for j, name in enumerate(table.names) if name not in named]
    gaps = SimpleImputer(strategy="median", keep_empty_features=True)
    columns = ColumnTransformer([
        ("plain", make_pipeline(gaps, StandardScaler()), plain),
        ("coded", OneHotEncoder(handle_unknown="ignore"), coded),
    ])  # fmt: skip
    model = make_pipeline(columns, LogisticRegression(max_iter=2000))
    model.fit(table.matrix[rows], table.label[rows])
    return lambda raw: _second(model.predict_proba(raw))


def fit_xgboost(table: Table, rows: Ints, seed: int) -> Predict:
    """31 leaves, rate .05, stopped on 15 % of the rows; categories as their codes."""
    import xgboost

    label = table.label[rows]
    held = inner_folds(label, 20, seed) < 3
    parameters = {
        "objective": "binary:logistic",
        "tree_method": "hist",
        "grow_policy": "lossguide",
        "max_leaves": 31,
        "max_depth": 0,
        "eta": 0.05,
        "min_child_weight": 10,
        "subsample": 0.8,
        "colsample_bytree": 0.7,
        "lambda": 5.0,
        "eval_metric": "logloss",
        "nthread": 1,
        "seed": seed,
        "verbosity": 0,
    }
    kinds = ["c" if name in table.categorical else "q" for name in table.names]

    def shaped(raw: Floats, label: Ints | None = None) -> Any:
        return xgboost.DMatrix(raw, label, feature_types=kinds, enable_categorical=True)

    matrix = table.matrix[rows]
    booster = xgboost.train(
        parameters,
        shaped(matrix[~held], label[~held]),
        num_boost_round=1000,
        evals=[(shaped(matrix[held], label[held]), "held")],
        early_stopping_rounds=50,
        verbose_eval=False,
    )
    best = (0, booster.best_iteration + 1)
    return lambda raw: booster.predict(shaped(raw), iteration_range=best).astype(np.float64)


def _second(chances: Any) -> Floats:
    """The chance of bad out of a pair of chances, (n, 2) to (n,)."""
    return np.asarray(chances, dtype=np.float64)[:, 1]
