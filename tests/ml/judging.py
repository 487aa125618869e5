"""Judged rows made by hand or drawn from a seed, for the tests of evaluation and report."""

from __future__ import annotations

from typing import Any

import msgspec
import numpy as np

from handsel_ml.contract import ScoreKind
from handsel_ml.judged import Grouping, Judged

DAY_US = 86_400_000_000
START_US = 20_000 * DAY_US  # 2024-10-04


def judged(label: Any, pd: Any, **columns: Any) -> Judged:
    """Rows with these labels and PDs, each of a member of its own, a day apart."""
    rows = len(label)
    every: dict[str, Any] = {
        "kind": "social",
        "model_id": "social-test",
        "label": np.asarray(label, dtype=np.int64),
        "pd": np.asarray(pd, dtype=np.float64),
        "points": np.full(rows, 600, dtype=np.int64),
        "member": np.arange(rows),
        "opened": START_US + np.arange(rows) * DAY_US,
        "available": START_US + np.arange(rows) * DAY_US + 30 * DAY_US,
        "closed": np.full(rows, 9, dtype=np.int64),
        "names": ("one",),
        "matrix": np.zeros((rows, 1)),
        "segments": {},
        "protected": {},
    }
    return Judged(**{**every, **columns})


def drawn(
    rows: int = 3000,
    members: int = 600,
    seed: int = 1,
    noise: float = 0.0,
    kind: ScoreKind = "social",
    names: tuple[str, ...] = ("one", "two"),
) -> Judged:
    """Calibrated rows: a member's deals share a chance of going bad. `noise` spoils the PD only,
    so that another noise of the same seed is another model on the same deals."""
    rng = np.random.Generator(np.random.PCG64(seed))
    member = rng.integers(0, members, rows)
    trait = rng.normal(-2.2, 1.0, members)[member]
    chance = 1 / (1 + np.exp(-trait))
    label = (rng.random(rows) < chance).astype(np.int64)
    opened = START_US + np.sort(rng.integers(0, 500 * DAY_US, rows))
    matrix = np.column_stack([trait, *rng.normal(size=(len(names) - 1, rows))])
    odds = trait + noise * np.random.Generator(np.random.PCG64(seed + 99)).normal(size=rows)
    points = np.clip(np.rint(700 - 86.56 * (odds + np.log(50))), 350, 950).astype(np.int64)
    half = Grouping(labels=("first", "second"), code=member % 2)
    return judged(
        label,
        1 / (1 + np.exp(-odds)),
        kind=kind,
        model_id=f"{kind}-{noise}",
        points=points,
        member=member,
        opened=opened,
        available=opened + 30 * DAY_US,
        names=names,
        matrix=matrix,
        segments={"role": half},
        protected={"group": half},
    )


def labelled(rows: Judged, label: Any) -> Judged:
    """The same rows with other outcomes."""
    return msgspec.structs.replace(rows, label=np.asarray(label, dtype=np.int64))
