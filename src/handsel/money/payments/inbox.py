"""The inbox of provider events: what arrives is written down first, believed once, and acted on by
a job. The webhook's answer says only that we have it."""

import hashlib
from collections.abc import Mapping
from typing import Literal, NamedTuple
from uuid import UUID

import msgspec

from handsel.foundation.db.pool import Connection
from handsel.foundation.db.uow import Database, Tx
from handsel.money.payments import alerts
from handsel.money.payments.asking import FIRST_SWEEP, is_late, next_ask
from handsel.money.payments.errors import WebhookBodyDiffers
from handsel.money.payments.gateway import Gateway, ProviderEvent

Received = Literal["received", "duplicate", "quarantined"]
_NOBODY = UUID(int=0)


class Stored(NamedTuple):
    """An event to act on, and whether a newer one about the same thing was acted on before."""

    event: ProviderEvent
    overtaken: bool


async def receive(
    database: Database, gateway: Gateway, headers: Mapping[str, str], raw: bytes
) -> Received:
    """Check a webhook and keep it; the same one again changes nothing.

    Raises ``SignatureInvalid``, ``TimestampOutside``, ``WebhookMalformed``, and, once it is in
    quarantine, ``WebhookBodyDiffers``.
    """
    async with database.reading() as conn:
        now = await conn.fetchval("SELECT foundation.handsel_now()")
    event = gateway.read_webhook(headers, raw, now)
    sha = hashlib.sha256(raw).digest()
    found = await database.run(lambda tx: _keep(tx, event, sha))
    if found == "quarantined":
        raise WebhookBodyDiffers
    return found


async def _keep(tx: Tx, event: ProviderEvent, sha: bytes) -> Received:
    tag = await tx.execute(
        "INSERT INTO money.provider_events (source, event_id, kind, reference, body, raw_sha256,"
        " occurred_at, received_at, ask_at) VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9)"
        " ON CONFLICT DO NOTHING",
        event.source,
        event.id,
        event.kind,
        event.reference,
        msgspec.to_builtins(event),
        sha,
        event.occurred_at,
        tx.now,
        tx.now + FIRST_SWEEP,
    )
    if tag == "INSERT 0 1":
        _hand_on(tx, event.source, event.id)
        return "received"
    known = await tx.fetchval(
        "SELECT raw_sha256 FROM money.provider_events WHERE source = $1 AND event_id = $2",
        event.source,
        event.id,
    )
    if known == sha:
        return "duplicate"
    await tx.execute(
        "INSERT INTO money.quarantined_events (source, event_id, raw_sha256, received_at)"
        " VALUES ($1, $2, $3, $4) ON CONFLICT DO NOTHING",
        event.source,
        event.id,
        sha,
        tx.now,
    )
    text = f"{event.source} sent {event.id} a second time with another body. Nothing was done."
    alerts.raise_alert(tx, "event_body_differs", f"{event.source}:{event.id}", text)
    return "quarantined"


async def take(tx: Tx, source: str, event_id: str) -> Stored | None:
    """Lock an event that waits to be acted on; None when it was acted on already."""
    row = await tx.fetchrow(
        "SELECT body, occurred_at, reference FROM money.provider_events"
        " WHERE source = $1 AND event_id = $2 AND state = 'received' FOR UPDATE",
        source,
        event_id,
    )
    if row is None:
        return None
    overtaken: bool = await tx.fetchval(
        "SELECT EXISTS (SELECT FROM money.provider_events WHERE source = $1 AND reference = $2"
        " AND occurred_at > $3 AND state = 'handled')",
        source,
        row["reference"],
        row["occurred_at"],
    )
    return Stored(msgspec.convert(row["body"], ProviderEvent), overtaken)


async def returned_payout(conn: Connection, source: str, event_id: str) -> str | None:
    """The provider's id of the payout that a waiting event says came back."""
    reference: str | None = await conn.fetchval(
        "SELECT reference FROM money.provider_events WHERE source = $1 AND event_id = $2"
        " AND kind = 'payout.returned' AND state = 'received'",
        source,
        event_id,
    )
    return reference


async def close(tx: Tx, event: ProviderEvent, outcome: str, *, ignored: bool = False) -> None:
    """Write down what was done about an event, in the transaction that did it."""
    await alerts.close(tx, "event_waits", f"{event.source}:{event.id}")
    await tx.execute(
        "UPDATE money.provider_events SET state = $3, outcome = $4, handled_at = $5"
        " WHERE source = $1 AND event_id = $2",
        event.source,
        event.id,
        "ignored" if ignored else "handled",
        outcome,
        tx.now,
    )


async def hand_on_again(tx: Tx, limit: int = 200) -> int:
    """Give events that wait to a job again, each more and more rarely; how many. For the sweep.

    One that waits for a day is about something that we shall hardly hear of: somebody looks at it.
    """
    rows = await tx.fetch(
        "SELECT source, event_id, kind, reference, attempts, received_at"
        "  FROM money.provider_events WHERE state = 'received' AND ask_at <= $1"
        " ORDER BY ask_at LIMIT $2 FOR UPDATE SKIP LOCKED",
        tx.now,
        limit,
    )
    for row in rows:
        await tx.execute(
            "UPDATE money.provider_events SET attempts = attempts + 1, ask_at = $3"
            " WHERE source = $1 AND event_id = $2",
            row["source"],
            row["event_id"],
            next_ask(tx.now, row["attempts"]),
        )
        _hand_on(tx, row["source"], row["event_id"])
        if is_late(row["received_at"], None, tx.now):
            subject = f"{row['source']}:{row['event_id']}"
            text = (
                f"{row['kind']} about {row['reference']} waits: nothing here is known by that id."
            )
            await alerts.record(tx, "event_waits", subject, text)
    return len(rows)


def _hand_on(tx: Tx, source: str, event_id: str) -> None:
    tx.emit("provider.event", _NOBODY, {"source": source, "event_id": event_id})
