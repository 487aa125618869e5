"""The whole ledger with its seals and the audit chain, as lines of JSON: what ``verify`` reads.

Every seal stands before the transfers of its range, so that the file is checked while it is read.
"""

import gzip
import os
from collections.abc import AsyncIterator
from pathlib import Path
from typing import IO, Any

import asyncpg
import msgspec

from handsel import __version__
from handsel.foundation.audit import chain as audit_chain
from handsel.foundation.db.pool import Connection
from handsel.money.ledger.chain import FORMAT, EndLine, HeadLine

#: Numbers a step: a few megabytes, and no sort of the whole table.
_STEP = 10_000

_SEALS = """
SELECT last_seq, json_build_object('line', 'seal', 'format', format, 'block', block,
    'first_seq', first_seq, 'last_seq', last_seq, 'seqs', seqs,
    'row_hashes', (SELECT array_agg(encode(h, 'hex') ORDER BY n)
                     FROM unnest(row_hashes) WITH ORDINALITY AS u (h, n)),
    'hash', encode(hash, 'hex'), 'entry_id', entry_id)::text AS line
  FROM money.ledger_seals ORDER BY block
"""
_TRANSFER = """
json_build_object('line', 'transfer', 'seq', t.seq, 'id', t.id, 'unit', t.unit,
    'debit_account', t.debit_account, 'credit_account', t.credit_account, 'amount', t.amount,
    'code', t.code, 'reference_id', t.reference_id, 'hold_id', t.hold_id,
    'reversal_of', t.reversal_of, 'debit_balance', t.debit_balance,
    'credit_balance', t.credit_balance, 'debit_restricted', t.debit_restricted,
    'credit_restricted', t.credit_restricted,
    'booked_at', to_char(t.booked_at AT TIME ZONE 'UTC', 'YYYY-MM-DD"T"HH24:MI:SS.US"Z"'),
    'value_date', to_char(t.value_date, 'YYYY-MM-DD'))::text AS line
"""
_ACCOUNTS = """
SELECT json_build_object('line', 'account', 'id', id, 'kind', kind, 'owner_id', owner_id,
    'unit', unit, 'balance', balance, 'restricted', restricted, 'folded', folded)::text AS line
  FROM money.accounts
 ORDER BY kind, unit, id
"""


async def in_order(conn: Connection, columns: str) -> AsyncIterator[asyncpg.Record]:
    """Every transfer in the order of seq, as ``columns`` (SQL over ``t``, plus seq)."""
    last: int = await conn.fetchval("SELECT coalesce(max(seq), 0) FROM money.transfers")
    for start in range(0, last, _STEP):
        rows = await conn.fetch(
            f"SELECT t.seq, {columns} FROM money.transfers t"
            " WHERE t.seq > $1 AND t.seq <= $2 ORDER BY t.seq",
            start,
            start + _STEP,
        )
        for row in rows:
            yield row


async def lines(conn: Connection) -> AsyncIterator[str]:
    """The lines of the file, as of one moment: call it inside a REPEATABLE READ transaction."""
    count = 1
    at = await conn.fetchval("SELECT foundation.handsel_now()")
    yield _json(HeadLine(format=FORMAT, at=at, version=__version__))
    async for line in _chain(conn):
        count += 1
        yield line
    for sql in (_ACCOUNTS, audit_chain.EXPORT_SQL):
        async for row in conn.cursor(sql, prefetch=1000):
            count += 1
            yield row["line"]
    yield _json(EndLine(lines=count + 1))


async def _chain(conn: Connection) -> AsyncIterator[str]:
    """Each seal, then the transfers up to its end; then those that are not sealed yet."""
    seals = aiter(conn.cursor(_SEALS, prefetch=50))
    seal = await anext(seals, None)
    covered = 0
    async for row in in_order(conn, _TRANSFER):
        while seal is not None and covered < row["seq"]:
            covered = seal["last_seq"]
            yield seal["line"]
            seal = await anext(seals, None)
        yield row["line"]
    while seal is not None:  # sealed, and nothing is there any more
        yield seal["line"]
        seal = await anext(seals, None)


async def write(conn: Connection, file: Path) -> int:
    """Write the export to ``file`` (gzip, readable by its owner alone); how many lines."""
    count = 0
    async with conn.transaction(isolation="repeatable_read", readonly=True):
        await conn.execute("SET LOCAL statement_timeout = 0")
        with _private(file) as raw, gzip.open(raw, "wt", encoding="utf-8", compresslevel=6) as out:
            async for line in lines(conn):
                out.write(line + "\n")
                count += 1
    return count


def _private(file: Path) -> IO[bytes]:
    return os.fdopen(os.open(file, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600), "wb")


def _json(line: Any) -> str:
    return msgspec.json.encode(line).decode()
