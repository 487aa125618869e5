"""The port: a job belongs to its transaction."""

from datetime import timedelta
from uuid import uuid4

import asyncpg
from pgqueuer.adapters.persistence import schema_ddl

from handsel.foundation.jobs import Job, NewJob, PgQueuerQueue, Worker, prune_log
from handsel.foundation.jobs.engine import SETTINGS
from tests.foundation.jobs.conftest import REVISION, running, until

queue = PgQueuerQueue()


def test_the_frozen_tables_are_those_of_the_installed_pgqueuer() -> None:
    installed = schema_ddl.render_install(SETTINGS, create_schema=True).split("\n", 1)[1]

    assert "".join(installed.split()) in "".join(REVISION.read_text().split())


async def test_a_job_of_a_rolled_back_transaction_never_runs(
    dsn: str, conn: asyncpg.Connection
) -> None:
    ran: list[Job] = []

    async def note(job: Job) -> None:
        ran.append(job)

    transaction = conn.transaction()
    await transaction.start()
    await queue.enqueue(conn, "note", {"who": "rolled back"})
    await transaction.rollback()
    event_id = uuid4()
    kept = await queue.enqueue(conn, "note", {"who": "kept", "n": 1}, event_id=event_id)
    assert kept is not None
    worker = Worker(dsn, {"note": note})
    async with running(worker):
        await until(lambda: _is_empty(conn))

    assert ran == [Job(kept, "note", {"who": "kept", "n": 1}, event_id, 1)]
    assert worker.stats()["succeeded"] == 1


async def test_a_dedupe_key_admits_one_waiting_job_and_aborts_nothing(
    conn: asyncpg.Connection,
) -> None:
    async with conn.transaction():
        first = await queue.enqueue(conn, "sum", {}, dedupe_key="k")
        twins = [NewJob("sum", {}, dedupe_key="k"), NewJob("sum", {}, dedupe_key="other")]
        skipped, other = await queue.enqueue_many(conn, twins)

    assert (first is None, skipped, other is None) == (False, None, False)
    assert (await queue.stats(conn)).queued == 2


async def test_run_at_is_business_time_and_waits(conn: asyncpg.Connection) -> None:
    now = await conn.fetchval("SELECT foundation.handsel_now()")

    await queue.enqueue(conn, "later", {}, run_at=now + timedelta(hours=1))
    await queue.enqueue(conn, "past", {}, run_at=now - timedelta(hours=1))

    waits = await conn.fetch(
        "SELECT entrypoint, round(extract(epoch FROM execute_after - created))::int AS s"
        " FROM jobs.pgqueuer ORDER BY id"
    )
    assert [tuple(row) for row in waits] == [("later", 3600), ("past", 0)]
    stats = await queue.stats(conn)
    assert (stats.queued, stats.deferred, stats.running, stats.parked) == (2, 1, 0, 0)


async def test_cancel_removes_what_has_not_started(conn: asyncpg.Connection) -> None:
    waiting = await queue.enqueue(conn, "a", {})
    started = await queue.enqueue(conn, "a", {})
    assert waiting is not None
    assert started is not None
    await conn.execute("UPDATE jobs.pgqueuer SET status = 'picked' WHERE id = $1", started)

    answers = [await queue.cancel(conn, job) for job in (waiting, waiting, started)]

    assert answers == [True, False, False]
    assert await conn.fetchval("SELECT array_agg(id) FROM jobs.pgqueuer") == [started]


async def test_the_log_is_pruned_in_bounded_steps(conn: asyncpg.Connection) -> None:
    await conn.execute(
        "INSERT INTO jobs.pgqueuer_log (created, job_id, status, priority, entrypoint)"
        " SELECT now() - n * interval '1 day', n, 'successful', 0, 'a' FROM generate_series(1, 5) n"
    )

    pruned = [await prune_log(conn, timedelta(days=1.5), limit=3) for _ in range(3)]

    assert pruned == [3, 1, 0]
    assert await conn.fetchval("SELECT array_agg(job_id) FROM jobs.pgqueuer_log") == [1]


async def _is_empty(conn: asyncpg.Connection) -> bool:
    stats = await queue.stats(conn)
    return stats.queued + stats.running == 0
