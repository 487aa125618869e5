"""`handsel ml benchmark-trust`: protocol A and the Sybil test on a file of ratings."""

from __future__ import annotations

from pathlib import Path

import msgspec

from handsel_ml.graph import protocol
from handsel_ml.graph.protocol import Progress
from handsel_ml.graph.ratings import read_ratings
from handsel_ml.graph.sybil import BY_COLLUDERS, BY_FAKES, Family, Moved, SybilTest
from handsel_ml.graph.timeline import Timeline

#: The scorer for people: the one whose standing cannot be bought.
FOR_PEOPLE = "trust_weighted"


class Sybil(msgspec.Struct, frozen=True, kw_only=True):
    """How far the scorer for people lets a bad member rise, in percentiles from 0 to 1."""

    score: str
    moved_by_50: float
    moved_by_5_colluders: float
    auc: float


class TrustBenchmark(msgspec.Struct, frozen=True, kw_only=True):
    """AUC by scorer on the newest 30 % of the ratings, and the Sybil test of the one for people."""

    auc: dict[str, float]
    sybil: Sybil


def benchmark_trust(path: Path, progress: Progress = lambda line: None) -> TrustBenchmark:
    """Run both on a file whose first four columns are rater, target, rating, time.

    `progress` gets a line per step, validation figures and each attack among them. Raises
    `GraphRefused`.
    """
    timeline = Timeline(read_ratings(path))
    found = protocol.run(timeline, progress)
    for name, value in found.valid_auc.items():
        progress(f"{name}: AUC {value:.4f} on the validation slice, {found.auc[name]:.4f} on test")
    test = SybilTest(timeline, found.people, found.seeds)
    return TrustBenchmark(
        auc=found.auc,
        sybil=Sybil(
            score=FOR_PEOPLE,
            moved_by_50=_worst_of(test, BY_FAKES, progress),
            moved_by_5_colluders=_worst_of(test, BY_COLLUDERS, progress),
            auc=found.auc[FOR_PEOPLE],
        ),
    )


def _worst_of(test: SybilTest, families: tuple[Family, ...], progress: Progress) -> float:
    return round(max(_told(test.moved_by(f), progress).mean for f in families), 6)


def _told(moved: Moved, progress: Progress) -> Moved:
    progress(f"{moved.family}: moved by {moved.mean:.4f}, the luckiest by {moved.largest:.4f}")
    return moved
