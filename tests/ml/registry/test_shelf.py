"""The shelf gives back what was put there, and nothing else; a canary's share; the self tests."""

from __future__ import annotations

import shutil
from pathlib import Path
from typing import Any

import msgspec
import numpy as np
import pytest

from handsel_ml.errors import BundleInvalid, RegistryRefused
from handsel_ml.model import Model
from handsel_ml.registry.gates import Contest
from handsel_ml.registry.policy import FILE, registry_policy
from handsel_ml.registry.selftests import self_tests
from handsel_ml.registry.share import in_canary
from handsel_ml.registry.shelf import Shelf
from handsel_ml.serve import BUNDLES


def test_what_was_put_is_loaded(tmp_path: Path, model: Model) -> None:
    shelf = Shelf(tmp_path)

    kept, again = shelf.put(BUNDLES / "social"), shelf.put(BUNDLES / "social")

    loaded = shelf.load(kept.info.model_id, kept.model_sha256, kept.bundle_sha256)
    assert (kept, loaded.info) == (again, model.info)
    assert [path.name for path in tmp_path.iterdir()] == [model.info.model_id]


@pytest.mark.parametrize("file", ["model.txt", "bundle.json"])
def test_changed_file_is_found(tmp_path: Path, file: str) -> None:
    shelf = Shelf(tmp_path)
    kept = shelf.put(BUNDLES / "social")
    path = shelf.folder(kept.info.model_id) / file
    path.write_bytes(path.read_bytes() + b"\n")

    with pytest.raises(BundleInvalid, match="bundle_tampered"):
        shelf.load(kept.info.model_id, kept.model_sha256, kept.bundle_sha256)


def test_missing_model_and_odd_ids_are_refused(tmp_path: Path) -> None:
    shelf = Shelf(tmp_path)

    for model_id in ("social-0", "../social", "", "a/b"):
        with pytest.raises(BundleInvalid, match="bundle_missing"):
            shelf.load(model_id, "", "")


def test_broken_bundle_is_not_put(tmp_path: Path) -> None:
    shutil.copytree(BUNDLES / "social", tmp_path / "broken")
    (tmp_path / "broken" / "model.txt").write_text("")

    with pytest.raises(BundleInvalid, match="hash_mismatch"):
        Shelf(tmp_path / "shelf").put(tmp_path / "broken")

    assert not (tmp_path / "shelf").exists()


def test_share_is_about_right_stable_and_grows() -> None:
    members = [f"member-{number}" for number in range(20_000)]

    five = {m for m in members if in_canary("social-a", m, 500)}
    ten = {m for m in members if in_canary("social-a", m, 1_000)}
    other = {m for m in members if in_canary("social-b", m, 500)}

    assert 900 < len(five) < 1_100  # 1,000, standard deviation 31
    assert five < ten
    assert len(five & other) < 100  # 50 by chance
    assert not any(in_canary("social-a", m, 0) for m in members)
    assert all(in_canary("social-a", m, 10_000) for m in members)


@pytest.mark.parametrize(
    ("before", "after"),
    [
        ("shadow_days = 7", "shadow_days = -1"),
        ("csi = 0.25", 'csi = "a lot"'),
        ("auc_drop = 0.002", "auc_fall = 0.002"),
        ("{ financial = 550, social = 550 }", "{ financial = 550 }"),
    ],
)
def test_wrong_policy_is_refused(tmp_path: Path, before: str, after: str) -> None:
    file = tmp_path / "registry.toml"
    file.write_text(FILE.read_text().replace(before, after))

    with pytest.raises(RegistryRefused, match="policy_invalid"):
        registry_policy(file)


def test_shipped_model_passes_its_self_tests(model: Model, contest: Contest) -> None:
    found = {gate.name: gate for gate in self_tests(model, contest.challenger.matrix)}

    assert {name: (gate.passed, gate.value) for name, gate in found.items()} == {
        "monotone": (True, 0.0),
        "reasons": (True, 0.0),
    }


def test_broken_promises_are_found(model: Model, contest: Contest) -> None:
    signs = tuple(-sign for sign in model.info.signs)
    lying = Model(model.engine, msgspec.structs.replace(model.info, signs=signs))
    monotone, _ = self_tests(lying, contest.challenger.matrix)
    _, reasons = self_tests(Model(_Shifted(model), model.info), contest.challenger.matrix)

    assert not monotone.passed
    assert "not kept by" in monotone.words
    assert (reasons.passed, "not_additive" in reasons.words) == (False, True)


class _Shifted:
    """An engine whose parts do not add up to what it says."""

    def __init__(self, model: Model) -> None:
        self._engine = model.engine
        self.names = model.engine.names

    def __getattr__(self, name: str) -> Any:
        return getattr(self._engine, name)

    def parts(self, vector: np.ndarray[Any, np.dtype[np.float64]]) -> list[float]:
        first, *rest = self._engine.parts(vector)
        return [first + 1e-6, *rest]
