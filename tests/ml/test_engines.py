"""Below the data gate a scorecard takes the trees' place, and keeps all their promises."""

from __future__ import annotations

from datetime import timedelta
from pathlib import Path

import msgspec
import numpy as np
import pytest

from handsel_ml.bundle import write_bundle
from handsel_ml.config import TOWN_CONFIG, TrainingConfig, read_config
from handsel_ml.contract import micros
from handsel_ml.errors import BundleInvalid, RegistryRefused, ScoringFailed, TrainingRefused
from handsel_ml.features import FEATURES
from handsel_ml.model import Model
from handsel_ml.registry.judging import judge_in_town, judge_on_facts
from handsel_ml.rows import TrainingSet, training_set
from handsel_ml.serve import load_bundle, load_models
from handsel_ml.simulate import Town
from handsel_ml.train import Trained, train, train_facts

replace = msgspec.structs.replace


@pytest.fixture(scope="module")
def config() -> TrainingConfig:
    shipped = read_config(TOWN_CONFIG)
    small = {"least_bads": 5, "scorecard_below_bads": 10_000}
    return replace(
        shipped,
        town=None,
        financial=replace(shipped.financial, **small),
        social=replace(shipped.social, **small),
    )


@pytest.fixture(scope="module")
def rows(town: Town, config: TrainingConfig) -> TrainingSet:
    return training_set(town.table, town.exposures, "social", config.split, 1)


@pytest.fixture(scope="module")
def trained(rows: TrainingSet, config: TrainingConfig) -> Trained:
    return train(rows, config.social, config.split, 1)


@pytest.fixture(scope="module")
def model(trained: Trained, tmp_path_factory: pytest.TempPathFactory) -> Model:
    folder = tmp_path_factory.mktemp("card")
    write_bundle(folder, trained.model_text, trained.info)
    return load_bundle(folder)


def test_the_data_gate_chooses_the_engine(rows: TrainingSet, config: TrainingConfig) -> None:
    few = train(rows, config.social, config.split, 1)
    bads = sum(few.info.rows[f"{part}_bads"] for part in ("fit", "validation", "calibration"))
    trees = replace(config.social.trees, rounds=5)
    exactly = replace(config.social, scorecard_below_bads=bads, trees=trees)
    enough = train(rows, exactly, config.split, 1)

    assert few.info.engine == "scorecard"
    assert enough.info.engine == "trees"


def test_a_scorecard_is_served_like_trees(model: Model, rows: TrainingSet) -> None:
    some = rows.matrix[:300]
    many = model.engine.raw_many(some, 1)

    assert [model.score(row).raw for row in some] == many.tolist()
    assert model.info.metrics["out_of_time"]["auc"] > 0.65
    for row in some[:50]:
        found = model.explain(row)
        assert abs(sum(found.groups.values()) + found.bias - found.raw) <= 1e-9
        assert len({reason.code for reason in found.reasons}) == len(found.reasons) <= 4


def test_worse_facts_never_raise_a_scorecards_score(model: Model, rows: TrainingSet) -> None:
    rng = np.random.Generator(np.random.PCG64(5))
    for column, feature in enumerate(FEATURES["social"]):
        known = rows.matrix[~np.isnan(rows.matrix[:, column])]
        pair = known[rng.integers(0, len(known), (40, 2))]
        better, worse = pair[:, 0].copy(), pair[:, 0].copy()
        ends = np.sort(pair[:, :, column] * feature.sign, axis=1) * (feature.sign or 1)
        better[:, column], worse[:, column] = ends[:, 0], ends[:, 1]
        if feature.sign:
            gained = model.engine.raw_many(worse, 1) - model.engine.raw_many(better, 1)
            assert (gained >= 0).all(), feature.name


def test_a_scorecard_takes_nothing_but_its_vector(model: Model) -> None:
    vector = np.array(model.info.reference.vector)
    for wrong in (vector[:-1], vector.reshape(1, -1), vector.astype(np.float32), list(vector)):
        with pytest.raises(ScoringFailed) as failed:
            model.score(wrong)  # type: ignore[arg-type]
        assert failed.value.code == "shape_wrong"


def test_a_scorecard_of_other_features_or_none_is_refused(trained: Trained, tmp_path: Path) -> None:
    renamed = trained.model_text.replace('"no_shows"', '"star_sign"')
    for text, code in ((renamed, "features_mismatch"), ("{}", "bundle_corrupt")):
        write_bundle(tmp_path, text, trained.info)
        with pytest.raises(BundleInvalid) as refused:
            load_bundle(tmp_path)
        assert refused.value.code == code


def test_the_house_trains_and_judges_on_its_own_facts(
    town: Town, config: TrainingConfig, tmp_path: Path
) -> None:
    earlier = replace(config.split, trained_as_of=config.split.trained_as_of - timedelta(days=60))
    train_facts(replace(config, split=earlier), town.table, tmp_path / "champion")
    (tmp_path / "challenger").mkdir()
    (tmp_path / "challenger" / "report.html").write_text("of an older training")

    report = train_facts(config, town.table, tmp_path / "challenger")

    models = {name: load_models(tmp_path / name) for name in ("champion", "challenger")}
    champion, challenger = models["champion"]["social"], models["challenger"]["social"]
    gates = judge_on_facts(challenger, champion, town.table)
    assert challenger.info == report.bundles["social"]
    assert challenger.info.config["town"] is None
    assert challenger.info.metrics["out_of_time"]["auc"] > 0.65
    assert gates.rows == challenger.info.rows["test"]
    assert gates.bads == challenger.info.rows["test_bads"]
    made = sorted(path.name for path in (tmp_path / "challenger").iterdir())
    assert made == ["financial", "social"]
    with pytest.raises(RegistryRefused) as refused:
        judge_in_town(challenger, champion)
    assert refused.value.code == "town_missing"


def test_a_label_that_comes_a_microsecond_late_is_not_used(
    town: Town, config: TrainingConfig
) -> None:
    split, truth = config.split, town.exposures
    now = micros(split.trained_as_of)
    early = np.flatnonzero((truth.labels["social"] >= 0) & (truth.available("social") <= now))
    one = int(early[-1])
    due = truth.due.copy()
    due[one] += now - int(truth.available("social")[one])
    just = replace(truth, due=due)
    late = replace(truth, due=due + (np.arange(len(due)) == one))
    wide = replace(split, rows_per_member=10**6)

    used = training_set(town.table, just, "social", wide, 1)
    left = training_set(town.table, late, "social", wide, 1)

    assert len(used.label) == len(left.label) + 1


def test_too_few_facts_of_ones_own_are_refused(tmp_path: Path, town: Town) -> None:
    config = read_config(TOWN_CONFIG)
    few = town.table.take(town.table.member < 3)

    with pytest.raises(TrainingRefused) as refused:
        train_facts(config, few, tmp_path / "out")

    assert refused.value.code in {"too_few_bads", "constant_label"}
    assert not (tmp_path / "out").exists()
