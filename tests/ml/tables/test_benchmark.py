"""The benchmark itself: the same folds for all, the promised document, real data once.

The one file that loads the peers' libraries.
"""

from __future__ import annotations

import json
import sys
from importlib.util import find_spec
from pathlib import Path

import numpy as np
import pytest
from numpy.typing import NDArray
from typer.testing import CliRunner

from handsel.foundation.core.errors import UserError
from handsel.front.cli.ml import app
from handsel_ml.errors import TrainingRefused
from handsel_ml.evaluate import auc
from handsel_ml.tables import Table, read_table, read_table_config
from handsel_ml.tables.benchmark import MODELS, bands, figures_by_fold, out_of_fold
from handsel_ml.tables.ours import Predict, fit_card, fit_ours
from handsel_ml.tables.peers import LIBRARIES, check_peers
from handsel_ml.woe import inner_folds
from tests.conftest import real_data

CONFIG = """
separator = ";"
label = "outcome"
positive = "lost"
protected = ["sex"]
[folds]
count = 2
seed = 11
[features]
late = { kind = "ordinal", sign = 1, special = [-1] }
income = { kind = "numeric", sign = -1 }
trade = { kind = "categorical" }
"""


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A config and 400 rows: arrears and one trade are bad signs, some incomes are unknown."""
    folder = tmp_path_factory.mktemp("tables")
    rng = np.random.Generator(np.random.PCG64(1))
    late, income, trade = rng.integers(-1, 4, 400), rng.normal(30, 9, 400), rng.integers(0, 3, 400)
    chance = 1 / (1 + np.exp(2.2 - 0.9 * np.maximum(late, 0) + 0.05 * (income - 30) - (trade == 2)))
    lost = rng.random(400) < chance
    rows = [
        f"{late[i]};{'' if i % 17 == 0 else round(income[i], 1)};{'xyz'[trade[i]]};"
        f"{i % 2};{'lost' if lost[i] else 'kept'}"
        for i in range(400)
    ]
    (folder / "table.csv").write_text("\n".join(["late;income;trade;sex;outcome", *rows]))
    (folder / "table.toml").write_text(CONFIG)
    return folder


def test_prints_one_document_with_every_model_on_the_same_folds(folder: Path) -> None:
    if any(find_spec(name) is None for name in LIBRARIES):
        pytest.skip("the extra `bench` is not installed")

    done = CliRunner().invoke(
        app, ["benchmark", str(folder / "table.toml"), str(folder / "table.csv"), "--json"]
    )

    assert done.exit_code == 0, done.output
    found = json.loads(done.stdout)
    assert (found["folds"], found["seed"], found["rows"]) == (2, 11, 400)
    assert list(found["models"])[:4] == ["lightgbm", "optbinning", "logistic", "xgboost"]
    assert found["features"] == ["late", "income", "trade"]
    for name, model in found["models"].items():
        assert model.keys() >= {"auc", "ks", "brier", "ece", "fit_s"}, name
        assert 0.7 < model["auc"] < 0.9, name
        assert sum(band["rows"] for band in model["bands"]) == 400
        assert sum(band["observed"] for band in model["bands"]) == found["bads"]
    assert found["models"]["lightgbm"]["method"].startswith("scorecard")


def test_every_model_is_fitted_on_the_same_rows_and_judged_on_the_others(folder: Path) -> None:
    table = read_table(folder / "table.csv", read_table_config(str(folder / "table.toml")))
    fold = inner_folds(table.label, 4, 2)
    seen: list[set[int]] = []

    def spy(table: Table, rows: NDArray[np.int64], seed: int) -> Predict:
        seen.append(set(rows.tolist()))
        return lambda raw: np.full(len(raw), float(len(seen)))

    pd, seconds = out_of_fold(spy, table, fold, 2)

    assert pd.tolist() == (fold + 1).tolist()
    assert [seen[k] & set(np.flatnonzero(fold == k).tolist()) for k in range(4)] == [set()] * 4
    assert [len(rows) for rows in seen] == [400 - int((fold == k).sum()) for k in range(4)]
    assert len(seconds) == 4


def test_ours_repeats_itself_and_never_falls_along_a_sign(folder: Path) -> None:
    table = read_table(folder / "table.csv", read_table_config(str(folder / "table.toml")))
    rows = np.flatnonzero(inner_folds(table.label, 2, 1) == 0)
    walk = np.column_stack([np.arange(9.0), np.full(9, 30.0), np.full(9, 1.0)])

    once, again = fit_ours(table, rows, 3), fit_ours(table, rows, 3)

    assert once(table.matrix).tolist() == again(table.matrix).tolist()
    assert (np.diff(once(walk)) >= 0).all()
    assert once(walk)[-1] > once(walk)[0]


def test_figures_are_means_over_folds_and_bands_count_every_bad() -> None:
    label = np.array([0, 1, 0, 1, 0, 0, 1, 1])
    pd = np.array([0.001, 0.5, 0.02, 0.5, 0.03, 0.5, 0.07, 0.5])
    fold = np.array([0, 0, 0, 0, 1, 1, 1, 1])

    found = figures_by_fold(label, pd, fold, np.array([1.0, 3.0]))

    assert found["auc_by_fold"] == [1.0, 0.625]
    assert (found["auc"], found["fit_s"]) == (0.8125, 2.0)
    assert found["auc_pooled"] == round(auc(label, pd), 6)
    assert [(b["band"], b["rows"], b["observed"]) for b in bands(label, pd)] == [
        ("excellent", 1, 0), ("very_good", 2, 0), ("fair", 1, 1), ("poor", 4, 3),
    ]  # fmt: skip
    assert bands(label, pd)[-1]["observed_to_expected"] == 1.5


def test_says_which_extra_is_missing(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "xgboost", None)

    with pytest.raises(TrainingRefused) as refused:
        check_peers()

    assert refused.value.code == "peers_missing"
    assert "handsel[bench]" in refused.value.detail
    assert "xgboost" in refused.value.detail


def test_the_command_refuses_in_one_sentence_and_prints_nothing(folder: Path) -> None:
    done = CliRunner().invoke(
        app, ["benchmark", "uci_default", str(folder / "table.csv"), "--json"]
    )

    assert isinstance(done.exception, UserError)
    assert "wrong_separator" in str(done.exception)
    assert done.stdout == ""


def test_south_german_is_in_reach_of_what_is_reported() -> None:
    path = real_data("credit", "south_german.asc")
    table = read_table(path, read_table_config("south_german"))
    held = inner_folds(table.label, 2, 1) == 0
    rows = np.flatnonzero(~held)

    found = {fit.__name__: fit(table, rows, 1)(table.matrix[held]) for fit in (fit_ours, fit_card)}

    assert table.matrix.shape == (1000, 17)
    assert MODELS["lightgbm"] is fit_ours
    assert auc(table.label[held], found["fit_ours"]) > 0.76
    assert auc(table.label[held], found["fit_card"]) > 0.75
