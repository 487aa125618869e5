"""What a member may do: file a claim, withdraw it. For what staff and time do see ``deciding``."""

from collections.abc import Sequence
from typing import Any
from uuid import UUID

import asyncpg
from msgspec import UNSET

from handsel.foundation.core.errors import Invalid
from handsel.foundation.db.uow import Tx
from handsel.foundation.http.principal import Principal
from handsel.foundation.http.work import Answer
from handsel.money.payments import payouts
from handsel.money.protection import fund, losses, policy, queries, steps
from handsel.money.protection.deciding import close
from handsel.money.protection.errors import (
    ClaimAboveLoss,
    ClaimClosed,
    ClaimTooLate,
    NothingLost,
)
from handsel.money.protection.losses import Loss
from handsel.money.protection.policy import Asked, Credit
from handsel.money.protection.queries import Claim
from handsel.money.protection.schemas import ClaimInput, ClaimView
from handsel.people.members import service as members
from handsel.people.members.errors import ContactMissing
from handsel.people.trust import service as trust

_INSERT = """
INSERT INTO money.claims
    (member_id, what_happened, since, amount, unit, policy_version, filed_at, deadline_at)
VALUES ($1, $2, $3, $4, $5, $6, $7, $8)
RETURNING id
"""


async def file(tx: Tx, principal: Principal, data: ClaimInput) -> Answer[ClaimView]:
    """File a claim: in one transaction the account is locked, its sessions end (with the password
    all but this one), payouts that were not sent are stopped, and a part of the loss is lent.

    Raises what ``prove_password`` raises; ``ContactMissing``: nobody could lift the lock again;
    ``NotFound``, ``NothingLost``, ``ClaimAboveLoss``, ``ClaimTooLate``, ``ClaimOpen``,
    ``AlreadyClaimed`` (409), ``Invalid`` (422).
    """
    me, unit = principal.member_id, data.amount.currency
    proven = data.password is not UNSET
    if data.password is not UNSET:
        await members.prove_password(tx, me, data.password)
    if not await members.has_contact(tx.conn, me):
        raise ContactMissing("verify an address or a number first: a lock is lifted through it")
    lost = await losses.named(tx, me, data)
    _check(tx, data, lost)
    await fund.lock(tx, unit)
    claim = await _write(tx, me, data, lost)
    keep = principal.session_id if proven else None
    await members.lock_account(tx, me, "claim", claim.id, keep_session=keep)
    # A withdrawal that was being asked for had to be waited for; what comes now sees the lock.
    stopped = await payouts.stop_pending(tx, me, None, "payouts_frozen")
    credit = await _credit(tx, claim, lost)
    money = fund.lend(tx, claim.id, me, credit.amount_minor, unit)
    steps.note(
        tx, claim.id, "filed", "member", me, money=money,
        with_password=proven, stopped_withdrawals=stopped, credit_bounds=credit.reasons,
    )  # fmt: skip
    # A payment that the member confirmed in person goes on: a claim must not keep sellers waiting.
    resting = [(loss.reference, loss.kind) for loss in lost if not loss.confirmed]
    steps.emit(tx, "claim.filed", claim, resting)
    await tx.flush()
    view = await queries.one(tx.conn, claim.id, me)
    return Answer(view, location=f"/v1/claims/{view.id}")


async def withdraw(tx: Tx, principal: Principal, claim_id: UUID, password: str) -> ClaimView:
    """Take a claim back; so is its credit. Needs the password and an account that was secured
    since: whoever stole the password must not undo the lock by this.

    Raises ``NotFound``, ``ClaimClosed`` (409), ``AccountLocked``, ``WrongPassword`` (403).
    """
    me = principal.member_id
    await queries.one(tx.conn, claim_id, me)  # somebody else's is not there
    await members.prove_password(tx, me, password)
    claim = await queries.load_for_update(tx, claim_id)
    if claim.state != "investigating":
        raise ClaimClosed
    await members.require_secured(tx, me)
    await close(tx, claim, "withdrawn", 0, "member", me, ["withdrawn_by_member"])
    await tx.flush()
    return await queries.one(tx.conn, claim_id, me)


def _check(tx: Tx, data: ClaimInput, lost: Sequence[Loss]) -> None:
    if data.since > tx.now:
        detail = "this lies in the future"
        raise Invalid(detail, errors=[{"pointer": "/since", "detail": detail}])
    first = min(loss.first_at for loss in lost)
    if first < data.since:
        raise NothingLost("a part of it happened before the time that you name")
    within = policy.policy().filing.within
    if first < tx.now - within:
        raise ClaimTooLate(f"a loss can be claimed for {within.days} days")
    most = sum(loss.lost for loss in lost)
    if data.amount.amount_minor > most:
        raise ClaimAboveLoss(lost_minor=most)


async def _write(tx: Tx, member_id: UUID, data: ClaimInput, lost: Sequence[Loss]) -> Claim:
    rules = policy.policy()
    claim_id = await tx.fetchval(
        _INSERT,
        member_id,
        data.what_happened,
        data.since,
        data.amount.amount_minor,
        data.amount.currency,
        rules.version,
        tx.now,
        tx.now + rules.investigation.decide_within,
    )
    await tx.execute(
        "INSERT INTO money.claim_items (claim_id, member_id, reference_id, kind, amount, confirmed)"
        " SELECT $1, $2, i.* FROM unnest($3::uuid[], $4::text[], $5::bigint[], $6::bool[]) AS i",
        claim_id,
        member_id,
        [loss.reference for loss in lost],
        [loss.kind for loss in lost],
        [loss.lost for loss in lost],
        [loss.confirmed for loss in lost],
    )
    return await queries.load_for_update(tx, claim_id)


async def _credit(tx: Tx, claim: Claim, lost: Sequence[Loss]) -> Credit:
    """What is lent, written into the claim."""
    rules = policy.policy().provisional
    balance, exposure = await fund.state(tx, claim.unit)
    known = await _known(tx, claim.member_id, rules)
    asked = Asked(
        amount_minor=claim.amount,
        unconfirmed_minor=sum(
            loss.lost for loss in lost if not loss.confirmed and not loss.stoppable
        ),
        currency=claim.unit,
        verified=frozenset(known["verified"]),
        denied_lately=known["denied_lately"],
        fund_minor=balance,
        exposure_minor=exposure,
    )
    credit = policy.credit(rules, trust.current_policy(), asked)
    await tx.execute(
        "UPDATE money.claims SET credited = $2, credit_reasons = $3 WHERE id = $1",
        claim.id,
        credit.amount_minor,
        list(credit.reasons),
    )
    claim.credited = credit.amount_minor
    return credit


async def _known(tx: Tx, member_id: UUID, rules: policy.Provisional) -> dict[str, Any]:
    row: asyncpg.Record | None = await tx.fetchrow(
        "SELECT people.verified_kinds($1) AS verified, EXISTS (SELECT FROM money.claims"
        " WHERE member_id = $1 AND state = 'denied' AND decided_at > $2"
        " AND decided_by = 'staff') AS denied_lately",
        member_id,
        tx.now - rules.not_after_denial,
    )
    assert row is not None
    return dict(row)
