"""Training: rows to bundle, and the town to both bundles.

The house trains on its own facts (`train_facts`); the shipped models and every trial are trained
on a simulated town (`train_town`). Either way the same rows, slices, gates and judgement.
"""

from __future__ import annotations

import platform
import time
from collections.abc import Callable
from pathlib import Path

import lightgbm
import msgspec
import numpy as np
from numpy.typing import NDArray

from handsel_ml.bundle import FORMAT, BundleInfo, Reference, write_bundle
from handsel_ml.calibrate import calibrated_log_odds, fit_calibrator
from handsel_ml.config import ScoreConfig, Split, TrainingConfig
from handsel_ml.contract import SCORE_KINDS, ScoreKind, micros
from handsel_ml.errors import TrainingRefused
from handsel_ml.evaluate import auc, figures
from handsel_ml.facts import FactTable, Ints
from handsel_ml.features import FEATURES
from handsel_ml.fitting import engine_for, fit_engine
from handsel_ml.judged import Grouping
from handsel_ml.labels import exposures_known
from handsel_ml.model import Engine, open_engine
from handsel_ml.output import all_at_once
from handsel_ml.rows import Slices, TrainingSet, check_set, slices, training_set
from handsel_ml.scorecard import BANDS, Prior, ScoreMap, Segment, fit_beta_binomial
from handsel_ml.simulate import Archetype, Town, simulate_town

Floats = NDArray[np.float64]
Progress = Callable[[str], None]
SEGMENT_FEATURE: dict[ScoreKind, str | None] = {
    "financial": "verification_steps",
    "social": None,
}
SEGMENT_EDGES = (4, 2, 0)


class Trained(msgspec.Struct, frozen=True, kw_only=True):
    """A model not yet on disk, and the rows it was made of and judged on."""

    model_text: str
    info: BundleInfo
    rows: TrainingSet


class TrainingReport(msgspec.Struct, frozen=True, kw_only=True):
    """What training did: the bundles' infos, where they are, the rows they were made of (for the
    report), the groups of each member that no model may know, wall and processor seconds."""

    bundles: dict[ScoreKind, BundleInfo]
    folders: dict[ScoreKind, str]
    rows: dict[ScoreKind, TrainingSet]
    protected: dict[str, Grouping]
    seconds: float
    cpu_seconds: float


def train_town(
    config: TrainingConfig, out_dir: Path, progress: Progress = lambda line: None
) -> TrainingReport:
    """Simulate the config's town, train both scores, write `out_dir`/{financial,social}.

    `progress` gets one line per step. Raises `TrainingRefused`; nothing is written then.
    """
    began, worked = time.perf_counter(), time.process_time()
    if config.town is None:
        raise TrainingRefused("town_missing", "the config describes no town: give it facts")
    progress(f"simulating {config.town.members} members")
    town = simulate_town(config.town)
    trained = {kind: train_score(town, kind, config, progress) for kind in SCORE_KINDS}
    return _written(trained, out_dir, began, worked, progress, town.protected)


def train_facts(
    config: TrainingConfig,
    table: FactTable,
    out_dir: Path,
    progress: Progress = lambda line: None,
) -> TrainingReport:
    """Train both scores on facts of one's own, with the labels that they tell of.

    Fitted on labels as they were known at the config's `trained_as_of`, judged on those known at
    its `judged_as_of`. Raises `TrainingRefused`; nothing is written then.
    """
    began, worked = time.perf_counter(), time.process_time()
    config = msgspec.structs.replace(config, town=None)
    trained_us, judged_us = micros(config.split.trained_as_of), micros(config.split.judged_as_of)
    known = table.known_before(judged_us)
    exposures = exposures_known(table, trained_us, judged_us)
    trained = {}
    for kind in SCORE_KINDS:
        progress(f"{kind}: building features of {len(known)} facts, {len(exposures)} exposures")
        rows = training_set(known, exposures, kind, config.split, config.seed)
        trained[kind] = _named(train(rows, config.of(kind), config.split, config.seed), config)
    return _written(trained, out_dir, began, worked, progress)


def _written(
    trained: dict[ScoreKind, Trained],
    out_dir: Path,
    began: float,
    worked: float,
    progress: Progress,
    protected: dict[str, Grouping] | None = None,
) -> TrainingReport:
    bundles: dict[ScoreKind, BundleInfo] = {}
    with all_at_once(out_dir) as side:
        for kind, result in trained.items():
            bundles[kind] = write_bundle(side / kind, result.model_text, result.info)
    for kind in bundles:
        progress(f"{kind}: wrote {out_dir / kind} ({bundles[kind].model_id})")
    return TrainingReport(
        bundles=bundles,
        folders={kind: str(out_dir / kind) for kind in SCORE_KINDS},
        rows={kind: result.rows for kind, result in trained.items()},
        protected=protected or {},
        seconds=time.perf_counter() - began,
        cpu_seconds=time.process_time() - worked,
    )


def train_score(
    town: Town, kind: ScoreKind, config: TrainingConfig, progress: Progress = lambda line: None
) -> Trained:
    """Train one score on a town. Raises `TrainingRefused`."""
    progress(f"{kind}: building features of {len(town.table)} facts")
    rows = training_set(town.table, town.exposures, kind, config.split, config.seed)
    progress(f"{kind}: fitting on {len(rows.label)} rows")
    trained = train(rows, config.of(kind), config.split, config.seed)
    apart = _separation(town, rows, config, open_engine(trained.info.engine, trained.model_text))
    metrics = {**trained.info.metrics, "hidden_types": apart}
    found = metrics["out_of_time"]
    progress(f"{kind}: out of time AUC {found['auc']:.4f}, KS {found['ks']:.4f}")
    info = msgspec.structs.replace(trained.info, metrics=metrics)
    return _named(msgspec.structs.replace(trained, info=info), config)


def _named(trained: Trained, config: TrainingConfig) -> Trained:
    """With the whole config in the bundle, so that it can be trained again."""
    info = msgspec.structs.replace(trained.info, config=msgspec.to_builtins(config))
    return msgspec.structs.replace(trained, info=info)


def _separation(
    town: Town, rows: TrainingSet, config: TrainingConfig, engine: Engine
) -> dict[str, float]:
    """AUC of honest members against bad types on the test slice, which no model ever sees."""
    cut = slices(rows, config.split, 0)
    bad = (
        town.of_type(Archetype.DEFAULTER, Archetype.FARMER, Archetype.EXIT_SCAMMER,
                     Archetype.STOLEN_ACCOUNT)
        if rows.kind == "financial"
        else town.of_type(Archetype.TROUBLEMAKER, Archetype.CARELESS)
    )  # fmt: skip
    honest = town.of_type(Archetype.HONEST)
    test = cut.test[(bad | honest)[rows.member[cut.test]]]
    label = bad[rows.member[test]].astype(np.int64)
    value = auc(label, engine.raw_many(rows.matrix[test], 1))
    return {"rows": float(len(test)), "auc_honest_against_bad_types": round(value, 6)}


def train(rows: TrainingSet, config: ScoreConfig, split: Split, seed: int) -> Trained:
    """Fit, calibrate, fit the thin-file prior, choose the reference, judge out of time.

    Raises `TrainingRefused`: constant_label, too_few_bads, dates_out_of_order, unknown_columns,
    label_invalid, shape_wrong.
    """
    check_set(rows)
    cut = slices(rows, split, config.least_bads)
    kind = engine_for(rows, cut, config)
    text = fit_engine(kind, rows, cut, config, seed)
    engine = open_engine(kind, text)
    raw = engine.raw_many(rows.matrix, 1)
    label = rows.label
    calibrator = fit_calibrator(raw[cut.calibration], label[cut.calibration], config.calibration)
    pd = 1.0 / (1.0 + np.exp(-calibrated_log_odds(calibrator, raw)))
    prior = _prior(rows, cut)
    info = BundleInfo(
        format=FORMAT,
        kind=rows.kind,
        engine=kind,
        model_id="",
        model_sha256="",
        lightgbm_version=lightgbm.__version__,
        features=rows.names,
        signs=tuple(feature.sign for feature in FEATURES[rows.kind]),
        groups=tuple(feature.group for feature in FEATURES[rows.kind]),
        calibrator=calibrator,
        score_map=ScoreMap(),
        bands=BANDS,
        prior=prior,
        reference=_reference(rows, cut, pd, engine),
        as_of=split.trained_as_of.isoformat(),
        seed=seed,
        rows=_counts(rows, cut),
        metrics=_judge(rows, cut, pd, prior),
        config=msgspec.to_builtins(config),
        environment={"machine": platform.machine(), "libc": " ".join(platform.libc_ver())},
    )
    return Trained(model_text=text, info=info, rows=rows)


def _prior(rows: TrainingSet, cut: Slices) -> Prior:
    """Beta prior of newcomers' deals (fewer than three closed), by empirical Bayes."""
    thin = cut.fit[rows.closed[cut.fit] < 3]
    width = int(rows.member.max()) + 1
    trials = np.bincount(rows.member[thin], minlength=width)
    bads = np.bincount(rows.member[thin[rows.label[thin] == 1]], minlength=width)
    seen = trials > 0
    mean, strength = fit_beta_binomial(bads[seen], trials[seen])
    name = SEGMENT_FEATURE[rows.kind]
    if name is None:
        return Prior(feature=None, segments=(Segment(least=0, pd=mean),), strength=strength)
    level = rows.matrix[thin, rows.names.index(name)]
    segments, above = [], np.inf
    for edge in SEGMENT_EDGES:
        label = rows.label[thin[(level >= edge) & (level < above)]]
        rate = (label.sum() + strength * mean) / (len(label) + strength)
        segments.append(Segment(least=edge, pd=float(rate)))
        above = edge
    return Prior(feature=name, segments=tuple(segments), strength=strength)


def _reference(rows: TrainingSet, cut: Slices, pd: Floats, engine: Engine) -> Reference:
    """The median member among good, scored rows with no more than the median PD."""
    good = cut.fit[(rows.label[cut.fit] == 0) & (rows.closed[cut.fit] >= 3)]
    good = good[pd[good] <= np.median(pd[good])]
    vector = np.nanpercentile(rows.matrix[good], 50, axis=0, method="lower")
    return Reference(
        vector=tuple(vector.tolist()),
        raw=engine.raw(vector),
        contributions=tuple(engine.parts(vector)[:-1]),
    )


def _counts(rows: TrainingSet, cut: Slices) -> dict[str, int]:
    named: dict[str, Ints] = {n: getattr(cut, n) for n in Slices.__struct_fields__}
    return {
        **{name: len(index) for name, index in named.items()},
        **{f"{name}_bads": int(rows.label[index].sum()) for name, index in named.items()},
        "indeterminate": rows.indeterminate,
    }


def _judge(rows: TrainingSet, cut: Slices, pd: Floats, prior: Prior) -> dict[str, dict[str, float]]:
    """Figures out of time (all and unseen members), on the calibration slice, and thin files."""
    judged = {"out_of_time": cut.test, "unseen_members": cut.unseen, "calibration": cut.calibration}
    found = {name: figures(rows.label[i], pd[i]) for name, i in judged.items() if _both(rows, i)}
    first = rows.opened[cut.test].min(initial=np.iinfo(np.int64).max)
    last = rows.available[cut.test].max(initial=0)
    later = (rows.opened >= first) & (rows.available <= last)
    thin = np.flatnonzero(later & (rows.closed < 3))
    if _both(rows, thin):
        column = None if prior.feature is None else rows.names.index(prior.feature)
        levels = np.zeros(len(thin)) if column is None else rows.matrix[thin, column]
        foretold = np.array([prior.mean(float(level)) for level in levels])
        found["thin_files"] = figures(rows.label[thin], foretold)
    return found


def _both(rows: TrainingSet, index: Ints) -> bool:
    """Whether rows have both outcomes; else a figure would be NaN, which JSON cannot hold."""
    return bool(0 < rows.label[index].sum() < len(index))
