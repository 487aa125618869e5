"""Answers by Idempotency-Key: the same key and request give the same answer, byte for byte.

Rules (Stripe, the IETF draft, brandur.org; research/reliability.md §1.2): another request under a
used key is refused; a request still running is 409; refusals of the business are kept, 5xx, 401,
403, 429 and refusals that say nothing of the merits are not. Claim, effect, answer and event are
one transaction. Whoever may not come in any more is told so before any stored answer is looked up.
"""

from dataclasses import dataclass
from datetime import timedelta
from typing import Any
from uuid import UUID

from handsel.foundation.core.errors import IdempotencyInFlight, IdempotencyKeyReused
from handsel.foundation.db.pool import Connection
from handsel.foundation.db.uow import Tx

KEEP = timedelta(days=7)
#: What is told again must be as durable as what is told first. But a COMMIT that wrote nothing
#: waits for nobody, and the first one may have been cut loose from its standby. A record in the
#: log makes this COMMIT wait for the standby, which then has everything before it too.
_AS_DURABLE = (
    "SELECT pg_logical_emit_message(true, 'handsel', 'replay')"
    " WHERE current_setting('synchronous_standby_names') <> ''"
)
_TYPES = ("uuid", "text", "text", "bytea", "smallint", "jsonb", "bytea")


@dataclass(frozen=True, slots=True)
class Key:
    """Who asks what, and under which key. ``principal`` is the nil UUID before a log-in."""

    principal: UUID
    route: str
    key: str
    request_sha256: bytes


@dataclass(frozen=True, slots=True)
class StoredAnswer:
    """An answer as it was sent the first time."""

    status: int
    headers: dict[str, str]
    body: bytes


async def claim(conn: Connection, key: Key) -> tuple[Any, StoredAnswer | None]:
    """Business time, and the stored answer if there is one. One round trip, inside a transaction.

    Raises ``IdempotencyKeyReused`` (422) for another request, ``IdempotencyInFlight`` (409).
    """
    row = await conn.fetchrow(
        "SELECT * FROM foundation.claim_answer($1, $2, $3)", key.principal, key.route, key.key
    )
    assert row is not None
    if row["status"] is not None:
        if row["request_sha256"] != key.request_sha256:
            raise IdempotencyKeyReused
        await conn.execute(_AS_DURABLE)
        return row["business_time"], StoredAnswer(row["status"], row["headers"], row["body"])
    if not row["claimed"]:
        raise IdempotencyInFlight
    return row["business_time"], None


def store(tx: Tx, key: Key, answer: StoredAnswer) -> None:
    """Keep the answer with the effect, in its transaction."""
    tx.call(
        "foundation.store_answer",
        _TYPES,
        key.principal,
        key.route,
        key.key,
        key.request_sha256,
        answer.status,
        answer.headers,
        answer.body,
    )


async def prune(conn: Connection, limit: int = 5000) -> int:
    """Forget answers older than ``KEEP``, in batches; a key is a new request after that."""
    forgotten = 0
    while True:
        tag = await conn.execute(
            "DELETE FROM foundation.answers WHERE (principal, route, key) IN (SELECT principal,"
            " route, key FROM foundation.answers WHERE created_at < now() - $1::interval LIMIT $2)",
            KEEP,
            limit,
        )
        batch = int(tag.split()[-1])
        forgotten += batch
        if batch < limit:
            return forgotten
