"""Passwords against accounts: log-in, and the proof before a sensitive act. Both are limited."""

from datetime import timedelta
from uuid import UUID

from handsel.foundation import audit
from handsel.foundation.core.settings import Settings
from handsel.foundation.db.uow import Database, Tx
from handsel.people.members import limits, passwords, policy, queries, sessions
from handsel.people.members.errors import WrongCredentials, WrongPassword, slow_down
from handsel.people.members.schemas import Device, LogIn, SessionOpened

_AUDIT = "members"


async def log_in(
    database: Database, settings: Settings, data: LogIn, device: Device
) -> SessionOpened:
    """Open a session. Three steps: count the try and commit it, check the password with no
    connection held, open the session.

    Raises ``WrongCredentials`` (401), ``TooManyRequests`` (429); both the same for an unknown
    account. Limits go by what was typed, not by the member behind it: a limit shared by a handle
    and an address would tell that they belong together.
    """
    column, value = policy.normal_identifier(data.identifier)
    address = sessions.fingerprint(settings, device.address)
    account = sessions.fingerprint(settings, f"{column}:{value}").hex()
    hits = (
        (policy.LOG_IN_PAIR, f"{account}:{address.hex()}"),
        (policy.LOG_IN_ACCOUNT, account),
        (policy.LOG_IN_ADDRESS, address.hex()),
    )
    async with database.transaction() as tx:
        found = await queries.credentials(tx.conn, column, value, address)
        exceeded = await limits.hit(tx, *hits)
        if found is not None and found["known"]:
            exceeded = [e for e in exceeded if e.limit != policy.LOG_IN_ACCOUNT]
        member_id = found["id"] if found is not None else None
        for new in (e for e in exceeded if e.first):
            audit.record(
                tx, _AUDIT, "log_in_limited", {"limit": new.limit.name}, subject_id=member_id
            )
    if exceeded:
        raise slow_down("log-ins failed", max(e.wait for e in exceeded))
    stored: str | None = found["password_hash"] if found is not None else None
    password = policy.normal_password(data.password)
    if not await passwords.is_right(stored, password) or member_id is None or stored is None:
        raise WrongCredentials
    fresh = await passwords.hash_password(password) if passwords.is_outdated(stored) else None
    async with database.transaction() as tx:
        pair, *others = (limits.key_of(limit, subject) for limit, subject in hits)
        await limits.forgive(tx, [pair], others)
        if fresh is not None:
            await _replace_hash(tx, member_id, stored, fresh)
        return await sessions.open_session(tx, member_id, label=device.label, address_hmac=address)


async def prove_password(tx: Tx, member_id: UUID, password: str) -> None:
    """The caller knows the password of their account: asked before money or trust is at stake.

    Raises ``WrongPassword`` (403) and, after five failures in a quarter of an hour,
    ``TooManyRequests`` (429). The failure counts although the transaction is refused. One proof of
    a member runs at a time and the next one is refused, not queued: hashing is costly, and nobody
    may occupy the house with it. The count is read before the hash, and again after it.
    """
    alone = await tx.fetchval(
        "SELECT pg_try_advisory_xact_lock(hashtextextended($1, 3))", f"prove:{member_id}"
    )
    if not alone:
        raise slow_down("passwords at once", timedelta(seconds=1))
    wait = await limits.wait_of(tx, policy.PASSWORD_PROOF, member_id.hex)
    if wait is not None:
        raise slow_down("wrong passwords", wait)
    stored = await queries.password_hash(tx.conn, member_id)
    right = await passwords.is_right(stored, policy.normal_password(password))
    wait = await limits.wait_of(tx, policy.PASSWORD_PROOF, member_id.hex)
    if wait is not None:
        raise slow_down("wrong passwords", wait)
    if not right:
        limits.hit_if_refused(tx, policy.PASSWORD_PROOF, member_id.hex)
        audit.record_refusal(
            tx, _AUDIT, "password_proof_failed", {}, subject_id=member_id, actor_id=member_id
        )
        raise WrongPassword


async def _replace_hash(tx: Tx, member_id: UUID, old: str, new: str) -> None:
    """Store the password with today's parameters, unless it was changed meanwhile."""
    await tx.execute(
        "UPDATE people.members SET password_hash = $3 WHERE id = $1 AND password_hash = $2",
        member_id,
        old,
        new,
    )
