"""A small town, the shipped models, and the shipped config trained once more."""

from __future__ import annotations

from datetime import UTC, datetime
from pathlib import Path

import pytest

from handsel_ml.config import TOWN_CONFIG, read_config
from handsel_ml.contract import ScoreKind
from handsel_ml.serve import Model, load_models
from handsel_ml.simulate import Town, TownPlan, simulate_town
from handsel_ml.train import TrainingReport, train_town

NOW = datetime(2026, 9, 1, 12, tzinfo=UTC)


@pytest.fixture(scope="session")
def town() -> Town:
    return simulate_town(TownPlan(seed=7, members=700, deals_per_member=16.0))


@pytest.fixture(scope="session")
def models() -> dict[ScoreKind, Model]:
    return load_models()


@pytest.fixture(scope="session")
def retrained(tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, TrainingReport]:
    """The committed config, trained on this machine (about ten seconds)."""
    out = tmp_path_factory.mktemp("bundles")
    return out, train_town(read_config(TOWN_CONFIG), out)
