"""What the staff do with an appeal. Whatever changes a score is proposed by one and confirmed by
another of them, who has seen it; nobody decides on their own or on what they were the other side
of; whoever looks leaves a trace."""

import hashlib
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import timedelta
from typing import Any
from uuid import UUID

import msgspec

from handsel.foundation import audit
from handsel.foundation.core.errors import NotFound
from handsel.foundation.db.uow import Tx
from handsel.people.credit import appeals
from handsel.people.credit.errors import (
    AnswerMissing,
    AppealCounterparty,
    AppealDecided,
    AppealNeedsSecond,
    AppealNotProposed,
    NothingUpheld,
    OwnAppeal,
    ProposalChanged,
)
from handsel.people.credit.views import AppealState, AppealView

#: How long before its deadline an open appeal is brought up.
URGED_BEFORE = timedelta(days=5)


class Proposal(msgspec.Struct, frozen=True, kw_only=True):
    """What somebody of the staff would take out, and what the member would be told."""

    proposed_by: UUID
    facts: tuple[UUID, ...]
    answer: str

    def digest(self) -> str:
        """Names all of it, by 128 bits: who proposes makes no second proposal of the same name."""
        return hashlib.sha256(msgspec.json.encode(self)).hexdigest()[:32]


@dataclass(slots=True)
class Appeal:
    """An appeal's row, locked while it is decided."""

    id: UUID
    member_id: UUID
    about: str
    state: AppealState
    proposed_by: UUID | None
    proposal: dict[str, Any] | None

    def proposed(self) -> Proposal | None:
        """What waits for the second member of staff."""
        if self.proposed_by is None or self.proposal is None:
            return None
        facts = tuple(UUID(fact) for fact in self.proposal["facts"])
        return Proposal(proposed_by=self.proposed_by, facts=facts, answer=self.proposal["answer"])


#: First the member, then the appeal: the order in which whoever files one comes by.
_LOCK = "SELECT people.lock_credit(member_id) FROM people.appeals WHERE id = $1"
_LOAD = f"SELECT {', '.join(Appeal.__slots__)} FROM people.appeals WHERE id = $1 FOR UPDATE"
_OTHER_SIDE = """
SELECT EXISTS (SELECT FROM people.facts f
  WHERE f.counterparty_id = $2 AND (f.id = ANY ($3::uuid[]) OR f.id IN (
        SELECT a.fact_id FROM people.appeal_facts a WHERE a.appeal_id = $1)))
"""


async def waiting(tx: Tx, staff_id: UUID) -> list[AppealView]:
    """Open appeals, the most urgent first; that this member of staff has seen them is logged."""
    found = await appeals.open_appeals(tx)
    body = {"appeals": [appeal.id for appeal in found]}
    audit.record(tx, "credit", "appeals_listed", body, actor_id=staff_id)
    return found


async def read(tx: Tx, staff_id: UUID, appeal_id: UUID) -> tuple[AppealView, Proposal | None]:
    """An appeal as its member sees it, and what is proposed; that it was seen is logged.

    Raises ``NotFound``, ``OwnAppeal``.
    """
    appeal = await _load(tx, staff_id, appeal_id)
    _note(tx, "appeal_read", appeal, staff_id)
    return await appeals.one(tx, appeal_id, None), appeal.proposed()


async def propose(
    tx: Tx, staff_id: UUID, appeal_id: UUID, facts: Sequence[UUID], answer: str
) -> None:
    """Propose to uphold it: ``facts`` of its member are wrong (those that it names, or others where
    it names none), ``answer`` tells why. A newer proposal replaces this one.

    Raises ``NotFound``, ``OwnAppeal``, ``AppealCounterparty``, ``AppealDecided``,
    ``AnswerMissing``, ``NothingUpheld``, ``FactRetracted``.
    """
    appeal = await _open(tx, staff_id, appeal_id)
    named, wrong = await _named(tx, appeal.id), sorted(set(facts))
    if named and not wrong:
        raise NothingUpheld
    await _check(tx, appeal, wrong, named)
    await _not_other_side(tx, appeal, staff_id, wrong)
    words = _words(answer)
    await tx.execute(
        "UPDATE people.appeals SET proposed_by = $2, proposal = $3 WHERE id = $1",
        appeal.id,
        staff_id,
        {"facts": [str(fact) for fact in wrong], "answer": words},
    )
    body = {"facts": wrong, "answer_sha256": appeals.sha256_of(words)}
    _note(tx, "appeal_proposed", appeal, staff_id, **body)


async def confirm(tx: Tx, staff_id: UUID, appeal_id: UUID, digest: str) -> AppealState:
    """Confirm what another member of staff has proposed and this one has seen, by the digest of
    it: the facts are taken out, the member is told, the worker makes both scores anew. ``partly``
    where some of the named facts stay.

    Raises ``NotFound``, ``OwnAppeal``, ``AppealCounterparty``, ``AppealDecided``,
    ``AppealNotProposed``, ``AppealNeedsSecond``, ``ProposalChanged``.
    """
    appeal = await _open(tx, staff_id, appeal_id)
    proposal = appeal.proposed()
    if proposal is None:
        raise AppealNotProposed
    if proposal.proposed_by == staff_id:
        raise AppealNeedsSecond
    if proposal.digest() != digest:
        raise ProposalChanged
    await _not_other_side(tx, appeal, staff_id, proposal.facts)
    named = await _named(tx, appeal.id)
    outcome: AppealState = "upheld" if named <= set(proposal.facts) else "partly"
    await _close(tx, appeal, outcome, staff_id, proposal.answer)
    if proposal.facts:
        tx.call("people.retract_facts", ("uuid", "uuid[]"), appeal.id, list(proposal.facts))
    return outcome


async def deny(tx: Tx, staff_id: UUID, appeal_id: UUID, answer: str) -> None:
    """Deny it, and say why; nothing changes.

    Raises ``NotFound``, ``OwnAppeal``, ``AppealCounterparty``, ``AppealDecided``,
    ``AnswerMissing``.
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
    await tx.execute(_LOCK, appeal_id)
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
    await _not_other_side(tx, appeal, staff_id)
    return appeal


async def _not_other_side(
    tx: Tx, appeal: Appeal, staff_id: UUID, wrong: Sequence[UUID] = ()
) -> None:
    """Of a fact that the appeal names, or that would be taken out."""
    if await tx.fetchval(_OTHER_SIDE, appeal.id, staff_id, wrong):
        raise AppealCounterparty


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
    proposal = appeal.proposed()
    seen = proposal and {"by": proposal.proposed_by, "facts": proposal.facts}
    told = appeals.sha256_of(answer)
    _note(tx, f"appeal_{outcome}", appeal, staff_id, answer_sha256=told, proposal=seen)
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
