"""The verbs: record facts, refresh a snapshot, read the current one. Appeals have rooms of their
own: ``appeals`` (the member), ``deciding`` (the staff).

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
from handsel.people.credit.schemas import Fact, StoredScore
from handsel.people.credit.schemas import Snapshot as Snapshot
from handsel.people.credit.showing import unknown
from handsel_ml.contract import SCORE_KINDS, check_fact
from handsel_ml.contract import Fact as KnownFact
from handsel_ml.errors import FactInvalid

if TYPE_CHECKING:
    from handsel.people.credit.models import Models
    from handsel_ml.registry.shelf import Shelf

#: How far a fact may lie ahead of the business time: clocks of machines differ, facts do not.
_SKEW = timedelta(minutes=5)
_FACT_TYPES = (
    "uuid[]", "text[]", "text[]", "uuid[]", "uuid[]", "text[]", "bigint[]", "int[]", "int[]",
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
         f.amount_minor, f.value, f.weight_bps, f.happened_at)
        for f in facts
    ]  # fmt: skip
    tx.call("people.record_facts", _FACT_TYPES, *(list(c) for c in zip(*columns, strict=True)))


async def refresh(
    tx: Tx, member_id: UUID, models: "Models | None" = None, *, shelf: "Shelf | None" = None
) -> Snapshot:
    """Assess a member anew and store the snapshot. For the worker; never inside a payment.

    By the models that the register seats, whose files lie on ``shelf`` (default: this house's);
    with ``models`` by those and no others.

    Sees what this transaction has recorded before. Other transactions that record facts of this
    member wait until it has ended.
    """
    # LightGBM and its kin take 60 MB: a process that never scores, like the API, never loads them.
    from handsel.people.credit import shadow
    from handsel.people.credit.models import Serving, serving

    await tx.flush()
    as_of = await tx.fetchval("SELECT people.open_assessment($1)", member_id)
    before = await queries.newest_snapshot(tx, member_id)
    facts = await queries.facts_before(tx, member_id, as_of)
    seated = Serving(models) if models else await serving(tx, shelf)
    assessed = shadow.assess_with(seated, member_id, facts, as_of)
    scores = assessed.scores
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
    shadow.record(tx, member_id, as_of, assessed)
    _tell_changes(tx, before, snapshot)
    return snapshot


async def knows(reader: queries.Reader, fact: Fact) -> bool:
    """Whether a fact is stored already."""
    return await queries.is_recorded(reader, fact.member_id, fact.kind, fact.source_id)


async def current(reader: queries.Reader, member_id: UUID) -> Snapshot | None:
    """The newest stored snapshot, or None before the first."""
    return await queries.newest_snapshot(reader, member_id)


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
        weight_bps=fact.weight_bps,
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
    for kind in SCORE_KINDS:
        old: StoredScore = getattr(before, kind) if before else unknown(kind)
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
