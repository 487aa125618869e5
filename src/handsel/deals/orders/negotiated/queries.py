"""Reads of offers."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from uuid import UUID

import asyncpg
import msgspec

from handsel.deals.orders.negotiated.schemas import OfferTerms
from handsel.foundation.db.pool import Connection
from handsel.foundation.db.uow import Tx


@dataclass(frozen=True, slots=True)
class Offer:
    """An offer's row."""

    order_id: UUID
    round: int
    by_role: str
    made_at: datetime
    terms: OfferTerms
    terms_hash: bytes


_OFFERS = (
    "SELECT order_id, round, by_role, made_at, terms::text, terms_hash FROM deals.offers"
    " WHERE order_id = $1"
)


def _offer(row: asyncpg.Record) -> Offer:
    values = dict(row)
    values["terms"] = msgspec.json.decode(values["terms"], type=OfferTerms)
    return Offer(**values)


async def offers(conn: Connection, order_id: UUID) -> Sequence[Offer]:
    """Every offer, oldest first."""
    # Of a round, the provider's comes first.
    rows = await conn.fetch(f"{_OFFERS} ORDER BY round, by_role DESC", order_id)
    return [_offer(row) for row in rows]


async def latest_offer(tx: Tx, order_id: UUID) -> Offer | None:
    """The offer on the table; the caller holds the order's lock."""
    row = await tx.fetchrow(f"{_OFFERS} ORDER BY round DESC, by_role LIMIT 1", order_id)
    return _offer(row) if row else None


async def state_of(tx: Tx, order_id: UUID) -> str:
    """The state of an order, which does not change before this transaction ends."""
    state: str = await tx.fetchval(
        "SELECT state FROM deals.orders WHERE id = $1 FOR SHARE", order_id
    )
    return state
