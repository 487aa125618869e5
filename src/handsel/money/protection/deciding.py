"""What staff and time do with a claim: decide, extend, recover, and the outcome of silence."""

from collections.abc import Sequence
from typing import Any, Literal
from uuid import UUID

from handsel.foundation import audit
from handsel.foundation.core.errors import NotFound
from handsel.foundation.core.ids import encode
from handsel.foundation.db.uow import Tx
from handsel.money.ledger.service import Account
from handsel.money.payments import alerts
from handsel.money.protection import fund, losses, policy, queries, steps
from handsel.money.protection.errors import (
    AlreadyExtended,
    AwardInvalid,
    ClaimClosed,
    NothingToRecover,
    OwnClaim,
    ReasonsMissing,
    SecondStaffNeeded,
)
from handsel.money.protection.policy import ReasonCode
from handsel.money.protection.queries import Claim
from handsel.people.members import service as members
from handsel.people.trust import service as trust

Outcome = Literal["upheld", "denied", "withdrawn"]
By = Literal["staff", "time", "member"]
_ROLE: dict[By, steps.Role] = {"staff": "staff", "time": "system", "member": "member"}


async def decide(
    tx: Tx, staff_id: UUID, claim_id: UUID, outcome: Literal["upheld", "denied"],
    award_minor: int, reasons: Sequence[ReasonCode], note: str = "",
) -> bool:  # fmt: skip
    """Decide on a claim, as staff: ``award_minor`` is what the member keeps, credit included, 0 for
    a denied one. False where it now waits for a second member of staff to say the same.

    Raises ``OwnClaim``, ``ClaimClosed``, ``AwardInvalid``, ``ReasonsMissing``,
    ``SecondStaffNeeded``.
    """
    claim = await _open(tx, staff_id, claim_id)
    if not reasons:
        raise ReasonsMissing
    if (outcome == "upheld") != (award_minor > 0) or award_minor > claim.amount:
        raise AwardInvalid(most_minor=claim.amount)
    left = await _lost(tx, claim)
    if award_minor > left:
        raise AwardInvalid(f"of what was claimed {left} are still lost", most_minor=left)
    proposal = {
        "verb": "decide",
        "outcome": outcome,
        "award_minor": award_minor,
        "reasons": sorted(reasons),
    }
    if _needs_two(claim, claim.amount) and not await _seconded(tx, claim, staff_id, proposal):
        return False
    await close(tx, claim, outcome, award_minor, "staff", staff_id, reasons, note)
    return True


async def extend(tx: Tx, staff_id: UUID, claim_id: UUID, note: str) -> None:
    """Take more time, once; the member is told why. Raises ``AlreadyExtended``, ``ClaimClosed``."""
    claim = await _open(tx, staff_id, claim_id)
    if not note.strip():
        raise ReasonsMissing
    await _extend(tx, claim, "staff", staff_id, note)


async def recover(
    tx: Tx, staff_id: UUID, claim_id: UUID, from_member: UUID, most_minor: int
) -> int | None:
    """Get what was paid back into the fund from whoever has it (the member, where the bank paid as
    well): as much as is in that wallet. How much; None where it waits for a second member of staff,
    which it always needs.

    Raises ``NotFound``, ``OwnClaim``, ``NothingToRecover``, ``SecondStaffNeeded``.
    """
    claim = await queries.load_for_update(tx, claim_id)
    if staff_id in (claim.member_id, from_member):
        raise OwnClaim
    rest = claim.paid - claim.recovered
    if claim.state != "upheld" or rest == 0 or most_minor < 1:
        raise NothingToRecover
    if from_member not in await members.by_ids(tx.conn, [from_member]):
        raise NotFound("there is no such member")
    proposal = {"verb": "recover", "from": str(from_member), "most_minor": most_minor}
    if not await _seconded(tx, claim, staff_id, proposal):
        return None
    await fund.lock(tx, claim.unit)
    amount = await fund.recover(tx, claim, from_member, min(rest, most_minor))
    if amount == 0:
        raise NothingToRecover("there is nothing in that wallet")
    await tx.execute(
        "UPDATE money.claims SET recovered = recovered + $2, proposed_by = NULL, proposal = NULL,"
        " state = CASE WHEN recovered + $2 = paid THEN 'recovered' ELSE state END WHERE id = $1",
        claim.id,
        amount,
    )
    steps.note(
        tx, claim.id, "recovered", "staff", staff_id, amount_minor=amount, taken_from=from_member
    )
    return amount


async def run_due(tx: Tx, claim_id: UUID) -> bool:
    """The outcome of silence: what was credited stays; without a credit the time is extended once,
    and then the claim ends. False where somebody was faster."""
    claim = await queries.load_for_update(tx, claim_id)
    if claim.state != "investigating" or claim.deadline_at > tx.now:
        return False
    award = min(claim.credited, await _lost(tx, claim))
    subject = encode("clm", claim.id)
    if award:
        await close(tx, claim, "upheld", award, "time", None, ["credit_stands"])
    elif claim.credited:
        await close(tx, claim, "denied", 0, "time", None, ["loss_came_back"])
    elif claim.extended_at is None:
        await _extend(tx, claim, "time", None, "We need more time to find out what happened.")
    else:
        await close(tx, claim, "denied", 0, "time", None, ["not_decided_in_time"])
    alerts.raise_alert(tx, "claim_not_decided", subject, f"Nobody decided on {subject} in time.")
    return True


async def close(
    tx: Tx, claim: Claim, outcome: Outcome, award_minor: int, by: By, actor: UUID | None,
    reasons: Sequence[ReasonCode], note: str = "",
) -> None:  # fmt: skip
    """The end of a claim: its money, its lock, its items, and who is told."""
    money, owed = await fund.settle(tx, claim, award_minor)
    await tx.execute(
        "UPDATE money.claims SET state = $2, paid = $3, owed = $4, decided_at = $5,"
        " decided_by = $6, reasons = $7, note = $8, proposed_by = NULL, proposal = NULL"
        " WHERE id = $1",
        claim.id, outcome, award_minor, owed, tx.now, by, list(reasons), note,
    )  # fmt: skip
    if outcome == "withdrawn" or "not_decided_in_time" in reasons:
        await tx.execute("UPDATE money.claim_items SET live = false WHERE claim_id = $1", claim.id)
    await members.end_lock(tx, claim.id)
    claim.paid = award_minor
    steps.note(
        tx, claim.id, outcome, _ROLE[by], actor, text=note, money=money, reasons=list(reasons)
    )
    references = await queries.references(tx, claim.id)
    steps.emit(
        tx, f"claim.{outcome}", claim, references,
        owed_minor=owed, reasons=[policy.REASONS[code] for code in reasons],
    )  # fmt: skip


async def _open(tx: Tx, staff_id: UUID, claim_id: UUID) -> Claim:
    claim = await queries.load_for_update(tx, claim_id)
    if claim.member_id == staff_id:
        raise OwnClaim
    if claim.state != "investigating":
        raise ClaimClosed
    return claim


async def _extend(tx: Tx, claim: Claim, by: By, actor: UUID | None, note: str) -> None:
    if claim.extended_at is not None:
        raise AlreadyExtended
    claim.deadline_at = claim.filed_at + policy.policy().investigation.extended_to
    await tx.execute(
        "UPDATE money.claims SET extended_at = $2, deadline_at = $3 WHERE id = $1",
        claim.id,
        tx.now,
        claim.deadline_at,
    )
    steps.note(tx, claim.id, "extended", _ROLE[by], actor, text=note)
    steps.emit(tx, "claim.extended", claim, [], note=note)


async def _lost(tx: Tx, claim: Claim) -> int:
    """What is still lost of what was claimed: money may have come back since."""
    references = [ref for ref, _ in await queries.references(tx, claim.id)]
    wallet = Account("wallet", claim.member_id, claim.unit)
    found = await losses.of(tx, wallet, references)
    return min(claim.amount, sum(loss.lost for loss in found))


def _needs_two(claim: Claim, amount_minor: int) -> bool:
    rule = policy.policy().decision
    return policy.needs_two(rule, trust.current_policy(), amount_minor, claim.unit)


async def _seconded(tx: Tx, claim: Claim, staff_id: UUID, proposal: dict[str, Any]) -> bool:
    """Whether another member of staff has said the same before; else it is kept for the next one.
    What differs starts anew."""
    if claim.proposal == proposal:
        if claim.proposed_by == staff_id:
            raise SecondStaffNeeded
        return True
    await tx.execute(
        "UPDATE money.claims SET proposed_by = $2, proposal = $3 WHERE id = $1",
        claim.id,
        staff_id,
        proposal,
    )
    audit.record(tx, "money", "claim_proposed", proposal, subject_id=claim.id, actor_id=staff_id)
    return False
