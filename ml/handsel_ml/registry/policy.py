"""`registry.toml`: bounds of the gates, days in shadow, when a canary is stopped."""

from __future__ import annotations

from functools import cache
from pathlib import Path
from typing import Annotated

import msgspec

from handsel_ml.contract import SCORE_KINDS, ScoreKind
from handsel_ml.errors import RegistryRefused

FILE = Path(__file__).with_name("registry.toml")
_Share = Annotated[float, msgspec.Meta(ge=0, le=1)]
_Range = tuple[Annotated[float, msgspec.Meta(gt=0, le=1)], Annotated[float, msgspec.Meta(ge=1)]]
_Points = Annotated[int, msgspec.Meta(ge=350, le=950)]
_Settled = Annotated[int, msgspec.Meta(ge=0)]
_Count = Annotated[int, msgspec.Meta(ge=1)]


class GateBounds(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """The bound of each gate; shares of one, ranges as (lowest, highest). `tier_floors`: (points,
    settled deals), lowest first: a floor matters to members with as many deals."""

    rows_share: _Share
    csi: float
    auc_drop: _Share
    ks_drop: _Share
    log_loss_rise: _Share
    calibration: _Range
    group_calibration: _Range
    expected_bads: _Count
    ece_rise: _Share
    impact_ratio: _Share
    impact_drop: _Share
    opportunity_gap: _Share
    tier_changes: _Share
    swap_tail: Annotated[float, msgspec.Meta(gt=0, lt=0.5)]
    score_psi: float
    resamples: Annotated[int, msgspec.Meta(ge=50, le=10_000)]
    approve_points: dict[ScoreKind, int]
    tier_floors: dict[ScoreKind, tuple[tuple[_Points, _Settled], ...]]


class CanaryBounds(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """What stops a canary by itself."""

    least_decisions: _Count
    declined_more: _Share
    calibration: _Range
    expected_bads: _Count
    failures: _Count


class RegistryPolicy(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """The whole file."""

    version: str
    shadow_days: Annotated[int, msgspec.Meta(ge=0, le=365)]
    gates: GateBounds
    canary: CanaryBounds


@cache
def registry_policy(path: Path = FILE) -> RegistryPolicy:
    """Read and check the policy, once. Raises `RegistryRefused` (policy_invalid)."""
    try:
        policy = msgspec.toml.decode(path.read_bytes(), type=RegistryPolicy)
    except (OSError, msgspec.DecodeError) as error:
        raise RegistryRefused("policy_invalid", f"{path}: {error}") from error
    for named in (policy.gates.approve_points, policy.gates.tier_floors):
        if set(named) != set(SCORE_KINDS):
            raise RegistryRefused("policy_invalid", f"{path}: floors are needed for both scores")
    return policy
