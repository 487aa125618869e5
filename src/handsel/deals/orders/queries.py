"""Reads of orders."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from uuid import UUID

import asyncpg
import msgspec

from handsel.deals.orders.schemas import Move, Terms
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
    conn: Connection, member_id: UUID, state: str | None, before: UUID | None, limit: int
) -> list[Order]:
    """A member's orders on either side, newest first."""
    rows = await conn.fetch(
        f"SELECT {_COLUMNS} FROM deals.orders WHERE (customer_id = $1 OR provider_id = $1)"
        " AND ($2::text IS NULL OR state = $2) AND ($3::uuid IS NULL OR id < $3)"
        " ORDER BY id DESC LIMIT $4",
        member_id,
        state,
        before,
        limit,
    )
    return [_order(row) for row in rows]


async def moves(conn: Connection, order_id: UUID) -> list[Move]:
    """The timeline, oldest first."""
    rows = await conn.fetch(
        'SELECT seq, transition, from_state, to_state, role AS "by", at, note, money'
        " FROM deals.moves WHERE order_id = $1 ORDER BY seq",
        order_id,
    )
    return [msgspec.convert(dict(row), Move) for row in rows]


async def delivered_on_time(conn: Connection, order_id: UUID) -> bool:
    """Whether the seller's delivery came by the agreed time; what has none was never late."""
    on_time: bool = await conn.fetchval(
        "SELECT coalesce((SELECT m.at <= o.due_at FROM deals.moves m"
        "  JOIN deals.orders o ON o.id = m.order_id WHERE m.order_id = $1"
        "  AND m.transition = 'deliver' ORDER BY m.seq DESC LIMIT 1), true)",
        order_id,
    )
    return on_time


async def lock_sales(tx: Tx, provider_id: UUID) -> None:
    """Let one order of this seller be placed at a time, until the transaction ends."""
    await tx.execute("SELECT pg_advisory_xact_lock(hashtextextended($1, 73))", str(provider_id))


async def sales(tx: Tx, provider_id: UUID, customer_id: UUID) -> tuple[int, int]:
    """(the seller's orders but for those that were undone, settled ones with this customer).

    Orders that are not paid yet count too: their fee is frozen already.
    """
    row = await tx.fetchrow(
        "SELECT count(*) FILTER (WHERE state NOT IN ('payment_expired', 'revoked', 'declined',"
        " 'expired', 'cancelled', 'refunded', 'charged_back')) AS sold,"
        " count(*) FILTER (WHERE state = 'settled' AND customer_id = $2) AS with_pair"
        " FROM deals.orders WHERE provider_id = $1",
        provider_id,
        customer_id,
    )
    assert row is not None
    return row["sold"], row["with_pair"]
