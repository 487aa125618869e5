"""Verified facts: proven by a code that was sent, or confirmed by a verifier."""

from datetime import datetime
from uuid import UUID

from msgspec import UNSET

from handsel.foundation import audit
from handsel.foundation.core.ids import encode
from handsel.foundation.core.settings import Settings
from handsel.foundation.db.uow import Database, Tx
from handsel.foundation.http.principal import Principal
from handsel.people.members import codes, contacts, limits, locks, policy, queries
from handsel.people.members.errors import ContactFixed, VerificationFailed, slow_down
from handsel.people.members.ports import Channel, Outcome, verifier_of
from handsel.people.members.schemas import CodeSent, Device, VerificationCreate, VerificationView

_AUDIT = "members"
_SET_CONTACT = {
    kind: f"""
        UPDATE people.members SET {kind} = $2, version = version + 1
         WHERE id = $1 AND ({kind} IS NOT DISTINCT FROM $2
                            OR NOT ('{kind}' = ANY (people.verified_kinds(id))))"""
    for kind in ("email", "phone")
}


async def send_code(
    tx: Tx, settings: Settings, principal: Principal, to: tuple[Channel, str], device: Device
) -> CodeSent:
    """A code to an address or a number that the caller says is theirs."""
    expires_at = await codes.send(tx, settings, "verify", to, principal.member_id, device.address)
    return CodeSent(expires_at=expires_at)


async def verify(
    database: Database, settings: Settings, principal: Principal, data: VerificationCreate
) -> VerificationView:
    """Confirm one fact about the caller; asked again for a confirmed one, answers the same.

    Raises ``CodeRefused`` (422), ``VerificationFailed``, ``ContactFixed``, ``ContactUnavailable``
    (409), ``AccountLocked`` (403). A verifier is asked while no transaction is open.
    """
    if data.kind == "email" or data.kind == "phone":
        return await _verify_contact(database, settings, principal.member_id, data)
    return await _verify_fact(database, settings, principal.member_id, data)


async def recheck_due(database: Database, settings: Settings, limit: int = 100) -> int:
    """Ask again about pending facts whose time has come; returns how many passed. For the sweep."""
    async with database.reading() as conn:
        due = await queries.due_verifications(conn, limit)
    passed = 0
    for verification_id, member_id, kind, reference in due:
        outcome = await verifier_of(settings).recheck(reference)
        async with database.transaction() as tx:
            passed += await _decide(tx, verification_id, member_id, kind, outcome)
    return passed


async def record_passed(
    tx: Tx, member_id: UUID, kind: str, reference: str | None = None
) -> VerificationView:
    """Note a confirmed fact; a second time changes nothing."""
    outcome = Outcome(state="passed", reference=reference or "code")
    return await _record(tx, member_id, kind, outcome)


async def _verify_contact(
    database: Database, settings: Settings, member_id: UUID, data: VerificationCreate
) -> VerificationView:
    kind = data.kind
    require = contacts.require_email if kind == "email" else contacts.require_phone
    value = require(data.value, "/value")
    async with database.reading() as conn:
        me = await queries.me(conn, member_id)
        known = await queries.verification(conn, member_id, kind)
    if known is not None:
        if value == (me.email if kind == "email" else me.phone):
            return known
        raise ContactFixed
    assert data.code is not UNSET  # the struct asks for it
    code_id = await codes.attempt(database, settings, "verify", value, member_id, data.code)
    async with database.transaction() as tx:
        await locks.require_unlocked(tx, member_id)
        await codes.use(tx, code_id)
        if await tx.execute(_SET_CONTACT[kind], member_id, value) != "UPDATE 1":
            raise ContactFixed
        return await record_passed(tx, member_id, kind)


async def _verify_fact(
    database: Database, settings: Settings, member_id: UUID, data: VerificationCreate
) -> VerificationView:
    async with database.transaction() as tx:
        await locks.require_unlocked(tx, member_id)
        known = await queries.verification(tx.conn, member_id, data.kind)
        exceeded = await limits.hit(tx, (policy.VERIFICATIONS, member_id.hex))
    if known is not None:
        return known
    if exceeded:
        raise slow_down("verifications", exceeded[0].wait)
    outcome = await verifier_of(settings).check(encode("mem", member_id), data.kind, data.value)
    async with database.transaction() as tx:
        if outcome.state != "refused":
            return await _record(tx, member_id, data.kind, outcome)
        _note(tx, member_id, data.kind, outcome)
    raise VerificationFailed


async def _record(tx: Tx, member_id: UUID, kind: str, outcome: Outcome) -> VerificationView:
    due_at: datetime | None = None
    if outcome.state == "pending":
        due_at = tx.now + (outcome.ask_again_after or policy.PENDING_VERIFICATION)
    tag = await tx.execute(
        "INSERT INTO people.verifications"
        " (member_id, kind, state, reference, due_at, created_at, passed_at)"
        " VALUES ($1, $2, $3::text, $4, $5, $6::timestamptz,"
        " CASE $3::text WHEN 'passed' THEN $6::timestamptz END)"
        " ON CONFLICT (member_id, kind) DO NOTHING",
        member_id,
        kind,
        outcome.state,
        outcome.reference,
        due_at,
        tx.now,
    )
    if tag == "INSERT 0 1":
        _note(tx, member_id, kind, outcome)
    view = await queries.verification(tx.conn, member_id, kind)
    assert view is not None  # it is there now, ours or a faster one's
    return view


async def _decide(
    tx: Tx, verification_id: UUID, member_id: UUID, kind: str, outcome: Outcome
) -> bool:
    """Settle a pending fact once, whoever else sweeps at the same time."""
    passed = outcome.state == "passed"
    tag = await tx.execute(
        """
        UPDATE people.verifications SET
            state = CASE WHEN $2 THEN 'passed' ELSE state END,
            passed_at = CASE WHEN $2 THEN $3::timestamptz END,
            due_at = CASE WHEN $2 THEN NULL ELSE $3::timestamptz + $4::interval END
         WHERE id = $1 AND state = 'pending' AND due_at <= $3
        """,
        verification_id,
        passed,
        tx.now,
        outcome.ask_again_after or policy.PENDING_VERIFICATION,
    )
    if tag != "UPDATE 1" or not passed:
        return False
    _note(tx, member_id, kind, outcome)
    return True


def _note(tx: Tx, member_id: UUID, kind: str, outcome: Outcome) -> None:
    """The audit entry of every answer, and the event of a good one."""
    body = {"kind": kind, "state": outcome.state, "reference": outcome.reference}
    audit.record(tx, _AUDIT, "verification", body, subject_id=member_id, actor_id=member_id)
    if outcome.state == "passed":
        tx.emit("member.verified", member_id, {"member_id": member_id, "kind": kind})
