"""What challengers say: of everybody in shadow, of a share of the members in a canary.

A challenger never keeps a member from a score: where it fails, the champion's stands. Where the
champion fails nobody is scored, whatever a challenger may say.
"""

from collections.abc import Sequence
from datetime import datetime
from typing import NamedTuple
from uuid import UUID

from handsel.foundation.db.uow import Tx
from handsel.people.credit.assessment import failed, score_of, scores_of
from handsel.people.credit.models import Challenger, Models, Serving
from handsel.people.credit.schemas import StoredScore
from handsel_ml.contract import SCORE_KINDS, ScoreKind
from handsel_ml.contract import Fact as KnownFact
from handsel_ml.registry.share import place_of

_TYPES = (
    "uuid", "timestamptz", "text", "text", "text", "int", "text", "int", "int", "float8", "text",
)  # fmt: skip
_NOTE_TYPES = "uuid", "text[]", "text[]", "int[]"


class Assessed(NamedTuple):
    """What a member is scored with, and what each challenger says of them. ``asked``: the models
    that were asked for the scores, whether or not they gave a number; empty for one that could not
    be."""

    scores: dict[ScoreKind, StoredScore]
    shadows: tuple[tuple[Challenger, StoredScore], ...]
    asked: dict[ScoreKind, str]


def assess_with(
    models: Serving, member_id: UUID, facts: Sequence[KnownFact], as_of: datetime
) -> Assessed:
    """Both scores of a member, and the challengers' opinions. No I/O."""
    scores = scores_of(facts, as_of, models.champions)
    asked = {kind: _id_of(models.champions, kind) for kind in SCORE_KINDS}
    shadows = tuple((rival, _opinion(rival, facts, as_of)) for rival in models.challengers)
    for rival, said in shadows:
        served = rival.scores(member_id) and said.state != "failed"
        if served and scores[rival.kind].state != "failed":
            scores[rival.kind], asked[rival.kind] = said, rival.model_id
    return Assessed(scores, shadows, asked)


def record(tx: Tx, member_id: UUID, as_of: datetime, assessed: Assessed) -> None:
    """Keep the opinions and who was asked, with the snapshot's transaction."""
    asked = assessed.asked
    places = [place_of(model_id, str(member_id)) for model_id in asked.values()]
    tx.call("people.note_scored", _NOTE_TYPES, member_id, list(asked), list(asked.values()), places)
    for rival, said in assessed.shadows:
        tx.call(
            "people.record_shadow_score", _TYPES, member_id, as_of, rival.kind, rival.model_id,
            said.state, said.points, said.band, said.low, said.high, said.pd, said.failure,
        )  # fmt: skip


def _id_of(champions: Models, kind: ScoreKind) -> str:
    return "" if champions.failure is not None else champions.by_kind[kind].info.model_id


def _opinion(rival: Challenger, facts: Sequence[KnownFact], as_of: datetime) -> StoredScore:
    if rival.model is None:
        return failed(rival.kind, rival.failure or "bundle_missing")
    return score_of(facts, as_of, rival.model)
