"""Recovery codes: ten codes of one use each, to lock one's account without a session.

A request to lock is written down and answered before anybody looks whether it is right, always in
the same words; the worker judges it. So neither the answer nor its time tells whether the number
has an account or the code was right. A code has 50 random bits and is stored as a keyed hash.
"""

import base64
import hashlib
import hmac
import secrets
from uuid import UUID

import asyncpg

from handsel.foundation import audit
from handsel.foundation.core.ids import uuid7
from handsel.foundation.core.settings import Settings
from handsel.foundation.db.uow import Tx
from handsel.foundation.http.principal import Principal
from handsel.people.members import contacts, limits, locks, policy
from handsel.people.members.log_in import prove_password
from handsel.people.members.schemas import (
    Device,
    LockRequest,
    LockRequested,
    RecoveryCodes,
    RecoveryCodesView,
)
from handsel.people.members.sessions import fingerprint

_GROUP = 5
_SAID = (
    "If the number is that of a member and the code is one of theirs, the account is locked within"
    " seconds, and every verified contact is told."
)


async def make_codes(
    tx: Tx, settings: Settings, principal: Principal, password: str
) -> RecoveryCodes:
    """Ten new codes, shown this once; older ones are void. Raises what ``prove_password`` raises,
    and ``AccountLocked``: a thief must not get new ones while the owner locks them out."""
    me = principal.member_id
    await prove_password(tx, me, password)
    await locks.require_unlocked(tx, me)
    made = [_new_code() for _ in range(policy.RECOVERY_CODES)]
    await tx.execute("DELETE FROM people.recovery_codes WHERE member_id = $1", me)
    await tx.execute(
        "INSERT INTO people.recovery_codes (member_id, code_hmac, created_at)"
        " SELECT $1, code, $3 FROM unnest($2::bytea[]) AS code",
        me,
        [_hmac(settings, code) for code in made],
        tx.now,
    )
    audit.record(tx, "members", "recovery_codes_made", {}, subject_id=me, actor_id=me)
    return RecoveryCodes(codes=made, created_at=tx.now)


async def remaining(conn: asyncpg.Connection, member_id: UUID) -> RecoveryCodesView:
    """How many codes are left, and when they were made."""
    row = await conn.fetchrow(
        "SELECT count(*) FILTER (WHERE used_at IS NULL) AS remaining, max(created_at) AS created_at"
        " FROM people.recovery_codes WHERE member_id = $1",
        member_id,
    )
    assert row is not None
    return RecoveryCodesView(**row)


async def request_lock(
    tx: Tx, settings: Settings, data: LockRequest, device: Device
) -> LockRequested:
    """Write the request down. The same work and the same answer for any number and any code.

    Raises ``TooManyRequests`` by what was typed, never by what it belongs to.
    """
    phone = contacts.require_phone(data.phone)
    await limits.enforce(
        tx,
        "locks were asked for",
        (policy.LOCK_PHONE, fingerprint(settings, phone).hex()),
        (policy.LOCK_ADDRESS, fingerprint(settings, device.address).hex()),
        (policy.LOCK_HOUSE, "all"),
    )
    member_id = await tx.fetchval("SELECT id FROM people.members WHERE phone = $1", phone)
    # The event holds no code, only what a code would have to have.
    body = {"member_id": member_id, "code_hmac": _hmac(settings, data.recovery_code).hex()}
    tx.emit("lock.requested", uuid7(), body)
    return LockRequested(detail=_SAID)


async def judge(tx: Tx, member_id: UUID | None, code_hmac: str) -> bool:
    """Lock the account if the code is right and unused; whether it was. Every try is audited.

    After a lock by code was lifted the codes rest for a while: whoever stole one cannot lock the
    owner out again and again.
    """
    refusal = "unknown_number" if member_id is None else await _spend(tx, member_id, code_hmac)
    if member_id is None or refusal is not None:
        body = {"reason": refusal}
        audit.record(tx, "members", "lock_refused", body, subject_id=member_id)
        return False
    await locks.lock(tx, member_id, "code")
    return True


async def _spend(tx: Tx, member_id: UUID, code_hmac: str) -> str | None:
    """Use a code up, one at a time; why not, where it cannot be."""
    # What ``lock_account`` locks first too: two requests at once stand in line.
    await tx.execute("SELECT people.lock_standing($1)", member_id)
    row = await tx.fetchrow(
        "SELECT 'phone' = ANY (people.verified_kinds(id)) AS proven,"
        " EXISTS (SELECT FROM people.locks l WHERE l.member_id = m.id AND l.cause = 'code'"
        "          AND (l.ended_at IS NULL OR l.ended_at > $2)) AS resting"
        " FROM people.members m WHERE id = $1",
        member_id,
        tx.now - policy.LOCK_REST,
    )
    assert row is not None
    if not row["proven"]:
        return "number_not_verified"
    if row["resting"]:
        return "locked_lately"
    tag = await tx.execute(
        "UPDATE people.recovery_codes SET used_at = $3"
        " WHERE member_id = $1 AND code_hmac = $2 AND used_at IS NULL",
        member_id,
        bytes.fromhex(code_hmac),
        tx.now,
    )
    return None if tag == "UPDATE 1" else "wrong_code"


def _new_code() -> str:
    """``K7QXM-2FPDA``: 50 bits in letters and digits that are not mistaken for each other."""
    text = base64.b32encode(secrets.token_bytes(7)).decode()[: 2 * _GROUP]
    return f"{text[:_GROUP]}-{text[_GROUP:]}"


def _hmac(settings: Settings, code: str) -> bytes:
    """Of a code as it may be typed: in any case, with or without the dash or blanks."""
    plain = "".join(character for character in code.upper() if character.isalnum())
    return hmac.digest(settings.secret_bytes(), f"recovery\0{plain}".encode(), hashlib.sha256)
