"""The sandbox provider's own books, events and disputes: what ``sandbox`` and its desk share."""

import hmac
from collections.abc import Mapping
from datetime import datetime, timedelta
from typing import Any, Literal

import asyncpg

from handsel.foundation.db.uow import Tx
from handsel.money.payments.errors import UnknownProviderObject

Verdict = Literal["dispute.won", "dispute.lost"]
DISPUTE_FEE = 1500
_EVIDENCE_WITHIN = timedelta(days=7)


def sign(secret: bytes, stamp: int, raw: bytes) -> str:
    """The signature of a webhook body at a unix time, in hexadecimal."""
    return hmac.new(secret, f"{stamp}.".encode() + raw, "sha256").hexdigest()


async def tell(conn: Any, body: Mapping[str, Any], at: datetime) -> None:
    """Put an event down that is told at its time."""
    await conn.execute("INSERT INTO money.sandbox_events (body, due_at) VALUES ($1, $2)", body, at)


async def book(
    conn: Any, kind: str, reference: str, amount: int, unit: str, at: datetime | None = None
) -> None:
    """A line in the provider's books of our balance; a charge costs 1.4 % and 25, rounded down."""
    fee = amount * 14 // 1000 + 25 if kind == "charge" else DISPUTE_FEE if kind == "dispute" else 0
    await conn.execute(
        "INSERT INTO money.sandbox_lines (kind, reference, amount, fee, unit, at)"
        " VALUES ($1, $2, $3, $4, $5, coalesce($6, foundation.handsel_now()))",
        kind,
        reference,
        amount,
        fee,
        unit,
        at,
    )


async def open_dispute(
    tx: Tx, charge: str, amount_minor: int | None, reason: str, at: datetime
) -> str:
    """The payer's bank takes a charge back, or a part of it. Returns the dispute's reference."""
    row = await object_of(tx, charge, "charge")
    amount = min(amount_minor or row["request"]["amount_minor"], row["request"]["amount_minor"])
    request = {
        "what": "dispute", "charge": charge, "amount_minor": amount,
        "currency": row["request"]["currency"], "reason": reason,
    }  # fmt: skip
    dispute: str = await tx.fetchval(
        "INSERT INTO money.sandbox_provider (idempotency_key, request, outcome, state, at)"
        " VALUES ('dispute:' || uuidv7(), $1, 'open', 'open', $2) RETURNING reference",
        request,
        at,
    )
    opened = await object_of(tx, dispute, "dispute")
    await tell(tx.conn, dispute_event(opened, "dispute.opened", at), at)
    return dispute


async def decide_dispute(tx: Tx, reference: str, verdict: Verdict, at: datetime) -> None:
    """The bank decides: the money comes back to us, or it does not."""
    row = await object_of(tx, reference, "dispute")
    await set_state(tx, reference, verdict.removeprefix("dispute."))
    await tell(tx.conn, dispute_event(row, verdict, at), at)


async def object_of(tx: Tx, reference: str, what: str) -> asyncpg.Record:
    """A charge or dispute, locked. Raises ``UnknownProviderObject``."""
    row = await tx.fetchrow(
        "SELECT * FROM money.sandbox_provider WHERE reference = $1"
        " AND request ->> 'what' = $2 FOR UPDATE",
        reference,
        what,
    )
    if row is None:
        raise UnknownProviderObject(f"there is no {what} {reference}")
    return row


async def set_state(tx: Tx, reference: str, state: str) -> None:
    """What has become of something."""
    await tx.execute(
        "UPDATE money.sandbox_provider SET state = $2 WHERE reference = $1", reference, state
    )


def event_about(row: asyncpg.Record, kind: str, data: Mapping[str, Any]) -> dict[str, Any]:
    """An event about something, without its id and time."""
    request = row["request"]
    return {
        "kind": kind,
        "reference": row["reference"],
        "key": row["idempotency_key"].split(":", 1)[1],
        "charge_reference": request.get("charge"),
        "amount_minor": request["amount_minor"],
        "currency": request["currency"],
        "data": data,
    }


def dispute_event(row: asyncpg.Record, kind: str, at: datetime) -> dict[str, Any]:
    """An event about a dispute."""
    data: dict[str, Any] = {"reason": row["request"]["reason"]}
    if kind == "dispute.opened":
        data["fee_minor"] = DISPUTE_FEE
        data["evidence_due_at"] = at + _EVIDENCE_WITHIN
    return event_about(row, kind, data)
