"""Reads of shares, check-ins and alarms."""

from dataclasses import dataclass
from datetime import datetime
from uuid import UUID

import asyncpg

from handsel.deals.safety.schemas import Alarm
from handsel.foundation.core.errors import NotFound
from handsel.foundation.core.ids import decode, digest, encode
from handsel.foundation.db.pool import Connection

_ID_LENGTH = len("shr_") + 32


@dataclass(frozen=True, slots=True)
class Share:
    """A share's row."""

    id: UUID
    order_id: UUID
    member_id: UUID
    contact_id: UUID | None
    created_at: datetime
    revoked_at: datetime | None


@dataclass(frozen=True, slots=True)
class Arrived:
    """A check-in's row."""

    member_id: UUID
    kind: str
    at: datetime


_SHARE = "id, order_id, member_id, contact_id, created_at, revoked_at"


def share_of(row: asyncpg.Record) -> Share:
    """A row as a struct."""
    return Share(*row)


async def shares(conn: Connection, order_id: UUID, member_id: UUID) -> list[Share]:
    """Those that a member made of an order, oldest first."""
    rows = await conn.fetch(
        f"SELECT {_SHARE} FROM deals.order_shares WHERE order_id = $1 AND member_id = $2"
        " ORDER BY id",
        order_id,
        member_id,
    )
    return [share_of(row) for row in rows]


async def open_share(conn: Connection, secret: str, reader: UUID | None) -> Share:
    """The share behind a link's secret, or behind its id for the contact. Raises ``NotFound`` for
    all that is revoked, unknown, or somebody else's."""
    if len(secret) == _ID_LENGTH and secret.startswith("shr_"):
        row = await conn.fetchrow(
            f"SELECT {_SHARE} FROM deals.order_shares"
            " WHERE id = $1 AND contact_id = $2 AND revoked_at IS NULL",
            decode("shr", secret),
            reader,
        )
    else:
        row = await conn.fetchrow(
            f"SELECT {_SHARE} FROM deals.order_shares"
            " WHERE secret_sha256 = $1 AND revoked_at IS NULL",
            digest(secret),
        )
    if row is None:
        raise NotFound("nothing is shared here, or no longer")
    return share_of(row)


async def contacts_of(conn: Connection, order_id: UUID, member_id: UUID) -> list[tuple[UUID, UUID]]:
    """(share, contact) of a member's live shares with other members."""
    rows = await conn.fetch(
        "SELECT id, contact_id FROM deals.order_shares WHERE order_id = $1 AND member_id = $2"
        " AND contact_id IS NOT NULL AND revoked_at IS NULL ORDER BY id",
        order_id,
        member_id,
    )
    return [(row["id"], row["contact_id"]) for row in rows]


async def arrivals(conn: Connection, order_id: UUID) -> list[Arrived]:
    """The check-ins of an order, oldest first."""
    rows = await conn.fetch(
        "SELECT member_id, kind, at FROM deals.arrivals WHERE order_id = $1 ORDER BY at, kind",
        order_id,
    )
    return [Arrived(*row) for row in rows]


async def waiting_alarms(conn: Connection, limit: int = 200) -> list[Alarm]:
    """Alarms that nobody has closed, the oldest first."""
    rows = await conn.fetch(
        "SELECT id, order_id, member_id, state, raised_at, taken_at"
        " FROM deals.alarms WHERE state <> 'closed' ORDER BY id LIMIT $1",
        limit,
    )
    return [
        Alarm(
            id=encode("alm", row["id"]),
            order_id=encode("ord", row["order_id"]),
            member_id=encode("mem", row["member_id"]),
            state=row["state"],
            raised_at=row["raised_at"],
            taken_at=row["taken_at"],
        )
        for row in rows
    ]


async def business_time(conn: Connection) -> datetime:
    """Now, for a read that needs no transaction."""
    now: datetime = await conn.fetchval("SELECT foundation.handsel_now()")
    return now
