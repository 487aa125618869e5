"""Fairness, measured on groups that no model may know.

Approved means points >= a floor. Three looks, for no one number shows fairness: calibration by
group (is a PD of 3 % 3 % for everybody?), the adverse-impact ratio (share approved over that of
the group approved most; four-fifths rule: .80) and the equal-opportunity gap (approval among the
good, the reference's minus the group's). The reference is the group with enough rows that is
approved most. The bounds stand in `registry.toml`. Intervals resample members.
"""

from __future__ import annotations

import math
from collections.abc import Iterable

import msgspec
import numpy as np
from numpy.typing import NDArray

from handsel_ml.errors import JudgementRefused
from handsel_ml.evaluate.bootstrap import (
    RESAMPLES,
    Interval,
    drawn_members,
    interval_of,
    summed,
)
from handsel_ml.judged import Grouping, Judged

Floats = NDArray[np.float64]
ENOUGH_ROWS = 500


class GroupFairness(msgspec.Struct, frozen=True, kw_only=True):
    """One group. `enough` false: fewer than 500 rows, its figures decide nothing."""

    name: str
    rows: int
    bads: int
    mean_pd: float
    bad_rate: float
    observed_to_expected: Interval
    approved: float
    impact_ratio: Interval
    approved_good: float
    opportunity_gap: Interval
    enough: bool


class Fairness(msgspec.Struct, frozen=True, kw_only=True):
    """One protected attribute at one floor. `reference` None: no large group has anybody approved.

    `lowest_ratio` and `widest_gap` are over the groups with enough rows; NaN where there are none,
    or where one of them has no such figure.
    """

    attribute: str
    floor: int
    reference: str | None
    groups: tuple[GroupFairness, ...]
    lowest_ratio: float
    widest_gap: float

    @property
    def held(self) -> bool:
        """Whether some group has enough rows: then a figure that is NaN is no excuse."""
        return any(group.enough for group in self.groups)


def fairness(
    judged: Judged, attribute: str, floor: int, *, resamples: int = RESAMPLES, seed: int = 0
) -> Fairness:
    """Measure one protected attribute. Raises `JudgementRefused` for an unknown one or no rows."""
    grouping = judged.protected.get(attribute)
    if grouping is None:
        raise JudgementRefused("attribute_unknown", f"{attribute} is not held for these rows")
    codes = [code for code in range(len(grouping.labels)) if (grouping.code == code).any()]
    if not codes:
        raise JudgementRefused("no_rows", f"no row has a group of {attribute}")
    total, drawn = _sums(judged, grouping, codes, floor, resamples, seed)
    reference = _most_approved(total)
    value, spread = _ratios(total, reference), _ratios(drawn, reference)
    groups = []
    for i, code in enumerate(codes):
        ends = {name: interval_of(float(value[name][i]), spread[name][:, i]) for name in value}
        groups.append(_group(grouping.labels[code], {n: float(total[n][i]) for n in total}, ends))
    large = [group for group in groups if group.enough]
    return Fairness(
        attribute=attribute,
        floor=floor,
        reference=None if reference is None else groups[reference].name,
        groups=tuple(groups),
        lowest_ratio=-worst(-g.impact_ratio.value for g in large),
        widest_gap=worst(g.opportunity_gap.value for g in large),
    )


def worst(figures: Iterable[float]) -> float:
    """The highest; NaN of none, and where any is NaN (`max` would go by their order)."""
    found = np.array([*figures], dtype=np.float64)
    return float(found.max()) if len(found) else math.nan


def _group(name: str, total: dict[str, float], ends: dict[str, Interval]) -> GroupFairness:
    rows = int(total["rows"])
    return GroupFairness(
        name=name,
        rows=rows,
        bads=int(total["bad"]),
        mean_pd=total["pd"] / rows,
        bad_rate=total["bad"] / rows,
        observed_to_expected=ends["calibration"],
        approved=ends["approved"].value,
        impact_ratio=ends["ratio"],
        approved_good=ends["approved_good"].value,
        opportunity_gap=ends["gap"],
        enough=rows >= ENOUGH_ROWS,
    )


def fairness_report(
    judged: Judged, floor: int, *, resamples: int = RESAMPLES, seed: int = 0
) -> tuple[Fairness, ...]:
    """Every protected attribute of which some row has a group."""
    return tuple(
        fairness(judged, attribute, floor, resamples=resamples, seed=seed)
        for attribute, grouping in judged.protected.items()
        if (grouping.code >= 0).any()
    )


def _sums(
    judged: Judged, grouping: Grouping, codes: list[int], floor: int, resamples: int, seed: int
) -> tuple[dict[str, Floats], dict[str, Floats]]:
    """Counts by group: over all rows, shape (groups,); and by resample, (resamples, groups)."""
    inside = (grouping.code[:, None] == np.array(codes)[None, :]).astype(np.float64)
    approved, bad = judged.points >= floor, judged.label == 1
    columns = {
        "rows": np.ones(len(judged)),
        "bad": bad.astype(np.float64),
        "pd": judged.pd,
        "approved": approved.astype(np.float64),
        "good": (~bad).astype(np.float64),
        "approved_good": (approved & ~bad).astype(np.float64),
    }
    place, counts = drawn_members(judged.member, resamples, seed)
    parts = np.hstack([inside * column[:, None] for column in columns.values()])
    by_member = summed(place, parts, int(place.max()) + 1)
    shape = (len(columns), len(codes))
    total = parts.sum(axis=0).reshape(shape)
    drawn = np.array([count @ by_member for count in counts]).reshape(-1, *shape)
    names = list(columns)
    return (
        {name: total[i] for i, name in enumerate(names)},
        {name: drawn[:, i] for i, name in enumerate(names)},
    )


def _ratios(sums: dict[str, Floats], reference: int | None) -> dict[str, Floats]:
    """The figures of the last axis' groups against the reference group."""
    with np.errstate(divide="ignore", invalid="ignore"):
        approved = sums["approved"] / sums["rows"]
        good = sums["approved_good"] / sums["good"]
        nothing = np.full_like(approved, np.nan)
        at = slice(reference, None if reference is None else reference + 1)
        return {
            "calibration": sums["bad"] / sums["pd"],
            "approved": approved,
            "approved_good": good,
            "ratio": nothing if reference is None else approved / approved[..., at],
            "gap": nothing if reference is None else good[..., at] - good,
        }


def _most_approved(total: dict[str, Floats]) -> int | None:
    """The group with enough rows that is approved most; None where there is none."""
    share = np.where(total["rows"] >= ENOUGH_ROWS, total["approved"] / total["rows"], 0.0)
    return int(share.argmax()) if share.max() > 0 else None
