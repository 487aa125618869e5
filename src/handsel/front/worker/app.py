"""The worker process: jobs, the relay, and the sweeps."""

import asyncio
from datetime import timedelta
from uuid import UUID

import structlog

from handsel.deals.orders import service as orders
from handsel.foundation import audit, idempotency
from handsel.foundation.core.errors import Problem
from handsel.foundation.core.settings import Settings
from handsel.foundation.db.pool import open_pool
from handsel.foundation.db.uow import Database
from handsel.foundation.jobs import Periodic, PgQueuerQueue, Worker, prune_handled, prune_log
from handsel.foundation.outbox import prune, relay_once
from handsel.front.worker.handlers import RUN_DUE, handlers
from handsel.front.worker.subscriptions import SUBSCRIPTIONS
from handsel.money.payments.sandbox import SandboxGateway
from handsel.people.members import service as members
from handsel.people.trust import service as trust

log = structlog.get_logger(__name__)
_CONCURRENCY = 8
_QUEUE = PgQueuerQueue()
#: Events and notes of handled ones are kept this long: longer than any job is retried.
_KEEP_EVENTS = timedelta(days=30)
_TICK_S = 0.2
_SWEEP_S = 1.0
_PRUNE_S = 3600.0


def run(settings: Settings, url: str) -> None:
    """Work until SIGTERM; jobs in flight finish first."""
    asyncio.run(_run(settings, url))


async def _run(settings: Settings, url: str) -> None:
    pool = await open_pool(url, size=_CONCURRENCY + 4)
    database = Database(pool)
    worker = Worker(
        url,
        handlers(database, settings, SandboxGateway(database)),
        periodics=periodics(database, settings),
        concurrency=_CONCURRENCY,
    )
    worker.stop_on_signals()
    log.info("worker_started")
    try:
        await worker.run()
    finally:
        await pool.close()


def periodics(database: Database, settings: Settings) -> list[Periodic]:
    """What is done again and again; any number of workers may do it side by side."""

    async def relay() -> int:
        async with database.reading() as conn:
            return await relay_once(conn, SUBSCRIPTIONS, _QUEUE)

    async def seal() -> int:
        async with database.reading() as conn:
            return await audit.seal(conn)

    async def due() -> int:
        return await sweep_orders(database)

    async def remind() -> int:
        return await database.run(orders.remind_due)

    async def recheck() -> int:
        return await members.recheck_due(database, settings)

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
        Periodic("seal_audit", _SWEEP_S, seal),
        Periodic("verifications_due", _SWEEP_S, recheck),
        Periodic("prune", _PRUNE_S, forget),
    ]


async def sweep_orders(database: Database) -> int:
    """Make the moves whose time has come, each in a transaction of its own.

    One that is refused, or fails, is handed to a job, which tries on and is parked with the reason
    in the end; it must neither stop the others nor come back in every sweep.
    """
    async with database.reading() as conn:
        waiting = await orders.due(conn)
    for order_id in waiting:
        try:
            await _run_due(database, order_id)
        except Exception as error:  # noqa: BLE001 - the others must move all the same
            code = error.code if isinstance(error, Problem) else repr(error)
            log.error("due_move_refused", order=str(order_id), code=code)
            async with database.transaction() as tx:
                await orders.hand_over(tx, order_id)
                key = f"{RUN_DUE}:{order_id}"
                await _QUEUE.enqueue(tx.conn, RUN_DUE, {"order_id": str(order_id)}, dedupe_key=key)
    return len(waiting)


async def _run_due(database: Database, order_id: UUID) -> None:
    await database.run(lambda tx: orders.run_due(tx, order_id))
