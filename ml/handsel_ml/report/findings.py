"""All figures of one score's report, computed once; page, card and CLI only write them down."""

from __future__ import annotations

from collections.abc import Mapping

import msgspec
import numpy as np

from handsel_ml.bundle import BundleInfo
from handsel_ml.contract import ScoreKind
from handsel_ml.drift import Drift, drift_base, drift_report
from handsel_ml.evaluate import (
    GroupFigures,
    Interval,
    Swaps,
    VintageCurve,
    by_band,
    by_group,
    by_segment,
    by_vintage,
    equal_bins,
    intervals,
    paired_difference,
    swap_sets,
    vintage_curves,
)
from handsel_ml.fairness import Fairness, fairness_report
from handsel_ml.judged import Grouping, Judged, ScoreRun
from handsel_ml.reasons import DEALS_NEEDED
from handsel_ml.registry.policy import registry_policy

RESAMPLES = 200


class Findings(msgspec.Struct, frozen=True, kw_only=True):
    """One score, judged. `difference` is challenger minus champion; it and the other fields of a
    comparison are None without a champion."""

    kind: ScoreKind
    info: BundleInfo
    floor: int
    fitted: Judged
    test: Judged
    champion: Judged | None
    figures: dict[str, Interval]
    champion_figures: dict[str, Interval] | None
    difference: dict[str, Interval] | None
    swaps: Swaps | None
    tenths: tuple[GroupFigures, ...]
    bands: tuple[GroupFigures, ...]
    segments: dict[str, tuple[GroupFigures, ...]]
    vintages: tuple[GroupFigures, ...]
    curves: tuple[VintageCurve, ...]
    fairness: tuple[Fairness, ...]
    drift: Drift
    reason_points: dict[str, float]


def findings(
    runs: Mapping[ScoreKind, ScoreRun],
    floors: Mapping[ScoreKind, int] | None = None,
    *,
    resamples: int = RESAMPLES,
) -> dict[ScoreKind, Findings]:
    """Judge every run. `floors`: points from which a member is approved, where they are not those
    of the gates. Raises `JudgementRefused` where a run has no rows or a champion other rows."""
    held = {**registry_policy().gates.approve_points, **(floors or {})}
    return {kind: _of(run, held[kind], resamples) for kind, run in runs.items()}


def _of(run: ScoreRun, floor: int, resamples: int) -> Findings:
    test, champion = run.test, run.champion
    base = run.fitted.take(run.fitted.closed >= DEALS_NEEDED)
    return Findings(
        kind=test.kind,
        info=run.info,
        floor=floor,
        fitted=run.fitted,
        test=test,
        champion=champion,
        figures=intervals(test, resamples=resamples),
        champion_figures=None if champion is None else intervals(champion, resamples=resamples),
        difference=None
        if champion is None
        else paired_difference(champion, test, resamples=resamples),
        swaps=None if champion is None else swap_sets(champion, test, floor, run.info.bands),
        tenths=by_group(test, tenths(test), resamples=resamples),
        bands=by_band(test, run.info.bands, resamples=resamples),
        segments=by_segment(test, resamples=resamples),
        vintages=by_vintage(test, resamples=resamples),
        curves=vintage_curves(_lived(base, test)),
        fairness=fairness_report(test, floor, resamples=resamples),
        drift=drift_report(drift_base(run.fitted), test),
        reason_points=run.reason_points,
    )


def tenths(judged: Judged) -> Grouping:
    """The ten groups of the calibration error, by PD, lowest first."""
    return Grouping(labels=tuple(str(i + 1) for i in range(10)), code=equal_bins(judged.pd))


def _lived(base: Judged, test: Judged) -> Judged:
    """The scored deals of all members that were fitted on, those of the test slice included.

    Members who were kept out of fitting have no older rows here, so they would look like
    newcomers to a cohort; they are left out.
    """
    later = test.take(np.isin(test.member, base.member))
    columns = ("label", "pd", "points", "member", "opened", "available", "closed", "matrix")
    return msgspec.structs.replace(
        base,
        **{name: np.concatenate([getattr(base, name), getattr(later, name)]) for name in columns},
        segments={},
        protected={},
    )
