"""The queue as the rest of the house sees it. No name of an engine appears here."""

from collections.abc import Awaitable, Callable, Mapping, Sequence
from datetime import datetime
from typing import TYPE_CHECKING, Any, Protocol, TypeAlias
from uuid import UUID

import msgspec

if TYPE_CHECKING:
    import asyncpg
    from asyncpg.pool import PoolConnectionProxy


class NewJob(msgspec.Struct, frozen=True):
    """A job to enqueue.

    ``run_at`` is business time, turned into a delay once, when the job is enqueued: a sandbox clock
    moved later does not move it. Deadlines of the business are rows with ``due_at`` and a sweep.
    ``dedupe_key`` admits one waiting or running job per key. ``event_id`` names the event that
    caused the job, for ``handled``.
    """

    name: str
    payload: Mapping[str, Any]
    run_at: datetime | None = None
    dedupe_key: str | None = None
    event_id: UUID | None = None


class Job(msgspec.Struct, frozen=True):
    """A delivery to a handler. ``attempt`` counts from 1, dead workers included."""

    id: int
    name: str
    payload: dict[str, Any]
    event_id: UUID | None
    attempt: int


Handler = Callable[[Job], Awaitable[None]]

#: A connection of one's own, or one that a pool lent.
Connection: TypeAlias = "asyncpg.Connection | PoolConnectionProxy"


class QueueStats(msgspec.Struct, frozen=True):
    """The queue at this moment. ``deferred`` wait for their time and count as queued too."""

    queued: int
    deferred: int
    running: int
    parked: int
    #: How long the oldest job that could run has been waiting.
    oldest_queued_s: float


class Queue(Protocol):
    """Everything happens on the caller's connection, inside the caller's transaction."""

    async def enqueue(
        self,
        conn: Connection,
        name: str,
        payload: Mapping[str, Any],
        *,
        run_at: datetime | None = None,
        dedupe_key: str | None = None,
        event_id: UUID | None = None,
    ) -> int | None:
        """The new job's id; None where a job with this ``dedupe_key`` is waiting or running."""
        ...

    async def enqueue_many(self, conn: Connection, jobs: Sequence[NewJob]) -> list[int | None]:
        """As ``enqueue``, in one round trip; one answer per job, in order."""
        ...

    async def cancel(self, conn: Connection, job_id: int) -> bool:
        """Remove a job that has not started. False: it is running, done, parked or unknown."""
        ...

    async def stats(self, conn: Connection) -> QueueStats:
        """How much waits, runs and is parked."""
        ...
