"""The training config: a TOML file, every key known."""

from __future__ import annotations

from datetime import datetime
from pathlib import Path

import msgspec

from handsel_ml.calibrate import Method
from handsel_ml.contract import ScoreKind
from handsel_ml.errors import TrainingRefused
from handsel_ml.simulate import TownPlan

TOWN_CONFIG = Path(__file__).parent / "configs" / "town.toml"


class Split(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """Slices by time. Shares are of the matured rows, counted from the newest.

    Fitting uses labels available at `trained_as_of`; judging, deals opened from then on whose
    labels were available at `judged_as_of`.
    """

    trained_as_of: datetime
    judged_as_of: datetime
    validation_share: float
    calibration_share: float
    unseen_share: float
    rows_per_member: int


class Trees(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """LightGBM's settings that are ours to choose; the rest is fixed for determinism."""

    leaves: int
    depth: int
    learning_rate: float
    rounds: int
    patience: int
    rows_per_leaf: int
    feature_fraction: float
    bagging_fraction: float
    l2: float


class ScoreConfig(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """One score: its calibration, the fewest bads per slice, its trees."""

    calibration: Method
    least_bads: int
    trees: Trees


class TrainingConfig(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """Both scores on one town."""

    seed: int
    town: TownPlan
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
    town, split = config.town, config.split
    moments = (town.start, split.trained_as_of, split.judged_as_of, town.end)
    if any(moment.tzinfo is None for moment in moments):
        raise TrainingRefused("config_invalid", f"{path}: a time has no zone")
    if not town.start < split.trained_as_of < split.judged_as_of <= town.end:
        detail = "start < trained_as_of < judged_as_of <= end must hold"
        raise TrainingRefused("dates_out_of_order", detail)
    if not 0 < split.validation_share + split.calibration_share < 0.8:
        raise TrainingRefused("config_invalid", "the slices leave too little to fit on")
    if max(config.financial.trees.depth, config.social.trees.depth) > 4:
        raise TrainingRefused("config_invalid", "depth > 4: reasons would be too slow")
    return config
