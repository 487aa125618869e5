"""One-time codes: six digits, ten minutes, five tries, one use."""

import hashlib
import hmac
import secrets
from datetime import datetime
from uuid import UUID

from handsel.foundation.core.settings import Settings
from handsel.foundation.db.uow import Database, Tx
from handsel.people.members import limits, policy, queries
from handsel.people.members.errors import CodeRefused
from handsel.people.members.ports import Channel, sender_of
from handsel.people.members.sessions import fingerprint

_TEXT = "{code} is your handsel code. It is valid for ten minutes. Give it to nobody."


async def send(
    tx: Tx,
    settings: Settings,
    purpose: str,
    to: tuple[Channel, str],
    member_id: UUID | None,
    by: str,
) -> datetime:
    """Make a code and hand it to the sender; returns when it expires. ``by`` is the address that
    asks. Raises ``TooManyRequests`` beyond the caps per recipient and per address."""
    channel, recipient = to
    await limits.enforce(
        tx,
        "codes were asked for",
        (policy.CODES_RECIPIENT, fingerprint(settings, recipient).hex()),
        (policy.CODES_ADDRESS, fingerprint(settings, by).hex()),
    )
    code = f"{secrets.randbelow(10**6):06d}"
    expires_at = tx.now + policy.CODE_LIFE
    await tx.execute(
        "INSERT INTO people.codes"
        " (purpose, member_id, recipient, code_hmac, created_at, expires_at)"
        " VALUES ($1, $2, $3, $4, $5, $6)",
        purpose,
        member_id,
        recipient,
        _hmac(settings, purpose, recipient, code),
        tx.now,
        expires_at,
    )
    await sender_of(settings).send(tx, channel, recipient, _TEXT.format(code=code))
    return expires_at


async def attempt(
    database: Database,
    settings: Settings,
    purpose: str,
    recipient: str,
    member_id: UUID | None,
    code: str,
) -> UUID:
    """The id of the code if it is right. The try is committed before the code is looked at.

    Raises ``CodeRefused`` for a code that is wrong, used, expired or tried too often.
    """
    async with database.transaction() as tx:
        row = await queries.code_to_try(
            tx.conn, purpose, recipient, member_id, policy.CODE_ATTEMPTS, tx.now
        )
    given = _hmac(settings, purpose, recipient, code)
    if row is None or not hmac.compare_digest(row["code_hmac"], given):
        raise CodeRefused
    found: UUID = row["id"]
    return found


async def use(tx: Tx, code_id: UUID) -> None:
    """Spend a code with its effect. Raises ``CodeRefused`` for the second of two that race."""
    tag = await tx.execute(
        "UPDATE people.codes SET used_at = $2 WHERE id = $1 AND used_at IS NULL", code_id, tx.now
    )
    if tag != "UPDATE 1":
        raise CodeRefused


def _hmac(settings: Settings, purpose: str, recipient: str, code: str) -> bytes:
    text = f"code\0{purpose}\0{recipient}\0{code}".encode()
    return hmac.digest(settings.secret_bytes(), text, hashlib.sha256)
