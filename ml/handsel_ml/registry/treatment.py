"""The gates that ask how people are treated: protected groups, and whoever is treated otherwise."""

from __future__ import annotations

import math

import msgspec
import numpy as np

from handsel_ml.bundle import BundleInfo
from handsel_ml.drift import shift_of
from handsel_ml.evaluate import Swaps, swap_sets
from handsel_ml.fairness import Fairness, fairness_report
from handsel_ml.judged import Judged
from handsel_ml.registry.gate import Gate, gate
from handsel_ml.registry.policy import GateBounds
from handsel_ml.scorecard import Band

_SETTLED = "settled_deals"


def fairness_gates(champion: Judged, challenger: Judged, bounds: GateBounds) -> list[Gate]:
    """Without protected groups on these rows there is nothing that may be passed over in silence:
    the gates pass and say that nothing was measured."""
    floor = bounds.approve_points[challenger.kind]
    after = fairness_report(challenger, floor, resamples=1)
    before = {f.attribute: f for f in fairness_report(champion, floor, resamples=1)}
    measured = [found for found in after if math.isfinite(found.lowest_ratio)]
    if not measured:
        words = "no protected group of 500 rows is held for these deals: not measured"
        return [Gate(name=name, passed=True, value=None, bound="", words=words)
                for name in ("impact_ratio", "impact_drop", "opportunity_gap")]  # fmt: skip
    lowest = min(measured, key=lambda found: found.lowest_ratio)
    drops = [(_drop(before[found.attribute], found), found.attribute) for found in measured]
    drop, fell = max(drops)
    widest = max(measured, key=lambda found: found.widest_gap)
    return [
        gate("impact_ratio", lowest.lowest_ratio >= bounds.impact_ratio, lowest.lowest_ratio,
             f">= {bounds.impact_ratio:.2f}", f"lowest by {lowest.attribute}, at {floor} points"),
        gate("impact_drop", drop <= bounds.impact_drop, drop, f"<= {bounds.impact_drop:.2f}",
             f"largest fall against the champion, by {fell}"),
        gate("opportunity_gap", widest.widest_gap <= bounds.opportunity_gap, widest.widest_gap,
             f"<= {bounds.opportunity_gap:.2f}", f"widest by {widest.attribute}"),
    ]  # fmt: skip


def _drop(before: Fairness, after: Fairness) -> float:
    return before.lowest_ratio - after.lowest_ratio


def swap_gates(
    info: BundleInfo, champion: Judged, challenger: Judged, bounds: GateBounds
) -> list[Gate]:
    """Few members are treated otherwise, and those who are let in are no worse than those who are
    not any more. `info`: the challenger's."""
    floor = bounds.approve_points[challenger.kind]
    swaps = swap_sets(champion, challenger, floor)
    floors = bounds.tier_floors[challenger.kind]
    tiers = [Band(name=f"from {points}", least=points) for points, _ in reversed(floors)]
    tiers.append(Band(name="below", least=0))
    moved_tier = swap_sets(_capped(champion, floors), _capped(challenger, floors), floor, tiers)
    moved = shift_of("points", champion.points.astype(float), challenger.points.astype(float)).psi
    return [
        gate("tier_changes", moved_tier.changed_members <= bounds.tier_changes,
             moved_tier.changed_members, f"<= {bounds.tier_changes:.2f}",
             f"share of members whose tier would change; {swaps.changed_members:.1%} are in "
             "another band"),
        _swap_set(swaps, info, bounds),
        gate("score_psi", moved < bounds.score_psi, moved, f"< {bounds.score_psi:.2f}",
             "shift of the points against the champion's"),
    ]  # fmt: skip


def _swap_set(swaps: Swaps, info: BundleInfo, bounds: GateBounds) -> Gate:
    """Newly approved deals go wrong no more often than newly refused ones, chance allowed for.

    Where nobody is newly refused they are held against what the floor itself stands for.
    """
    rate, other = swaps.swapped_in_bad_rate, swaps.swapped_out_bad_rate
    words = f"bad rate of {swaps.swapped_in} newly approved deals, against "
    if not swaps.swapped_in:
        return Gate(name="swap_set", passed=True, value=None, bound="", words=words + "none")
    spread = rate * (1 - rate) / swaps.swapped_in
    if swaps.swapped_out:
        spread += other * (1 - other) / swaps.swapped_out
        words += f"{other:.4f} of {swaps.swapped_out} newly refused ones"
    else:
        intercept, slope = info.score_map.line()
        other = 1.0 / (1.0 + math.exp((intercept - swaps.floor) / slope))
        words += f"{other:.4f} at the floor of {swaps.floor} points"
    most = other + bounds.swap_margin_sd * math.sqrt(spread)
    return gate("swap_set", rate <= most, rate, f"<= {most:.4f}", words)


def _capped(judged: Judged, floors: tuple[tuple[int, int], ...]) -> Judged:
    """With points cut off below each floor that the member's record keeps them from anyway."""
    if _SETTLED not in judged.names:
        return judged
    settled = np.nan_to_num(judged.matrix[:, judged.names.index(_SETTLED)], nan=0.0)
    points = judged.points
    for least, deals in reversed(floors):
        points = np.where(settled < deals, np.minimum(points, least - 1), points)
    return msgspec.structs.replace(judged, points=points)
