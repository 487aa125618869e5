"""What becomes of a delivered job: done, again later, or parked.

PgQueuer deletes a job that failed or whose task was cancelled, does not count deliveries that died
with their worker (so a job that kills its worker comes back for ever), and lets a worker that lost
a job write over the next owner's delivery. ``Deliveries`` replaces those two of its steps.
"""

import asyncio
from dataclasses import dataclass
from datetime import timedelta
from typing import Any
from uuid import UUID

import msgspec
import structlog
from pgqueuer import AsyncpgDriver, Queries
from pgqueuer.adapters.persistence import qb
from pgqueuer.domain import models, types
from pgqueuer.ports.repository import EntrypointExecutionParameter

from handsel.foundation.jobs.engine import SETTINGS
from handsel.foundation.jobs.retry import RetryPolicy

log = structlog.get_logger(__name__)

#: Given to PgQueuer's dequeue as the age of a stalled job, so that only ``reclaim`` takes them.
_NEVER = timedelta(days=36_500)

# A failed delivery counts only while this worker still owns the job; a successful one always does:
# its effect is there, whoever is next in line. PgQueuer's trigger is silent on UPDATE; the DELETEs,
# even of no row, fire it, and so wake an idle worker, which must not sleep through a retry.
_SETTLE = """
WITH outcome AS (
    SELECT * FROM unnest($1::bigint[], $2::text[], $3::interval[], $4::text[])
        AS given (id, verdict, pause, reason)
), done AS (
    DELETE FROM jobs.pgqueuer job USING outcome
    WHERE job.id = outcome.id AND verdict = 'done'
    RETURNING job.id, 'successful' AS status, job.priority, job.entrypoint, NULL AS reason
), again AS (
    UPDATE jobs.pgqueuer job SET status = 'queued', execute_after = now() + pause, updated = now(),
        attempts = attempts + 1, queue_manager_id = NULL, slot = NULL
    FROM outcome
    WHERE job.id = outcome.id AND verdict = 'again'
        AND job.status = 'picked' AND job.queue_manager_id = $5
    RETURNING job.id, 'queued' AS status, job.priority, job.entrypoint, outcome.reason
), failed AS (
    DELETE FROM jobs.pgqueuer job USING outcome
    WHERE job.id = outcome.id AND verdict = 'park'
        AND job.status = 'picked' AND job.queue_manager_id = $5
    RETURNING job.id, 'failed' AS status, job.priority, job.entrypoint, outcome.reason,
        job.payload, job.headers, job.attempts + 1 AS attempts
), parked AS (
    INSERT INTO foundation.parked_jobs (id, name, payload, event_id, attempts, reason)
    SELECT id, entrypoint, convert_from(payload, 'UTF8')::json, (headers->>'event_id')::uuid,
        attempts, reason
    FROM failed
), settled AS (
    SELECT * FROM done UNION ALL SELECT * FROM again
    UNION ALL SELECT id, status, priority, entrypoint, reason FROM failed
), logged AS (
    INSERT INTO jobs.pgqueuer_log (job_id, status, priority, entrypoint, traceback)
    SELECT id, status::jobs.pgqueuer_status, priority, entrypoint,
        CASE WHEN reason IS NOT NULL THEN jsonb_build_object('reason', reason) END
    FROM settled
)
SELECT id, status, entrypoint AS name, reason FROM settled
"""

_RECLAIM = """
WITH stalled AS (
    SELECT id, attempts + 1 AS attempts FROM jobs.pgqueuer
    WHERE status = 'picked' AND entrypoint = ANY ($1::text[])
        AND (heartbeat < now() - $2::interval OR queue_manager_id = ANY ($3::uuid[]))
    ORDER BY id LIMIT 1000 FOR UPDATE SKIP LOCKED
), again AS (
    UPDATE jobs.pgqueuer job SET status = 'queued', execute_after = now(), updated = now(),
        attempts = stalled.attempts, queue_manager_id = NULL, slot = NULL
    FROM stalled WHERE job.id = stalled.id AND stalled.attempts < $4
    RETURNING job.id, 'queued' AS status, job.entrypoint AS name
), failed AS (
    DELETE FROM jobs.pgqueuer job USING stalled
    WHERE job.id = stalled.id AND stalled.attempts >= $4
    RETURNING job.*
), parked AS (
    INSERT INTO foundation.parked_jobs (id, name, payload, event_id, attempts, reason)
    SELECT id, entrypoint, convert_from(payload, 'UTF8')::json, (headers->>'event_id')::uuid,
        attempts + 1, $5
    FROM failed
)
SELECT * FROM again UNION ALL SELECT id, 'failed', entrypoint FROM failed
"""

_STALLED = "the worker died, stalled or lost the database while it ran, once too often"


@dataclass
class Counters:
    """What this process did since it started. Numbers that only grow."""

    succeeded: int = 0
    retried: int = 0
    parked: int = 0
    reclaimed: int = 0
    connected: int = 0
    outages: int = 0
    ticks: int = 0
    tick_failures: int = 0


class Outcome(msgspec.Struct, frozen=True):
    """How one delivery ended."""

    id: int
    verdict: str
    pause: timedelta | None = None
    reason: str | None = None


class Deliveries(Queries):
    """PgQueuer's queries on one connection, with our settlement and our recovery of lost jobs."""

    def __init__(
        self,
        driver: AsyncpgDriver,
        retry: RetryPolicy,
        counters: Counters,
        *,
        stalled_after: timedelta,
        orphans: list[UUID],
    ) -> None:
        super().__init__(
            driver,
            qb.QueryBuilderEnvironment(SETTINGS),
            qb.QueryQueueBuilder(SETTINGS),
            qb.QuerySchedulerBuilder(SETTINGS),
        )
        self._retry = retry
        self._counters = counters
        self._stalled_after = stalled_after
        # Shared with the worker: earlier owners of this process, whose jobs nobody runs any more.
        self._orphans = orphans
        self._reclaim_at = 0.0

    async def dequeue(
        self,
        batch_size: int,
        entrypoints: dict[types.QueueEntrypoint, EntrypointExecutionParameter],
        queue_manager_id: types.QueueManagerId,
        global_concurrency_limit: int | None,
        heartbeat_timeout: timedelta,
    ) -> list[models.Job]:
        """Claim the next jobs; every now and then first return lost ones to the queue."""
        now = asyncio.get_running_loop().time()
        if now >= self._reclaim_at:
            await self._reclaim(list(entrypoints))
            self._reclaim_at = now + self._stalled_after.total_seconds() / 4
        return await super().dequeue(
            batch_size, entrypoints, queue_manager_id, global_concurrency_limit, _NEVER
        )

    async def log_jobs(
        self,
        job_status: list[tuple[models.Job, types.JOB_STATUS, models.TracebackRecord | None]],
    ) -> None:
        """Settle a batch of deliveries in one statement. PgQueuer calls it, again if it fails."""
        outcomes = [self._outcome(*entry) for entry in job_status]
        rows = await self.driver.fetch(
            _SETTLE,
            [outcome.id for outcome in outcomes],
            [outcome.verdict for outcome in outcomes],
            [outcome.pause for outcome in outcomes],
            [outcome.reason for outcome in outcomes],
            job_status[0][0].queue_manager_id,
        )
        for row in rows:
            self._count(row)

    def _outcome(
        self, job: models.Job, status: types.JOB_STATUS, trace: models.TracebackRecord | None
    ) -> Outcome:
        if status == "successful":
            return Outcome(job.id, "done")
        # "canceled" is a task that was cancelled, at a stop that could not wait longer. A failure
        # like any other: PgQueuer would delete the job.
        attempt = job.attempts + 1
        reason = _reason(trace) if trace else "cancelled: the worker stopped before it was done"
        if self._retry.is_last(attempt):
            return Outcome(job.id, "park", None, reason)
        return Outcome(job.id, "again", self._retry.delay(attempt), reason)

    def _count(self, row: dict[str, Any]) -> None:
        match row["status"]:
            case "successful":
                self._counters.succeeded += 1
            case "queued":
                self._counters.retried += 1
                log.warning("job_retried", job=row["id"], name=row["name"], reason=row["reason"])
            case _:
                self._counters.parked += 1
                log.error("job_parked", job=row["id"], name=row["name"], reason=row["reason"])

    async def _reclaim(self, names: list[types.QueueEntrypoint]) -> None:
        """Queue the jobs of dead owners again, counting the attempt; park the incurable."""
        rows = await self.driver.fetch(
            _RECLAIM, names, self._stalled_after, self._orphans, self._retry.max_attempts, _STALLED
        )
        self._orphans.clear()
        for row in rows:
            self._counters.reclaimed += 1
            self._counters.parked += row["status"] == "failed"
            log.warning("job_reclaimed", job=row["id"], name=row["name"], status=row["status"])


def _reason(trace: models.TracebackRecord) -> str:
    """The error in a form every text column takes: no NUL, no lone surrogate, not endless."""
    head = f"{trace.exception_type}: {trace.exception_message}"[:2000]
    text = f"{head}\n{trace.traceback[-6000:]}"
    return text.replace("\0", "\N{SYMBOL FOR NULL}").encode("utf-8", "replace").decode()
