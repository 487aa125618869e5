"""Sessions: a random token whose hash is stored; ended at once, or by themselves after 30 days."""

import hashlib
import hmac
from uuid import UUID

import asyncpg

from handsel.foundation.core.errors import NotFound
from handsel.foundation.core.ids import decode, digest, encode, new_secret
from handsel.foundation.core.settings import Settings
from handsel.foundation.db.uow import Tx
from handsel.foundation.http.principal import Principal
from handsel.people.members import policy, queries
from handsel.people.members.schemas import SessionOpened


def fingerprint(settings: Settings, text: str) -> bytes:
    """To know an address or a log-in name again without keeping it."""
    return hmac.digest(settings.secret_bytes(), b"seen\0" + text.encode(), hashlib.sha256)


async def authenticate(conn: asyncpg.Connection, token: str) -> Principal | None:
    """Who holds this token, or None when it never was, has ended or has expired."""
    return await queries.session(conn, digest(token))


async def open_session(
    tx: Tx, member_id: UUID, *, label: str = "", address_hmac: bytes | None = None
) -> SessionOpened:
    """A new session of a member who has just proven who they are."""
    token = new_secret()
    expires_at = tx.now + policy.SESSION_LIFE
    session_id = await tx.fetchval(
        "INSERT INTO people.sessions"
        " (member_id, token_sha256, label, address_hmac, created_at, expires_at)"
        " VALUES ($1, $2, $3, $4, $5, $6) RETURNING id",
        member_id,
        digest(token),
        label[:200],
        address_hmac,
        tx.now,
        expires_at,
    )
    return SessionOpened(
        id=encode("ses", session_id),
        token=token,
        expires_at=expires_at,
        member=await queries.me(tx.conn, member_id),
    )


async def end_session(tx: Tx, principal: Principal, session_id: str) -> None:
    """End one of the caller's sessions; ``current`` is the one that asks. Raises ``NotFound``."""
    own = principal.session_id if session_id == "current" else decode("ses", session_id)
    tag = await tx.execute(
        "UPDATE people.sessions SET ended_at = $3"
        " WHERE id = $1 AND member_id = $2 AND ended_at IS NULL",
        own,
        principal.member_id,
        tx.now,
    )
    if tag != "UPDATE 1":
        raise NotFound("you have no such session")
