"""The full circle on own facts: a quarter ends, the model is trained again, and is it better?

A town is simulated past a quarter's end, in times that grow harder. The champion was trained a
quarter ago, the challenger now, each on the facts known and the labels available at its moment and
on nothing else; a label matures 120 days (social: 30) after its deal was due. Both are asked about
the deals of the next month, and judged when those have matured.

The town is drawn, never real: what is shown here is that the circle closes, and what it costs to
learn late. Deterministic by the plan.
"""

from __future__ import annotations

from collections.abc import Callable
from datetime import UTC, datetime, timedelta

import msgspec
import numpy as np

from handsel_ml.bundle import identify, sha256
from handsel_ml.config import TOWN_CONFIG, Split, TrainingConfig, read_config
from handsel_ml.contract import SCORE_KINDS, ScoreKind, micros
from handsel_ml.drift import Drift, drift_report
from handsel_ml.errors import JudgementRefused
from handsel_ml.evaluate import Interval, intervals, paired_difference
from handsel_ml.facts import FactTable, Ints
from handsel_ml.features import FEATURES, feature_rows
from handsel_ml.judged import Judged, ScoreRun
from handsel_ml.labels import MATURITY_DAYS, Exposures, exposures_of
from handsel_ml.model import Model, open_engine
from handsel_ml.report.runs import judge, reason_points
from handsel_ml.rows import TrainingSet, slices, training_set
from handsel_ml.simulate import Town, TownPlan, simulate_town
from handsel_ml.train import train

Progress = Callable[[str], None]
QUARTER = timedelta(days=91)
MONTH = timedelta(days=30)
#: A deal of the month's last day is due within a fortnight, late by days, and settled after.
_RUNS_FOR = timedelta(days=30)
_DEALS_TO_SCORE = 3


class QuarterPlan(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """`ends`: the quarter's end. `hardship`: the share of good deals that are not made any more
    since the middle of the last quarter, so that the base rates rise. `least_bads`: the fewest in
    each slice of a training; fewer than the shipped models ask for, since this town is smaller."""

    seed: int
    members: int = 8000
    deals_per_member: float = 16.0
    start: datetime = datetime(2024, 1, 1, tzinfo=UTC)
    ends: datetime = datetime(2026, 1, 1, tzinfo=UTC)
    hardship: float = 0.2
    least_bads: int = 30
    resamples: int = 200
    kinds: tuple[ScoreKind, ...] = SCORE_KINDS

    @property
    def judged_at(self) -> datetime:
        """When the next month's deals have all matured."""
        return self.ends + MONTH + _RUNS_FOR + timedelta(days=MATURITY_DAYS["financial"])


class Contender(msgspec.Struct, frozen=True, kw_only=True):
    """One model. `fitted_rows` is what it learnt from; `waiting` are the deals of its time that
    said something, but whose label was not available yet."""

    model_id: str
    engine: str
    trained_as_of: datetime
    fitted_rows: int
    fitted_bads: int
    waiting: int
    figures: dict[str, Interval]


class KindQuarter(msgspec.Struct, frozen=True, kw_only=True):
    """One score: both models on the next month's deals, and how the two quarters differ.

    `difference`: challenger minus champion, on the same resamples of members. `points_psi` and
    `moved` (feature, CSI): what drifted by a warning or more, farthest first."""

    kind: ScoreKind
    judged_rows: int
    judged_bads: int
    champion: Contender
    challenger: Contender
    difference: dict[str, Interval]
    bad_rate_before: float
    bad_rate_after: float
    points_psi: float
    moved: tuple[tuple[str, float], ...]


class Quarter(msgspec.Struct, frozen=True, kw_only=True):
    """The whole circle."""

    plan: QuarterPlan
    facts: int
    deals: int
    scores: tuple[KindQuarter, ...]


class QuarterRuns(msgspec.Struct, frozen=True, kw_only=True):
    """The result, and what a report and a gate are made from."""

    quarter: Quarter
    runs: dict[ScoreKind, ScoreRun]
    drifts: dict[ScoreKind, Drift]


class _Trained(msgspec.Struct, frozen=True, kw_only=True):
    """A model, the rows it learnt from and the labels that came too late for it."""

    model: Model
    rows: TrainingSet
    learnt: Ints
    as_of: datetime
    waiting: int


def run_quarter(plan: QuarterPlan, progress: Progress = lambda line: None) -> QuarterRuns:
    """Simulate, train champion and challenger, judge both. Raises `TrainingRefused` and
    `JudgementRefused` where the town is too small for it."""
    progress(f"simulating {plan.members} members until {plan.judged_at:%Y-%m-%d}")
    town = _town(plan)
    table = in_harder_times(town.table, town.exposures, plan)
    config = _config(plan)
    found = [_score(plan, town, table, kind, config, progress) for kind in plan.kinds]
    quarter = Quarter(
        plan=plan,
        facts=len(table),
        deals=len(exposures_of(table)) // 2,
        scores=tuple(result for result, _, _ in found),
    )
    return QuarterRuns(
        quarter=quarter,
        runs=dict(zip(plan.kinds, (run for _, run, _ in found), strict=True)),
        drifts=dict(zip(plan.kinds, (drift for _, _, drift in found), strict=True)),
    )


def _town(plan: QuarterPlan) -> Town:
    return simulate_town(
        TownPlan(
            seed=plan.seed,
            members=plan.members,
            deals_per_member=plan.deals_per_member,
            start=plan.start,
            end=plan.judged_at,
        )
    )


def _config(plan: QuarterPlan) -> TrainingConfig:
    """The shipped models' own, but for the fewest bads."""
    config = read_config(TOWN_CONFIG)
    scores = {
        kind: msgspec.structs.replace(config.of(kind), least_bads=plan.least_bads)
        for kind in SCORE_KINDS
    }
    return msgspec.structs.replace(config, town=None, **scores)


def in_harder_times(table: FactTable, exposures: Exposures, plan: QuarterPlan) -> FactTable:
    """Without a share of the deals that would have gone well for both, from the middle of the last
    quarter on: who is careful buys less. `exposures` has a buyer's and a seller's row per deal,
    the order's number being its place."""
    deals = len(exposures) // 2
    good = np.ones(deals, dtype=bool)
    for labels in exposures.labels.values():
        good &= (labels[:deals] == 0) & (labels[deals:] == 0)
    late = exposures.opened[:deals] >= micros(plan.ends - QUARTER / 2)
    rng = np.random.Generator(np.random.PCG64(plan.seed + 1))
    gone = good & late & (rng.random(deals) < plan.hardship)
    return table.take(np.flatnonzero((table.order < 0) | ~gone[np.maximum(table.order, 0)]))


def known_rows(
    table: FactTable, kind: ScoreKind, config: TrainingConfig, moment: datetime
) -> tuple[TrainingSet, int]:
    """What may be learnt from at a moment: (rows, deals that said something but too early).

    Facts known before it and labels available by it; nothing that came a microsecond later.
    """
    known = table.known_before(micros(moment))
    exposures = exposures_of(known)
    rows = training_set(known, exposures, kind, _split(config, moment, moment), config.seed)
    too_young = exposures.available(kind) > micros(moment)
    return rows, int((too_young & (exposures.labels[kind] >= 0)).sum())


def _split(config: TrainingConfig, trained: datetime, judged: datetime) -> Split:
    return msgspec.structs.replace(config.split, trained_as_of=trained, judged_as_of=judged)


def _train(table: FactTable, kind: ScoreKind, config: TrainingConfig, moment: datetime) -> _Trained:
    """Train one score as of a moment."""
    rows, waiting = known_rows(table, kind, config, moment)
    split = _split(config, moment, moment)
    trained = train(rows, config.of(kind), split, config.seed)
    cut = slices(rows, split, 0)
    info = msgspec.structs.replace(trained.info, model_sha256=sha256(trained.model_text.encode()))
    info = msgspec.structs.replace(info, model_id=identify(info))
    return _Trained(
        model=Model(open_engine(info.engine, trained.model_text), info),
        rows=rows,
        learnt=np.concatenate([cut.fit, cut.validation, cut.calibration]),
        as_of=moment,
        waiting=waiting,
    )


def _score(
    plan: QuarterPlan,
    town: Town,
    table: FactTable,
    kind: ScoreKind,
    config: TrainingConfig,
    progress: Progress,
) -> tuple[KindQuarter, ScoreRun, Drift]:
    """One score's circle."""
    progress(f"{kind}: training the champion, as of {plan.ends - QUARTER:%Y-%m-%d}")
    champion = _train(table, kind, config, plan.ends - QUARTER)
    progress(f"{kind}: training the challenger, as of {plan.ends:%Y-%m-%d}")
    challenger = _train(table, kind, config, plan.ends)
    progress(f"{kind}: judging both on the deals until {plan.ends + MONTH:%Y-%m-%d}")
    rows = _next_month(plan, table, kind, config)
    every = np.arange(len(rows.label))
    old = judge(rows, every, champion.model, town.protected)
    new = judge(rows, every, challenger.model, town.protected)
    before, after = (
        _lived_through(table, kind, plan.ends - back, plan.ends - back + QUARTER, champion.model)
        for back in (2 * QUARTER, QUARTER)
    )
    drift = drift_report(before, after)
    result = KindQuarter(
        kind=kind,
        judged_rows=len(new),
        judged_bads=int(new.label.sum()),
        champion=_contender(champion, old, plan),
        challenger=_contender(challenger, new, plan),
        difference=paired_difference(old, new, resamples=plan.resamples, seed=plan.seed),
        bad_rate_before=_bad_rate(champion.rows),
        bad_rate_after=float(new.label.mean()),
        points_psi=drift.score.psi,
        moved=tuple((shift.name, shift.psi) for shift in drift.of_level("warn", "alert")),
    )
    fitted = judge(challenger.rows, challenger.learnt, challenger.model, town.protected)
    run = ScoreRun(
        info=challenger.model.info,
        fitted=fitted,
        test=new,
        champion=old,
        reason_points=reason_points(challenger.model, new.matrix),
    )
    return result, run, drift


def _next_month(
    plan: QuarterPlan, table: FactTable, kind: ScoreKind, config: TrainingConfig
) -> TrainingSet:
    """The scored deals accepted in the month after the quarter, with their matured labels."""
    known = table.known_before(micros(plan.judged_at))
    exposures = exposures_of(known)
    split = _split(config, plan.ends, plan.judged_at)
    rows = training_set(known, exposures, kind, split, config.seed)
    end = micros(plan.ends + MONTH)
    inside = (rows.opened >= micros(plan.ends)) & (rows.opened < end)
    kept = _take(rows, np.flatnonzero(inside & (rows.closed >= _DEALS_TO_SCORE)))
    if len(np.unique(kept.label)) < 2:
        detail = f"{len(kept.label)} {kind} deals of the next month, {int(kept.label.sum())} bad"
        raise JudgementRefused("no_rows", detail)
    return kept


def _take(rows: TrainingSet, index: Ints) -> TrainingSet:
    columns = ("matrix", "label", "member", "role", "opened", "available", "closed")
    return msgspec.structs.replace(rows, **{name: getattr(rows, name)[index] for name in columns})


def _lived_through(
    table: FactTable, kind: ScoreKind, begin: datetime, end: datetime, model: Model
) -> Judged:
    """All deals accepted in a stretch of time, as the model saw them; their labels are not asked
    for (the column is 0): drift is seen before labels mature."""
    known = table.known_before(micros(end))
    exposures = exposures_of(known)
    inside = (exposures.opened >= micros(begin)) & (exposures.opened < micros(end))
    rows = np.flatnonzero(inside)
    built = feature_rows(known, exposures.member[rows], exposures.opened[rows], kind)
    lived = TrainingSet(
        kind=kind,
        names=tuple(feature.name for feature in FEATURES[kind]),
        matrix=built.matrix,
        label=np.zeros(len(rows), dtype=np.int64),
        member=exposures.member[rows],
        role=exposures.role[rows],
        opened=exposures.opened[rows],
        available=exposures.available(kind)[rows],
        closed=built.closed,
        indeterminate=0,
    )
    return judge(lived, np.flatnonzero(built.closed >= _DEALS_TO_SCORE), model, {})


def _contender(trained: _Trained, judged: Judged, plan: QuarterPlan) -> Contender:
    info = trained.model.info
    return Contender(
        model_id=info.model_id,
        engine=info.engine,
        trained_as_of=trained.as_of,
        fitted_rows=len(trained.learnt),
        fitted_bads=int(trained.rows.label[trained.learnt].sum()),
        waiting=trained.waiting,
        figures=intervals(judged, resamples=plan.resamples, seed=plan.seed),
    )


def _bad_rate(rows: TrainingSet) -> float:
    """Of those who had a score, so that it compares with what is judged."""
    scored = rows.closed >= _DEALS_TO_SCORE
    return float(rows.label[scored].mean())
