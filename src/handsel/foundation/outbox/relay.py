"""Turn committed events into jobs."""

from collections.abc import Mapping, Sequence
from datetime import datetime, timedelta
from typing import Any
from uuid import UUID

import asyncpg
import msgspec

from handsel.foundation.jobs.port import Connection, Job, NewJob, Queue

#: Topic to the names of the jobs that want its events. A topic without an entry wants none.
Subscriptions = Mapping[str, Sequence[str]]


class Event(msgspec.Struct, frozen=True):
    """What happened. ``occurred_at`` is business time."""

    id: UUID
    topic: str
    aggregate_id: UUID
    occurred_at: datetime
    payload: dict[str, Any]


def event_of(job: Job) -> Event:
    """The event that a relayed job carries."""
    return msgspec.convert(job.payload, Event)


async def relay_once(
    conn: Connection, subscriptions: Subscriptions, queue: Queue, batch: int = 200
) -> int:
    """Enqueue the jobs of up to ``batch`` waiting events; how many events that were.

    One transaction of its own: the events it takes are locked, their jobs and the mark commit
    together. Rows that another relay has locked are left to it. Ids give the order within a batch,
    which is a courtesy and no promise.
    """
    async with conn.transaction():
        rows = await conn.fetch(
            """
            SELECT id, topic, aggregate_id, occurred_at, payload::text AS payload
            FROM foundation.outbox WHERE relayed_at IS NULL
            ORDER BY id LIMIT $1 FOR UPDATE SKIP LOCKED
            """,
            batch,
        )
        if not rows:
            return 0
        jobs = [
            NewJob(name, _payload(row), event_id=row["id"])
            for row in rows
            for name in subscriptions.get(row["topic"], ())
        ]
        await queue.enqueue_many(conn, jobs)
        await conn.execute(
            "UPDATE foundation.outbox SET relayed_at = now() WHERE id = ANY ($1::uuid[])",
            [row["id"] for row in rows],
        )
        return len(rows)


async def prune(conn: Connection, older_than: timedelta, limit: int = 10_000) -> int:
    """Delete events relayed longer ago than that, at most ``limit``; how many they were.

    Machine time, not business time: this is about space, and a moved sandbox clock frees none.
    """
    tag = await conn.execute(
        """
        DELETE FROM foundation.outbox WHERE id IN (
            SELECT id FROM foundation.outbox WHERE relayed_at < now() - $1::interval
            ORDER BY relayed_at LIMIT $2 FOR UPDATE SKIP LOCKED)
        """,
        older_than,
        limit,
    )
    return int(tag.split()[-1])


def _payload(row: asyncpg.Record) -> dict[str, Any]:
    """The event as a job's payload. The stored JSON is passed on as it is, not decoded."""
    return {
        "id": row["id"],
        "topic": row["topic"],
        "aggregate_id": row["aggregate_id"],
        "occurred_at": row["occurred_at"],
        "payload": msgspec.Raw(row["payload"].encode()),
    }
