"""The ledger at scale: settlement in batches, one busy seller, and millions of transfers behind it.

Holds and old transfers are written straight into the tables, since only the measured call counts;
nothing here is a ledger that adds up.
"""

import asyncio
import random
import time
from dataclasses import replace
from statistics import quantiles
from uuid import UUID, uuid4

import asyncpg
import uvloop

from handsel.foundation.core import paging
from handsel.foundation.db.pool import open_pool
from handsel.foundation.db.uow import Database
from handsel.money.escrow import service as escrow
from handsel.money.escrow.fees import Fee
from handsel.money.escrow.service import Sale
from handsel.money.ledger import statement
from handsel.money.ledger.service import Account
from tests.bench.posting import CLIENTS, FUNCTION, script
from tests.bench.rounds import Effort, Line, compare
from tests.bench.server import ACCOUNTS, Bench, run_statements

_SECRET = b"b" * 48
_BATCH = 200
_NET = 100
_FREE = Fee(amount_minor=0, fund_share_minor=0, rate_bps=0, reason="bench", table_version="b")
_SELLERS = [UUID(int=n) for n in range(1, ACCOUNTS + 1)]
#: Open holds of _NET each, with the money in their escrow accounts; $1 the orders.
_OPEN = f"""
WITH made AS (
    INSERT INTO money.accounts (kind, owner_id, unit, balance, min_balance, folded)
    SELECT 'escrow', o, 'EUR', {_NET}, 0, false FROM unnest($1::uuid[]) o RETURNING owner_id, id)
INSERT INTO money.holds (id, reference_id, unit, amount, payer_account, escrow_account, opened_at,
    expires_at)
SELECT owner_id, owner_id, 'EUR', {_NET},
    (SELECT id FROM money.accounts WHERE kind = 'wallet' LIMIT 1), id, now(),
    now() + interval '75 days' FROM made
"""
#: The same, released and waiting for the end of the hold period; $2 the sellers.
_PENDING = f"""
WITH sale AS (SELECT * FROM unnest($1::uuid[], $2::uuid[]) AS s (hold, seller)),
made AS (
    INSERT INTO money.accounts (kind, owner_id, unit, balance, min_balance, folded)
    SELECT 'pending', hold, 'EUR', {_NET}, 0, false FROM sale RETURNING owner_id, id)
INSERT INTO money.holds (id, reference_id, unit, amount, payer_account, escrow_account, opened_at,
    expires_at, state, released, pending, payee_id, resolved_at)
SELECT hold, hold, 'EUR', {_NET}, (SELECT id FROM money.accounts WHERE kind = 'wallet' LIMIT 1),
    m.id, now(), now() + interval '75 days', 'released', {_NET}, {_NET}, seller, now()
  FROM sale JOIN made m ON m.owner_id = hold
"""
#: Transfers of the past between random accounts, a hundredth of them on one busy account.
_PAST = """
INSERT INTO money.transfers (unit, debit_account, credit_account, amount, code, reference_id,
    debit_balance, credit_balance, debit_restricted, credit_restricted, booked_at, value_date)
SELECT 'EUR', a.ids[1 + (random() * {half})::int],
    CASE WHEN g % 100 = 0 THEN a.ids[{busy}]
         ELSE a.ids[{half} + 2 + (random() * ({half} - 3))::int] END,
    5, 'adjustment', gen_random_uuid(), 1, 1, 0, 0, now(), now()::date
  FROM generate_series(1, {rows}) g,
       (SELECT array_agg(id ORDER BY owner_id) AS ids FROM money.accounts WHERE kind = 'wallet') a
"""
_BUSY = ACCOUNTS


def settlement_batch_vs_posting(bench: Bench, effort: Effort) -> Line:
    """Orders settled a second, 200 in one transaction, against single postings by 16 clients."""
    posting = script(FUNCTION)
    return compare(
        "settlement_batch_vs_posting",
        "settled orders/s",
        "our posting function by pgbench, 16 clients",
        lambda: settled_rate(bench.url, effort),
        lambda: bench.pgbench(posting, effort.seconds),
        effort,
    )


def hot_seller_vs_uniform(bench: Bench, effort: Effort) -> Line:
    """Orders released by 16 clients and settled in batches: all of one seller, or spread evenly."""
    return compare(
        "hot_seller_vs_uniform",
        "orders/s",
        "the same over 10,000 sellers",
        lambda: uvloop.run(_sold(bench.url, _SELLERS[:1], effort)),
        lambda: uvloop.run(_sold(bench.url, _SELLERS, effort)),
        effort,
    )


def posting_large_vs_small(bench: Bench, effort: Effort) -> Line:
    """Single postings with 5,000,000 transfers in the ledger, against 10,000."""
    posting = script(FUNCTION)
    large = _with_past(bench, "bench_large", 5_000_000 if effort.rounds > 1 else 20_000)
    small = _with_past(bench, "bench_small", 10_000)
    return compare(
        "posting_large_vs_small",
        "postings/s",
        "the same with 10,000 transfers, 16 clients",
        lambda: large.pgbench(posting, effort.seconds),
        lambda: small.pgbench(posting, effort.seconds),
        effort,
    )


def statement_large_vs_small(bench: Bench, effort: Effort) -> Line:
    """p95 of a page of 50 at random places of the busiest statement; 1 would be perfectly flat.

    Smaller is better: the statement has 50,000 lines of 5,000,000 transfers, against 100 of 10,000.
    """
    large = _with_past(bench, "bench_large", 5_000_000 if effort.rounds > 1 else 20_000)
    small = _with_past(bench, "bench_small", 10_000)
    return compare(
        "statement_large_vs_small",
        "ms p95",
        "the same with 10,000 transfers",
        lambda: uvloop.run(_page_p95(large.url, effort)),
        lambda: uvloop.run(_page_p95(small.url, effort)),
        effort,
    )


def settled_rate(url: str, effort: Effort) -> float:
    """Orders settled a second, 200 in one transaction."""
    return uvloop.run(_settled(url, effort))


async def _settled(url: str, effort: Effort) -> float:
    orders = [uuid4() for _ in range(_count(effort))]
    sellers = [random.choice(_SELLERS) for _ in orders]
    await _write(url, _PENDING, orders, sellers)
    pool = await open_pool(url, size=2)
    database = Database(pool)
    began = time.monotonic()
    for start in range(0, len(orders), _BATCH):
        some = slice(start, start + _BATCH)
        async with database.transaction() as tx:
            sales = zip(orders[some], sellers[some], strict=True)
            escrow.settle_many(tx, [(order, seller, _NET, "EUR") for order, seller in sales])
    took = time.monotonic() - began
    await pool.close()
    return len(orders) / took


async def _sold(url: str, sellers: list[UUID], effort: Effort) -> float:
    """Release each order in a transaction of its own; a settler follows behind in batches."""
    waiting = [(uuid4(), random.choice(sellers)) for _ in range(_count(effort) // 4)]
    await _write(url, _OPEN, [order for order, _ in waiting])
    pool = await open_pool(url, size=CLIENTS + 1)
    database = Database(pool)
    released: list[tuple[UUID, UUID]] = []
    todo = list(waiting)

    async def client() -> None:
        while todo:
            order, seller = todo.pop()
            async with database.transaction() as tx:
                escrow.release(tx, Sale(order, seller, _NET, "EUR", _FREE))
            released.append((order, seller))

    async def settler() -> None:
        settled = 0
        while settled < len(waiting):
            some = released[settled : settled + _BATCH]
            if len(some) < min(_BATCH, len(waiting) - settled):
                await asyncio.sleep(0.005)
                continue
            async with database.transaction() as tx:
                escrow.settle_many(tx, [(o, seller, _NET, "EUR") for o, seller in some])
            settled += len(some)

    began = time.monotonic()
    await asyncio.gather(settler(), *(client() for _ in range(CLIENTS)))
    took = time.monotonic() - began
    await pool.close()
    return len(waiting) / took


async def _page_p95(url: str, effort: Effort) -> float:
    pool = await open_pool(url, size=1)
    busy = Account("wallet", UUID(int=_BUSY), "EUR")
    taken = []
    async with Database(pool).reading() as conn:
        seqs = [
            row["seq"]
            for row in await conn.fetch(
                "SELECT seq FROM money.transfers WHERE credit_account = $1"
                " ORDER BY random() LIMIT $2",
                busy.id,
                400 if effort.rounds > 1 else 20,
            )
        ]
        for seq in seqs:
            cursor = paging.seal(_SECRET, f"statement by seq:{busy.id}", [seq])
            began = time.perf_counter()
            await statement.page(conn, busy, _SECRET, cursor, 50, {})
            taken.append((time.perf_counter() - began) * 1000)
    await pool.close()
    return quantiles(taken, n=20)[18]


def _with_past(bench: Bench, name: str, rows: int) -> Bench:
    """A database of its own with so many transfers, made once for the benchmarks that share it."""
    url = bench.address.url(name)
    made = replace(bench, url=url, database=name)
    if not run_statements(
        bench.address.url("postgres"), [f"SELECT 1 FROM pg_database WHERE datname = '{name}'"]
    ):
        run_statements(bench.address.url("postgres"), [f"CREATE DATABASE {name} TEMPLATE bench"])
        past = _PAST.format(rows=rows, half=ACCOUNTS // 2 - 2, busy=_BUSY)
        run_statements(
            url,
            [
                "DROP INDEX money.transfers_by_debit, money.transfers_by_credit",
                past,
                "CREATE INDEX transfers_by_debit ON money.transfers (debit_account, seq)",
                "CREATE INDEX transfers_by_credit ON money.transfers (credit_account, seq)",
                "VACUUM ANALYZE money.transfers",
                "CHECKPOINT",
            ],
        )
    return made


async def _write(url: str, sql: str, *columns: list[UUID]) -> None:
    conn = await asyncpg.connect(url)
    await conn.execute(sql, *columns)
    await conn.execute("VACUUM ANALYZE money.holds")
    await conn.close()


def _count(effort: Effort) -> int:
    return 20_000 if effort.rounds > 1 else 800
