"""From models and the town of their config to `ScoreRun`s: the rows are made again and judged."""

from __future__ import annotations

from collections.abc import Mapping

import msgspec
import numpy as np
from numpy.typing import NDArray

from handsel_ml.calibrate import calibrated_log_odds
from handsel_ml.config import TrainingConfig
from handsel_ml.contract import ROLES, ScoreKind
from handsel_ml.errors import JudgementRefused
from handsel_ml.facts import Ints
from handsel_ml.judged import Grouping, Judged, ScoreRun
from handsel_ml.model import Model
from handsel_ml.rows import Slices, TrainingSet, slices, training_set
from handsel_ml.simulate import Town, simulate_town

Floats = NDArray[np.float64]
SAMPLED_REASONS = 400
_HISTORY = ((0, "fewer than 3 deals"), (3, "3 to 9 deals"), (10, "10 to 29 deals"),
            (30, "30 deals or more"))  # fmt: skip
_STEPS = ((0, "0 or 1 step"), (2, "2 or 3 steps"), (4, "4 steps or more"))


def runs_of_town(
    config: TrainingConfig,
    models: Mapping[ScoreKind, Model],
    champions: Mapping[ScoreKind, Model] | None = None,
    town: Town | None = None,
) -> dict[ScoreKind, ScoreRun]:
    """Judge models on their config's town, which is simulated again unless it is given.

    `champions` are asked about the same rows. Raises `TrainingRefused`, `JudgementRefused`.
    """
    if town is None:
        if config.town is None:
            raise JudgementRefused("town_missing", "the config describes no town: give one")
        town = simulate_town(config.town)
    runs: dict[ScoreKind, ScoreRun] = {}
    for kind, model in models.items():
        rows = training_set(town.table, town.exposures, kind, config.split, config.seed)
        cut = slices(rows, config.split, 0)
        champion = None if champions is None else champions.get(kind)
        runs[kind] = run_of(rows, cut, model, champion, town.protected)
    return runs


def runs_of_models(
    models: Mapping[ScoreKind, Model], champions: Mapping[ScoreKind, Model] | None = None
) -> dict[ScoreKind, ScoreRun]:
    """As `runs_of_town`, each model on the town of the config in its own bundle.

    Raises `JudgementRefused` where a bundle has no such config (it was trained on own facts).
    """
    configs = {kind: config_of(model) for kind, model in models.items()}
    runs: dict[ScoreKind, ScoreRun] = {}
    town: Town | None = None
    for kind, model in models.items():
        plan = configs[kind].town
        if plan is not None and (town is None or town.plan != plan):
            town = simulate_town(plan)
        runs.update(runs_of_town(configs[kind], {kind: model}, champions, town))
    return runs


def config_of(model: Model) -> TrainingConfig:
    """The whole training config in a bundle, with its town. Raises `JudgementRefused`."""
    info = model.info
    try:
        config = msgspec.convert(info.config, TrainingConfig)
    except msgspec.ValidationError as error:
        raise JudgementRefused("config_unknown", f"{info.model_id}: {error}") from error
    if config.town is None:
        detail = f"{info.model_id} was trained on facts, which are not in its bundle"
        raise JudgementRefused("town_missing", detail)
    return config


def run_of(
    rows: TrainingSet,
    cut: Slices,
    model: Model,
    champion: Model | None,
    protected: Mapping[str, Grouping],
) -> ScoreRun:
    """One score's run. `protected` holds a group per member, not per row."""
    learnt = np.concatenate([cut.fit, cut.validation, cut.calibration])
    return ScoreRun(
        info=model.info,
        fitted=judge(rows, learnt, model, protected),
        test=judge(rows, cut.test, model, protected),
        champion=None if champion is None else judge(rows, cut.test, champion, protected),
        reason_points=reason_points(model, rows.matrix[cut.test]),
    )


def judge(
    rows: TrainingSet, index: Ints, model: Model, protected: Mapping[str, Grouping]
) -> Judged:
    """What a model says of some rows. Raises `JudgementRefused` for other columns."""
    if rows.kind != model.kind or rows.names != model.info.features:
        detail = f"{model.info.model_id} does not read the columns of these {rows.kind} rows"
        raise JudgementRefused("columns_differ", detail)
    matrix, closed, member = rows.matrix[index], rows.closed[index], rows.member[index]
    odds = calibrated_log_odds(model.info.calibrator, model.engine.raw_many(matrix, 1))
    roles = Grouping(labels=tuple(f"as {role}" for role in ROLES), code=rows.role[index])
    segments = {"role": roles, "history": _stretches(closed, _HISTORY)}
    if "verification_steps" in rows.names:
        steps = matrix[:, rows.names.index("verification_steps")]
        segments["verification"] = _stretches(steps, _STEPS)
    return Judged(
        kind=rows.kind,
        model_id=model.info.model_id,
        label=rows.label[index],
        pd=1.0 / (1.0 + np.exp(-odds)),
        points=points_of(model, odds),
        member=member,
        opened=rows.opened[index],
        available=rows.available[index],
        closed=closed,
        names=rows.names,
        matrix=matrix,
        segments=segments,
        protected={name: groups.take(member) for name, groups in protected.items()},
    )


def points_of(model: Model, odds: Floats) -> Ints:
    """Whole points of calibrated log-odds of bad, as `ScoreMap.points` of each."""
    score_map = model.info.score_map
    intercept, slope = score_map.line()
    exact = np.clip(intercept + slope * odds, score_map.lowest, score_map.highest)
    return np.rint(exact).astype(np.int64)


def reason_points(model: Model, matrix: Floats, sampled: int = SAMPLED_REASONS) -> dict[str, float]:
    """Mean points that each reason group costs against the reference member.

    Over evenly spaced rows; where a group helps instead, it costs nothing. Groups of the model
    that never cost anything are there with 0.
    """
    info = model.info
    every = np.unique(np.linspace(0, max(len(matrix) - 1, 0), sampled).astype(np.int64))
    groups = tuple(dict.fromkeys(info.groups))
    place = np.array([groups.index(group) for group in info.groups])
    usual = np.array(info.reference.contributions)
    total = np.zeros(len(groups))
    for vector in matrix[every] if len(matrix) else matrix:
        parts = np.array(model.engine.parts(vector))
        slope = info.calibrator.slope(float(parts.sum())) * -info.score_map.line()[1]
        gaps = np.bincount(place, (parts[:-1] - usual) * slope, minlength=len(groups))
        total += np.maximum(gaps, 0.0)
    return dict(zip(groups, (total / max(len(every), 1)).tolist(), strict=True))


def _stretches(values: NDArray[np.generic], floors: tuple[tuple[int, str], ...]) -> Grouping:
    """Rows sorted by the highest floor that they reach."""
    edges = np.array([least for least, _ in floors])
    code = np.clip(np.searchsorted(edges, values, side="right") - 1, 0, len(floors) - 1)
    return Grouping(labels=tuple(label for _, label in floors), code=code.astype(np.int64))
