"""What a move of an order costs, and how fast time moves many.

The orders of the sweep are written straight into the tables, since only the sweep counts.
"""

import time
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from uuid import UUID, uuid4

import asyncpg
import httpx
import msgspec
import uvloop

from handsel.deals.orders import service as orders
from handsel.deals.orders.registry import current
from handsel.deals.orders.schemas import Cancellation, OrderInput, Terms
from handsel.foundation.core.ids import uuid7
from handsel.foundation.core.money import Money
from handsel.foundation.core.settings import load
from handsel.foundation.db.pool import open_pool
from handsel.foundation.db.uow import Database, Tx
from handsel.front.api.app import create_app
from handsel.front.worker.app import sweep_orders
from handsel.money.escrow import fees
from handsel.money.ledger import service as ledger
from handsel.money.ledger.service import Account, Transfer
from handsel.people.members import service as members
from handsel.people.members.schemas import SandboxMember
from tests.bench.http import Pair, api, prepare
from tests.bench.ledger import settled_rate
from tests.bench.rounds import Effort, Line, compare
from tests.bench.server import Bench

_MOVES = (("fund", True), ("accept", False), ("deliver", False), ("approve", True))
_NET = 100
_DUE = 100_000
_SELLERS = 200
#: Delivered orders whose inspection is over: $1 the ids, $2 the sellers, $3 buyer, $4 terms,
#: $5 the version of the process.
_WAITING = f"""
WITH sale AS (SELECT * FROM unnest($1::uuid[], $2::uuid[]) AS s (id, seller)),
escrow AS (
    INSERT INTO money.accounts (kind, owner_id, unit, balance, min_balance, folded)
    SELECT 'escrow', id, 'EUR', {_NET}, 0, false FROM sale RETURNING owner_id, id),
held AS (
    INSERT INTO money.holds (id, reference_id, unit, amount, payer_account, escrow_account,
        opened_at, expires_at)
    SELECT owner_id, owner_id, 'EUR', {_NET}, money.account_id('wallet', $3, 'EUR'), id, now(),
        now() + interval '75 days' FROM escrow),
placed AS (
    INSERT INTO deals.orders (id, process, process_version, state, version, customer_id,
        provider_id, amount, unit, terms, terms_hash, due_at, hold_period, created_at, entered_at)
    SELECT id, 'service', $5, 'delivered', 4, $3, seller, {_NET}, 'EUR', $4::jsonb, '\\x00', now(),
        interval '14 days', now(), now() FROM sale)
INSERT INTO deals.timers (order_id, transition, due_at)
SELECT id, 'auto_approve', now() FROM sale
"""


def transition_vs_posting(bench: Bench, effort: Effort) -> Line:
    """Database time of one transition over HTTP, of one posting by the service; less is better.

    Both without waiting for the disk at COMMIT, which would make any two transactions alike.
    """
    with api(bench.url) as port:
        pairs = uvloop.run(prepare(bench.url, port))
    many = 400 if effort.rounds > 1 else 40
    return compare(
        "transition_vs_posting",
        "ms of the database",
        "one posting by the ledger's service, the same way measured",
        lambda: uvloop.run(_moving(bench.url, pairs[0], many)),
        lambda: uvloop.run(_posting(bench.url, many)),
        effort,
    )


def timer_sweep_vs_posting_batch(bench: Bench, effort: Effort) -> Line:
    """Due auto-approvals by one worker, each moving money, against settlement in batches."""
    return compare(
        "timer_sweep_vs_posting_batch",
        "orders/s",
        "orders settled a second, 200 in one transaction",
        lambda: uvloop.run(_swept(bench.url, _DUE if effort.rounds > 1 else 600)),
        lambda: settled_rate(bench.url, effort),
        replace(effort, rounds=1),
    )


async def _active_ms(conn: asyncpg.Connection) -> float:
    """The time that the database has worked in all. The sessions have told theirs by now."""
    await conn.execute("SELECT pg_stat_clear_snapshot()")
    found: float = await conn.fetchval(
        "SELECT active_time FROM pg_stat_database WHERE datname = current_database()"
    )
    return found


async def _told(database: Database, watch: asyncpg.Connection) -> float:
    async with database.reading() as conn:
        await conn.execute("SELECT pg_stat_force_next_flush()")
        await conn.execute("SELECT 1")
    return await _active_ms(watch)


async def _moving(url: str, pair: Pair, many: int) -> float:
    pool, watch = await open_pool(url, size=1, durable=False), await asyncpg.connect(url)
    database = Database(pool)
    settings = msgspec.structs.replace(load(), sandbox=True, secret="b" * 48, log_level="warning")
    app = create_app(settings, database)
    placed = [
        (
            await database.run(
                lambda tx: orders.place(tx, pair.buyer, OrderInput(listing_id=pair.listing))
            )
        ).view.id
        for _ in range(many // len(_MOVES))
    ]
    transport = httpx.ASGITransport(app=app)
    async with httpx.AsyncClient(transport=transport, base_url="http://bench") as http:
        before = await _told(database, watch)
        for name, by_buyer in _MOVES:
            token = pair.buyer_token if by_buyer else pair.seller_token
            for order in placed:
                answer = await http.post(
                    f"/v1/orders/{order}/transitions",
                    json={"name": name, "note": "bench"},
                    headers={
                        "Authorization": f"Bearer {token}",
                        "Idempotency-Key": uuid4().hex,
                    },
                )
                assert answer.status_code == 200, answer.text
        took = await _told(database, watch) - before
    await pool.close()
    await watch.close()
    return took / (len(placed) * len(_MOVES))


async def _posting(url: str, many: int) -> float:
    pool, watch = await open_pool(url, size=1, durable=False), await asyncpg.connect(url)
    database = Database(pool)
    payer, payee = (Account("wallet", UUID(int=n), "EUR") for n in (1, 2))
    before = await _told(database, watch)
    for _ in range(many):
        async with database.transaction() as tx:
            ledger.post(tx, [Transfer(payer, payee, 1, "adjustment")], uuid4())
    took = await _told(database, watch) - before
    await pool.close()
    await watch.close()
    return took / many


async def _swept(url: str, many: int) -> float:
    """Orders a second; each is moved exactly once."""
    pool = await open_pool(url, size=2)
    database = Database(pool)
    placed = await database.run(lambda tx: _people(tx))
    buyer, sellers = placed[0], placed[1:]
    ids = [uuid7() for _ in range(many)]
    owner = await asyncpg.connect(url)
    await owner.execute(
        _WAITING,
        ids,
        [sellers[n % len(sellers)] for n in range(many)],
        buyer,
        msgspec.json.encode(_terms()).decode(),
        current("service").version,
        timeout=300,
    )
    await owner.execute("VACUUM ANALYZE deals.orders, deals.timers, money.holds, money.accounts")
    began, moved = time.monotonic(), 0
    while found := await sweep_orders(database):
        moved += found
    took = time.monotonic() - began
    twice = await owner.fetchval(
        "SELECT count(*) FROM (SELECT FROM deals.moves WHERE order_id = ANY ($1)"
        " GROUP BY order_id HAVING count(*) <> 1) AS more",
        ids,
    )
    assert (moved, twice) == (many, 0)
    await owner.close()
    await pool.close()
    return many / took


async def _people(tx: Tx) -> list[UUID]:
    specs = [
        SandboxMember(
            handle=f"sweep-{uuid4().hex[:12]}",
            joined_at=tx.now - timedelta(days=60),
            verifications=("email", "phone", "id_document", "bank_account"),
        )
        for _ in range(_SELLERS + 1)
    ]
    made = await members.create_sandbox_members(tx, specs)
    ledger.open_accounts(tx, [Account("wallet", made[0], "EUR")])
    return list(made)


def _terms() -> Terms:
    free = fees.at_sale(_NET, "EUR", seller_orders=0, pair_settled=0, table=fees.current())
    process = current("service")
    return Terms(
        listing_id=None,
        title="An hour of bench work",
        category="school-tutoring",
        unit="per_job",
        price=Money(amount_minor=_NET, currency="EUR"),
        fee=free,
        customer_id="mem_bench",
        customer="buyer",
        provider_id="mem_bench",
        provider="seller",
        starts_at=None,
        due_at=datetime.now(UTC),
        process=f"{process.name}@{process.version}",
        inspection_period_s=0,
        cancellation=Cancellation(free_until_s=0, late_share_bps=0),
    )
