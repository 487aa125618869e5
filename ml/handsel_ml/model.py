"""A loaded model: a vector in, points and a band out, and why.

Two engines give the raw log-odds and the parts that they are made of: trees (LightGBM) and, where
a market has too few bads for trees, a scorecard. What follows from the raw log-odds is the same
for both: calibration, points, band, reasons. A model may be used from any thread.
"""

from __future__ import annotations

import math
import threading
import weakref
from collections.abc import Callable
from math import exp, isfinite
from typing import Protocol

import lightgbm
import msgspec
import numpy as np
from numpy.typing import NDArray

from handsel_ml.bundle import BundleInfo, EngineKind
from handsel_ml.contract import Reason, ScoreKind
from handsel_ml.errors import BundleInvalid, ScoringFailed
from handsel_ml.fastpath import CONTRIBUTIONS, RAW_SCORE, SingleRow
from handsel_ml.features import FEATURES
from handsel_ml.reasons import Adverse, Language, worded
from handsel_ml.scorecard import band_of
from handsel_ml.woe import Scorecard

Floats = NDArray[np.float64]
#: Contributions and bias add up to the raw log-odds within this, in log-odds.
TOLERANCE = 1e-9


class Prediction(msgspec.Struct, frozen=True):
    """Raw log-odds of the engine, calibrated PD, points, band."""

    raw: float
    pd: float
    points: int
    band: str


class Explanation(msgspec.Struct, frozen=True, kw_only=True):
    """Exact contributions in log-odds: bias + sum of `groups` = `raw` (TreeSHAP for trees, weight
    times WoE for a scorecard); reasons against the reference."""

    raw: float
    bias: float
    groups: dict[str, float]
    reasons: tuple[Reason, ...]


class Engine(Protocol):
    """What gives raw log-odds. Vectors are float64 of shape (features,), NaN = no history.

    `names`: the features as the engine itself knows them."""

    names: tuple[str, ...]

    def raw(self, vector: Floats) -> float:
        """Raw log-odds of bad. Raises `ScoringFailed`."""

    def parts(self, vector: Floats) -> list[float]:
        """A contribution per feature, then the bias; they add up to `raw`."""

    def raw_many(self, matrix: Floats, threads: int) -> Floats:
        """Raw log-odds of many rows: float64 (rows, features) to (rows,)."""

    def close(self) -> None:
        """Free what the engine holds; it cannot be used afterwards."""


class Model:
    """A loaded bundle, warm. `info` is what the bundle says about itself."""

    def __init__(self, engine: Engine, info: BundleInfo) -> None:
        """Bind the numbers of the hot path."""
        self.info = info
        self.kind: ScoreKind = info.kind
        self.engine = engine
        self._features = {feature.name: feature for feature in FEATURES[info.kind]}
        self._raw = engine.raw
        self._log_odds = info.calibrator.bound()
        self._intercept, self._slope = info.score_map.line()
        self._lowest, self._highest = info.score_map.lowest, info.score_map.highest
        every = range(self._lowest, self._highest + 1)
        self._band_at = tuple(band_of(points, info.bands) for points in every)

    def score(self, vector: Floats) -> Prediction:
        """Score a vector of float64, shape (features,). Raises `ScoringFailed`."""
        raw = self._raw(vector)
        if not isfinite(raw):
            raise ScoringFailed("not_finite", f"{self.info.model_id} gave {raw}")
        odds = self._log_odds(raw)
        exact = self._intercept + self._slope * odds
        if not self._lowest <= exact <= self._highest:
            exact = self._lowest if exact < self._lowest else self._highest
        points = round(exact)
        return Prediction(raw, chance(odds), points, self._band_at[points - self._lowest])

    def explain(self, vector: Floats, language: Language = "en") -> Explanation:
        """Exact contributions by reason group and the top four in words.

        Raises `ScoringFailed` where contributions and bias do not add up to the raw score.
        """
        raw = self.score(vector).raw
        parts = self.engine.parts(vector)
        if not abs(math.fsum(parts) - raw) <= TOLERANCE:
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
            feature = self._features.get(info.features[i])
            if not missing and feature is not None and feature.is_harmless(vector[i]):
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
        """Free the engine; the model cannot be used afterwards."""
        self.engine.close()


class _Calls(threading.local):
    """The prepared native calls of one thread."""

    score: SingleRow | None = None
    explain: SingleRow | None = None


class Trees:
    """LightGBM's trees by its C API: the single-row fast path, prepared once a thread."""

    def __init__(self, booster: lightgbm.Booster) -> None:
        """Keep the booster and prepare this thread's calls."""
        self._booster = booster
        self.names = tuple(booster.feature_name())
        self._width = len(self.names)
        self._calls = _Calls()
        self._opened: weakref.WeakSet[SingleRow] = weakref.WeakSet()
        self._lock = threading.Lock()
        self._closed = False
        self._score_call()
        self._explain_call()

    def raw(self, vector: Floats) -> float:
        """Raw log-odds of bad, bit-equal to `Booster.predict`. Raises `ScoringFailed`."""
        call = self._calls.score or self._score_call()
        try:
            call.cells[:] = vector  # a view copies in a third of numpy's time and never casts
        except (TypeError, ValueError, NotImplementedError) as error:
            detail = f"not float64 of shape {(self._width,)}: {error}"
            raise ScoringFailed("shape_wrong", detail) from error
        if call.native(*call.arguments):
            call.fail()
        raw: float = call.out.item()
        return raw

    def parts(self, vector: Floats) -> list[float]:
        """Exact TreeSHAP values and the bias."""
        call = self._calls.explain or self._explain_call()
        call.row[:] = vector
        call.run()
        parts: list[float] = call.out.tolist()
        return parts

    def raw_many(self, matrix: Floats, threads: int) -> Floats:
        """Raw log-odds of many rows."""
        found = self._booster.predict(matrix, raw_score=True, num_threads=threads)
        return np.asarray(found, dtype=np.float64)

    def close(self) -> None:
        """Free the native calls of all threads."""
        with self._lock:
            self._closed = True
            for call in list(self._opened):
                call.close()
            self._calls = _Calls()

    def raw_c_call(self) -> Callable[[], object]:
        """The raw C call alone, on the last scored row of this thread; for benchmarks."""
        call = self._calls.score or self._score_call()
        native, arguments = call.native, call.arguments
        return lambda: native(*arguments)

    def _score_call(self) -> SingleRow:
        self._calls.score = self._open(RAW_SCORE)
        return self._calls.score

    def _explain_call(self) -> SingleRow:
        self._calls.explain = self._open(CONTRIBUTIONS)
        return self._calls.explain

    def _open(self, predict_type: int) -> SingleRow:
        with self._lock:
            if self._closed:
                raise ScoringFailed("model_closed", "the model was closed")
            call = SingleRow(self._booster, predict_type, self._width)
            self._opened.add(call)
            return call


class Card:
    """A scorecard: weights times weights of evidence, in plain arithmetic."""

    def __init__(self, card: Scorecard) -> None:
        """Keep the card."""
        self.names = tuple(feature.name for feature in card.features)
        self._card = card
        self._width = len(card.features)

    def raw(self, vector: Floats) -> float:
        """Raw log-odds of bad, bit-equal to `raw_many`. Raises `ScoringFailed`."""
        return self._card.one(self._values(vector))

    def parts(self, vector: Floats) -> list[float]:
        """Weight times WoE of each feature's bin, then the intercept."""
        self._values(vector)
        found: list[float] = self._card.contributions(vector.reshape(1, -1))[0].tolist()
        return [*found, self._card.intercept]

    def raw_many(self, matrix: Floats, threads: int) -> Floats:
        """Raw log-odds of many rows; one thread is enough."""
        del threads
        return self._card.log_odds(matrix)

    def close(self) -> None:
        """Nothing to free."""

    def _values(self, vector: Floats) -> list[float]:
        if not isinstance(vector, np.ndarray) or vector.shape != (self._width,):
            raise ScoringFailed("shape_wrong", f"not float64 of shape {(self._width,)}")
        if vector.dtype != np.float64:
            raise ScoringFailed("shape_wrong", f"not float64 of shape {(self._width,)}")
        values: list[float] = vector.tolist()
        return values


def open_engine(kind: EngineKind, text: str) -> Engine:
    """The engine of a bundle's text. Raises `BundleInvalid` where the text is not one."""
    try:
        if kind == "scorecard":
            return Card(msgspec.json.decode(text, type=Scorecard))
        return Trees(lightgbm.Booster(model_str=text))
    except (lightgbm.basic.LightGBMError, msgspec.DecodeError, ScoringFailed) as error:
        raise BundleInvalid("bundle_corrupt", str(error)) from error


def chance(odds: float) -> float:
    """Probability of log-odds, without overflow."""
    if odds >= 0:
        return 1.0 / (1.0 + exp(-odds))
    rise = exp(odds)
    return rise / (1.0 + rise)
