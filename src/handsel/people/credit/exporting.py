"""All facts of everybody, streamed for those who train on them: ids and facts, no names.

The columns are those of `handsel_ml.facts.COLUMNS`; moments travel as whole microseconds since
1970, none as null (-1 for a value, a far moment for "never retracted", as there).
"""

from collections.abc import AsyncIterator, Sequence
from datetime import datetime
from typing import Any

from handsel.foundation.db.pool import Connection
from handsel_ml.facts import COLUMNS, NOT_RETRACTED

#: By the name in `handsel_ml`; $1 is the moment as of which the facts are told.
_COLUMNS = {
    "member": "f.member_id::text",
    "kind": "f.kind",
    "happened": "(extract(epoch FROM f.happened_at) * 1000000)::bigint",
    "known": "(extract(epoch FROM f.known_at) * 1000000)::bigint",
    "source": "f.source_id",
    "order": "f.order_id::text",
    "counterparty": "f.counterparty_id::text",
    "role": "f.role",
    "amount": "f.amount_minor",
    "value": "coalesce(f.value, -1)::bigint",
    "weight": "f.weight_bps::bigint",
    "retracted": "coalesce((SELECT (extract(epoch FROM r.retracted_at) * 1000000)::bigint"
    "  FROM people.fact_retractions r"
    f"  WHERE r.fact_id = f.id AND r.retracted_at < $1), {NOT_RETRACTED})",
}
_FACTS = f"""
SELECT {", ".join(_COLUMNS[name] for name in COLUMNS)}
  FROM people.facts f WHERE f.known_at < $1 ORDER BY f.known_at, f.id
"""
_BATCH_ROWS = 20_000


async def moment_of_export(conn: Connection) -> datetime:
    """The moment of this house's clock."""
    now: datetime = await conn.fetchval("SELECT foundation.handsel_now()")
    return now


async def schema_version(conn: Connection) -> str:
    """The database revision that the facts come from."""
    version: str = await conn.fetchval("SELECT version_num FROM foundation.alembic_version")
    return version


async def fact_columns(
    conn: Connection, until: datetime
) -> AsyncIterator[dict[str, Sequence[Any]]]:
    """Facts known strictly before a moment, by column, some thousands at a time, in order of
    `known`. Call it inside a REPEATABLE READ transaction: a cursor of the server holds them."""
    await conn.execute("SET LOCAL statement_timeout = 0")
    cursor = await conn.cursor(_FACTS, until)
    while rows := await cursor.fetch(_BATCH_ROWS):
        yield {name: [row[i] for row in rows] for i, name in enumerate(COLUMNS)}
