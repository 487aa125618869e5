"""Serving: load a bundle, score a vector, explain it, assess a member.

A bundle that is missing, damaged, of another LightGBM or of other features is refused at load;
an answer that is not a finite number is `ScoringFailed`. Either way the caller falls back to
its most cautious tier; nothing is guessed here. A model may be used from any thread.
"""

from __future__ import annotations

import math
import threading
import weakref
from collections.abc import Callable, Mapping, Sequence
from datetime import datetime
from math import exp, isfinite
from pathlib import Path

import lightgbm
import msgspec
import numpy as np
from numpy.typing import NDArray

from handsel_ml.bundle import BundleInfo, read_bundle
from handsel_ml.contract import SCORE_KINDS, Fact, Reason, Score, ScoreKind
from handsel_ml.errors import BundleInvalid, ScoringFailed
from handsel_ml.fastpath import CONTRIBUTIONS, RAW_SCORE, SingleRow
from handsel_ml.features import FEATURES, feature_row
from handsel_ml.reasons import Adverse, building_reason, worded
from handsel_ml.scorecard import band_of, interval, log_odds

Floats = NDArray[np.float64]
BUNDLES = Path(__file__).parent / "bundles"
DEALS_NEEDED = 3
_TOLERANCE = 1e-9


class Prediction(msgspec.Struct, frozen=True):
    """Raw log-odds of the trees, calibrated PD, points, band."""

    raw: float
    pd: float
    points: int
    band: str


class Explanation(msgspec.Struct, frozen=True, kw_only=True):
    """Exact TreeSHAP in log-odds: bias + sum of `groups` = `raw`; reasons against the reference."""

    raw: float
    bias: float
    groups: dict[str, float]
    reasons: tuple[Reason, ...]


class _Calls(threading.local):
    """The prepared native calls of one thread."""

    score: SingleRow | None = None
    explain: SingleRow | None = None


class Model:
    """A loaded bundle, warm. `info` is what the bundle says about itself."""

    def __init__(self, booster: lightgbm.Booster, info: BundleInfo) -> None:
        """Keep the booster and prepare this thread's calls."""
        self.info = info
        self.kind: ScoreKind = info.kind
        self._booster = booster
        self._shape = (len(info.features),)
        self._calls = _Calls()
        self._opened: weakref.WeakSet[SingleRow] = weakref.WeakSet()
        self._lock = threading.Lock()
        self._closed = False
        self._log_odds = info.calibrator.bound()
        self._intercept, self._slope = info.score_map.line()
        self._lowest, self._highest = info.score_map.lowest, info.score_map.highest
        every = range(self._lowest, self._highest + 1)
        self._band_at = tuple(band_of(points, info.bands) for points in every)
        self._score_call()
        self._explain_call()

    def score(self, vector: Floats) -> Prediction:
        """Score a vector of float64, shape (features,). Raises `ScoringFailed`."""
        call = self._calls.score or self._score_call()
        try:
            call.cells[:] = vector  # a view copies in a third of numpy's time and never casts
        except (TypeError, ValueError, NotImplementedError) as error:
            detail = f"not float64 of shape {self._shape}: {error}"
            raise ScoringFailed("shape_wrong", detail) from error
        if call.native(*call.arguments):
            call.fail()
        raw = call.out.item()
        if not isfinite(raw):
            raise ScoringFailed("not_finite", f"{self.info.model_id} gave {raw}")
        odds = self._log_odds(raw)
        exact = self._intercept + self._slope * odds
        if not self._lowest <= exact <= self._highest:
            exact = self._lowest if exact < self._lowest else self._highest
        points = round(exact)
        return Prediction(raw, _chance(odds), points, self._band_at[points - self._lowest])

    def explain(self, vector: Floats, language: str = "en") -> Explanation:
        """Exact contributions by reason group and the top four in words.

        Raises `ScoringFailed` where contributions and bias do not add up to the raw score.
        """
        raw = self.score(vector).raw
        call = self._calls.explain or self._explain_call()
        call.row[:] = vector
        call.run()
        parts: list[float] = call.out.tolist()
        if not abs(math.fsum(parts) - raw) <= _TOLERANCE:
            raise ScoringFailed("not_additive", f"{math.fsum(parts)} instead of {raw}")
        groups: dict[str, float] = dict.fromkeys(self.info.groups, 0.0)
        for group, part in zip(self.info.groups, parts, strict=False):
            groups[group] += part
        reasons = worded(self._adverse(vector.tolist(), parts, raw), language)
        return Explanation(raw=raw, bias=parts[-1], groups=groups, reasons=reasons)

    def _adverse(self, vector: list[float], parts: list[float], raw: float) -> list[Adverse]:
        """What each group costs against the reference member.

        Only features that are worse than the reference's own value (or have no history) count,
        so a feature at its best is never held against anybody, whatever its contribution; nor is
        a rate that a few good deals have not yet brought below what is assumed of a newcomer.
        """
        info = self.info
        factor = info.calibrator.slope(raw) * info.score_map.points_to_double / math.log(2.0)
        costs: dict[str, float] = dict.fromkeys(info.groups, 0.0)
        unknown: dict[str, float] = dict.fromkeys(info.groups, 0.0)
        usual = zip(info.reference.vector, info.reference.contributions, strict=True)
        for i, (value, contribution) in enumerate(usual):
            missing = math.isnan(vector[i])
            if not missing and FEATURES[self.kind][i].is_harmless(vector[i]):
                continue
            if not missing and info.signs[i] * (vector[i] - value) < 0:
                continue
            if not missing and info.signs[i] != 0 and vector[i] == value:
                continue
            cost = (parts[i] - contribution) * factor
            costs[info.groups[i]] += cost
            unknown[info.groups[i]] += cost if missing else 0.0
        return [
            Adverse(group=group, points=cost, unknown=unknown[group] > cost / 2)
            for group, cost in costs.items()
        ]

    def close(self) -> None:
        """Free the native calls of all threads; the model cannot be used afterwards."""
        with self._lock:
            self._closed = True
            for call in list(self._opened):
                call.close()
            self._calls = _Calls()

    def _score_call(self) -> SingleRow:
        self._calls.score = self._open(RAW_SCORE)
        return self._calls.score

    def _explain_call(self) -> SingleRow:
        self._calls.explain = self._open(CONTRIBUTIONS)
        return self._calls.explain

    def _open(self, predict_type: int) -> SingleRow:
        with self._lock:
            if self._closed:
                raise ScoringFailed("model_closed", self.info.model_id)
            call = SingleRow(self._booster, predict_type, self._shape[0])
            self._opened.add(call)
            return call


def _chance(odds: float) -> float:
    """Probability of log-odds, without overflow."""
    if odds >= 0:
        return 1.0 / (1.0 + exp(-odds))
    rise = exp(odds)
    return rise / (1.0 + rise)


def load_bundle(path: Path) -> Model:
    """Load, check and warm one bundle (a folder). Raises `BundleInvalid`."""
    text, info = read_bundle(path)
    if info.lightgbm_version != lightgbm.__version__:
        raise BundleInvalid(
            "version_mismatch",
            f"trained with lightgbm {info.lightgbm_version}, this is {lightgbm.__version__}",
        )
    defined = FEATURES[info.kind]
    names, signs = tuple(f.name for f in defined), tuple(f.sign for f in defined)
    groups = tuple(f.group for f in defined)
    if (info.features, info.signs, info.groups) != (names, signs, groups):
        raise BundleInvalid("features_mismatch", f"{path} was trained on other features")
    try:
        booster = lightgbm.Booster(model_str=text)
        if tuple(booster.feature_name()) != names:
            raise BundleInvalid("features_mismatch", f"{path}: the trees use other features")
        model = Model(booster, info)
        again = model.score(np.array(info.reference.vector)).raw
    except (lightgbm.basic.LightGBMError, ScoringFailed) as error:
        raise BundleInvalid("bundle_corrupt", f"{path}: {error}") from error
    if not abs(again - info.reference.raw) <= _TOLERANCE:
        raise BundleInvalid("self_test_failed", f"reference scores {again}")
    return model


def load_models(root: Path = BUNDLES) -> dict[ScoreKind, Model]:
    """Load the financial and the social bundle under a folder. Raises `BundleInvalid`."""
    models = {kind: load_bundle(root / kind) for kind in SCORE_KINDS}
    for kind, model in models.items():
        if model.kind != kind:
            raise BundleInvalid("kind_mismatch", f"{root / kind} holds a {model.kind} model")
    return models


def assess(
    facts: Sequence[Fact],
    as_of: datetime,
    models: Mapping[ScoreKind, Model],
    language: str = "en",
) -> dict[ScoreKind, Score]:
    """Both scores of one member as of a moment, out of facts known strictly before it.

    Raises `FactInvalid` for facts of several members, `ScoringFailed`.
    """
    return {kind: _assess(facts, as_of, models[kind], language) for kind in SCORE_KINDS}


def _assess(facts: Sequence[Fact], as_of: datetime, model: Model, language: str) -> Score:
    row = feature_row(facts, as_of, model.kind)
    closed, bads, vector = int(row.closed[0]), int(row.bads[0]), row.matrix[0]
    info = model.info
    if closed < DEALS_NEEDED:
        feature = info.prior.feature
        level = 0.0 if feature is None else float(vector[info.features.index(feature)])
        return Score(
            kind=model.kind,
            state="building_history",
            points=None,
            band=None,
            pd=info.prior.posterior(level, bads, closed),
            low=None,
            high=None,
            reasons=building_reason(closed, DEALS_NEEDED, language),
            closed_deals=closed,
            model_id=info.model_id,
            as_of=as_of,
        )
    found = model.score(vector)
    kind_end, cautious_end = interval(found.pd, closed, info.prior.strength)
    return Score(
        kind=model.kind,
        state="scored",
        points=found.points,
        band=found.band,
        pd=found.pd,
        low=min(info.score_map.points(log_odds(cautious_end)), found.points),
        high=max(info.score_map.points(log_odds(kind_end)), found.points),
        reasons=model.explain(vector, language).reasons,
        closed_deals=closed,
        model_id=info.model_id,
        as_of=as_of,
    )


def raw_c_call(model: Model) -> Callable[[], object]:
    """A callable that does the raw C call alone, on the last scored row of this thread."""
    call = model._calls.score or model._score_call()
    native, arguments = call.native, call.arguments
    return lambda: native(*arguments)
