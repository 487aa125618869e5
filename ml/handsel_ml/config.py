"""The training config: a TOML file, every key known, every number within its bounds."""

from __future__ import annotations

from datetime import datetime
from pathlib import Path
from typing import Annotated

import msgspec
from msgspec import Meta

from handsel_ml.calibrate import Method
from handsel_ml.contract import ScoreKind
from handsel_ml.errors import TrainingRefused
from handsel_ml.simulate import TownPlan

#: Deeper trees would make the reasons of one member slower than a millisecond.
DEEPEST = 4
TOWN_CONFIG = Path(__file__).parent / "configs" / "town.toml"
Count = Annotated[int, Meta(ge=1, le=1_000_000)]
Share = Annotated[float, Meta(gt=0, lt=1)]
Fraction = Annotated[float, Meta(gt=0, le=1)]


class Split(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """Slices by time. Shares are of the matured rows, counted from the newest.

    Fitting uses labels available at `trained_as_of`; judging, deals opened from then on whose
    labels were available at `judged_as_of`.
    """

    trained_as_of: datetime
    judged_as_of: datetime
    validation_share: Share
    calibration_share: Share
    unseen_share: Annotated[float, Meta(ge=0, lt=1)]
    rows_per_member: Count


class Trees(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """LightGBM's settings that are ours to choose; the rest is fixed for determinism."""

    leaves: Annotated[int, Meta(ge=2, le=131_072)]
    depth: Annotated[int, Meta(ge=1, le=DEEPEST)]
    learning_rate: Fraction
    rounds: Annotated[int, Meta(ge=1, le=10_000)]
    patience: Count
    rows_per_leaf: Count
    feature_fraction: Fraction
    bagging_fraction: Fraction
    l2: Annotated[float, Meta(ge=0, le=1_000_000)]


class ScoreConfig(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """One score: its calibration, the fewest bads per slice, its trees, and the data gate: with
    fewer matured bads than `scorecard_below_bads` it is a scorecard instead."""

    calibration: Method
    least_bads: Count
    scorecard_below_bads: Annotated[int, Meta(ge=0)]
    trees: Trees


class TrainingConfig(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """Both scores: on a simulated town, or on facts that are given when there is none."""

    seed: Annotated[int, Meta(ge=0, lt=2**31)]
    town: TownPlan | None = None
    split: Split
    financial: ScoreConfig
    social: ScoreConfig

    def of(self, kind: ScoreKind) -> ScoreConfig:
        """The part of one score."""
        return self.financial if kind == "financial" else self.social


def read_config(path: Path) -> TrainingConfig:
    """Read and check a config. Raises `TrainingRefused`."""
    try:
        config = msgspec.toml.decode(path.read_bytes(), type=TrainingConfig)
    except OSError as error:
        raise TrainingRefused("config_missing", str(error)) from error
    except msgspec.DecodeError as error:
        raise TrainingRefused("config_invalid", f"{path}: {error}") from error
    return checked(config, str(path))


def checked(config: TrainingConfig, source: str) -> TrainingConfig:
    """The config, if its parts go together; else `TrainingRefused`, which names the source."""
    wrong = _wrong(config)
    if wrong is not None:
        raise TrainingRefused(wrong[0], f"{source}: {wrong[1]}")
    return config


def _wrong(config: TrainingConfig) -> tuple[str, str] | None:
    """The code and the sentence of what a config gets wrong; None where nothing."""
    town, split = config.town, config.split
    moments = [split.trained_as_of, split.judged_as_of]
    if town is not None:
        moments = [town.start, *moments, town.end]
    if any(moment.tzinfo is None for moment in moments):
        return "config_invalid", "a time has no zone"
    if not split.trained_as_of < split.judged_as_of or moments != sorted(moments):
        return "dates_out_of_order", "start < trained_as_of < judged_as_of <= end must hold"
    if split.validation_share + split.calibration_share >= 0.8:
        return "config_invalid", "the slices leave too little to fit on"
    return None
