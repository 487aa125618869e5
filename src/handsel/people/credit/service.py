"""The verbs: record facts, refresh a snapshot, read the current one.

Called by the worker (``record``, then ``refresh`` of the members concerned, in one transaction) and
by whoever shows a score. Trust reads the newest snapshot inside its own SQL.
"""

from collections.abc import Sequence
from datetime import timedelta
from typing import TYPE_CHECKING
from uuid import UUID

from handsel.foundation import audit
from handsel.foundation.db.uow import Tx
from handsel.people.credit import queries
from handsel.people.credit.errors import FactRefused
from handsel.people.credit.schemas import CreditView, Fact, ReasonView, ScoreView, StoredScore
from handsel.people.credit.schemas import Snapshot as Snapshot
from handsel_ml.contract import Fact as KnownFact
from handsel_ml.contract import check_fact
from handsel_ml.errors import FactInvalid

if TYPE_CHECKING:
    from handsel.people.credit.models import Models

#: How far a fact may lie ahead of the business time: clocks of machines differ, facts do not.
_SKEW = timedelta(minutes=5)
_FACT_TYPES = (
    "uuid[]", "text[]", "text[]", "uuid[]", "uuid[]", "text[]", "bigint[]", "int[]",
    "timestamptz[]",
)  # fmt: skip
_SCORE_TYPES = (
    "uuid", "timestamptz", "text", "text", "int", "text", "int", "int", "float8", "int", "jsonb",
    "text", "text", "float8[]", "text", "int", "timestamptz",
)  # fmt: skip


def record(tx: Tx, facts: Sequence[Fact]) -> None:
    """Store facts with the transaction; those that are stored already add nothing.

    Raises ``FactRefused`` for one that does not fit its kind, and then stores none of them.
    """
    if not facts:
        return
    for fact in facts:
        _check(tx, fact)
    columns = [
        (f.member_id, f.kind.value, f.source_id, f.order_id, f.counterparty_id, f.role,
         f.amount_minor, f.value, f.happened_at)
        for f in facts
    ]  # fmt: skip
    tx.call("people.record_facts", _FACT_TYPES, *(list(c) for c in zip(*columns, strict=True)))


async def refresh(tx: Tx, member_id: UUID, models: "Models | None" = None) -> Snapshot:
    """Assess a member anew and store the snapshot. For the worker; never inside a payment.

    Sees what this transaction has recorded before. Other transactions that record facts of this
    member wait until it has ended.
    """
    # LightGBM and its kin take 60 MB: a process that never scores, like the API, never loads them.
    from handsel.people.credit.assessment import scores_of
    from handsel.people.credit.models import models_in

    await tx.flush()
    as_of = await tx.fetchval("SELECT people.open_assessment($1)", member_id)
    before = await queries.newest_snapshot(tx, member_id)
    facts = await queries.facts_before(tx, member_id, as_of)
    scores = scores_of(facts, as_of, models or models_in())
    snapshot = Snapshot(
        member_id=member_id,
        as_of=as_of,
        facts_seen=len(facts),
        facts_until=facts[-1].known_at if facts else None,
        financial=scores["financial"],
        social=scores["social"],
    )
    for score in (snapshot.financial, snapshot.social):
        _store(tx, snapshot, score)
    _tell_changes(tx, before, snapshot)
    return snapshot


async def current(reader: queries.Reader, member_id: UUID) -> Snapshot | None:
    """The newest stored snapshot, or None before the first."""
    return await queries.newest_snapshot(reader, member_id)


async def own_credit(reader: queries.Reader, member_id: UUID) -> CreditView:
    """What a member is shown of themselves."""
    snapshot = await current(reader, member_id)
    financial = snapshot.financial if snapshot else _unknown("financial")
    social = snapshot.social if snapshot else _unknown("social")
    return CreditView(
        as_of=snapshot.as_of if snapshot else None,
        financial=_shown(financial),
        social=_shown(social),
        next_step=_next_step(financial, social),
    )


def _check(tx: Tx, fact: Fact) -> None:
    known = KnownFact(
        member_id=str(fact.member_id),
        kind=fact.kind,
        source_id=fact.source_id,
        order_id=None if fact.order_id is None else str(fact.order_id),
        counterparty_id=None if fact.counterparty_id is None else str(fact.counterparty_id),
        role=fact.role,
        amount_minor=fact.amount_minor,
        value=fact.value,
        happened_at=fact.happened_at,
        known_at=max(tx.now, fact.happened_at),
    )
    try:
        check_fact(known)
    except (FactInvalid, TypeError) as error:
        raise FactRefused(str(error)) from None
    if fact.happened_at > tx.now + _SKEW:
        raise FactRefused(f"dates_out_of_order: {fact.kind} lies in the future")


def _store(tx: Tx, snapshot: Snapshot, score: StoredScore) -> None:
    tx.call(
        "people.record_score",
        _SCORE_TYPES,
        snapshot.member_id,
        snapshot.as_of,
        score.kind,
        score.state,
        score.points,
        score.band,
        score.low,
        score.high,
        score.pd,
        score.closed_deals,
        score.reasons,
        score.model_id,
        score.model_sha256,
        score.vector,
        score.failure,
        snapshot.facts_seen,
        snapshot.facts_until,
    )


def _tell_changes(tx: Tx, before: Snapshot | None, after: Snapshot) -> None:
    """An audit entry for each score whose band, or whose having one, changed."""
    for kind in ("financial", "social"):
        old: StoredScore = getattr(before, kind) if before else _unknown(kind)
        new: StoredScore = getattr(after, kind)
        if (old.state, old.band) == (new.state, new.band):
            continue
        body = {
            "kind": kind,
            "from": {"state": old.state, "band": old.band, "model_id": old.model_id},
            "to": {"state": new.state, "band": new.band, "model_id": new.model_id},
            "as_of": after.as_of,
            "failure": new.failure,
        }
        audit.record(tx, "credit", "band_changed", body, subject_id=after.member_id)


def _unknown(kind: str) -> StoredScore:
    """A member without a snapshot is building history."""
    return StoredScore(
        kind="financial" if kind == "financial" else "social", state="building_history"
    )


def _shown(score: StoredScore) -> ScoreView:
    return ScoreView(
        kind=score.kind,
        state=score.state,
        points=score.points,
        band=score.band,
        low=score.low,
        high=score.high,
        reasons=tuple(
            ReasonView(code=r.code, text=r.text, help=r.help, points=r.points)
            for r in score.reasons
        ),
    )


def _next_step(*scores: StoredScore) -> str:
    """One sentence: what would help most now."""
    if any(score.state == "failed" for score in scores):
        return "Your scores cannot be computed at the moment; nothing for you to do."
    if any(score.state == "building_history" for score in scores):
        return "Complete three protected orders; then you have a score."
    reasons = [reason for score in scores for reason in score.reasons]
    if not reasons:
        return "Nothing holds your scores back. Keep going."
    return max(reasons, key=lambda reason: reason.points).help
