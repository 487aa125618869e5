"""When the sealer may seal: never a number below which something may still be committed."""

from collections.abc import AsyncIterator

import asyncpg
import pytest

from handsel.foundation.db.pool import connect
from handsel.money.ledger import seals
from tests.money.ledger.books import (
    CLEARING,
    FEE,
    FUND,
    findings,
    lines,
    post,
    post_many,
    verified,
    wallet,
)


@pytest.fixture
async def conn(database_url: str) -> AsyncIterator[asyncpg.Connection]:
    connection = await connect(database_url)
    await seals.seal_all(connection)
    yield connection
    await seals.seal_all(connection)
    assert await connection.fetch("SELECT * FROM money.ledger_breaks()") == []
    assert findings(verified(await lines(connection))) == []
    await connection.close()


@pytest.fixture
async def other(database_url: str) -> AsyncIterator[asyncpg.Connection]:
    connection = await connect(database_url)
    yield connection
    await connection.close()


async def head(conn: asyncpg.Connection) -> tuple[int, int]:
    """(block, last number sealed)"""
    row = await conn.fetchrow("SELECT block, last_seq FROM money.ledger_head")
    assert row is not None
    return row["block"], row["last_seq"]


async def newest(conn: asyncpg.Connection) -> int:
    last: int = await conn.fetchval("SELECT coalesce(max(seq), 0) FROM money.transfers")
    return last


async def test_a_smaller_number_that_commits_late_is_waited_for(
    conn: asyncpg.Connection, other: asyncpg.Connection
) -> None:
    before = await head(conn)
    late = other.transaction()
    await late.start()
    await post(other, FEE, FUND, 1)
    await post(conn, FEE, FUND, 2)
    visible = await newest(conn)

    for _ in range(3):
        await seals.seal(conn)
    while_it_writes = await head(conn)
    await late.commit()
    await seals.seal(conn)

    assert while_it_writes == before
    assert await head(conn) == (before[0] + 1, visible)
    assert await conn.fetchval("SELECT transfers FROM money.ledger_seals ORDER BY block DESC") == 2


async def test_what_began_after_the_mark_is_not_waited_for(
    conn: asyncpg.Connection, other: asyncpg.Connection
) -> None:
    block, _ = await head(conn)
    await post(conn, FEE, FUND, 1)
    marked = await newest(conn)
    await seals.seal(conn)  # marks
    async with other.transaction():
        await post(other, FEE, FUND, 2)
        await seals.seal(conn)

        assert await head(conn) == (block + 1, marked)


async def test_a_transaction_that_only_reads_is_not_waited_for(
    conn: asyncpg.Connection, other: asyncpg.Connection
) -> None:
    block, _ = await head(conn)
    await post(conn, FEE, FUND, 1)
    async with other.transaction():
        await other.execute("SELECT count(*) FROM money.transfers")
        await wallet(other)  # writes, but no transfer
        await seals.seal_all(conn)

        assert await head(conn) == (block + 1, await newest(conn))


async def test_writers_of_another_life_of_the_server_hold_nobody_up(
    conn: asyncpg.Connection, database_url: str
) -> None:
    block, _ = await head(conn)
    await post(conn, FEE, FUND, 1)
    await seals.seal(conn)
    admin = await asyncpg.connect(database_url)
    await admin.execute("UPDATE money.ledger_head SET mark_writers = ARRAY['4711/1', '-1/9']")
    await admin.close()

    await seals.seal(conn)

    assert await head(conn) == (block + 1, await newest(conn))


async def test_a_second_sealer_has_nothing_to_do(
    conn: asyncpg.Connection, other: asyncpg.Connection, database_url: str
) -> None:
    before = await head(conn)
    await post(conn, FEE, FUND, 1)
    admin = await asyncpg.connect(database_url)
    async with admin.transaction():
        await admin.execute("SELECT FROM money.ledger_head FOR UPDATE")
        sealed = [await seals.seal(other) for _ in range(3)]
    await admin.close()

    assert sealed == [0, 0, 0]
    assert await head(conn) == before


async def test_full_blocks_and_wide_gaps(conn: asyncpg.Connection, database_url: str) -> None:
    block, last = await head(conn)
    payer = await wallet(conn)
    await post_many(conn, CLEARING, payer, 1010)
    admin = await asyncpg.connect(database_url)
    await admin.execute(
        "SELECT setval(pg_get_serial_sequence('money.transfers', 'seq'), $1)", last + 90_000
    )
    await admin.close()
    await seals.seal(conn)  # marks
    full = await seals.seal(conn)
    in_the_gap = await head(conn)
    await post(conn, payer, await wallet(conn), 5)
    await seals.seal_all(conn)

    assert full == 2  # both span a thousand numbers
    assert in_the_gap == (block + 2, last + 2000)
    assert await head(conn) == (block + 3, last + 90_001)


async def test_each_block_is_an_entry_of_the_audit_chain(conn: asyncpg.Connection) -> None:
    await post(conn, FEE, FUND, 1)
    await seals.seal_all(conn)

    row = await conn.fetchrow(
        "SELECT s.block, s.last_seq, s.transfers, encode(s.hash, 'hex') AS hash, e.stream, e.body,"
        " l.seq FROM money.ledger_seals s JOIN foundation.audit_entries e ON e.id = s.entry_id"
        " JOIN foundation.audit_seals l ON l.entry_id = e.id ORDER BY s.block DESC LIMIT 1"
    )

    assert row is not None
    told = {key: row[key] for key in ("block", "last_seq", "transfers", "hash")}
    assert (row["stream"], row["body"]) == ("ledger", told)
    anchor = await seals.anchor(conn)
    assert (anchor.ledger_block, anchor.ledger_hash) == (row["block"], row["hash"])
    assert anchor.audit_seq == row["seq"]
    assert anchor.transfers == await conn.fetchval("SELECT count(*) FROM money.transfers")


async def test_numbers_are_drawn_one_by_one(conn: asyncpg.Connection) -> None:
    # A cached range would hand out numbers below the mark after it was set.
    cached = await conn.fetchval(
        "SELECT seqcache FROM pg_sequence WHERE seqrelid ="
        " pg_get_serial_sequence('money.transfers', 'seq')::regclass"
    )

    assert cached == 1
