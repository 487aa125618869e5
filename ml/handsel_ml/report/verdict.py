"""Is the model fit to serve? The gates if they were run, else the bounds a model can be held to
alone, out of the same `registry.toml`: ranking, calibration, fairness, stability.

A bound that cannot be judged (too few bads, no protected group held) neither passes nor fails; a
group that is held but has no figure (nobody approved) fails.
"""

from __future__ import annotations

import math
from collections.abc import Iterable, Sequence
from typing import Protocol

import msgspec

from handsel_ml.drift import ALERT
from handsel_ml.evaluate import GroupFigures
from handsel_ml.fairness import worst
from handsel_ml.registry.policy import GateBounds, registry_policy
from handsel_ml.report.findings import Findings
from handsel_ml.report.numbers import DASH, number


class GateSeen(Protocol):
    """A promotion gate as the report shows it (see `registry`)."""

    @property
    def name(self) -> str:
        """Short name."""

    @property
    def passed(self) -> bool:
        """Whether it holds."""

    @property
    def value(self) -> object:
        """What was measured."""

    @property
    def bound(self) -> object:
        """What was asked."""

    @property
    def words(self) -> str:
        """One sentence."""


class Check(msgspec.Struct, frozen=True, kw_only=True):
    """One bound: `passed` None where it cannot be judged."""

    name: str
    passed: bool | None
    value: str
    bound: str
    words: str


def checks_of(found: Findings, gates: Sequence[GateSeen] | None) -> tuple[Check, ...]:
    """The gates in the form of checks, or the checks of the model alone."""
    if gates is not None:
        return tuple(
            Check(name=g.name, passed=g.passed, value=_plain(g.value), bound=_plain(g.bound),
                  words=g.words)
            for g in gates
        )  # fmt: skip
    bounds = registry_policy().gates
    return (
        *_ranking(found, bounds),
        *_calibration(found, bounds),
        *_fairness(found, bounds),
        _stability(found),
    )


def fit_to_serve(checks: Iterable[Check]) -> bool:
    """Whether no check failed."""
    return all(check.passed is not False for check in checks)


def _ranking(found: Findings, bounds: GateBounds) -> tuple[Check, ...]:
    auc = found.figures["auc"]
    chance = Check(
        name="Ranks better than chance",
        passed=None if math.isnan(auc.lower) else auc.lower > 0.5,
        value=number(auc.lower),
        bound="above 0.500",
        words="The lower end of the AUC's interval.",
    )
    if found.difference is None:
        return (chance,)
    lower = found.difference["auc"].lower
    return (
        chance,
        Check(
            name="Not worse than the champion",
            passed=None if math.isnan(lower) else lower > -bounds.auc_drop,
            value=number(lower, 4, signed=True),
            bound=f"above {number(-bounds.auc_drop)}",
            words="The lower end of the difference in AUC, on the same deals.",
        ),
    )


def _calibration(found: Findings, bounds: GateBounds) -> tuple[Check, ...]:
    overall = found.figures["observed_to_expected"].value
    low, high = bounds.calibration
    parts = (*found.bands, *(group for groups in found.segments.values() for group in groups))
    return (
        Check(
            name="Calibrated overall",
            passed=None if math.isnan(overall) else low <= overall <= high,
            value=number(overall, 2),
            bound=f"{low:.2f} to {high:.2f}",
            words="Bads that came over bads foretold.",
        ),
        _parts(parts, bounds),
    )


def _parts(parts: Sequence[GroupFigures], bounds: GateBounds) -> Check:
    low, high = bounds.group_calibration
    large = [group for group in parts if group.expected >= bounds.expected_bads]
    ratios = [(group.observed_to_expected.value, group.name) for group in large]
    worst = max(ratios, key=lambda pair: abs(math.log(max(pair[0], 1e-9))), default=None)
    held = all(low <= ratio <= high for ratio, _ in ratios)
    return Check(
        name="Calibrated in every band and segment",
        passed=held if worst else None,
        value=f"{number(worst[0], 2)} ({worst[1].replace('_', ' ')})" if worst else DASH,
        bound=f"{low:.2f} to {high:.2f}",
        words=f"The farthest of those with {bounds.expected_bads} or more bads foretold.",
    )


def _fairness(found: Findings, bounds: GateBounds) -> tuple[Check, ...]:
    held = [f for f in found.fairness if f.held]
    ratio, gap = -worst(-f.lowest_ratio for f in held), worst(f.widest_gap for f in held)
    return (
        Check(
            name="Adverse impact",
            passed=ratio >= bounds.impact_ratio if held else None,
            value=number(ratio, 2),
            bound=f"at least {bounds.impact_ratio:.2f}",
            words="Share approved of the least approved group over that of the most approved.",
        ),
        Check(
            name="Equal opportunity",
            passed=gap <= bounds.opportunity_gap if held else None,
            value=number(gap, 3),
            bound=f"at most {bounds.opportunity_gap:.2f}",
            words="The widest gap in approval among members whose deals went well.",
        ),
    )


def _stability(found: Findings) -> Check:
    moved = found.drift.score.psi
    return Check(
        name="Scores have not drifted",
        passed=moved < ALERT,
        value=number(moved),
        bound=f"below {ALERT:.2f}",
        words="PSI of the points, newest deals learnt from against deals judged.",
    )


def _plain(value: object) -> str:
    if isinstance(value, float):
        return number(value, 4)
    return DASH if value is None else str(value)
