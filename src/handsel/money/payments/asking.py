"""When a silent provider is asked again: for ever, ever more rarely, and nothing is concluded."""

from datetime import datetime, timedelta

import asyncpg

from handsel.foundation.db.uow import Tx

#: The first job asks for a quarter of an hour by itself; from then on the sweep does.
FIRST_SWEEP = timedelta(minutes=20)
_RAREST = timedelta(hours=6)
_LATE = timedelta(days=1)


def next_ask(now: datetime, attempts: int) -> datetime:
    """After so many sweeps: twice as long as the time before, at most six hours."""
    wait: timedelta = FIRST_SWEEP * 2 ** min(attempts, 10)
    return now + min(wait, _RAREST)


def is_late(created_at: datetime, told_at: datetime | None, now: datetime) -> bool:
    """Whether something open for a day is still to be told of; it is told once."""
    return told_at is None and now >= created_at + _LATE


async def take_due(
    tx: Tx, table: str, open_states: str, limit: int, *, tells_late: bool = True
) -> list[tuple[asyncpg.Record, bool]]:
    """The rows of ``table`` whose time to be asked about has come, put off to their next time, each
    with whether it is late and has to be told of, which is asked for once.

    ``open_states`` is an SQL list. Another worker's rows are passed over.
    """
    rows = await tx.fetch(
        f"SELECT * FROM {table} WHERE state IN ({open_states}) AND ask_at <= $1"
        " ORDER BY ask_at LIMIT $2 FOR UPDATE SKIP LOCKED",
        tx.now,
        limit,
    )
    found = [
        (row, tells_late and is_late(row["created_at"], row["late_told_at"], tx.now))
        for row in rows
    ]
    for row, late in found:
        await tx.execute(
            f"UPDATE {table} SET attempts = attempts + 1, ask_at = $2 WHERE id = $1",
            row["id"],
            next_ask(tx.now, row["attempts"]),
        )
        if late:
            await tx.execute(
                f"UPDATE {table} SET late_told_at = $2 WHERE id = $1", row["id"], tx.now
            )
    return found
