"""Reads, straight into structs."""

from collections.abc import Iterable
from datetime import datetime
from uuid import UUID

import asyncpg

from handsel.foundation.core.errors import NotFound
from handsel.foundation.core.ids import encode
from handsel.foundation.http.principal import Principal
from handsel.people.members.schemas import (
    MemberRef,
    MeView,
    ProfileView,
    SandboxMessage,
    SessionView,
    VerificationView,
)

_REF = "SELECT id, handle, joined_at, is_sandbox, state FROM people.members"
_CREDENTIALS = {
    column: f"""
        SELECT m.id, m.password_hash, EXISTS (
            SELECT FROM people.sessions s WHERE s.member_id = m.id AND s.address_hmac = $2) AS known
          FROM people.members m WHERE m.{column} = $1"""
    for column in ("email", "phone", "handle")
}


async def session(conn: asyncpg.Connection, token_sha256: bytes) -> Principal | None:
    """The member behind a live session's token. One query: every request asks it."""
    row = await conn.fetchrow(
        """
        SELECT s.id, s.member_id, m.handle, m.is_staff
          FROM people.sessions s JOIN people.members m ON m.id = s.member_id
         WHERE s.token_sha256 = $1 AND s.ended_at IS NULL
           AND s.expires_at > foundation.handsel_now()
        """,
        token_sha256,
    )
    if row is None:
        return None
    return Principal(row["member_id"], row["id"], row["handle"], row["is_staff"])


async def credentials(
    conn: asyncpg.Connection, column: str, value: str, address_hmac: bytes
) -> asyncpg.Record | None:
    """``id``, ``password_hash``, and whether the member was ever logged in from this address."""
    return await conn.fetchrow(_CREDENTIALS[column], value, address_hmac)


async def password_hash(conn: asyncpg.Connection, member_id: UUID) -> str | None:
    """The stored hash; None for a member who cannot log in."""
    stored: str | None = await conn.fetchval(
        "SELECT password_hash FROM people.members WHERE id = $1", member_id
    )
    return stored


async def handle_exists(conn: asyncpg.Connection, handle: str) -> bool:
    """Whether somebody has this handle."""
    found: bool = await conn.fetchval(
        "SELECT EXISTS (SELECT FROM people.members WHERE handle = $1)", handle
    )
    return found


async def ref(conn: asyncpg.Connection, handle: str) -> MemberRef:
    """Raises ``NotFound``."""
    row = await conn.fetchrow(f"{_REF} WHERE handle = $1", handle)
    if row is None:
        raise NotFound(f"nobody here is called {handle}")
    return MemberRef(**row)


async def refs(conn: asyncpg.Connection, ids: Iterable[UUID]) -> dict[UUID, MemberRef]:
    """By id; unknown ids are absent."""
    rows = await conn.fetch(f"{_REF} WHERE id = ANY ($1)", list(set(ids)))
    return {row["id"]: MemberRef(**row) for row in rows}


async def me(conn: asyncpg.Connection, member_id: UUID) -> MeView:
    """The account of the caller."""
    row = await conn.fetchrow(
        """
        SELECT handle, email, phone, bio, state, people.verified_kinds(id) AS verified, version,
               joined_at
          FROM people.members WHERE id = $1
        """,
        member_id,
    )
    if row is None:
        raise NotFound
    return MeView(id=encode("mem", member_id), **row)


async def profile(conn: asyncpg.Connection, handle: str) -> ProfileView:
    """What everybody may see. Raises ``NotFound``."""
    row = await conn.fetchrow(
        """
        SELECT id, handle, bio, people.verified_kinds(id) AS verified, joined_at
          FROM people.members WHERE handle = $1
        """,
        handle,
    )
    if row is None:
        raise NotFound(f"nobody here is called {handle}")
    return ProfileView(**{**row, "id": encode("mem", row["id"])})


async def sessions(conn: asyncpg.Connection, principal: Principal) -> list[SessionView]:
    """The caller's live sessions, newest first; the 100 newest."""
    rows = await conn.fetch(
        """
        SELECT id, label, created_at, expires_at FROM people.sessions
         WHERE member_id = $1 AND ended_at IS NULL AND expires_at > foundation.handsel_now()
         ORDER BY id DESC LIMIT 100
        """,
        principal.member_id,
    )
    return [
        SessionView(
            id=encode("ses", row["id"]),
            label=row["label"],
            current=row["id"] == principal.session_id,
            created_at=row["created_at"],
            expires_at=row["expires_at"],
        )
        for row in rows
    ]


async def verifications(conn: asyncpg.Connection, member_id: UUID) -> list[VerificationView]:
    """The facts of one member, oldest first."""
    rows = await conn.fetch(
        "SELECT id, kind, state, created_at, passed_at FROM people.verifications"
        " WHERE member_id = $1 ORDER BY id",
        member_id,
    )
    return [VerificationView(**{**row, "id": encode("ver", row["id"])}) for row in rows]


async def verification(
    conn: asyncpg.Connection, member_id: UUID, kind: str
) -> VerificationView | None:
    """One fact of one member."""
    found = await verifications(conn, member_id)
    return next((view for view in found if view.kind == kind), None)


async def due_verifications(
    conn: asyncpg.Connection, limit: int
) -> list[tuple[UUID, UUID, str, str]]:
    """(id, member, kind, reference) of pending ones whose time has come."""
    rows = await conn.fetch(
        """
        SELECT id, member_id, kind, reference FROM people.verifications
         WHERE state = 'pending' AND due_at <= foundation.handsel_now()
         ORDER BY due_at, id LIMIT $1
        """,
        limit,
    )
    return [tuple(row) for row in rows]


async def sandbox_messages(conn: asyncpg.Connection, to: str) -> list[SandboxMessage]:
    """The 20 newest to one recipient."""
    rows = await conn.fetch(
        'SELECT id, channel, recipient AS "to", text, created_at FROM people.sandbox_messages'
        " WHERE recipient = $1 ORDER BY id DESC LIMIT 20",
        to,
    )
    return [SandboxMessage(**{**row, "id": encode("sbm", row["id"])}) for row in rows]


async def code_to_try(
    conn: asyncpg.Connection,
    purpose: str,
    recipient: str,
    member_id: UUID | None,
    most: int,
    now: datetime,
) -> asyncpg.Record | None:
    """Count a try on the newest code and return its ``id`` and ``code_hmac``, or None when it is
    used, expired or tried too often. The row's lock puts racing tries in line."""
    return await conn.fetchrow(
        """
        UPDATE people.codes SET attempts = attempts + 1
         WHERE id = (SELECT id FROM people.codes
                      WHERE recipient = $1 AND purpose = $2 AND member_id IS NOT DISTINCT FROM $3
                      ORDER BY id DESC LIMIT 1)
           AND attempts < $4 AND used_at IS NULL AND expires_at > $5
        RETURNING id, code_hmac
        """,
        recipient,
        purpose,
        member_id,
        most,
        now,
    )
