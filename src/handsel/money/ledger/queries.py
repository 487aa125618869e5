"""Reads of the ledger."""

from uuid import UUID

from handsel.foundation.db.pool import Connection


async def balances(conn: Connection, owner: UUID) -> list[tuple[str, str, int, int]]:
    """(kind, unit, balance, the restricted part of it) of every account that somebody owns."""
    rows = await conn.fetch(
        "SELECT kind, unit, balance, restricted FROM money.accounts WHERE owner_id = $1"
        " ORDER BY unit, kind",
        owner,
    )
    return [(row["kind"], row["unit"], row["balance"], row["restricted"]) for row in rows]


async def pending_of(conn: Connection, payee: UUID) -> dict[str, int]:
    """Unit to what was released to somebody and waits for the end of its hold period."""
    rows = await conn.fetch(
        "SELECT unit, sum(pending)::bigint AS amount FROM money.holds"
        " WHERE payee_id = $1 AND pending > 0 GROUP BY unit",
        payee,
    )
    return {row["unit"]: row["amount"] for row in rows}


async def held_by_payer(conn: Connection, payer_accounts: list[UUID]) -> dict[str, int]:
    """Unit to the sum of open holds paid from these accounts."""
    rows = await conn.fetch(
        "SELECT unit, sum(amount - refunded)::bigint AS amount FROM money.holds"
        " WHERE state = 'open' AND payer_account = ANY ($1) GROUP BY unit",
        payer_accounts,
    )
    return {row["unit"]: row["amount"] for row in rows}
