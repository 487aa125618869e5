"""What the provider says of a dispute, and payments' own share of it: its top-up."""

from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Protocol
from uuid import UUID

import asyncpg

from handsel.foundation.db.uow import Tx

#: Where the provider names no deadline.
EVIDENCE_WITHIN = timedelta(days=7)


@dataclass(frozen=True, slots=True, kw_only=True)
class Dispute:
    """A dispute as the provider tells it at ``said_at``, its own time of the event.

    ``amount_minor`` is what it takes or gives back; ``fee_minor`` is its fee with an opening, and
    with a won dispute what it gives back of the fee.
    """

    reference: str
    charge_reference: str
    amount_minor: int
    currency: str
    said_at: datetime
    reason: str = "unknown"
    fee_minor: int = 0
    evidence_due_at: datetime | None = None


class DisputeDesk(Protocol):
    """What a gateway does about disputes; each under a key of ours, so it may be asked twice."""

    async def submit_evidence(self, key: UUID, reference: str, text: str, /) -> None:
        """Send the evidence, once. Raises ``ProviderUnavailable``."""
        ...

    async def accept_dispute(self, key: UUID, reference: str, /) -> None:
        """Give up. Raises ``ProviderUnavailable``."""
        ...


class UnknownCharge(Exception):
    """The charge is not known here, or not yet: its own event may be on the way. Ask again."""


async def lock_top_up(tx: Tx, dispute: Dispute) -> asyncpg.Record:
    """The succeeded top-up that a dispute is about, locked first of all that a chargeback touches.

    ``left``: what can be its money: not what went back to the card. Raises ``UnknownCharge``.
    """
    row = await tx.fetchrow(
        "SELECT id, member_id, amount, unit, amount - refunded AS left FROM money.top_ups"
        " WHERE provider_reference = $1 AND unit = $2 AND state = 'succeeded' FOR NO KEY UPDATE",
        dispute.charge_reference,
        dispute.currency,
    )
    if row is None:
        raise UnknownCharge(dispute.charge_reference)
    return row


async def mark(tx: Tx, top_up_id: UUID, *, disputed: bool) -> None:
    """Nothing of a disputed top-up goes back to its card by us."""
    await tx.execute(
        "UPDATE money.top_ups SET disputed_at = CASE WHEN $2 THEN coalesce(disputed_at, $3) END"
        " WHERE id = $1",
        top_up_id,
        disputed,
        tx.now,
    )
