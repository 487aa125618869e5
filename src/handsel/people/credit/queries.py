"""Reads: the facts known before a moment, the newest snapshot."""

from datetime import datetime
from typing import Any
from uuid import UUID

import asyncpg

from handsel.foundation.db.uow import Tx
from handsel.people.credit.schemas import Snapshot, stored_score
from handsel_ml.contract import Fact as KnownFact
from handsel_ml.contract import FactKind

#: A unit of work or a bare connection: both read alike.
Reader = Tx | asyncpg.Connection

_FACTS = """
SELECT member_id, kind, source_id, order_id, counterparty_id, role, amount_minor, value,
       weight_bps, happened_at, known_at
  FROM people.facts f WHERE member_id = $1 AND known_at < $2
   AND NOT EXISTS (SELECT FROM people.fact_retractions r
                    WHERE r.fact_id = f.id AND r.retracted_at < $2)
 ORDER BY known_at, id
"""
_NEWEST = """
SELECT * FROM people.score_snapshots
 WHERE member_id = $1
   AND as_of = (SELECT max(as_of) FROM people.score_snapshots WHERE member_id = $1)
"""


async def facts_before(reader: Reader, member_id: UUID, moment: datetime) -> list[KnownFact]:
    """Everything that was known about a member strictly before a moment, without what had been
    taken out by then."""
    return [known_fact(row) for row in await reader.fetch(_FACTS, member_id, moment)]


async def is_recorded(reader: Reader, member_id: UUID, kind: FactKind, source_id: str) -> bool:
    """Whether this fact is there already: then nothing new can be learnt of its source."""
    found: bool = await reader.fetchval(
        "SELECT EXISTS (SELECT FROM people.facts"
        " WHERE source_id = $1 AND member_id = $2 AND kind = $3)",
        source_id,
        member_id,
        kind.value,
    )
    return found


async def newest_snapshot(reader: Reader, member_id: UUID) -> Snapshot | None:
    """The newest snapshot, or None before the first."""
    rows = await reader.fetch(_NEWEST, member_id)
    if not rows:
        return None
    by_kind = {row["kind"]: stored_score(row) for row in rows}
    return Snapshot(
        member_id=member_id,
        as_of=rows[0]["as_of"],
        facts_seen=rows[0]["facts_seen"],
        facts_until=rows[0]["facts_until"],
        financial=by_kind["financial"],
        social=by_kind["social"],
    )


def known_fact(row: Any) -> KnownFact:
    """A row of ``people.facts`` as the scores read it."""
    return KnownFact(
        member_id=str(row["member_id"]),
        kind=FactKind(row["kind"]),
        source_id=row["source_id"],
        order_id=row["order_id"] and str(row["order_id"]),
        counterparty_id=row["counterparty_id"] and str(row["counterparty_id"]),
        role=row["role"],
        amount_minor=row["amount_minor"],
        value=row["value"],
        weight_bps=row["weight_bps"],
        happened_at=row["happened_at"],
        known_at=row["known_at"],
    )
