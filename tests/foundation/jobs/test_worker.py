"""The worker: at least one delivery, one effect, and no job lost, whoever dies."""

import asyncio
import signal
import sys
from asyncio.subprocess import PIPE, Process
from datetime import timedelta
from uuid import UUID, uuid4

import asyncpg
import pytest

from handsel.foundation.db.pool import connect, open_pool
from handsel.foundation.jobs import (
    Handler,
    Job,
    PgQueuerQueue,
    RetryPolicy,
    Worker,
    handled,
    prune_handled,
    unpark,
)
from tests.foundation.jobs.conftest import install, running, until
from tests.foundation.jobs.server import Server

queue = PgQueuerQueue()
FAST = RetryPolicy(max_attempts=3, base_s=0.02, cap_s=0.05)


def leaving_effect(pool: asyncpg.Pool) -> Handler:
    """A handler as the house writes them: the note and the effect in one transaction."""

    async def leave_effect(job: Job) -> None:
        assert job.event_id is not None
        async with pool.acquire() as conn, conn.transaction():
            if await handled(conn, job.event_id, job.name):
                await conn.execute(
                    "INSERT INTO effects (name, attempt) VALUES ($1, $2)", job.name, job.attempt
                )

    return leave_effect


async def idle(conn: asyncpg.Connection) -> bool:
    """Nothing waits and nothing runs."""
    stats = await queue.stats(conn)
    return stats.queued + stats.running == 0


async def effects(conn: asyncpg.Connection) -> int:
    """How many effects there are."""
    return int(await conn.fetchval("SELECT count(*) FROM effects"))


async def test_a_duplicate_delivery_has_one_effect(
    dsn: str, conn: asyncpg.Connection, pool: asyncpg.Pool
) -> None:
    once, twice = uuid4(), uuid4()
    for event_id in (once, twice, twice, twice):
        await queue.enqueue(conn, "work", {}, event_id=event_id)

    async with running(Worker(dsn, {"work": leaving_effect(pool)})):
        await until(lambda: idle(conn))

    assert await effects(conn) == 2


async def test_a_second_delivery_waits_for_the_first_and_follows_its_end(
    dsn: str, conn: asyncpg.Connection
) -> None:
    event_id, other = uuid4(), await connect(dsn)
    first = conn.transaction()
    await first.start()
    assert await handled(conn, event_id, "a")
    second = asyncio.create_task(handled(other, event_id, "a"))
    await asyncio.sleep(0.1)
    assert not second.done()

    await first.rollback()

    assert await second
    assert not await handled(conn, event_id, "a")
    assert await handled(conn, event_id, "b")
    await other.close()


async def test_notes_of_handled_events_are_pruned_but_not_of_parked_ones(
    conn: asyncpg.Connection,
) -> None:
    parked, old, new = uuid4(), uuid4(), uuid4()
    await conn.execute(
        "INSERT INTO foundation.parked_jobs VALUES (7, 'a', '{}', $1, 1, 'because')", parked
    )
    await conn.executemany(
        "INSERT INTO foundation.handled_events VALUES ($1, 'a', now() - $2::interval)",
        [(parked, timedelta(days=99)), (old, timedelta(days=99)), (new, timedelta(days=1))],
    )

    assert await prune_handled(conn, timedelta(days=90)) == 1
    left = await conn.fetch("SELECT event_id FROM foundation.handled_events")
    assert {row["event_id"] for row in left} == {parked, new}


@pytest.mark.parametrize("point", ["before_commit", "after_commit"])
async def test_a_job_of_a_killed_worker_has_its_effect_exactly_once(
    dsn: str, conn: asyncpg.Connection, pool: asyncpg.Pool, point: str
) -> None:
    await queue.enqueue(conn, "work", {}, event_id=uuid4())
    process = await start_worker(dsn, point)
    process.kill()
    await process.wait()
    assert (await queue.stats(conn)).running == 1

    survivor = Worker(dsn, {"work": leaving_effect(pool)}, stalled_after_s=1)
    async with running(survivor):
        await until(lambda: idle(conn))

    attempts = [row["attempt"] for row in await conn.fetch("SELECT attempt FROM effects")]
    assert attempts == [2 if point == "before_commit" else 1]
    assert (survivor.counters.reclaimed, survivor.counters.succeeded) == (1, 1)


async def test_sigterm_lets_the_running_job_finish(dsn: str, conn: asyncpg.Connection) -> None:
    await queue.enqueue(conn, "work", {}, event_id=uuid4())
    process = await start_worker(dsn, "slow")

    process.send_signal(signal.SIGTERM)

    assert await asyncio.wait_for(process.wait(), 8) == 0
    assert await conn.fetchval("SELECT array_agg(name ORDER BY at) FROM effects") == ["work", "end"]
    assert await idle(conn)


async def test_poison_is_parked_with_its_reason_while_others_run_on(
    dsn: str, conn: asyncpg.Connection, pool: asyncpg.Pool
) -> None:
    attempts: list[int] = []

    async def poison(job: Job) -> None:
        attempts.append(job.attempt)
        raise LookupError("no \0 such thing")

    event_id = uuid4()
    job_id = await queue.enqueue(conn, "poison", {"text": "a\0b"}, event_id=event_id)
    for _ in range(20):
        await queue.enqueue(conn, "work", {}, event_id=uuid4())
    worker = Worker(dsn, {"poison": poison, "work": leaving_effect(pool)}, retry=FAST)
    async with running(worker):
        await until(lambda: idle(conn))

    assert attempts == [1, 2, 3]
    assert await effects(conn) == 20
    [parked] = await conn.fetch("SELECT * FROM foundation.parked_jobs")
    assert (parked["id"], parked["name"], parked["attempts"]) == (job_id, "poison", 3)
    assert (parked["payload"], parked["event_id"]) == ({"text": "a\0b"}, event_id)
    assert parked["reason"].startswith("LookupError: no \N{SYMBOL FOR NULL} such thing\n")
    assert worker.stats()["parked"] == 1
    assert worker.stats()["retried"] == 2
    assert (await queue.stats(conn)).parked == 1


async def test_an_idle_worker_wakes_for_a_retry(dsn: str, conn: asyncpg.Connection) -> None:
    attempts: list[int] = []

    async def fail_once(job: Job) -> None:
        attempts.append(job.attempt)
        if job.attempt == 1:
            await asyncio.sleep(0.3)  # until the worker sleeps
            raise LookupError

    retry = RetryPolicy(base_s=0.5)
    async with running(Worker(dsn, {"work": fail_once}, retry=retry)):
        await queue.enqueue(conn, "work", {})
        await until(lambda: idle(conn), within_s=2)  # its poll alone would take 7.5 s

    assert attempts == [1, 2]


async def test_unpark_queues_the_same_job_again(dsn: str, conn: asyncpg.Connection) -> None:
    seen: list[Job] = []

    async def heal(job: Job) -> None:
        seen.append(job)

    event_id = uuid4()
    await conn.execute(
        "INSERT INTO foundation.parked_jobs VALUES (7, 'heal', $1, $2, 8, 'because')",
        {"text": "a\0b"},
        event_id,
    )

    new_id = await unpark(conn, 7)
    again = await unpark(conn, 7)
    async with running(Worker(dsn, {"heal": heal})):
        await until(lambda: idle(conn))

    assert (seen, again) == ([Job(new_id or 0, "heal", {"text": "a\0b"}, event_id, 1)], None)
    assert (await queue.stats(conn)).parked == 0


async def test_stalled_jobs_are_recovered_and_incurable_ones_parked(
    dsn: str, conn: asyncpg.Connection, pool: asyncpg.Pool
) -> None:
    for _ in range(2):
        await queue.enqueue(conn, "work", {}, event_id=uuid4())
    await conn.execute(
        "UPDATE jobs.pgqueuer SET status = 'picked', heartbeat = now() - interval '31 s',"
        " queue_manager_id = gen_random_uuid(), attempts = CASE WHEN id % 2 = 0 THEN 2 ELSE 0 END"
    )

    worker = Worker(dsn, {"work": leaving_effect(pool)}, retry=FAST)
    async with running(worker):
        await until(lambda: idle(conn))

    assert await conn.fetchval("SELECT array_agg(attempt) FROM effects") == [2]
    [parked] = await conn.fetch("SELECT attempts, reason FROM foundation.parked_jobs")
    assert (parked["attempts"], "worker died" in parked["reason"]) == (3, True)


async def test_a_job_longer_than_the_stall_limit_is_not_taken_from_a_living_worker(
    dsn: str, conn: asyncpg.Connection
) -> None:
    started: list[int] = []

    async def slow(job: Job) -> None:
        started.append(job.attempt)
        await asyncio.sleep(1.8)

    await queue.enqueue(conn, "slow", {})
    one, two = (Worker(dsn, {"slow": slow}, stalled_after_s=0.8) for _ in range(2))
    async with running(one, two):
        await until(lambda: idle(conn))

    assert started == [1]
    assert one.counters.reclaimed + two.counters.reclaimed == 0


async def test_a_worker_that_lost_its_job_does_not_touch_the_next_owners(
    dsn: str, conn: asyncpg.Connection
) -> None:
    lost = asyncio.Event()

    async def fail_late(_: Job) -> None:
        await lost.wait()
        raise LookupError("too late to matter")

    await queue.enqueue(conn, "work", {})
    once = RetryPolicy(max_attempts=1)
    async with running(Worker(dsn, {"work": fail_late}, retry=once)):
        await until(lambda: is_running(conn))
        await conn.execute("UPDATE jobs.pgqueuer SET queue_manager_id = $1", UUID(int=1))
        lost.set()

    rows = await conn.fetch("SELECT status::text, queue_manager_id, attempts FROM jobs.pgqueuer")
    assert [tuple(row) for row in rows] == [("picked", UUID(int=1), 0)]
    assert (await queue.stats(conn)).parked == 0


async def test_stop_waits_for_running_jobs_and_starts_no_more(
    dsn: str, conn: asyncpg.Connection
) -> None:
    ended: list[Job] = []

    async def slow(job: Job) -> None:
        await asyncio.sleep(0.4)
        ended.append(job)

    await queue.enqueue(conn, "slow", {})
    worker = Worker(dsn, {"slow": slow})
    async with running(worker):
        await until(lambda: is_running(conn))
        worker.stop()
        await asyncio.sleep(0.1)
        await queue.enqueue(conn, "slow", {})

    assert len(ended) == 1
    stats = await queue.stats(conn)
    assert (stats.queued, stats.running) == (1, 0)


async def test_stop_is_bounded_and_gives_back_what_hangs(
    dsn: str, conn: asyncpg.Connection
) -> None:
    async def hang(_: Job) -> None:
        await asyncio.sleep(60)

    await queue.enqueue(conn, "hang", {})
    worker = Worker(dsn, {"hang": hang}, stop_within_s=0.2)
    began = asyncio.get_running_loop().time()
    async with running(worker):
        await until(lambda: is_running(conn))

    assert asyncio.get_running_loop().time() - began < 3
    rows = await conn.fetch("SELECT status::text, attempts FROM jobs.pgqueuer")
    assert [tuple(row) for row in rows] == [("queued", 1)]


async def test_a_hanging_job_fails_at_its_time_limit(dsn: str, conn: asyncpg.Connection) -> None:
    async def hang(_: Job) -> None:
        await asyncio.sleep(60)

    await queue.enqueue(conn, "hang", {})
    once = RetryPolicy(max_attempts=1)
    async with running(Worker(dsn, {"hang": hang}, job_timeout_s=0.1, retry=once)):
        await until(lambda: idle(conn))

    reason = await conn.fetchval("SELECT reason FROM foundation.parked_jobs")
    assert reason.startswith("TimeoutError")


async def test_a_worker_outlives_a_killed_and_restarted_database() -> None:
    server = Server()
    try:
        await install(server.url())
        pool = await open_pool(server.url(), size=4)
        block = asyncio.Event()
        leave_effect = leaving_effect(pool)

        async def blocked(job: Job) -> None:
            await block.wait()
            await leave_effect(job)

        worker = Worker(server.url(), {"work": leave_effect, "blocked": blocked}, retry=FAST)
        async with running(worker):
            await pool.fetch("SELECT 1")
            await enqueue(server, "work", "blocked")
            await until(lambda: has_effects(server, 1))
            server.kill()
            await asyncio.sleep(0.5)
            server.start()
            block.set()
            await enqueue(server, "work")
            # Well before the poll of an idle worker, 7.5 s: it saw the connection end.
            await until(lambda: has_effects(server, 3), within_s=6)
            await until(lambda: is_idle(server))
            server.kill()
            await asyncio.sleep(1)  # with nothing in flight it tries again and again, but not often
            server.start()
            await enqueue(server, "work")
            await until(lambda: has_effects(server, 4), within_s=6)
        assert 3 <= worker.counters.outages <= 12
        assert worker.counters.connected == 3
        pool.terminate()
    finally:
        server.close()


async def test_a_missing_table_is_a_fault_and_ends_the_worker(dsn: str) -> None:
    owner = await asyncpg.connect(dsn)
    await owner.execute("DROP TABLE foundation.parked_jobs")
    await owner.close()

    async def nothing(_: Job) -> None: ...

    with pytest.raises(asyncpg.UndefinedTableError):
        await asyncio.wait_for(Worker(dsn, {"a": nothing}).run(), 5)


async def start_worker(dsn: str, point: str) -> Process:
    """A worker process that is in the middle of its job."""
    process = await asyncio.create_subprocess_exec(
        sys.executable, "-m", "tests.foundation.jobs.worker_process", dsn, point, stdout=PIPE
    )
    assert process.stdout is not None
    assert await asyncio.wait_for(process.stdout.readline(), 10) == b"here\n"
    return process


async def is_running(conn: asyncpg.Connection) -> bool:
    """A worker has taken a job."""
    return (await queue.stats(conn)).running > 0


async def enqueue(server: Server, *names: str) -> None:
    """One job each, over a connection that is new."""
    conn = await connect(server.url())
    for name in names:
        await queue.enqueue(conn, name, {}, event_id=uuid4())
    await conn.close()


async def has_effects(server: Server, count: int) -> bool:
    """So many effects are there."""
    conn = await connect(server.url())
    there = await effects(conn)
    await conn.close()
    return there == count


async def is_idle(server: Server) -> bool:
    """``idle``, over a connection that is new."""
    conn = await connect(server.url())
    answer = await idle(conn)
    await conn.close()
    return answer
