"""Taking back what a model said that no longer serves: members are scored anew after a rollback, a
promotion, a smaller canary, or once files that could not be used are there again.

A refresh follows a member's own events; without this, points of a model that was rolled back would
stand until the next of them. ``people.scored_by`` knows of each member which model was asked last,
in the order of an index: who has to be scored anew is found without looking at anybody else, and
where nobody has to, that costs a few milliseconds. A worker looks every ten seconds and scores
about a hundred members a second anew. Members of a canary who have the champion's score
still are left alone: the champion serves.
"""

from collections.abc import Sequence
from uuid import UUID

from handsel.foundation.db.uow import Tx
from handsel.people.credit import service
from handsel.people.credit.models import Serving, serving
from handsel.people.credit.queries import Reader
from handsel_ml.contract import SCORE_KINDS, ScoreKind
from handsel_ml.registry.share import WHOLE_BPS
from handsel_ml.registry.shelf import Shelf

# One stretch of the index each: below, between and above the models that are seated, and those of
# the canary's members who no longer belong to it.
_STRETCH = """
(SELECT member_id FROM people.scored_by WHERE kind = $1 AND {0} ORDER BY model_id, place LIMIT $5)
"""
_DUE = "UNION ALL".join(
    _STRETCH.format(which)
    for which in (
        "model_id < least($2::text, $3)",
        "model_id > least($2::text, $3) AND model_id < greatest($2, $3)",
        "model_id > greatest($2::text, $3)",
        "model_id = $3::text AND place >= $4::int",
    )
)
_ASKED = "SELECT kind, model_id, place FROM people.scored_by WHERE member_id = $1"


async def due(reader: Reader, shelf: Shelf, count: int) -> Sequence[UUID]:
    """About so many members whose newest snapshot is by a model that is not seated for them, or by
    none. Nobody while the champions cannot be used."""
    seated = await serving(reader, shelf)
    if seated.champions.failure is not None:
        return ()
    found: dict[UUID, None] = {}
    for kind in SCORE_KINDS:
        champion, canary, share = _seats(seated, kind)
        rows = await reader.fetch(_DUE, kind, champion, canary, share, count)
        found.update((row["member_id"], None) for row in rows)
    return list(found)[:count]


async def rescore(tx: Tx, member_id: UUID, shelf: Shelf) -> bool:
    """Score one of those anew, unless somebody has or does: whether it was done here."""
    if not await tx.fetchval("SELECT people.try_lock_credit($1)", member_id):
        return False
    seated = await serving(tx, shelf)
    rows = await tx.fetch(_ASKED, member_id)
    if all(_fits(seated, row["kind"], row["model_id"], row["place"]) for row in rows):
        return False
    await service.refresh(tx, member_id, shelf=shelf)
    return True


def _fits(seated: Serving, kind: ScoreKind, model_id: str, place: int) -> bool:
    if seated.champions.failure is not None:
        return True  # nothing better is to be had
    champion, canary, share = _seats(seated, kind)
    return model_id == champion or (model_id == canary and place < share)


def _seats(seated: Serving, kind: ScoreKind) -> tuple[str, str, int]:
    """Champion, canary and its share; without a canary the champion stands for it, whole."""
    champion = seated.champions.by_kind[kind].info.model_id
    for rival in seated.challengers:
        if rival.kind == kind and rival.share_bps:
            return champion, rival.model_id, rival.share_bps
    return champion, champion, WHOLE_BPS
