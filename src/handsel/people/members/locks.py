"""Locking an account, and lifting the lock: for a member whose session or password was stolen.

A lock ends the sessions and stops payments and payouts at once. It is a weapon too, so whoever owns
the account can undo it: with the password and a code to a verified contact, which is more than a
thief of either has. Until then contacts cannot be changed.
"""

from collections.abc import Sequence
from typing import Literal
from uuid import UUID

import asyncpg
from msgspec import UNSET

from handsel.foundation import audit
from handsel.foundation.core.settings import Settings
from handsel.foundation.db.uow import Database, Tx
from handsel.foundation.http.principal import Principal
from handsel.people.members import codes, passwords, policy, queries
from handsel.people.members.errors import (
    AccountLocked,
    ContactMissing,
    NewPasswordRequired,
    NotLocked,
    PayoutsFrozen,
    WeakPassword,
)
from handsel.people.members.log_in import prove_password
from handsel.people.members.ports import Channel
from handsel.people.members.schemas import (
    CodeSent,
    ContactKind,
    Device,
    Freeze,
    LockView,
    Unlock,
    UnlockCodeRequest,
)

Cause = Literal["code", "claim"]
_CHANNEL: dict[ContactKind, Channel] = {"email": "mail", "phone": "sms"}
_LIVE = "member_id = $1 AND (secured_at IS NULL OR ended_at IS NULL)"


async def lock(
    tx: Tx, member_id: UUID, cause: Cause, reference: UUID | None = None,
    *, keep_session: UUID | None = None,
) -> UUID:  # fmt: skip
    """Lock a member's account and end its sessions but one; the lock's id. Several may be live."""
    lock_id: UUID = await tx.fetchval(
        "SELECT people.lock_account($1, $2, $3, $4)", member_id, cause, reference, keep_session
    )
    audit.record(
        tx, "members", "locked", {"cause": cause, "reference": reference},
        subject_id=member_id, actor_id=member_id if cause == "claim" else None,
    )  # fmt: skip
    tx.emit("member.locked", member_id, {"member_id": member_id, "cause": cause})
    return lock_id


async def end(tx: Tx, reference: UUID) -> None:
    """The cause of a lock is over. What is not secured yet stays locked until its owner comes."""
    await tx.execute(
        "UPDATE people.locks SET ended_at = $2 WHERE reference_id = $1 AND ended_at IS NULL",
        reference,
        tx.now,
    )


async def require_unfrozen(tx: Tx, member_id: UUID) -> None:
    """Nothing leaves a frozen account to banks or cards. Raises ``PayoutsFrozen`` (403)."""
    freeze = await tx.fetchval("SELECT people.freeze_now($1)", member_id)
    if freeze != "none":
        raise PayoutsFrozen(_HINT[freeze], freeze=freeze)


async def require_unlocked(tx: Tx, member_id: UUID) -> None:
    """Who may be reached where stays as it is while an account is frozen, in whatever way. Raises
    ``AccountLocked`` (403)."""
    freeze = await tx.fetchval("SELECT people.freeze_now($1)", member_id)
    if freeze != "none":
        raise AccountLocked(_HINT[freeze], freeze=freeze)


async def require_secured(tx: Tx, member_id: UUID) -> None:
    """The owner has proven who they are since the account was locked. Raises ``AccountLocked``."""
    if await tx.fetchval("SELECT people.freeze_now($1)", member_id) == "account":
        raise AccountLocked(_HINT["account"], freeze="account")


async def state(conn: asyncpg.Connection, member_id: UUID) -> LockView:
    """Whether and why the caller's account is frozen."""
    rows = await conn.fetch(f"SELECT * FROM people.locks WHERE {_LIVE} ORDER BY id", member_id)
    freeze: Freeze = "none"
    if rows:
        freeze = "account" if any(row["secured_at"] is None for row in rows) else "payouts"
    return LockView(
        freeze=freeze,
        causes=sorted({row["cause"] for row in rows}),
        since=rows[0]["locked_at"] if rows else None,
        next_step=_HINT[freeze],
    )


async def has_contact(conn: asyncpg.Connection, member_id: UUID) -> bool:
    """Whether a lock could be lifted again: there is a verified address or number."""
    return bool(await _contacts(conn, member_id))


async def send_code(
    tx: Tx, settings: Settings, principal: Principal, data: UnlockCodeRequest, device: Device
) -> CodeSent:
    """A code to a verified contact. Raises ``NotLocked``, ``ContactMissing`` (409)."""
    await _require_lock(tx, principal.member_id)
    to = await _contact(tx.conn, principal.member_id, data.channel)
    channel = _CHANNEL[data.channel]
    me = principal.member_id
    expires_at = await codes.send(tx, settings, "unlock", (channel, to), me, device.address)
    return CodeSent(expires_at=expires_at)


async def unlock(
    database: Database, settings: Settings, principal: Principal, data: Unlock
) -> LockView:
    """Prove who owns the account: it may pay again, and after the cause is over, pay out.

    With a new password every other session ends. Raises ``NotLocked``, ``ContactMissing`` (409),
    ``NewPasswordRequired``, ``WeakPassword``, ``CodeRefused`` (422), ``WrongPassword`` (403).
    """
    me = principal.member_id
    async with database.transaction() as tx:
        live = await _require_lock(tx, me)
        to = await _contact(tx.conn, me, data.channel)
    stolen = any(row["cause"] == "claim" for row in live if row["secured_at"] is None)
    if stolen and data.new_password is UNSET:
        raise NewPasswordRequired
    new = None if data.new_password is UNSET else _checked(data, principal.handle, to)
    code_id = await codes.attempt(database, settings, "unlock", to, me, data.code)
    stored = None if new is None else await passwords.hash_password(new)
    async with database.transaction() as tx:
        await prove_password(tx, me, data.password)
        await codes.use(tx, code_id)
        await _secure(tx, principal, stored)
        return await state(tx.conn, me)


async def _secure(tx: Tx, principal: Principal, password_hash: str | None) -> None:
    """A lock by code ends here; its codes rest for a while (``recovery``)."""
    me = principal.member_id
    await tx.execute(
        "UPDATE people.locks SET secured_at = coalesce(secured_at, $2),"
        f" ended_at = CASE cause WHEN 'code' THEN $2 ELSE ended_at END WHERE {_LIVE}",
        me,
        tx.now,
    )
    if password_hash is not None:
        await tx.execute(
            "UPDATE people.members SET password_hash = $2 WHERE id = $1", me, password_hash
        )
        await tx.execute(
            "UPDATE people.sessions SET ended_at = $3"
            " WHERE member_id = $1 AND id <> $2 AND ended_at IS NULL",
            me,
            principal.session_id,
            tx.now,
        )
    body = {"new_password": password_hash is not None}
    audit.record(tx, "members", "secured", body, subject_id=me, actor_id=me)
    tx.emit("member.secured", me, {"member_id": me})


def _checked(data: Unlock, handle: str, contact: str) -> str:
    assert data.new_password is not UNSET
    new = policy.normal_password(data.new_password)
    reason = policy.weakness(new, handle, contact)
    if reason is None and new == policy.normal_password(data.password):
        reason = "it is the one that may be stolen"
    if reason:
        raise WeakPassword(reason)
    return new


async def _require_lock(tx: Tx, member_id: UUID) -> Sequence[asyncpg.Record]:
    rows = await tx.fetch(f"SELECT * FROM people.locks WHERE {_LIVE}", member_id)
    if not rows:
        raise NotLocked
    return rows


async def _contacts(conn: asyncpg.Connection, member_id: UUID) -> dict[ContactKind, str]:
    me = await queries.me(conn, member_id)
    found: dict[ContactKind, str] = {}
    if me.email is not None and "email" in me.verified:
        found["email"] = me.email
    if me.phone is not None and "phone" in me.verified:
        found["phone"] = me.phone
    return found


async def _contact(conn: asyncpg.Connection, member_id: UUID, kind: ContactKind) -> str:
    found = (await _contacts(conn, member_id)).get(kind)
    if found is None:
        raise ContactMissing(f"your account has no verified {kind}")
    return found


_HINT: dict[Freeze, str] = {
    "none": "Your account is not locked.",
    "payouts": "Nothing is paid out until your claim is decided; paying works.",
    "account": "Secure the account: ask for a code at POST /v1/me/unlock-code, then send it with"
    " your password to POST /v1/me/unlock.",
}
