"""An account's statement: page by page, newest first, and whole as CSV, oldest first."""

import csv
import io
from collections.abc import AsyncIterator, Mapping, Sequence
from datetime import UTC, date

import asyncpg

from handsel.foundation.core import paging
from handsel.foundation.core.ids import encode
from handsel.foundation.core.money import plain
from handsel.foundation.db.pool import Connection
from handsel.foundation.db.uow import Database
from handsel.money.ledger.schemas import StatementLine, StatementPage
from handsel.money.ledger.service import Account

_NEWEST = 2**63 - 1
#: Rows a piece of the CSV; between two pieces no connection is held, however slowly they are read.
_PIECE = 1000

# Each side has an index that begins with the account and goes by seq, so a page costs the same
# wherever it lies. No "or is null": that would scan from the newest line to the page.
_PAGE = """
SELECT * FROM (
    (SELECT seq, id, booked_at, code, reference_id, amount AS signed_amount,
            credit_balance AS balance
       FROM money.transfers WHERE credit_account = $1 AND seq < $2 ORDER BY seq DESC LIMIT $3)
    UNION ALL
    (SELECT seq, id, booked_at, code, reference_id, -amount, debit_balance
       FROM money.transfers WHERE debit_account = $1 AND seq < $2 ORDER BY seq DESC LIMIT $3)
) AS line
ORDER BY seq DESC LIMIT $3
"""
_ONWARDS = """
SELECT * FROM (
    (SELECT seq, id, booked_at, value_date, code, reference_id, amount AS signed_amount,
            credit_balance AS balance
       FROM money.transfers WHERE credit_account = $1 AND seq > $2
        AND value_date BETWEEN $3 AND $4 ORDER BY seq LIMIT $5)
    UNION ALL
    (SELECT seq, id, booked_at, value_date, code, reference_id, -amount, debit_balance
       FROM money.transfers WHERE debit_account = $1 AND seq > $2
        AND value_date BETWEEN $3 AND $4 ORDER BY seq LIMIT $5)) AS line
ORDER BY seq LIMIT $5
"""
_HEADER = (
    "id", "booked_at", "value_date", "code", "reference", "currency", "amount_minor", "amount",
    "balance_minor", "balance",
)  # fmt: skip


async def page(
    conn: Connection,
    account: Account,
    secret: bytes,
    cursor: str | None,
    page_size: int,
    prefixes: Mapping[str, str],
) -> StatementPage:
    """One page of an account's transfers, newest first, each with the balance after it.

    ``prefixes`` names what a transfer of a code refers to, which the ledger itself does not know.
    Raises ``InvalidCursor``.
    """
    scope = f"statement by seq:{account.id}"
    before = paging.unseal(secret, scope, cursor)[0] if cursor else _NEWEST
    rows = await conn.fetch(_PAGE, account.id, before, page_size + 1)
    shown = rows[:page_size]
    more = len(rows) > page_size
    return StatementPage(
        items=[_line(row, prefixes) for row in shown],
        currency=account.unit,
        next_cursor=paging.seal(secret, scope, [shown[-1]["seq"]]) if more else None,
    )


def _line(row: asyncpg.Record, prefixes: Mapping[str, str]) -> StatementLine:
    return StatementLine(
        id=encode("trf", row["id"]),
        booked_at=row["booked_at"],
        code=row["code"],
        reference=encode(prefixes.get(row["code"], "ref"), row["reference_id"]),
        amount_minor=row["signed_amount"],
        balance_minor=row["balance"],
    )


async def as_csv(
    database: Database,
    account: Account,
    first: date,
    last: date,
    prefixes: Mapping[str, str],
) -> AsyncIterator[str]:
    """The lines dated ``first`` to ``last``, both included, oldest first, in pieces (RFC 4180).

    Amounts stand in minor units and as exact decimals of the currency.
    """
    yield _rows([_HEADER])
    after, places = 0, 0
    while True:
        async with database.reading() as conn:
            if not after:
                sql = "SELECT exponent FROM money.units WHERE code = $1"
                places = await conn.fetchval(sql, account.unit) or 0
            lines = await conn.fetch(_ONWARDS, account.id, after, first, last, _PIECE)
        if lines:
            yield _rows([_cells(line, account.unit, places, prefixes) for line in lines])
        if len(lines) < _PIECE:
            return
        after = lines[-1]["seq"]


def _cells(
    row: asyncpg.Record, unit: str, places: int, prefixes: Mapping[str, str]
) -> tuple[str | int, ...]:
    line = _line(row, prefixes)
    return (
        line.id,
        line.booked_at.astimezone(UTC).isoformat().replace("+00:00", "Z"),
        row["value_date"].isoformat(),
        text_cell(line.code),
        text_cell(line.reference),
        unit,
        line.amount_minor,
        plain(line.amount_minor, places),
        line.balance_minor,
        plain(line.balance_minor, places),
    )


def text_cell(text: str) -> str:
    """A text that no spreadsheet takes for a formula (OWASP, CSV injection)."""
    return f"'{text}" if text.startswith(("=", "+", "-", "@", "\t", "\r", "\n")) else text


def _rows(rows: Sequence[Sequence[str | int]]) -> str:
    out = io.StringIO()
    csv.writer(out, lineterminator="\r\n").writerows(rows)
    return out.getvalue()
