"""From facts to both scores: `handsel_ml` does it, here it fails closed. No I/O."""

from collections.abc import Sequence
from datetime import datetime

from handsel.people.credit.models import Models
from handsel.people.credit.schemas import StoredScore
from handsel_ml.contract import SCORE_KINDS, Score, ScoreKind
from handsel_ml.contract import Fact as KnownFact
from handsel_ml.errors import CreditError
from handsel_ml.features import features
from handsel_ml.model import Model
from handsel_ml.serve import assess


def scores_of(
    facts: Sequence[KnownFact], as_of: datetime, models: Models
) -> dict[ScoreKind, StoredScore]:
    """Both scores of one member; both ``failed`` where a model is unusable or gives no number."""
    if models.failure is not None:
        return _failed(models.failure)
    try:
        found = assess(facts, as_of, models.by_kind)
        return {
            kind: _stored(facts, as_of, found[kind], models.by_kind[kind]) for kind in SCORE_KINDS
        }
    except CreditError as error:
        return _failed(error.code)


def _failed(code: str) -> dict[ScoreKind, StoredScore]:
    return {kind: StoredScore(kind=kind, state="failed", failure=code) for kind in SCORE_KINDS}


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
        reasons=score.reasons,
        model_id=score.model_id,
        model_sha256=model.info.model_sha256,
        vector=tuple(features(facts, as_of, score.kind).tolist()),
    )
