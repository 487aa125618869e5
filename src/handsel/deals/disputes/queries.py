"""Rows of disputes."""

from dataclasses import dataclass
from datetime import datetime
from typing import Any
from uuid import UUID

import asyncpg
import msgspec

from handsel.deals.disputes.rulings import Ruling, Split
from handsel.deals.disputes.schemas import DisputeMove
from handsel.foundation.core.errors import NotFound
from handsel.foundation.db.pool import Connection
from handsel.foundation.db.uow import Tx


@dataclass(slots=True)
class Dispute:
    """A dispute's row. ``held``: what waited when it was opened, gross; ``bonds``: by id;
    ``undelivered``: left alone, the order would give everything back."""

    id: UUID
    order_id: UUID
    process_version: int
    state: str
    version: int
    claimant_id: UUID
    respondent_id: UUID
    claimant_role: str
    reason_code: str
    statement: str
    held: int
    unit: str
    sold: bool
    undelivered: bool
    bonds: dict[str, int]
    request: Split
    money_until: datetime
    opened_at: datetime
    entered_at: datetime
    staff_id: UUID | None = None
    ruled_by: UUID | None = None
    ruling: Ruling | None = None
    outcome: dict[str, Any] | None = None
    ended_at: datetime | None = None

    @property
    def silence_grants(self) -> bool:
        """Whether a respondent who says nothing loses: not to a provider who has delivered
        nothing."""
        return not (self.undelivered and self.claimant_role == "provider")

    def role_of(self, member_id: UUID) -> str | None:
        """``claimant``, ``respondent``, or None for anybody else."""
        if member_id == self.claimant_id:
            return "claimant"
        return "respondent" if member_id == self.respondent_id else None

    def order_role(self, role: str) -> str:
        """What the claimant or the respondent is in the order."""
        if role == "claimant":
            return self.claimant_role
        return "provider" if self.claimant_role == "customer" else "customer"


@dataclass(frozen=True, slots=True)
class Offer:
    """A row of an offer."""

    id: UUID
    by_id: UUID
    role: str
    split: Split
    note: str
    state: str
    agreed_by: list[UUID]
    made_at: datetime
    valid_until: datetime


@dataclass(frozen=True, slots=True)
class Evidence:
    """A row of evidence."""

    id: UUID
    by_id: UUID
    role: str
    kind: str
    visible_to: str
    title: str
    content: dict[str, Any]
    sha256: bytes
    at: datetime


_COLUMNS = (
    "id, order_id, process_version, state, version, claimant_id, respondent_id, claimant_role,"
    " reason_code, statement, held, unit, sold, undelivered, bonds, request, money_until,"
    " opened_at, entered_at, staff_id, ruled_by, ruling, outcome, ended_at"
)
_OFFER = "id, by_id, role, split, note, state, agreed_by, made_at, valid_until"
_EVIDENCE = "id, by_id, role, kind, visible_to, title, content, sha256, at"
_NONE = "there is no such dispute"


def _dispute(row: asyncpg.Record) -> Dispute:
    values = dict(row)
    values["request"] = msgspec.convert(values["request"], Split)
    if values["ruling"] is not None:
        values["ruling"] = msgspec.convert(values["ruling"], Ruling)
    return Dispute(**values)


async def load_for_update(tx: Tx, dispute_id: UUID) -> Dispute:
    """The dispute, its row locked until the transaction ends. Raises ``NotFound``."""
    row = await tx.fetchrow(
        f"SELECT {_COLUMNS} FROM deals.disputes WHERE id = $1 FOR UPDATE", dispute_id
    )
    if row is None:
        raise NotFound(_NONE)
    return _dispute(row)


async def load(conn: Connection, dispute_id: UUID) -> Dispute:
    """The dispute as it is. Raises ``NotFound``."""
    row = await conn.fetchrow(f"SELECT {_COLUMNS} FROM deals.disputes WHERE id = $1", dispute_id)
    if row is None:
        raise NotFound(_NONE)
    return _dispute(row)


async def of_member(
    conn: Connection, member_id: UUID, before: UUID | None, limit: int
) -> list[Dispute]:
    """A member's disputes on either side, newest first."""
    rows = await conn.fetch(
        f"SELECT {_COLUMNS} FROM deals.disputes WHERE (claimant_id = $1 OR respondent_id = $1)"
        " AND ($2::uuid IS NULL OR id < $2) ORDER BY id DESC LIMIT $3",
        member_id,
        before,
        limit,
    )
    return [_dispute(row) for row in rows]


async def queue(conn: Connection, limit: int) -> list[Dispute]:
    """What waits for the staff, the nearest deadline first."""
    rows = await conn.fetch(
        f"SELECT {_COLUMNS} FROM deals.disputes d"
        " WHERE ended_at IS NULL AND state IN ('mediation', 'arbitration', 'appealed')"
        " ORDER BY (SELECT min(t.due_at) FROM deals.dispute_timers t WHERE t.dispute_id = d.id), id"
        " LIMIT $1",
        limit,
    )
    return [_dispute(row) for row in rows]


async def running_of_order(conn: Connection, order_id: UUID) -> UUID | None:
    """The dispute that an order has now."""
    found: UUID | None = await conn.fetchval(
        "SELECT id FROM deals.disputes WHERE order_id = $1 AND ended_at IS NULL", order_id
    )
    return found


async def disputed_before(conn: Connection, order_id: UUID) -> bool:
    """Whether the order's money was ever decided on, or is disputed now."""
    found: bool = await conn.fetchval(
        "SELECT EXISTS (SELECT FROM deals.disputes WHERE order_id = $1"
        " AND (ended_at IS NULL OR state <> 'withdrawn'))",
        order_id,
    )
    return found


async def live_offer(tx: Tx, dispute_id: UUID) -> Offer | None:
    """The offer that stands, if its time is not over."""
    row = await tx.fetchrow(
        f"SELECT {_OFFER} FROM deals.dispute_offers WHERE dispute_id = $1 AND state = 'live'"
        " AND valid_until > $2",
        dispute_id,
        tx.now,
    )
    return _offer(row) if row else None


async def offers(conn: Connection, dispute_id: UUID) -> list[Offer]:
    """Every offer, oldest first."""
    rows = await conn.fetch(
        f"SELECT {_OFFER} FROM deals.dispute_offers WHERE dispute_id = $1 ORDER BY id", dispute_id
    )
    return [_offer(row) for row in rows]


def _offer(row: asyncpg.Record) -> Offer:
    return Offer(**{**row, "split": msgspec.convert(row["split"], Split)})


async def evidence(conn: Connection, dispute_id: UUID) -> list[Evidence]:
    """Every piece, oldest first."""
    rows = await conn.fetch(
        f"SELECT {_EVIDENCE} FROM deals.dispute_evidence WHERE dispute_id = $1 ORDER BY id",
        dispute_id,
    )
    return [Evidence(**row) for row in rows]


async def timeline(conn: Connection, dispute_id: UUID) -> list[DisputeMove]:
    """Every line, oldest first."""
    rows = await conn.fetch(
        'SELECT transition, from_state, to_state, role AS "by", at, note, body'
        " FROM deals.dispute_moves WHERE dispute_id = $1 ORDER BY seq",
        dispute_id,
    )
    return [msgspec.convert(dict(row), DisputeMove) for row in rows]


async def due(conn: Connection, limit: int = 200) -> list[UUID]:
    """Disputes for which a time has come, the longest overdue first; those that failed, later."""
    rows = await conn.fetch("SELECT dispute_id FROM deals.due_disputes($1)", limit)
    return [row["dispute_id"] for row in rows]
