"""What the staff do with an appeal. Whatever changes a score is proposed by one and confirmed by
another of them; nobody decides on their own; whoever looks leaves a trace."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import timedelta
from typing import Any
from uuid import UUID

from handsel.foundation import audit
from handsel.foundation.core.errors import NotFound
from handsel.foundation.db.uow import Tx
from handsel.people.credit import appeals
from handsel.people.credit.errors import (
    AnswerMissing,
    AppealDecided,
    AppealNeedsSecond,
    AppealNotProposed,
    NothingUpheld,
    OwnAppeal,
)
from handsel.people.credit.views import AppealState, AppealView

#: How long before its deadline an open appeal is brought up.
URGED_BEFORE = timedelta(days=5)


@dataclass(slots=True)
class Appeal:
    """An appeal's row, locked while it is decided."""

    id: UUID
    member_id: UUID
    about: str
    state: AppealState
    proposed_by: UUID | None
    proposal: dict[str, Any] | None


_LOAD = f"SELECT {', '.join(Appeal.__slots__)} FROM people.appeals WHERE id = $1 FOR UPDATE"


async def waiting(tx: Tx, staff_id: UUID) -> list[AppealView]:
    """Open appeals, the most urgent first; that this member of staff has seen them is logged."""
    found = await appeals.open_appeals(tx)
    body = {"appeals": [appeal.id for appeal in found]}
    audit.record(tx, "credit", "appeals_listed", body, actor_id=staff_id)
    return found


async def read(tx: Tx, staff_id: UUID, appeal_id: UUID) -> tuple[AppealView, dict[str, Any] | None]:
    """An appeal as its member sees it, and what is proposed; that it was seen is logged.

    Raises ``NotFound``, ``OwnAppeal``.
    """
    appeal = await _load(tx, staff_id, appeal_id)
    _note(tx, "appeal_read", appeal, staff_id)
    return await appeals.one(tx, appeal_id, None), appeal.proposal


async def propose(
    tx: Tx, staff_id: UUID, appeal_id: UUID, facts: Sequence[UUID], answer: str
) -> None:
    """Propose to uphold it: ``facts`` of its member are wrong (those that it names, or others where
    it names none), ``answer`` tells why. A newer proposal replaces this one.

    Raises ``NotFound``, ``OwnAppeal``, ``AppealDecided``, ``AnswerMissing``, ``NothingUpheld``,
    ``FactRetracted``.
    """
    appeal = await _open(tx, staff_id, appeal_id)
    named, wrong = await _named(tx, appeal.id), sorted(set(facts))
    if named and not wrong:
        raise NothingUpheld
    await _check(tx, appeal, wrong, named)
    proposal = {"facts": [str(fact) for fact in wrong], "answer": _words(answer)}
    await tx.execute(
        "UPDATE people.appeals SET proposed_by = $2, proposal = $3 WHERE id = $1",
        appeal.id,
        staff_id,
        proposal,
    )
    _note(tx, "appeal_proposed", appeal, staff_id, **proposal)


async def confirm(tx: Tx, staff_id: UUID, appeal_id: UUID) -> AppealState:
    """Confirm what another member of staff has proposed: the facts are taken out, the member is
    told, the worker makes both scores anew. ``partly`` where some of the named facts stay.

    Raises ``NotFound``, ``OwnAppeal``, ``AppealDecided``, ``AppealNotProposed``,
    ``AppealNeedsSecond``.
    """
    appeal = await _open(tx, staff_id, appeal_id)
    if appeal.proposal is None:
        raise AppealNotProposed
    if appeal.proposed_by == staff_id:
        raise AppealNeedsSecond
    wrong = [UUID(fact) for fact in appeal.proposal["facts"]]
    named = await _named(tx, appeal.id)
    outcome: AppealState = "upheld" if named <= set(wrong) else "partly"
    await _close(tx, appeal, outcome, staff_id, appeal.proposal["answer"])
    if wrong:
        tx.call("people.retract_facts", ("uuid", "uuid[]"), appeal.id, wrong)
    return outcome


async def deny(tx: Tx, staff_id: UUID, appeal_id: UUID, answer: str) -> None:
    """Deny it, and say why; nothing changes.

    Raises ``NotFound``, ``OwnAppeal``, ``AppealDecided``, ``AnswerMissing``.
    """
    appeal = await _open(tx, staff_id, appeal_id)
    await _close(tx, appeal, "denied", staff_id, _words(answer))


async def urge(tx: Tx) -> list[UUID]:
    """Open appeals whose time runs out within five days, each named once."""
    rows = await tx.fetch(
        "UPDATE people.appeals SET urged_at = $1"
        " WHERE state = 'open' AND urged_at IS NULL AND deadline_at < $2 RETURNING id",
        tx.now,
        tx.now + URGED_BEFORE,
    )
    return [row["id"] for row in rows]


async def _load(tx: Tx, staff_id: UUID, appeal_id: UUID) -> Appeal:
    row = await tx.fetchrow(_LOAD, appeal_id)
    if row is None:
        raise NotFound("there is no such appeal")
    appeal = Appeal(**dict(row))
    if appeal.member_id == staff_id:
        raise OwnAppeal
    return appeal


async def _open(tx: Tx, staff_id: UUID, appeal_id: UUID) -> Appeal:
    appeal = await _load(tx, staff_id, appeal_id)
    if appeal.state != "open":
        raise AppealDecided
    return appeal


async def _named(tx: Tx, appeal_id: UUID) -> set[UUID]:
    rows = await tx.fetch("SELECT fact_id FROM people.appeal_facts WHERE appeal_id = $1", appeal_id)
    return {row["fact_id"] for row in rows}


async def _check(tx: Tx, appeal: Appeal, wrong: Sequence[UUID], named: set[UUID]) -> None:
    """The facts are of this member and of this appeal, and still count."""
    if named and not named.issuperset(wrong):
        raise NotFound("the appeal names no such fact")
    await appeals.check_facts(tx, appeal.member_id, wrong)


async def _close(tx: Tx, appeal: Appeal, outcome: AppealState, staff_id: UUID, answer: str) -> None:
    await tx.execute(
        "UPDATE people.appeals SET state = $2, decided_at = $3, decided_by = $4, answer = $5"
        " WHERE id = $1",
        appeal.id,
        outcome,
        tx.now,
        staff_id,
        answer,
    )
    await tx.execute("UPDATE people.appeal_facts SET live = false WHERE appeal_id = $1", appeal.id)
    _note(tx, f"appeal_{outcome}", appeal, staff_id, answer=answer, proposal=appeal.proposal)
    appeals.tell(tx, outcome, appeal.member_id, appeal.id, about=appeal.about, answer=answer)


def _words(answer: str) -> str:
    words = answer.strip()
    if not 1 <= len(words) <= appeals.LONGEST_ANSWER:
        raise AnswerMissing(f"say why in 1 to {appeals.LONGEST_ANSWER} characters")
    return words


def _note(tx: Tx, action: str, appeal: Appeal, staff_id: UUID, **body: object) -> None:
    audit.record(
        tx, "credit", action, {"appeal_id": appeal.id, **body},
        subject_id=appeal.member_id, actor_id=staff_id,
    )  # fmt: skip
