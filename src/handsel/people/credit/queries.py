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
       happened_at, known_at
  FROM people.facts WHERE member_id = $1 AND known_at < $2 ORDER BY known_at, id
"""
_NEWEST = """
SELECT * FROM people.score_snapshots
 WHERE member_id = $1
   AND as_of = (SELECT max(as_of) FROM people.score_snapshots WHERE member_id = $1)
"""


async def facts_before(reader: Reader, member_id: UUID, moment: datetime) -> list[KnownFact]:
    """Everything that was known about a member strictly before a moment."""
    return [_known(row) for row in await reader.fetch(_FACTS, member_id, moment)]


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


def _known(row: Any) -> KnownFact:
    return KnownFact(
        member_id=str(row["member_id"]),
        kind=FactKind(row["kind"]),
        source_id=row["source_id"],
        order_id=row["order_id"] and str(row["order_id"]),
        counterparty_id=row["counterparty_id"] and str(row["counterparty_id"]),
        role=row["role"],
        amount_minor=row["amount_minor"],
        value=row["value"],
        happened_at=row["happened_at"],
        known_at=row["known_at"],
    )
