"""The relay: every committed event once for each subscriber, no other event ever."""

import asyncio
from datetime import timedelta
from typing import Any
from uuid import UUID, uuid4

import asyncpg
import pytest

from handsel.foundation.db.pool import connect
from handsel.foundation.db.uow import Database
from handsel.foundation.jobs import Job, PgQueuerQueue, Worker
from handsel.foundation.outbox import Event, event_of, prune, relay_once
from tests.foundation.jobs.conftest import running, until

queue = PgQueuerQueue()
SUBSCRIPTIONS = {"order.settled": ("credit.note", "notices.tell"), "order.opened": ("search.feed",)}


async def record(conn: asyncpg.Connection, topic: str, payload: Any = None) -> UUID:
    """Record one event the way the unit of work does; its aggregate's id."""
    aggregate_id = uuid4()
    await conn.fetchrow(
        "SELECT foundation.record_events($1::text[], $2::uuid[], $3::jsonb[])",
        [topic],
        [aggregate_id],
        [payload or {}],
    )
    return aggregate_id


async def queued(conn: asyncpg.Connection) -> list[tuple[str, UUID]]:
    """What is in the queue: job name and event."""
    rows = await conn.fetch(
        "SELECT entrypoint, (headers->>'event_id')::uuid AS event_id FROM jobs.pgqueuer ORDER BY id"
    )
    return [(row["entrypoint"], row["event_id"]) for row in rows]


async def test_an_event_of_a_rolled_back_transaction_is_never_relayed(
    conn: asyncpg.Connection,
) -> None:
    transaction = conn.transaction()
    await transaction.start()
    await record(conn, "order.settled")
    await transaction.rollback()

    assert await relay_once(conn, SUBSCRIPTIONS, queue) == 0
    assert await queued(conn) == []


async def test_an_event_from_the_unit_of_work_reaches_each_subscriber(
    dsn: str, conn: asyncpg.Connection, pool: asyncpg.Pool
) -> None:
    got: list[tuple[str, Event, UUID | None]] = []

    async def take(job: Job) -> None:
        got.append((job.name, event_of(job), job.event_id))

    order_id = uuid4()
    async with Database(pool).transaction() as tx:
        tx.emit("order.settled", order_id, {"amount_minor": 1250, "who": ["é", None]})
        tx.emit("nobody.cares", order_id, {})
    assert await relay_once(conn, SUBSCRIPTIONS, queue) == 2
    async with running(Worker(dsn, {"credit.note": take, "notices.tell": take})):
        await until(lambda: _has(got, 2))

    [row] = await conn.fetch("SELECT * FROM foundation.outbox WHERE topic = 'order.settled'")
    payload = {"amount_minor": 1250, "who": ["é", None]}
    event = Event(row["id"], "order.settled", order_id, row["occurred_at"], payload)
    assert sorted(got, key=lambda each: each[0]) == [
        ("credit.note", event, event.id),
        ("notices.tell", event, event.id),
    ]
    assert row["occurred_at"] == tx.now
    assert await conn.fetchval("SELECT count(relayed_at) FROM foundation.outbox") == 2


async def test_an_event_that_commits_late_with_a_smaller_id_is_relayed(
    dsn: str, conn: asyncpg.Connection
) -> None:
    late = await connect(dsn)
    transaction = late.transaction()
    await transaction.start()
    await record(late, "order.opened")
    await record(conn, "order.opened")

    first = await relay_once(conn, SUBSCRIPTIONS, queue)
    await transaction.commit()
    second = await relay_once(conn, SUBSCRIPTIONS, queue)
    await late.close()

    assert (first, second) == (1, 1)
    [(_, relayed_first), (_, relayed_second)] = await queued(conn)
    assert relayed_second < relayed_first  # the point of it: ids are not commit order


async def test_racing_relays_enqueue_each_event_once(dsn: str, conn: asyncpg.Connection) -> None:
    count = 600
    await conn.fetchrow(
        "SELECT foundation.record_events($1::text[], $2::uuid[], $3::jsonb[])",
        ["order.settled"] * count,
        [uuid4() for _ in range(count)],
        [{}] * count,
    )

    async def relay() -> int:
        mine, taken = await connect(dsn), 0
        while batch := await relay_once(mine, SUBSCRIPTIONS, queue, batch=20):
            taken += batch
        await mine.close()
        return taken

    taken = await asyncio.gather(relay(), relay(), relay())

    assert sum(taken) == count
    assert min(taken) > 0
    jobs = await queued(conn)
    assert len(jobs) == len(set(jobs)) == 2 * count


async def test_a_relay_that_fails_leaves_the_events_to_the_next(conn: asyncpg.Connection) -> None:
    class Failing(PgQueuerQueue):
        async def enqueue_many(self, *args: Any, **kwargs: Any) -> list[int | None]:
            await super().enqueue_many(*args, **kwargs)
            raise ConnectionResetError

    await record(conn, "order.opened")

    with pytest.raises(ConnectionResetError):
        await relay_once(conn, SUBSCRIPTIONS, Failing())

    assert await queued(conn) == []
    assert await relay_once(conn, SUBSCRIPTIONS, queue) == 1
    assert len(await queued(conn)) == 1


async def test_prune_takes_only_relayed_events_of_age_in_bounded_steps(
    conn: asyncpg.Connection,
) -> None:
    for _ in range(5):
        await record(conn, "nobody.cares")
    await relay_once(conn, {}, queue)
    fresh = await record(conn, "nobody.cares")
    await conn.execute(
        "UPDATE foundation.outbox SET relayed_at = now() - interval '8 days'"
        " WHERE relayed_at IS NOT NULL"
    )

    pruned = [await prune(conn, timedelta(days=7), limit=3) for _ in range(3)]

    assert pruned == [3, 2, 0]
    assert await conn.fetchval("SELECT array_agg(aggregate_id) FROM foundation.outbox") == [fresh]


async def test_the_application_cannot_rewrite_what_happened(conn: asyncpg.Connection) -> None:
    await record(conn, "order.opened")

    with pytest.raises(asyncpg.InsufficientPrivilegeError):
        await conn.execute("UPDATE foundation.outbox SET payload = '{}'")


async def _has(things: list[Any], count: int) -> bool:
    return len(things) >= count
