"""Serving: equal to LightGBM to the bit, monotone to the points, explained, failing closed."""

from __future__ import annotations

import shutil
import threading
from collections.abc import Callable
from datetime import timedelta
from pathlib import Path

import lightgbm
import msgspec
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from numpy.typing import NDArray

from handsel_ml.bundle import JSON_FILE, MODEL_FILE, BundleInfo, read_bundle, write_bundle
from handsel_ml.contract import SCORE_KINDS, Fact, FactKind, ScoreKind
from handsel_ml.errors import BundleInvalid, FactInvalid, ScoringFailed
from handsel_ml.features import FEATURES, feature_rows
from handsel_ml.model import Model, Trees
from handsel_ml.reasons import BUILDING
from handsel_ml.serve import BUNDLES, assess, load_bundle, load_models
from handsel_ml.simulate import Archetype, Town, history
from tests.ml.conftest import NOW

Floats = NDArray[np.float64]
Models = dict[ScoreKind, Model]
ROWS: dict[ScoreKind, Floats] = {}


def _rows(town: Town, kind: ScoreKind, count: int = 400) -> Floats:
    picked = np.random.Generator(np.random.PCG64(2)).choice(len(town.exposures), count)
    exposures = town.exposures
    return feature_rows(town.table, exposures.member[picked], exposures.opened[picked], kind).matrix


def _about(archetype: Archetype, deals: int, turned: bool = False, seed: int = 3) -> list[Fact]:
    partners = [f"p{i}" for i in range(8)]
    return history(archetype, member_id="me", partners=partners, deals=deals, until=NOW, seed=seed,
                   turned=turned)  # fmt: skip


@pytest.mark.parametrize("kind", SCORE_KINDS)
def test_bit_equal_to_booster_predict(town: Town, models: Models, kind: ScoreKind) -> None:
    rows = _rows(town, kind)
    booster = lightgbm.Booster(model_file=str(BUNDLES / kind / MODEL_FILE))
    expected = np.asarray(booster.predict(rows, raw_score=True, num_threads=1))

    assert [models[kind].score(row).raw for row in rows] == expected.tolist()


@pytest.mark.parametrize("kind", SCORE_KINDS)
def test_points_and_band_are_those_of_the_map(town: Town, models: Models, kind: ScoreKind) -> None:
    info = models[kind].info
    for row in _rows(town, kind, 100):
        found = models[kind].score(row)
        odds = info.calibrator.log_odds(found.raw)
        assert found.points == info.score_map.points(odds)
        assert found.band == next(b.name for b in info.bands if found.points >= b.least)
        assert found.pd == pytest.approx(1 / (1 + np.exp(-odds)), abs=1e-15)


@settings(max_examples=100, deadline=None)
@given(st.data())
def test_worse_facts_never_raise_the_score(town: Town, models: Models, data: st.DataObject) -> None:
    kind = data.draw(st.sampled_from(SCORE_KINDS))
    rows = ROWS.get(kind, np.empty(0))
    if rows.size == 0:
        rows = ROWS[kind] = _rows(town, kind)
    row = rows[data.draw(st.integers(0, len(rows) - 1))].copy()
    column = data.draw(st.integers(0, len(FEATURES[kind]) - 1))
    values = rows[~np.isnan(rows[:, column]), column]
    worse = row.copy()
    row[column], worse[column] = sorted(
        (data.draw(st.sampled_from(values)), data.draw(st.sampled_from(values))),
        key=lambda value: FEATURES[kind][column].sign * value,
    )

    before, after = models[kind].score(row), models[kind].score(worse)

    assert after.raw >= before.raw
    assert after.pd >= before.pd
    assert after.points <= before.points


@pytest.mark.parametrize("kind", SCORE_KINDS)
def test_contributions_add_up_and_reasons_keep_their_rules(
    town: Town, models: Models, kind: ScoreKind
) -> None:
    model, named = models[kind], 0
    reference = model.info.reference.vector
    for row in _rows(town, kind):
        found = model.explain(row)
        codes = [reason.code for reason in found.reasons]
        named += len(codes)
        assert abs(sum(found.groups.values()) + found.bias - found.raw) <= 1e-9
        assert len(codes) == len(set(codes)) <= 4
        assert [r.points for r in found.reasons] == sorted(
            (r.points for r in found.reasons), reverse=True
        )
        for code in codes:
            assert any(
                np.isnan(row[i]) or f.sign * (row[i] - reference[i]) > 0
                for i, f in enumerate(FEATURES[kind])
                if f.group == code
            )
    assert named > 100


@pytest.mark.parametrize("kind", SCORE_KINDS)
def test_a_feature_at_its_best_is_never_held_against_anybody(
    town: Town, models: Models, kind: ScoreKind
) -> None:
    rows = _rows(town, kind)
    best = [
        np.nanmin(rows[:, i]) if feature.sign > 0 else np.nanmax(rows[:, i])
        for i, feature in enumerate(FEATURES[kind])
    ]
    for group in {feature.group for feature in FEATURES[kind]}:
        columns = [i for i, feature in enumerate(FEATURES[kind]) if feature.group == group]
        for row in rows[:40]:
            praised = row.copy()
            praised[columns] = [best[i] for i in columns]
            codes = [reason.code for reason in models[kind].explain(praised).reasons]
            assert group not in codes


def test_building_history_until_three_deals_closed(models: Models) -> None:
    nothing = assess([], NOW, models)
    scored = assess(_about(Archetype.HONEST, 12), NOW, models)

    for kind in SCORE_KINDS:
        empty, full = nothing[kind], scored[kind]
        assert (empty.state, empty.points, empty.band) == ("building_history", None, None)
        assert (empty.low, empty.high, empty.closed_deals) == (None, None, 0)
        assert [reason.code for reason in empty.reasons] == [BUILDING]
        assert "3 more" in empty.reasons[0].help
        assert 0 < empty.pd < 0.2
        assert full.state == "scored"
        assert full.points is not None
        assert full.low is not None
        assert full.high is not None
        assert 350 <= full.low <= full.points <= full.high <= 950
        assert full.model_id == models[kind].info.model_id


def test_the_third_closed_deal_makes_a_number(models: Models) -> None:
    facts = _about(Archetype.HONEST, 12)
    ends = sorted(f.known_at for f in facts if f.kind == "order_settled")
    before = assess(facts, ends[2], models)["financial"]
    after = assess(facts, ends[2] + timedelta(microseconds=1), models)["financial"]

    assert (before.state, before.closed_deals) == ("building_history", 2)
    assert (after.state, after.closed_deals) == ("scored", 3)


def test_conduct_moves_the_right_score(models: Models) -> None:
    honest = assess(_about(Archetype.HONEST, 20), NOW, models)
    thief = assess(_about(Archetype.STOLEN_ACCOUNT, 20, turned=True), NOW, models)
    trouble = assess(_about(Archetype.TROUBLEMAKER, 20), NOW, models)

    assert (honest["financial"].points or 0) >= (thief["financial"].points or 0) + 100
    assert (honest["social"].points or 0) >= (trouble["social"].points or 0) + 100
    assert {r.code for r in thief["financial"].reasons} & {"top_ups", "exposure", "chargebacks"}


def test_facts_of_two_members_are_refused(models: Models) -> None:
    facts = _about(Archetype.HONEST, 5)
    stranger = msgspec.structs.replace(facts[0], member_id="other")

    with pytest.raises(FactInvalid) as refused:
        assess([*facts, stranger], NOW, models)

    assert refused.value.code == "several_members"


def _other_version(info: BundleInfo) -> BundleInfo:
    return msgspec.structs.replace(info, lightgbm_version="3.3.5")


def _other_sign(info: BundleInfo) -> BundleInfo:
    return msgspec.structs.replace(info, signs=(-info.signs[0], *info.signs[1:]))


def _other_reference(info: BundleInfo) -> BundleInfo:
    raw = info.reference.raw + 1e-6
    reference = msgspec.structs.replace(info.reference, raw=raw)
    return msgspec.structs.replace(info, reference=reference)


def _edit(name: str, old: str, new: str) -> Callable[[Path], None]:
    def spoil(folder: Path) -> None:
        text = (folder / name).read_text()
        assert old in text
        (folder / name).write_text(text.replace(old, new, 1))

    return spoil


def _rewrite(change: Callable[[BundleInfo], BundleInfo], text: str = "") -> Callable[[Path], None]:
    def spoil(folder: Path) -> None:
        model, info = read_bundle(folder)
        write_bundle(folder, text or model, change(info))

    return spoil


@pytest.mark.parametrize(
    ("code", "spoil"),
    [
        ("bundle_missing", lambda folder: (folder / MODEL_FILE).unlink()),
        ("bundle_missing", lambda folder: (folder / JSON_FILE).unlink()),
        ("hash_mismatch", _edit(MODEL_FILE, "leaf_value=-", "leaf_value=")),
        ("hash_mismatch", _edit(JSON_FILE, '"base_points": 700.0', '"base_points": 800.0')),
        ("bundle_corrupt", _edit(JSON_FILE, "{", "[")),
        ("bundle_corrupt", _edit(JSON_FILE, '"kind": "financial"', '"kind": "astral"')),
        ("format_unknown", _edit(JSON_FILE, '"format": 2', '"format": 1')),
        ("version_mismatch", _rewrite(_other_version)),
        ("features_mismatch", _rewrite(_other_sign)),
        ("self_test_failed", _rewrite(_other_reference)),
        ("bundle_corrupt", _rewrite(lambda info: info, "not a model at all")),
    ],
)
def test_a_spoilt_bundle_is_refused(
    tmp_path: Path, code: str, spoil: Callable[[Path], None]
) -> None:
    folder = tmp_path / "financial"
    shutil.copytree(BUNDLES / "financial", folder)
    load_bundle(folder).close()
    spoil(folder)

    with pytest.raises(BundleInvalid) as refused:
        load_bundle(folder)

    assert refused.value.code == code


def test_the_wrong_kind_in_a_folder_is_refused(tmp_path: Path) -> None:
    for kind in SCORE_KINDS:
        shutil.copytree(BUNDLES / "social", tmp_path / kind)

    with pytest.raises(BundleInvalid) as refused:
        load_models(tmp_path)

    assert refused.value.code == "kind_mismatch"


def test_a_model_that_gives_nan_fails_and_says_so() -> None:
    text, info = read_bundle(BUNDLES / "social")
    start = text.index("leaf_value=") + len("leaf_value=")
    end = text.index("\n", start)
    leaves = len(text[start:end].split())
    spoilt = text[:start] + " ".join(["nan"] * leaves) + text[end:]
    sizes = spoilt.index("tree_sizes=")
    spoilt = spoilt[:sizes] + spoilt[spoilt.index("\n", sizes) + 1 :]
    model = Model(Trees(lightgbm.Booster(model_str=spoilt)), info)

    with pytest.raises(ScoringFailed) as failed:
        model.score(np.array(info.reference.vector))

    assert failed.value.code == "not_finite"


def test_wrong_shapes_and_closed_models_fail(models: Models) -> None:
    model = load_bundle(BUNDLES / "social")
    vector = np.array(model.info.reference.vector)
    for wrong in (
        vector[:1],
        vector[:-1],
        vector.reshape(1, -1),
        np.float64(1.0),
        vector.astype(np.float32),
    ):
        with pytest.raises(ScoringFailed) as failed:
            model.score(wrong)  # type: ignore[arg-type]
        assert failed.value.code == "shape_wrong"
    model.close()
    model.close()

    with pytest.raises(ScoringFailed) as failed:
        model.score(vector)
    assert failed.value.code == "model_closed"


def test_threads_get_the_same_answers(town: Town, models: Models) -> None:
    model, rows = models["social"], _rows(town, "social")
    expected = [model.score(row) for row in rows]
    wrong: list[object] = []

    def work() -> None:
        for row, answer in list(zip(rows, expected, strict=True)) * 5:
            found = model.score(row)
            wrong.extend([found] * (found != answer))

    threads = [threading.Thread(target=work) for _ in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()

    assert wrong == []


def test_the_raw_call_is_the_same_call(models: Models) -> None:
    model = models["financial"]
    vector = np.array(model.info.reference.vector)
    model.score(vector)

    assert isinstance(model.engine, Trees)
    assert model.engine.raw_c_call()() == 0
    assert model.engine._calls.score is not None
    assert model.engine._calls.score.out[0] == model.info.reference.raw


def test_nobody_is_told_of_failures_that_did_not_happen(models: Models) -> None:
    then = NOW - timedelta(days=1)
    facts = [
        Fact(
            member_id="m",
            kind=kind,
            happened_at=then,
            known_at=then,
            source_id=f"o{n}",
            order_id=f"o{n}",
            counterparty_id=f"c{n}",
            role="buyer",
            amount_minor=2000,
        )
        for n in range(4)
        for kind in (FactKind.ORDER_FUNDED, FactKind.ORDER_SETTLED)
    ]
    facts.append(
        Fact(
            member_id="m",
            kind=FactKind.TOP_UP_SUCCEEDED,
            happened_at=then,
            known_at=then,
            source_id="t",
            amount_minor=5000,
        )
    )

    reasons = assess(facts, NOW, models)["financial"].reasons

    blamed = {reason.code for reason in reasons if not reason.unknown}
    assert not blamed & {"top_ups", "chargebacks", "funding", "not_delivered"}
