"""PgQueuer behind the port. Only this module and ``deliveries`` and ``worker`` know its tables."""

from collections.abc import Mapping, Sequence
from datetime import datetime, timedelta
from typing import Any
from uuid import UUID

import msgspec
from pgqueuer.domain.settings import DBSettings, Durability
from pgqueuer.domain.types import Channel

from handsel.foundation.jobs.port import Connection, NewJob, QueueStats

CHANNEL = Channel("handsel_jobs")

#: Every name is given: what is left out, PgQueuer takes from the environment, also from bare names
#: such as ``CHANNEL`` or ``FUNCTION``. With ``db_schema`` all its SQL is schema-qualified, so no
#: ``search_path`` is needed on any connection.
SETTINGS = DBSettings(
    prefix="",
    db_schema="jobs",
    channel=CHANNEL,
    function="fn_pgqueuer_changed",
    statistics_table="pgqueuer_statistics",
    queue_status_type="pgqueuer_status",
    queue_table="pgqueuer",
    queue_table_log="pgqueuer_log",
    trigger="tg_pgqueuer_changed",
    schedules_table="pgqueuer_schedules",
    durability=Durability.durable,
    widen_id=False,
)

# Ours and not PgQueuer's ``Queries.enqueue``: that one sends JSON as text to a jsonb parameter,
# which a connection with a JSON codec (foundation/db) encodes a second time, so that the worker
# cannot read the job; it needs a delay computed by our clock; and it writes a log row per job.
_ENQUEUE = """
WITH input AS MATERIALIZED (
    SELECT nextval('jobs.pgqueuer_id_seq') AS id, job.*
    FROM unnest($1::text[], $2::bytea[], $3::timestamptz[], $4::text[], $5::uuid[])
        WITH ORDINALITY AS job (name, payload, run_at, dedupe_key, event_id, ord)
), inserted AS (
    INSERT INTO jobs.pgqueuer
        (id, priority, status, entrypoint, payload, execute_after, dedupe_key, headers)
    SELECT id, 0, 'queued', name, payload,
        now() + greatest(coalesce(run_at - foundation.handsel_now(), '0'), '0'),
        dedupe_key, jsonb_build_object('event_id', event_id)
    FROM input ORDER BY ord
    ON CONFLICT (dedupe_key) WHERE status IN ('queued', 'picked') AND dedupe_key IS NOT NULL
    DO NOTHING
    RETURNING id
)
SELECT inserted.id FROM input LEFT JOIN inserted USING (id) ORDER BY input.ord
"""

_STATS = """
SELECT count(*) FILTER (WHERE status = 'queued') AS queued,
    count(*) FILTER (WHERE status = 'queued' AND execute_after > now()) AS deferred,
    count(*) FILTER (WHERE status = 'picked') AS running,
    (SELECT count(*) FROM foundation.parked_jobs) AS parked,
    coalesce(extract(epoch FROM now() - min(execute_after) FILTER
        (WHERE status = 'queued' AND execute_after <= now())), 0)::float8 AS oldest_queued_s
FROM jobs.pgqueuer
"""


class PgQueuerQueue:
    """The port over PgQueuer's tables in the schema ``jobs``. It holds no state."""

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
        job = NewJob(name, payload, run_at, dedupe_key, event_id)
        return (await self.enqueue_many(conn, [job]))[0]

    async def enqueue_many(self, conn: Connection, jobs: Sequence[NewJob]) -> list[int | None]:
        """One statement and one NOTIFY at commit, however many jobs. One answer per job."""
        if not jobs:
            return []
        rows = await conn.fetch(
            _ENQUEUE,
            [job.name for job in jobs],
            [msgspec.json.encode(job.payload) for job in jobs],
            [job.run_at for job in jobs],
            [job.dedupe_key for job in jobs],
            [job.event_id for job in jobs],
        )
        return [row["id"] for row in rows]

    async def cancel(self, conn: Connection, job_id: int) -> bool:
        """Remove a job that has not started; a running one is left to finish."""
        tag = await conn.execute(
            "DELETE FROM jobs.pgqueuer WHERE id = $1 AND status = 'queued'", job_id
        )
        return tag == "DELETE 1"

    async def stats(self, conn: Connection) -> QueueStats:
        """How much waits, runs and is parked, counted now."""
        row = await conn.fetchrow(_STATS)
        assert row is not None
        return QueueStats(**dict(row))


async def unpark(conn: Connection, parked_id: int) -> int | None:
    """Queue a parked job again with a full set of attempts; its new id, or None if there is none.

    It has no ``dedupe_key`` any more: a twin that was queued meanwhile must not swallow it.
    """
    row = await conn.fetchrow(
        """
        WITH parked AS (
            DELETE FROM foundation.parked_jobs WHERE id = $1 RETURNING name, payload, event_id
        )
        INSERT INTO jobs.pgqueuer (priority, status, entrypoint, payload, headers)
        SELECT 0, 'queued', name, convert_to(payload::text, 'UTF8'),
            jsonb_build_object('event_id', event_id)
        FROM parked RETURNING id
        """,
        parked_id,
    )
    return None if row is None else int(row["id"])


async def prune_log(conn: Connection, older_than: timedelta, limit: int = 10_000) -> int:
    """Drop old rows of PgQueuer's log, a bounded number: it writes two a job and drops none."""
    tag = await conn.execute(
        """
        DELETE FROM jobs.pgqueuer_log WHERE id IN (
            SELECT id FROM jobs.pgqueuer_log WHERE created < now() - $1::interval
            ORDER BY created LIMIT $2 FOR UPDATE SKIP LOCKED)
        """,
        older_than,
        limit,
    )
    return int(tag.split()[-1])
