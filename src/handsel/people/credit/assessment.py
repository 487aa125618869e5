"""From facts to both scores: `handsel_ml` does it, here it fails closed. No I/O."""

from collections.abc import Sequence
from datetime import datetime

from handsel.people.credit.models import Models
from handsel.people.credit.schemas import StoredReason, StoredScore
from handsel_ml.contract import SCORE_KINDS, Score, ScoreKind
from handsel_ml.contract import Fact as KnownFact
from handsel_ml.errors import CreditError
from handsel_ml.features import features
from handsel_ml.model import Model
from handsel_ml.serve import assess_one


def scores_of(
    facts: Sequence[KnownFact], as_of: datetime, models: Models
) -> dict[ScoreKind, StoredScore]:
    """Both scores of one member; both ``failed`` where a model is unusable or gives no number."""
    if models.failure is not None:
        return {kind: failed(kind, models.failure) for kind in SCORE_KINDS}
    found = {kind: score_of(facts, as_of, models.by_kind[kind]) for kind in SCORE_KINDS}
    codes = [score.failure for score in found.values() if score.failure is not None]
    return {kind: failed(kind, codes[0]) for kind in SCORE_KINDS} if codes else found


def score_of(facts: Sequence[KnownFact], as_of: datetime, model: Model) -> StoredScore:
    """One score of one member, ``failed`` where the model gives no number."""
    try:
        score = assess_one(facts, as_of, model)
        return _stored(facts, as_of, score, model)
    except CreditError as error:
        return failed(model.kind, error.code)


def failed(kind: ScoreKind, code: str) -> StoredScore:
    """No score, and the stable code of why."""
    return StoredScore(kind=kind, state="failed", failure=code)


def _stored(facts: Sequence[KnownFact], as_of: datetime, score: Score, model: Model) -> StoredScore:
    return StoredScore(
        kind=score.kind,
        state=score.state,
        points=score.points,
        band=score.band,
        low=score.low,
        high=score.high,
        pd=score.pd,
        closed_deals=score.closed_deals,
        reasons=tuple(
            StoredReason(code=r.code, points=r.points, unknown=r.unknown) for r in score.reasons
        ),
        model_id=score.model_id,
        model_sha256=model.info.model_sha256,
        vector=tuple(features(facts, as_of, score.kind).tolist()),
    )
