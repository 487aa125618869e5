"""Serving: load a bundle, assess a member.

A bundle that is missing, damaged, of another LightGBM or of other features is refused at load;
an answer that is not a finite number is `ScoringFailed`. Either way the caller falls back to
its most cautious tier; nothing is guessed here. A model may be used from any thread.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from datetime import datetime
from pathlib import Path

import lightgbm
import numpy as np

from handsel_ml.bundle import read_bundle
from handsel_ml.contract import SCORE_KINDS, Fact, Score, ScoreKind
from handsel_ml.errors import BundleInvalid, ScoringFailed
from handsel_ml.features import FEATURES, feature_row
from handsel_ml.model import TOLERANCE, Model, open_engine
from handsel_ml.reasons import DEALS_NEEDED, Language, building_reason
from handsel_ml.scorecard import interval, log_odds

BUNDLES = Path(__file__).parent / "bundles"


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
    engine = open_engine(info.engine, text)
    if engine.names != names:
        raise BundleInvalid("features_mismatch", f"{path}: its {info.engine} use other features")
    model = Model(engine, info)
    try:
        again = model.score(np.array(info.reference.vector)).raw
    except ScoringFailed as error:
        raise BundleInvalid("bundle_corrupt", f"{path}: {error}") from error
    if not abs(again - info.reference.raw) <= TOLERANCE:
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
    language: Language = "en",
) -> dict[ScoreKind, Score]:
    """Both scores of one member as of a moment, out of facts known strictly before it.

    Raises `FactInvalid` for facts of several members, `ScoringFailed`.
    """
    return {kind: assess_one(facts, as_of, models[kind], language) for kind in SCORE_KINDS}


def assess_one(
    facts: Sequence[Fact], as_of: datetime, model: Model, language: Language = "en"
) -> Score:
    """One score of one member; the rest as `assess`."""
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
