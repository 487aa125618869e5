"""What happens at the sandbox provider without our asking: banks take money back, payers confirm,
time passes, and its events are told, each as a signed webhook."""

from collections.abc import Mapping
from datetime import datetime
from typing import Any

import msgspec

from handsel.foundation.db.uow import Database, Tx
from handsel.money.payments import inbox
from handsel.money.payments.errors import UnknownProviderObject
from handsel.money.payments.sandbox import SIGNATURE, SandboxGateway
from handsel.money.payments.sandbox_books import (
    book,
    dispute_event,
    event_about,
    object_of,
    set_state,
    sign,
    tell,
)

_BATCH = 100
#: What an event makes of the object that it is about, in the provider's own books.
_BECOMES = {
    "charge.succeeded": "succeeded",
    "charge.failed": "failed",
    "refund.failed": "failed",
    "payout.paid": "paid",
    "payout.returned": "returned",
}


async def confirm_charge(tx: Tx, reference: str, *, approve: bool) -> None:
    """The payer takes the step that a charge waits for, or does not."""
    row = await object_of(tx, reference, "charge")
    if row["state"] != "requires_action":
        raise UnknownProviderObject("this charge does not wait for its payer")
    kind = "charge.succeeded" if approve else "charge.failed"
    data = {} if approve else {"failure": "authentication_failed"}
    await set_state(tx, reference, "pending")
    await tell(tx.conn, event_about(row, kind, data), tx.now)


async def reopen_dispute(tx: Tx, reference: str) -> None:
    """A second round: the bank takes the money once more after it had given it back."""
    row = await object_of(tx, reference, "dispute")
    if row["state"] != "won":
        raise UnknownProviderObject("only a dispute that was won has a second round")
    await set_state(tx, reference, "open")
    await tell(tx.conn, dispute_event(row, "dispute.opened", tx.now), tx.now)


async def be_down(tx: Tx, until: datetime) -> None:
    """Answer nothing until then."""
    await tx.execute("UPDATE money.sandbox_outage SET down_until = $1", until)


async def pay_out_balance(tx: Tx, amount_minor: int, unit: str) -> str:
    """The provider pays a part of our balance out to our bank. Returns its reference."""
    reference: str = await tx.fetchval("SELECT 'po_' || replace(uuidv7()::text, '-', '')")
    await book(tx.conn, "bank_payout", reference, -amount_minor, unit)
    return reference


async def deliver(database: Database, gateway: SandboxGateway, secret: bytes) -> int:
    """Tell the events whose time has come, through the same door as any provider's; how many."""
    async with database.transaction() as tx:
        rows = await tx.fetch(
            "UPDATE money.sandbox_events e SET delivered_at = foundation.handsel_now()"
            "  FROM (SELECT id FROM money.sandbox_events WHERE delivered_at IS NULL"
            "          AND due_at <= foundation.handsel_now() ORDER BY due_at, id LIMIT $1"
            "        FOR UPDATE SKIP LOCKED) AS due"
            " WHERE e.id = due.id RETURNING e.id, e.body, e.due_at",
            _BATCH,
        )
        ordered = sorted(rows, key=lambda row: (row["due_at"], row["id"]))
        for row in ordered:
            await _live(tx, row["body"], row["due_at"])
        now = tx.now
    for row in ordered:
        body = {
            "source": gateway.name,
            "id": row["id"],
            "occurred_at": row["due_at"],
            **row["body"],
        }
        raw = msgspec.json.encode(body)
        headers = sandbox_headers(secret, now, raw)
        await inbox.receive(database, gateway, headers, raw)
    return len(rows)


def sandbox_headers(secret: bytes, now: datetime, raw: bytes) -> dict[str, str]:
    """The headers of a webhook of the sandbox provider."""
    stamp = int(now.timestamp())
    return {SIGNATURE: f"t={stamp},v1={sign(secret, stamp, raw)}"}


async def _live(tx: Tx, body: Mapping[str, Any], at: datetime) -> None:
    """Let the provider's own books follow what it is about to tell."""
    kind, reference = body["kind"], body["reference"]
    amount, unit = body["amount_minor"], body["currency"]
    if kind in _BECOMES:
        await set_state(tx, reference, _BECOMES[kind])
    lines = {
        "charge.succeeded": ("charge", amount),
        "refund.failed": ("refund_failed", amount),
        "payout.returned": ("payout_return", amount),
        "dispute.opened": ("dispute", -amount),
        "dispute.won": ("dispute_return", amount),
    }
    if kind in lines:
        name, moved = lines[kind]
        await book(tx.conn, name, reference, moved, unit, at)
