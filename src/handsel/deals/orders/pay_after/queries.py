"""What members owe."""

from collections.abc import Sequence
from uuid import UUID

import asyncpg

from handsel.foundation.db.uow import Tx

#: From the promise until it is paid or nothing is owed any more.
_OWING = ("promised", "accepted", "delivered", "objected", "payment_due", "overdue", "defaulted")
_LATE = ("overdue", "defaulted")


async def owing(tx: Tx, member_id: UUID) -> Sequence[asyncpg.Record]:
    """By unit: what is promised or owed, and whether some of it is late."""
    return await tx.fetch(
        "SELECT unit, sum(amount)::bigint AS owed, bool_or(state = ANY ($3)) AS late"
        " FROM deals.orders WHERE customer_id = $1 AND process = 'pay_after' AND state = ANY ($2)"
        " GROUP BY unit",
        member_id,
        list(_OWING),
        list(_LATE),
    )


async def debt_left(tx: Tx, order_id: UUID) -> int:
    """What of a debt is not paid; its row is locked."""
    left: int = await tx.fetchval("SELECT deals.lock_debt($1)", order_id)
    return left
