"""The worker process: jobs, the relay, and the sweeps."""

import asyncio
from datetime import timedelta
from functools import partial
from uuid import UUID

import asyncpg
import msgspec
import structlog

from handsel.deals.orders import service as orders
from handsel.foundation import audit, idempotency
from handsel.foundation.core.errors import Problem
from handsel.foundation.core.settings import Settings
from handsel.foundation.db.pool import open_pool
from handsel.foundation.db.uow import Database
from handsel.foundation.jobs import Periodic, PgQueuerQueue, Worker, prune_handled, prune_log
from handsel.foundation.outbox import prune, relay_once
from handsel.front.worker import (
    agreements,
    appeals,
    chargebacks,
    claims,
    disputes,
    models,
    provider_events,
    reviews,
    trust_graph,
    wallet,
)
from handsel.front.worker.handlers import handlers
from handsel.front.worker.subscriptions import SUBSCRIPTIONS
from handsel.money.ledger import seals
from handsel.money.payments.service import gateway_of
from handsel.people.members import service as members
from handsel.people.trust import service as trust

log = structlog.get_logger(__name__)
_CONCURRENCY = 8
_QUEUE = PgQueuerQueue()
#: Events and notes of handled ones are kept this long: longer than any job is retried.
_KEEP_EVENTS = timedelta(days=30)
#: What one order can do wrong: refused, unreadable terms, a process that is gone, a broken rule.
_MAY_FAIL = (Problem, asyncpg.PostgresError, LookupError, ValueError, TypeError, AssertionError)
_TICK_S = 0.2
_SWEEP_S = 1.0
_PRUNE_S = 3600.0
_FUND_S = 60.0
#: Deadlines of days.
_DISPUTES_S = 60.0
_SERIES_S = 10.0
#: Not shorter: each time at least one transfer makes a block.
_SEAL_S = 10.0
_ANCHOR_S = 3600.0


def run(settings: Settings, url: str) -> None:
    """Work until SIGTERM; jobs in flight finish first."""
    asyncio.run(_run(settings, url))


async def _run(settings: Settings, url: str) -> None:
    pool = await open_pool(url, size=_CONCURRENCY + 4)
    database = Database(pool)
    gateway = gateway_of(settings, database)
    worker = Worker(
        url,
        handlers(database, settings, gateway),
        periodics=periodics(database, settings),
        concurrency=_CONCURRENCY,
    )
    worker.stop_on_signals()
    log.info("worker_started")
    try:
        await worker.run()
    finally:
        await gateway.close()
        await pool.close()


def periodics(database: Database, settings: Settings) -> list[Periodic]:
    """What is done again and again; any number of workers may do it side by side."""

    async def relay() -> int:
        async with database.reading() as conn:
            return await relay_once(conn, SUBSCRIPTIONS, _QUEUE)

    async def seal() -> int:
        async with database.reading() as conn:
            return await audit.seal(conn)

    async def seal_ledger() -> int:
        async with database.reading() as conn:
            return await seals.seal(conn)

    async def anchor() -> None:
        async with database.reading() as conn:
            log.info("ledger_anchor", **msgspec.to_builtins(await seals.anchor(conn)))

    async def due() -> int:
        return await sweep_orders(database)

    async def remind() -> int:
        return await database.run(orders.remind_due)

    async def recheck() -> int:
        # Outside of sandbox mode there is no verifier to ask yet: what is pending stays so.
        return await members.recheck_due(database, settings) if settings.sandbox else 0

    async def wallets() -> int:
        return await wallet.sweep(database)

    async def forget() -> int:
        async with database.reading() as conn:
            await prune_log(conn, _KEEP_EVENTS)
            await idempotency.prune(conn)
            await members.prune(conn)
            await trust.prune(conn)
            return await prune(conn, _KEEP_EVENTS) + await prune_handled(conn, _KEEP_EVENTS * 2)

    return [
        Periodic("relay", _TICK_S, relay),
        Periodic("orders_due", _SWEEP_S, due),
        Periodic("reminders", _SWEEP_S, remind),
        Periodic("series", _SERIES_S, partial(agreements.sweep, database)),
        Periodic("seal_audit", _SWEEP_S, seal),
        Periodic("seal_ledger", _SEAL_S, seal_ledger),
        Periodic("anchor", _ANCHOR_S, anchor),
        Periodic("verifications_due", _SWEEP_S, recheck),
        *provider_events.periodics(database, settings),
        Periodic("wallets", _SWEEP_S, wallets),
        Periodic("chargebacks", _DISPUTES_S, partial(chargebacks.sweep, database)),
        Periodic("disputes_due", _SWEEP_S, partial(disputes.sweep, database)),
        Periodic("claims_due", _SWEEP_S, partial(claims.sweep, database)),
        Periodic("appeals_due", _SWEEP_S, partial(appeals.sweep, database)),
        Periodic("reviews_due", _SWEEP_S, partial(reviews.sweep, database)),
        Periodic("protection_fund", _FUND_S, partial(claims.measure_fund, database)),
        Periodic("labels", _PRUNE_S, partial(_count_labels, database)),
        *models.periodics(database, settings),
        *trust_graph.periodics(database),
        Periodic("prune", _PRUNE_S, forget),
    ]


async def _count_labels(database: Database) -> None:
    async with database.reading() as conn:
        await trust.count_labels(conn)


async def sweep_orders(database: Database) -> int:
    """Make the moves whose time has come; how many were made.

    Releases and settlements go together. When one of them is refused, and for all other moves, each
    order has a transaction of its own: one that fails stops nobody else and is never given up; it
    is tried again, later each time.
    """
    async with database.reading() as conn:
        waiting = await orders.due(conn)
    moved = 0
    if len(waiting) > 1:
        try:
            moved = await database.run(lambda tx: orders.run_due_batch(tx, waiting))
        except _MAY_FAIL as error:
            log.warning("due_batch_refused", orders=len(waiting), error=repr(error))
        if moved == len(waiting):
            return moved
    for order_id in waiting:
        try:
            moved += await _run_due(database, order_id)
        except _MAY_FAIL as error:
            async with database.transaction() as tx:
                attempts = await orders.postpone(tx, order_id)
            log.error("due_move_failed", order=str(order_id), error=repr(error), attempts=attempts)
    return moved


async def _run_due(database: Database, order_id: UUID) -> bool:
    return await database.run(lambda tx: orders.run_due(tx, order_id))
