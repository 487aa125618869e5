"""What becomes of a card refund once its money has left the wallet.

The provider is asked for as long as it is silent or has too little of ours. A refund may fail after
the provider had said "succeeded": then the money is in the wallet again, still the card's.
"""

from typing import NamedTuple
from uuid import UUID

import asyncpg

from handsel.foundation.core.ids import encode
from handsel.foundation.db.pool import Connection
from handsel.foundation.db.uow import Tx
from handsel.money.ledger import service as ledger
from handsel.money.ledger.service import HOUSE, Account, Transfer
from handsel.money.payments.alerts import raise_alert
from handsel.money.payments.asking import take_due

#: The provider's word for "not now": it has too little of ours to pay it back from.
NO_BALANCE = "insufficient_provider_balance"


class CardRefund(NamedTuple):
    """What to ask the provider for. Silence is asked again under the same key; after a definite
    "not now" the key is another one, since a key has one answer."""

    key: UUID
    charge_reference: str
    amount_minor: int
    currency: str
    reference: str | None


async def to_ask(conn: Connection, refund_id: UUID) -> CardRefund | None:
    """What to ask the provider for; None when it is decided."""
    row = await conn.fetchrow(
        "SELECT r.*, t.provider_reference AS charge FROM money.card_refunds r"
        " JOIN money.top_ups t ON t.id = r.top_up_id WHERE r.id = $1 AND r.state = 'pending'",
        refund_id,
    )
    if row is None:
        return None
    return CardRefund(
        row["key"], row["charge"], row["amount"], row["unit"], row["provider_reference"]
    )


async def note_accepted(tx: Tx, refund_id: UUID, reference: str) -> None:
    """The provider has taken it up, and will tell the rest later."""
    await tx.execute(
        "UPDATE money.card_refunds SET provider_reference = $2 WHERE id = $1 AND state = 'pending'",
        refund_id,
        reference,
    )


async def note_not_now(tx: Tx, asked: UUID, refund_id: UUID) -> None:
    """The provider has too little of ours: it stays pending and is asked again by the sweep."""
    row = await _locked(tx, refund_id)
    if row["state"] == "pending" and asked == row["key"]:
        await tx.execute(
            "UPDATE money.card_refunds SET key = uuidv7(), failure = $2 WHERE id = $1",
            refund_id,
            NO_BALANCE,
        )


async def book_succeeded(tx: Tx, refund_id: UUID, reference: str) -> None:
    """The card has it. A second word changes nothing, nor does one that comes after a failure."""
    row = await _locked(tx, refund_id)
    if row["state"] != "pending":
        return
    await _decide(tx, row, "succeeded", None, reference)
    transit = Account("refund_transit", HOUSE, row["unit"])
    clearing = Account("provider_clearing", HOUSE, row["unit"])
    ledger.post(tx, [Transfer(transit, clearing, row["amount"], "card_refund_done")], refund_id)


async def book_failed(tx: Tx, refund_id: UUID, failure: str, reference: str | None) -> None:
    """The card did not take it, perhaps after it had: the money is in the wallet, card money again,
    and may be sent back to its card another time."""
    row = await _locked(tx, refund_id)
    if row["state"] not in ("pending", "succeeded"):
        return
    await _decide(tx, row, "failed", failure, reference)
    if row["state"] == "succeeded":
        told = f"the provider had sent it, and then it failed: {failure}"
        raise_alert(tx, "card_refund_failed_late", encode("crf", refund_id), told)
    lies_in = "provider_clearing" if row["state"] == "succeeded" else "refund_transit"
    source = Account(lies_in, HOUSE, row["unit"])
    wallet = Account("wallet", row["member_id"], row["unit"])
    ledger.post(tx, [Transfer(source, wallet, row["amount"], "card_refund_failed")], refund_id)
    await tx.execute(
        "UPDATE money.top_ups SET refunded = refunded - $2 WHERE id = $1",
        row["top_up_id"],
        row["amount"],
    )


async def ask_due(tx: Tx, limit: int = 200) -> int:
    """Have the provider asked (again) about what is open for long; how many. For the sweep."""
    due = await take_due(tx, "money.card_refunds", "'pending'", limit)
    for row, late in due:
        tx.emit("card_refund.due", row["id"], {"card_refund_id": row["id"]})
        if late:
            tx.emit("card_refund.late", row["id"], _event(row))
    return len(due)


async def find(conn: Connection, key: UUID | None, reference: str) -> UUID | None:
    """Our id of the refund that an event is about: by our key where it gives it back, else by the
    provider's own id, which may not be known here yet."""
    found: UUID | None = await conn.fetchval(
        "SELECT id FROM money.card_refunds WHERE key = $1 OR provider_reference = $2",
        key,
        reference,
    )
    return found


async def _locked(tx: Tx, refund_id: UUID) -> asyncpg.Record:
    row = await tx.fetchrow("SELECT * FROM money.card_refunds WHERE id = $1 FOR UPDATE", refund_id)
    assert row is not None
    return row


async def _decide(
    tx: Tx, row: asyncpg.Record, state: str, failure: str | None, reference: str | None
) -> None:
    await tx.execute(
        "UPDATE money.card_refunds SET state = $2, failure = $3, decided_at = $4,"
        " provider_reference = coalesce(provider_reference, $5),"
        " succeeded_at = CASE WHEN $2 = 'succeeded' THEN $4 ELSE succeeded_at END WHERE id = $1",
        row["id"],
        state,
        failure,
        tx.now,
        reference,
    )
    tx.emit(f"card_refund.{state}", row["id"], _event(row) | {"failure": failure})


def _event(row: asyncpg.Record) -> dict[str, object]:
    return {
        "card_refund_id": row["id"],
        "member_id": row["member_id"],
        "amount_minor": row["amount"],
        "currency": row["unit"],
    }
