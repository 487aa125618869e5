"""The one hash chain: sensitive acts, ledger seals, messages, decisions.

An entry is written in the transaction of the act that it tells of (no act without its entry, no
entry without its act). ``seal`` links the entries afterwards, in commit order. The application's
role can neither change nor delete what it wrote; who can is found out by ``audit_breaks`` and, on
an exported copy, by ``chain``, which computes the links without a database.
"""

from typing import Any
from uuid import UUID

from handsel.foundation.db.pool import Connection
from handsel.foundation.db.uow import Tx

_TYPES = ("text[]", "uuid[]", "uuid[]", "text[]", "jsonb[]")


def record(
    tx: Tx,
    stream: str,
    action: str,
    body: Any,
    *,
    subject_id: UUID | None = None,
    actor_id: UUID | None = None,
) -> None:
    """Add an entry. ``body`` is what a later reader needs to judge the act; never a secret."""
    tx.call("foundation.record_audit", _TYPES, [stream], [subject_id], [actor_id], [action], [body])


def record_refusal(
    tx: Tx,
    stream: str,
    action: str,
    body: Any,
    *,
    subject_id: UUID | None = None,
    actor_id: UUID | None = None,
) -> None:
    """Add an entry in case this transaction is refused: the attempt is the act."""
    tx.if_refused(
        "foundation.record_audit", _TYPES, [stream], [subject_id], [actor_id], [action], [body]
    )


async def seal(conn: Connection, limit: int = 1000) -> int:
    """Link up to ``limit`` entries into the chain; returns how many."""
    sealed: int = await conn.fetchval("SELECT foundation.seal_audit($1)", limit)
    return sealed
