"""The gates that ask how people are treated: protected groups, and whoever is treated otherwise."""

from __future__ import annotations

import math
from collections.abc import Callable

import msgspec
import numpy as np

from handsel_ml.bundle import BundleInfo
from handsel_ml.drift import shift_of
from handsel_ml.evaluate import Swaps, swap_difference, swap_sets
from handsel_ml.fairness import Fairness, fairness_report
from handsel_ml.judged import Judged
from handsel_ml.registry.gate import Gate, gate
from handsel_ml.registry.policy import GateBounds
from handsel_ml.scorecard import Band

_SETTLED = "settled_deals"


def fairness_gates(champion: Judged, challenger: Judged, bounds: GateBounds) -> list[Gate]:
    """Where no protected group of 500 rows is held the gates pass, and say that nothing was
    measured. Where one is and has no figure (nobody approved, no good row) they do not pass."""
    floor = bounds.approve_points[challenger.kind]
    after = fairness_report(challenger, floor, resamples=1)
    before = {f.attribute: f for f in fairness_report(champion, floor, resamples=1)}
    held = [found for found in after if found.held]
    if not held:
        words = "no protected group of 500 rows is held for these deals: not measured"
        return [Gate(name=name, passed=True, value=None, bound="", words=words)
                for name in ("impact_ratio", "impact_drop", "opportunity_gap")]  # fmt: skip
    short, least = _highest(held, lambda found: -found.lowest_ratio)
    drop, fell = _highest(held, lambda f: before[f.attribute].lowest_ratio - f.lowest_ratio)
    gap, widest = _highest(held, lambda found: found.widest_gap)
    return [
        gate("impact_ratio", -short >= bounds.impact_ratio, -short,
             f">= {bounds.impact_ratio:.2f}", f"lowest by {least}, at {floor} points"),
        gate("impact_drop", drop <= bounds.impact_drop, drop, f"<= {bounds.impact_drop:.2f}",
             f"largest fall against the champion, by {fell}"),
        gate("opportunity_gap", gap <= bounds.opportunity_gap, gap,
             f"<= {bounds.opportunity_gap:.2f}", f"widest by {widest}"),
    ]  # fmt: skip


def _highest(held: list[Fairness], figure: Callable[[Fairness], float]) -> tuple[float, str]:
    """The highest figure and the attribute it is of; NaN, which nobody can defend, tops all."""
    figures = np.array([figure(found) for found in held])
    at = int(figures.argmax())  # the first NaN, where there is one
    return float(figures[at]), held[at].attribute


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
        _swap_set(swaps, info, champion, challenger, bounds),
        gate("score_psi", moved < bounds.score_psi, moved, f"< {bounds.score_psi:.2f}",
             "shift of the points against the champion's"),
    ]  # fmt: skip


def _swap_set(
    swaps: Swaps, info: BundleInfo, champion: Judged, challenger: Judged, bounds: GateBounds
) -> Gate:
    """Newly approved deals go wrong no more often than newly refused ones, chance allowed for:
    the lower end of the difference over resamples of members is not above zero.

    Where nobody is newly refused they are held against what the floor itself stands for. Of too
    few members for an interval the difference itself is asked, with no allowance.
    """
    if not swaps.swapped_in:
        words = "no deal is newly approved"
        return Gate(name="swap_set", passed=True, value=None, bound="", words=words)
    at_floor = None if swaps.swapped_out else _foretold_at(swaps.floor, info)
    apart = swap_difference(
        champion, challenger, swaps.floor,
        tail=bounds.swap_tail, otherwise=at_floor, resamples=bounds.resamples,
    )  # fmt: skip
    other = (
        f"{swaps.swapped_out_bad_rate:.4f} of {swaps.swapped_out} newly refused ones"
        if at_floor is None
        else f"{at_floor:.4f} at the floor of {swaps.floor} points"
    )
    words = (
        f"{swaps.swapped_in_bad_rate:.4f} bad of {swaps.swapped_in} newly approved deals, {other}: "
        f"{apart.value:+.4f} ("
    )
    if not math.isfinite(apart.lower):
        words += "of too few members for an interval)"
        return gate("swap_set", apart.value <= 0, apart.value, "<= 0", words)
    words += (
        f"{apart.lower:+.4f} to {apart.upper:+.4f} in {1 - 2 * bounds.swap_tail:.0%} of "
        "resamples of members)"
    )
    return gate("swap_set", apart.lower <= 0, apart.lower, "<= 0", words)


def _foretold_at(points: int, info: BundleInfo) -> float:
    """The PD that this many points stand for."""
    intercept, slope = info.score_map.line()
    return 1.0 / (1.0 + math.exp((intercept - points) / slope))


def _capped(judged: Judged, floors: tuple[tuple[int, int], ...]) -> Judged:
    """With points cut off below each floor that the member's record keeps them from anyway."""
    if _SETTLED not in judged.names:
        return judged
    settled = np.nan_to_num(judged.matrix[:, judged.names.index(_SETTLED)], nan=0.0)
    points = judged.points
    for least, deals in reversed(floors):
        points = np.where(settled < deals, np.minimum(points, least - 1), points)
    return msgspec.structs.replace(judged, points=points)
