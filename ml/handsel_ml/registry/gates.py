"""The gates of a challenger (research/credit.md §4.8), as code.

Champion and challenger answer about the same matured deals, all opened after either was trained;
members without a number (fewer than three closed deals) are left out. A gate that cannot be judged
(no bads, no rows, no group large enough) is not passed; the one exception, where no protected group
is held at all, says so. All must pass.
"""

from __future__ import annotations

import math
from datetime import datetime

import msgspec

from handsel_ml.bundle import BundleInfo
from handsel_ml.contract import ScoreKind, micros
from handsel_ml.drift import Drift, drift_base, drift_report
from handsel_ml.errors import RegistryRefused
from handsel_ml.evaluate import (
    GroupFigures,
    Interval,
    by_band,
    by_segment,
    paired_difference,
)
from handsel_ml.evaluate.figures import observed_to_expected
from handsel_ml.judged import Judged, ScoreRun
from handsel_ml.model import Model
from handsel_ml.reasons import DEALS_NEEDED
from handsel_ml.registry.gate import Gate as Gate
from handsel_ml.registry.gate import gate
from handsel_ml.registry.policy import GateBounds, registry_policy
from handsel_ml.registry.selftests import self_tests
from handsel_ml.registry.treatment import fairness_gates, swap_gates


class Contest(msgspec.Struct, frozen=True, kw_only=True):
    """What is judged: two models (`info`) and their answers on the same rows. `fitted` are rows
    that the challenger learnt from, or a sample of them: the base of drift. `explained`: features
    whose drift a person has explained."""

    challenger_info: BundleInfo
    champion_info: BundleInfo
    challenger: Judged
    champion: Judged
    fitted: Judged
    explained: tuple[str, ...] = ()


class GateTable(msgspec.Struct, frozen=True, kw_only=True):
    """The judgement. The register keeps `gates`, whose words name what was explained, too.

    `explained`: the CSI of each feature whose drift a person has explained.
    """

    kind: ScoreKind
    challenger_id: str
    champion_id: str
    rows: int
    bads: int
    passed: bool
    gates: tuple[Gate, ...]
    explained: dict[str, float] = {}


def judge_run(
    run: ScoreRun, challenger: Model, champion: BundleInfo, explained: tuple[str, ...] = ()
) -> GateTable:
    """The judgement of a run whose `champion` is this champion on the rows of `test`, by the
    policy in force. Raises as `judge`."""
    if run.champion is None:
        raise RegistryRefused("contest_invalid", "the champion was not asked about these rows")
    contest = Contest(
        challenger_info=challenger.info,
        champion_info=champion,
        challenger=run.test,
        champion=run.champion,
        fitted=run.fitted,
        explained=explained,
    )
    return judge(contest, registry_policy().gates, self_tests(challenger, run.test.matrix))


def judge(contest: Contest, bounds: GateBounds, tested: tuple[Gate, ...]) -> GateTable:
    """Hold a challenger against every gate.

    `tested` comes from `self_tests`. Raises `RegistryRefused` (contest_invalid) for models or rows
    that cannot be compared, (explained_unknown) as `check_explained`, `JudgementRefused` for
    different rows.
    """
    _check(contest, tested)
    keep = contest.champion.closed >= DEALS_NEEDED
    champion, challenger = contest.champion.take(keep), contest.challenger.take(keep)
    if not len(champion):
        raise RegistryRefused("contest_invalid", "no row is of a member with a number")
    drift = drift_report(drift_base(contest.fitted), challenger)
    explained = {s.name: round(s.psi, 6) for s in drift.features if s.name in contest.explained}
    gates = (
        *_order(contest, champion),
        _rows(contest, bounds),
        _drift(drift, explained, bounds),
        *_figures(champion, challenger, bounds),
        *_calibration(challenger, bounds),
        *fairness_gates(champion, challenger, bounds),
        *swap_gates(contest.challenger_info, champion, challenger, bounds),
        *tested,
    )
    return GateTable(
        kind=contest.challenger_info.kind,
        challenger_id=contest.challenger_info.model_id,
        champion_id=contest.champion_info.model_id,
        rows=len(champion),
        bads=int(champion.label.sum()),
        passed=all(gate.passed for gate in gates),
        gates=gates,
        explained=explained,
    )


def check_explained(info: BundleInfo, explained: tuple[str, ...]) -> None:
    """Raises `RegistryRefused` (explained_unknown) for what is no feature of this model."""
    unknown = sorted(set(explained) - set(info.features))
    if unknown:
        detail = f"{info.model_id} has no feature {', '.join(unknown)}"
        raise RegistryRefused("explained_unknown", detail)


def _check(contest: Contest, tested: tuple[Gate, ...]) -> None:
    infos = (contest.challenger_info, contest.champion_info)
    answers = (contest.challenger, contest.champion)
    if len({info.kind for info in infos} | {judged.kind for judged in answers}) != 1:
        raise RegistryRefused("contest_invalid", "champion and challenger are of different scores")
    if tuple(judged.model_id for judged in answers) != tuple(info.model_id for info in infos):
        raise RegistryRefused("contest_invalid", "the answers are another model's")
    if not tested:
        raise RegistryRefused("contest_invalid", "the challenger has not tested itself")
    check_explained(contest.challenger_info, contest.explained)


def _order(contest: Contest, champion: Judged) -> list[Gate]:
    """The challenger is the newer one, and neither has seen the rows that judge it."""
    new, old = (trained(info) for info in (contest.challenger_info, contest.champion_info))
    days = (new - old).total_seconds() / 86_400
    seen = int((champion.opened < micros(max(new, old))).sum())
    return [
        gate("newer", days > 0, days, "> 0 days", f"trained {days:.1f} days after the champion"),
        gate("out_of_time", seen == 0, seen, "0 rows",
             f"{seen} rows were opened before the newer model was trained"),
    ]  # fmt: skip


def trained(info: BundleInfo) -> datetime:
    """The moment up to which a model has learnt."""
    return datetime.fromisoformat(info.as_of)


def _rows(contest: Contest, bounds: GateBounds) -> Gate:
    new, old = (info.rows["fit"] for info in (contest.challenger_info, contest.champion_info))
    share = new / old if old else math.nan
    return gate("rows", share >= bounds.rows_share, share, f">= {bounds.rows_share:.2f}",
                f"learnt from {new} rows, the champion from {old}")  # fmt: skip


def _drift(drift: Drift, explained: dict[str, float], bounds: GateBounds) -> Gate:
    """The figure is the farthest shift of all, explained or not: what was waved on is seen."""
    far = {s.name: s.psi for s in drift.features if s.psi > bounds.csi and s.name not in explained}
    said = f"drifted since training: {_named(far)}" if far else "no feature has drifted unexplained"
    if explained:
        said += f"; explained by a person: {_named(explained)}"
    farthest = max((shift.psi for shift in drift.features), default=0.0)
    return gate("feature_drift", not far, farthest, f"<= {bounds.csi:.2f}", said)


def _named(shifts: dict[str, float]) -> str:
    """Features and their CSI, farthest first."""
    ordered = sorted(shifts.items(), key=lambda pair: -pair[1])
    return ", ".join(f"{name} {csi:.2f}" for name, csi in ordered)


def _figures(champion: Judged, challenger: Judged, bounds: GateBounds) -> list[Gate]:
    apart = paired_difference(champion, challenger, resamples=bounds.resamples)
    area, nats = apart["auc"], apart["log_loss"]
    return [
        gate("auc", area.lower > -bounds.auc_drop, area.lower, f"> -{bounds.auc_drop}",
             f"AUC {_with_ends(area)} against the champion"),
        gate("ks", apart["ks"].value > -bounds.ks_drop, apart["ks"].value, f"> -{bounds.ks_drop}",
             f"KS {_with_ends(apart['ks'])} against the champion"),
        gate("log_loss", nats.upper < bounds.log_loss_rise, nats.upper, f"< {bounds.log_loss_rise}",
             f"log loss {_with_ends(nats)} against the champion"),
        gate("ece", apart["ece"].value <= bounds.ece_rise, apart["ece"].value,
             f"<= {bounds.ece_rise}", f"ECE {apart['ece'].value:+.4f} against the champion"),
    ]  # fmt: skip


def _with_ends(found: Interval) -> str:
    return f"{found.value:+.4f} ({found.lower:+.4f} to {found.upper:+.4f})"


def _calibration(challenger: Judged, bounds: GateBounds) -> list[Gate]:
    low, high = bounds.calibration
    overall = observed_to_expected(challenger.label, challenger.pd)
    groups = [("band", group) for group in by_band(challenger, resamples=1)]
    for name, found in by_segment(challenger, resamples=1).items():
        groups += [(name, group) for group in found]
    enough = [(name, group) for name, group in groups if group.expected >= bounds.expected_bads]
    ratios = [(group.observed_to_expected.value, f"{name} {group.name}") for name, group in enough]
    farthest, where = max(ratios, key=lambda pair: _off(pair[0]), default=(math.nan, "none"))
    least, most = bounds.group_calibration
    return [
        gate("calibration", low <= overall <= high, overall, f"{low:.2f} to {high:.2f}",
             f"observed over expected is {overall:.3f}"),
        gate("group_calibration", all(least <= ratio <= most for ratio, _ in ratios), farthest,
             f"{least:.2f} to {most:.2f}",
             f"farthest: {where}, of {len(enough)} groups that expect "
             f"{bounds.expected_bads} bads ({_left_out(groups, enough)})"),
    ]  # fmt: skip


def _off(ratio: float) -> float:
    return abs(math.log(ratio)) if ratio > 0 else math.inf


def _left_out(groups: list[tuple[str, GroupFigures]], kept: list[tuple[str, GroupFigures]]) -> str:
    return f"{len(groups) - len(kept)} too small to judge"
