"""What becomes of a withdrawal once its money has left the wallet.

``claim`` is the point of no return, in a transaction of its own and under the locks of withdrawal
and wallet: what must stop it is looked at there, so a payout never overtakes a dispute, a lock or a
removed bank account. From then on (``sent``) the provider is asked under one key for as long as it
is silent, and what it says, also later and also after it had said "paid", decides. Silence never
does.
"""

from typing import NamedTuple
from uuid import UUID

import asyncpg

from handsel.foundation.db.pool import Connection
from handsel.foundation.db.uow import Tx
from handsel.money.ledger import service as ledger
from handsel.money.ledger.service import HOUSE, Account, Transfer
from handsel.money.payments import payout_rules
from handsel.money.payments.asking import take_due
from handsel.money.payments.payout_rules import Wallet


class Payout(NamedTuple):
    """What to ask the provider for; ``reference`` is its own id, once it has given one."""

    key: UUID
    token: str
    amount_minor: int
    currency: str
    reference: str | None


async def claim(tx: Tx, withdrawal_id: UUID) -> Payout | None:
    """Make a withdrawal irrevocable just before the provider is asked; None where it is not to be.

    What is ``sent`` already is handed out again: to ask once more under the same key is safe.
    """
    row = await tx.fetchrow(
        "SELECT w.*, m.token, m.removed_at FROM money.withdrawals w"
        " JOIN money.payout_methods m ON m.id = w.method_id WHERE w.id = $1 FOR UPDATE OF w",
        withdrawal_id,
    )
    if row is None or row["state"] not in ("pending", "sent"):
        return None
    if row["state"] == "pending":
        wallet = await payout_rules.lock_wallet(tx, row["member_id"], row["unit"])
        if wallet.state != "open":
            return None  # the money can neither leave nor come back: the sweep looks again
        reason = _reason_to_stop(row, wallet)
        if reason is not None:
            await _stop(tx, row, reason)
            return None
        await tx.execute(
            "UPDATE money.withdrawals SET state = 'sent', sent_at = $2 WHERE id = $1",
            withdrawal_id,
            tx.now,
        )
    return Payout(row["id"], row["token"], row["amount"], row["unit"], row["provider_reference"])


def _reason_to_stop(row: asyncpg.Record, wallet: Wallet) -> str | None:
    """The money has left the wallet; where what is left is too little, it is needed there."""
    if row["removed_at"] is not None:
        return "payout_method_removed"
    if wallet.spare < 0:
        return "payment_disputed" if wallet.uncovered else "debt_first"
    return None


async def note_accepted(tx: Tx, withdrawal_id: UUID, reference: str) -> None:
    """The provider has taken it up, and will tell the rest later."""
    await tx.execute(
        "UPDATE money.withdrawals SET provider_reference = $2 WHERE id = $1 AND state = 'sent'",
        withdrawal_id,
        reference,
    )


async def book_paid(tx: Tx, withdrawal_id: UUID, reference: str) -> None:
    """The bank has it. A second word changes nothing, nor does one that comes after a return."""
    row = await _locked(tx, withdrawal_id)
    if row["state"] != "sent":
        return
    await _decide(tx, row, "paid", None, reference)
    transit = Account("payout_transit", HOUSE, row["unit"])
    clearing = Account("provider_clearing", HOUSE, row["unit"])
    ledger.post(tx, [Transfer(transit, clearing, row["amount"], "payout")], withdrawal_id)


async def book_returned(tx: Tx, withdrawal_id: UUID, failure: str, reference: str | None) -> None:
    """It came back, perhaps after it had been paid: the money is in the wallet again."""
    row = await _locked(tx, withdrawal_id)
    if row["state"] not in ("sent", "paid"):
        return
    await _decide(tx, row, "returned", failure, reference)
    lies_in = "provider_clearing" if row["state"] == "paid" else "payout_transit"
    wallet = Account("wallet", row["member_id"], row["unit"])
    source = Account(lies_in, HOUSE, row["unit"])
    ledger.post(tx, [Transfer(source, wallet, row["amount"], "payout_returned")], withdrawal_id)


async def stop_pending(tx: Tx, member_id: UUID, unit: str | None, reason: str) -> int:
    """Stop what was not sent yet and put the money back: a dispute, a lock, a removed method. How
    many. ``unit`` None: in every currency."""
    rows = await tx.fetch(
        "SELECT * FROM money.withdrawals WHERE member_id = $1 AND ($2::text IS NULL OR unit = $2)"
        " AND state = 'pending' ORDER BY id FOR UPDATE",
        member_id,
        unit,
    )
    for row in rows:
        await _stop(tx, row, reason)
    return len(rows)


async def ask_due(tx: Tx, limit: int = 200) -> int:
    """Have the provider asked (again) about what is open for long; how many. For the sweep.

    Tells the member, once, of what is on its way for more than a day.
    """
    due = await take_due(tx, "money.withdrawals", "'pending', 'sent'", limit)
    for row, late in due:
        tx.emit("withdrawal.due", row["id"], {"withdrawal_id": row["id"]})
        if late:
            tx.emit("withdrawal.late", row["id"], _event(row))
    return len(due)


async def find(conn: Connection, key: UUID | None, reference: str) -> UUID | None:
    """Our id of the payout that an event is about: by our key where it gives it back, else by the
    provider's own id, which may not be known here yet."""
    found: UUID | None = await conn.fetchval(
        "SELECT id FROM money.withdrawals WHERE id = $1 OR provider_reference = $2",
        key,
        reference,
    )
    return found


async def _stop(tx: Tx, row: asyncpg.Record, reason: str) -> None:
    await _decide(tx, row, "stopped", reason, None)
    transit = Account("payout_transit", HOUSE, row["unit"])
    wallet = Account("wallet", row["member_id"], row["unit"])
    ledger.post(tx, [Transfer(transit, wallet, row["amount"], "withdraw_stopped")], row["id"])


async def _locked(tx: Tx, withdrawal_id: UUID) -> asyncpg.Record:
    row = await tx.fetchrow(
        "SELECT * FROM money.withdrawals WHERE id = $1 FOR UPDATE", withdrawal_id
    )
    assert row is not None
    return row


async def _decide(
    tx: Tx, row: asyncpg.Record, state: str, failure: str | None, reference: str | None
) -> None:
    await tx.execute(
        "UPDATE money.withdrawals SET state = $2, failure = $3, decided_at = $4,"
        " provider_reference = coalesce(provider_reference, $5),"
        " paid_at = CASE WHEN $2 = 'paid' THEN $4 ELSE paid_at END WHERE id = $1",
        row["id"],
        state,
        failure,
        tx.now,
        reference,
    )
    tx.emit(f"withdrawal.{state}", row["id"], _event(row) | {"failure": failure})


def _event(row: asyncpg.Record) -> dict[str, object]:
    return {
        "withdrawal_id": row["id"],
        "member_id": row["member_id"],
        "amount_minor": row["amount"],
        "currency": row["unit"],
    }
