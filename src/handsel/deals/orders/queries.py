"""Reads of orders."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from uuid import UUID

import asyncpg
import msgspec

from handsel.deals.orders.schemas import Move, Terms
from handsel.deals.orders.terms import late_from
from handsel.foundation.core.errors import NotFound
from handsel.foundation.db.pool import Connection
from handsel.foundation.db.uow import Tx


@dataclass(slots=True)
class Order:
    """An order's row."""

    id: UUID
    process: str
    process_version: int
    state: str
    version: int
    customer_id: UUID
    provider_id: UUID
    listing_id: UUID | None
    amount: int
    unit: str
    terms: Terms
    terms_hash: bytes
    due_at: datetime
    created_at: datetime
    entered_at: datetime
    hold_period: timedelta | None = None
    revocable_until: datetime | None = None
    net_minor: int | None = None
    refunded_minor: int = 0
    parent_id: UUID | None = None

    @property
    def left(self) -> int:
        """What is still held, or was when the hold was resolved: the price less what went back."""
        return self.amount - self.refunded_minor

    def role_of(self, member_id: UUID) -> str | None:
        """``customer``, ``provider``, or None for anybody else."""
        if member_id == self.customer_id:
            return "customer"
        return "provider" if member_id == self.provider_id else None


@dataclass(slots=True)
class Proposal:
    """What one side proposes and the other may accept: other terms, or how to part."""

    id: UUID
    order_id: UUID
    kind: str
    role: str
    amount_minor: int | None
    customer_minor: int | None
    due_at: datetime | None
    note: str
    made_at: datetime
    expires_at: datetime


_COLUMNS = (
    "id, process, process_version, state, version, customer_id, provider_id, listing_id, amount,"
    " unit, terms::text, terms_hash, due_at, created_at, entered_at, hold_period, revocable_until,"
    " net_minor, refunded_minor, parent_id"
)


def _order(row: asyncpg.Record) -> Order:
    values = dict(row)
    values["terms"] = msgspec.json.decode(values["terms"], type=Terms)
    return Order(**values)


async def load_for_update(tx: Tx, order_id: UUID) -> Order:
    """The order, its row locked until the transaction ends. Raises ``NotFound``."""
    row = await tx.fetchrow(
        f"SELECT {_COLUMNS} FROM deals.orders WHERE id = $1 FOR UPDATE", order_id
    )
    if row is None:
        raise NotFound("there is no such order")
    return _order(row)


async def load_many(tx: Tx, order_ids: Sequence[UUID]) -> list[Order]:
    """Those of the orders that nobody else has locked, locked in the order of their ids."""
    rows = await tx.fetch(
        f"SELECT {_COLUMNS} FROM deals.orders WHERE id = ANY ($1) ORDER BY id"
        " FOR UPDATE SKIP LOCKED",
        list(order_ids),
    )
    return [_order(row) for row in rows]


async def load(conn: Connection, order_id: UUID) -> Order:
    """The order as it is. Raises ``NotFound``."""
    row = await conn.fetchrow(f"SELECT {_COLUMNS} FROM deals.orders WHERE id = $1", order_id)
    if row is None:
        raise NotFound("there is no such order")
    return _order(row)


async def of_member(
    conn: Connection, member_id: UUID, state: str | None, before: UUID | None, limit: int,
    process: str | None = None,
) -> list[Order]:  # fmt: skip
    """A member's orders on either side, newest first."""
    rows = await conn.fetch(
        f"SELECT {_COLUMNS} FROM deals.orders WHERE (customer_id = $1 OR provider_id = $1)"
        " AND ($2::text IS NULL OR state = $2) AND ($3::uuid IS NULL OR id < $3)"
        " AND ($5::text IS NULL OR process = $5) ORDER BY id DESC LIMIT $4",
        member_id,
        state,
        before,
        limit,
        process,
    )
    return [_order(row) for row in rows]


async def proposals(conn: Connection, order_id: UUID) -> list[Proposal]:
    """What may still be accepted, newest first."""
    rows = await conn.fetch(
        "SELECT id, order_id, kind, role, amount_minor, customer_minor, due_at, note, made_at,"
        " expires_at FROM deals.proposals WHERE order_id = $1 AND state = 'open'"
        " AND expires_at > foundation.handsel_now() ORDER BY id DESC",
        order_id,
    )
    return [Proposal(**dict(row)) for row in rows]


async def children(conn: Connection, parent_id: UUID) -> list[Order]:
    """The orders that an order consists of, oldest first."""
    rows = await conn.fetch(
        f"SELECT {_COLUMNS} FROM deals.orders WHERE parent_id = $1 ORDER BY due_at, id", parent_id
    )
    return [_order(row) for row in rows]


async def times_made(tx: Tx, order_id: UUID, transition: str) -> int:
    """How often an order has made a move."""
    made: int = await tx.fetchval(
        "SELECT count(*) FROM deals.moves WHERE order_id = $1 AND transition = $2",
        order_id,
        transition,
    )
    return made


async def moves(conn: Connection, order_id: UUID) -> list[Move]:
    """The timeline, oldest first."""
    rows = await conn.fetch(
        'SELECT seq, transition, from_state, to_state, role AS "by", at, note, money'
        " FROM deals.moves WHERE order_id = $1 ORDER BY seq",
        order_id,
    )
    return [msgspec.convert(dict(row), Move) for row in rows]


async def delivered_on_time(conn: Connection, order_id: UUID) -> bool:
    """Whether the seller's first delivery was not late; what has none was never late."""
    row = await conn.fetchrow(
        "SELECT m.at, o.terms::text AS terms FROM deals.moves m"
        " JOIN deals.orders o ON o.id = m.order_id"
        " WHERE m.order_id = $1 AND m.transition = 'deliver' ORDER BY m.seq LIMIT 1",
        order_id,
    )
    if row is None:
        return True
    at: datetime = row["at"]
    return at <= late_from(msgspec.json.decode(row["terms"], type=Terms))


async def made_at(conn: Connection, order_id: UUID, transition: str) -> datetime | None:
    """When an order last made a move, if it has."""
    at: datetime | None = await conn.fetchval(
        "SELECT max(at) FROM deals.moves WHERE order_id = $1 AND transition = $2",
        order_id,
        transition,
    )
    return at


async def lock_sales(tx: Tx, provider_id: UUID) -> None:
    """Let one order of this seller be placed at a time, until the transaction ends."""
    await tx.execute("SELECT pg_advisory_xact_lock(hashtextextended($1, 73))", str(provider_id))


async def sales(tx: Tx, provider_id: UUID, customer_id: UUID) -> tuple[int, int]:
    """(the seller's orders but for those that were undone, settled ones with this customer).

    Orders that are not paid yet count too: their fee is frozen already.
    """
    row = await tx.fetchrow(
        "SELECT count(DISTINCT sale) FILTER (WHERE state NOT IN ('payment_expired', 'revoked',"
        " 'declined', 'expired', 'cancelled', 'refunded', 'returned', 'charged_back', 'lapsed',"
        " 'waived', 'written_off')) AS sold,"
        " count(DISTINCT sale) FILTER (WHERE state = 'settled' AND customer_id = $2) AS with_pair"
        # The milestones of a job are one sale; the frame around the parts of an agreement is none.
        " FROM (SELECT state, customer_id, CASE process WHEN 'milestone' THEN parent_id ELSE id END"
        " AS sale FROM deals.orders WHERE provider_id = $1"
        " AND process NOT IN ('negotiated', 'series', 'instant_transfer', 'time_credit')) AS sales",
        provider_id,
        customer_id,
    )
    assert row is not None
    return row["sold"], row["with_pair"]
