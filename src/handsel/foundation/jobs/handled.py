"""Effects exactly once: an event and its effect are noted in one transaction."""

from datetime import timedelta
from uuid import UUID

from handsel.foundation.jobs.port import Connection


async def handled(conn: Connection, event_id: UUID, subscriber: str) -> bool:
    """Note that ``subscriber`` handles this event now; False where it already has.

    Call it first, in the transaction of the effect, and return on False. A second delivery that
    runs at the same time waits here for the first: it gets False after its commit and True after
    its rollback.
    """
    tag = await conn.execute(
        "INSERT INTO foundation.handled_events (event_id, subscriber) VALUES ($1, $2)"
        " ON CONFLICT DO NOTHING",
        event_id,
        subscriber,
    )
    return tag == "INSERT 0 1"


async def prune_handled(conn: Connection, older_than: timedelta, limit: int = 10_000) -> int:
    """Forget old notes, a bounded number. Keep them far longer than any job can be retried.

    An event with a parked job is kept: unparking it must not repeat an effect.
    """
    tag = await conn.execute(
        """
        DELETE FROM foundation.handled_events WHERE (event_id, subscriber) IN (
            SELECT event_id, subscriber FROM foundation.handled_events note
            WHERE handled_at < now() - $1::interval AND NOT EXISTS (
                SELECT FROM foundation.parked_jobs parked WHERE parked.event_id = note.event_id)
            ORDER BY handled_at LIMIT $2 FOR UPDATE SKIP LOCKED)
        """,
        older_than,
        limit,
    )
    return int(tag.split()[-1])
