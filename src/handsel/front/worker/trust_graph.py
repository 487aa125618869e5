"""The nightly snapshot of the trust graph: once a day, as of midnight, whoever comes first."""

import asyncio
from datetime import datetime, timedelta
from functools import partial

import structlog

from handsel.foundation.db.uow import Database, Tx
from handsel.foundation.jobs import Periodic
from handsel.people.credit import graph

log = structlog.get_logger(__name__)
_LOOK_S = 300.0
#: A transaction that began before midnight has ended by then; what it recorded is seen.
_GRACE = timedelta(minutes=5)


def periodics(database: Database) -> list[Periodic]:
    """What the worker does again and again; most times there is nothing to do."""
    return [Periodic("trust_graph", _LOOK_S, partial(sweep, database))]


async def sweep(database: Database) -> None:
    """Make today's snapshot if there is none. Two workers may both make it: they find the same, and
    one of them is stored."""
    async with database.reading() as conn:
        now: datetime = await conn.fetchval("SELECT foundation.handsel_now()")
        midnight = now.replace(hour=0, minute=0, second=0, microsecond=0)
        if now < midnight + _GRACE:
            return
        last = await graph.newest_run(conn, now)
        if last is not None and last.as_of >= midnight:
            return
        facts = await graph.known_before(conn, midnight)
    # Seconds of arithmetic for a million deals: the jobs of this process go on meanwhile.
    made = await asyncio.to_thread(graph.assessed, facts, midnight)

    async def store(tx: Tx) -> graph.TrustRun:
        return graph.store(tx, facts, midnight, made)

    run = await database.run(store)
    log.info("trust_snapshot", **run._asdict())
