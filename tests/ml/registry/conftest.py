"""Two models judged on the same made-up deals."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from typing import Any

import msgspec
import numpy as np
import pytest

from handsel_ml.contract import micros
from handsel_ml.judged import Grouping
from handsel_ml.model import Model
from handsel_ml.registry.gates import Contest
from handsel_ml.serve import BUNDLES, load_bundle
from tests.ml.registry.deals import scored

ROWS, MEMBERS = 6_000, 1_500


@pytest.fixture(scope="session")
def model() -> Model:
    return load_bundle(BUNDLES / "social")


@pytest.fixture(scope="session")
def contest(model: Model) -> Contest:
    """A challenger that is a little better than its champion and passes every gate."""
    rng = np.random.Generator(np.random.PCG64(11))
    odds = rng.normal(-2.2, 1.0, ROWS)
    label = (rng.random(ROWS) < 1 / (1 + np.exp(-odds))).astype(np.int64)
    later = datetime.fromisoformat(model.info.as_of).astimezone(UTC) + timedelta(days=30)
    rival_info = msgspec.structs.replace(
        model.info, model_id="social-challenger", as_of=later.isoformat()
    )
    opened = micros(later) + rng.integers(1, 10**12, ROWS)
    width = len(model.info.features)
    columns: dict[str, Any] = {
        "kind": "social",
        "label": label,
        "member": rng.integers(0, MEMBERS, ROWS),
        "opened": opened,
        "available": opened + 10**12,
        "closed": np.full(ROWS, 5),
        "names": model.info.features,
        "matrix": rng.random((ROWS, width)),
        "segments": {"role": Grouping(labels=("buyer", "seller"), code=rng.integers(0, 2, ROWS))},
        "protected": {"sex": Grouping(labels=("f", "m"), code=rng.integers(0, 2, ROWS))},
    }
    champion = scored(columns, model.info.model_id, odds + rng.normal(0, 0.03, ROWS))
    challenger = scored(columns, "social-challenger", odds)
    return Contest(
        challenger_info=rival_info,
        champion_info=model.info,
        challenger=challenger,
        champion=champion,
        fitted=msgspec.structs.replace(challenger, matrix=rng.random((ROWS, width))),
    )
