"""Reads: what a decision is made of, with and without the lock, and the public side of members."""

from datetime import datetime
from typing import Any
from uuid import UUID

import asyncpg
import msgspec

from handsel.foundation.core.errors import NotFound
from handsel.foundation.db.uow import Tx
from handsel.people.trust.schemas import Party, Standing

#: A unit of work or a bare connection: both read alike.
Reader = Tx | asyncpg.Connection


async def load_standing(tx: Tx, payer_id: UUID, payee_id: UUID) -> Standing:
    """Everything for a decision in one round trip; locks the payer's standing until the commit."""
    found = await tx.fetchval("SELECT people.load_standing($1, $2)", payer_id, payee_id)
    return _standing(found)


async def view_standing(reader: Reader, payer_id: UUID, payee_id: UUID) -> Standing:
    """The same without a lock, for a question that moves nothing."""
    found = await reader.fetchval("SELECT people.view_standing($1, $2)", payer_id, payee_id)
    return _standing(found)


async def party(reader: Reader, member_id: UUID) -> tuple[Party, datetime]:
    """One member, and the business time."""
    row = await reader.fetchrow(
        "SELECT people.standing_of($1) AS party, foundation.handsel_now() AS now", member_id
    )
    assert row is not None
    found = msgspec.convert(row["party"], Party)
    if found.joined_at is None:
        raise NotFound("there is no such member")
    return found, row["now"]


async def public_standings(reader: Reader, member_ids: list[UUID]) -> list[asyncpg.Record]:
    """The public columns of members that exist."""
    return await reader.fetch("SELECT * FROM people.public_standings($1)", member_ids)


def _standing(found: Any) -> Standing:
    standing = msgspec.convert(found, Standing)
    if standing.payee.joined_at is None or standing.payer.joined_at is None:
        raise NotFound("there is no such member")
    return standing
