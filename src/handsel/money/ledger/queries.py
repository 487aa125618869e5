"""Reads of the ledger."""

from collections.abc import Mapping
from uuid import UUID

import asyncpg

from handsel.foundation.core import paging
from handsel.foundation.core.ids import encode
from handsel.foundation.db.pool import Connection
from handsel.money.ledger.schemas import StatementLine, StatementPage
from handsel.money.ledger.service import Account

_STATEMENT = """
SELECT id, booked_at, code, reference_id, signed_amount, balance FROM (
    (SELECT id, booked_at, code, reference_id, amount AS signed_amount, credit_balance AS balance
       FROM money.transfers WHERE credit_account = $1 AND ($2::uuid IS NULL OR id < $2)
      ORDER BY id DESC LIMIT $3)
    UNION ALL
    (SELECT id, booked_at, code, reference_id, -amount, debit_balance
       FROM money.transfers WHERE debit_account = $1 AND ($2::uuid IS NULL OR id < $2)
      ORDER BY id DESC LIMIT $3)) AS line
ORDER BY id DESC LIMIT $3
"""


async def balances(conn: Connection, owner: UUID) -> list[tuple[str, str, int]]:
    """(kind, unit, balance in minor units) of every account that somebody owns."""
    rows = await conn.fetch(
        "SELECT kind, unit, balance FROM money.accounts WHERE owner_id = $1 ORDER BY unit, kind",
        owner,
    )
    return [(row["kind"], row["unit"], row["balance"]) for row in rows]


async def held_by_payer(conn: Connection, payer_accounts: list[UUID]) -> dict[str, int]:
    """Unit to the sum of open holds paid from these accounts."""
    rows = await conn.fetch(
        "SELECT unit, sum(amount)::bigint AS amount FROM money.holds"
        " WHERE state = 'open' AND payer_account = ANY ($1) GROUP BY unit",
        payer_accounts,
    )
    return {row["unit"]: row["amount"] for row in rows}


async def statement(
    conn: Connection,
    account: Account,
    secret: bytes,
    cursor: str | None,
    page_size: int,
    prefixes: Mapping[str, str],
) -> StatementPage:
    """One page of an account's transfers, newest first, each with the balance after it.

    ``prefixes`` names what a transfer of a code refers to, which the ledger itself does not know.
    """
    pages: paging.IdPages[asyncpg.Record] = paging.IdPages(
        secret, f"statement:{account.id}", page_size, lambda row: row["id"]
    )
    rows = await conn.fetch(_STATEMENT, account.id, pages.before(cursor or None), page_size + 1)
    page, next_cursor = pages.cut(rows)
    items = [
        StatementLine(
            id=encode("trf", row["id"]),
            booked_at=row["booked_at"],
            code=row["code"],
            reference=encode(prefixes.get(row["code"], "ref"), row["reference_id"]),
            amount_minor=row["signed_amount"],
            balance_minor=row["balance"],
        )
        for row in page
    ]
    return StatementPage(items=items, currency=account.unit, next_cursor=next_cursor)
