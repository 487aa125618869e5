"""Bonds: security that one party of an order leaves, held apart from its price.

A bond's hold has the bond's id and refers to the order, so whoever asks what an order holds finds
both. Its escrow account is its own: what came by card goes back as card money, and money of the
price never mixes with it.

What the other side gets of a bond makes good a loss. It is no sale: it costs no fee, and neither
debts nor the reserve of sales take of it.
"""

from dataclasses import dataclass
from datetime import datetime
from uuid import UUID

from handsel.foundation.db.uow import Tx
from handsel.money.ledger import service as ledger
from handsel.money.ledger.service import Account, Resolution, Settlement


@dataclass(frozen=True, slots=True, kw_only=True)
class Bond:
    """A bond and its two sides; ``amount_minor`` > 0 of ``unit``."""

    id: UUID
    order_id: UUID
    depositor_id: UUID
    beneficiary_id: UUID
    amount_minor: int
    unit: str

    @property
    def wallet(self) -> Account:
        """Where it came from, and goes back to."""
        return Account("wallet", self.depositor_id, self.unit)

    @property
    def pending(self) -> Account:
        """Where a captured part waits: with the price of the order."""
        return Account("pending", self.order_id, self.unit)


def freeze(tx: Tx, bond: Bond, expires_at: datetime) -> None:
    """From the depositor's wallet into the bond's escrow. Refused when the wallet has less."""
    escrow = Account("escrow", bond.id, bond.unit)
    ledger.open_accounts(tx, [bond.wallet, escrow])
    ledger.open_hold(
        tx, bond.id, bond.wallet, escrow, bond.amount_minor, expires_at, reference=bond.order_id
    )


def give_back(tx: Tx, bond: Bond, *, expired: bool = False) -> None:
    """All of it back to the depositor."""
    state: Resolution = "expired" if expired else "refunded"
    ledger.resolve_hold(tx, bond.id, state, [("refund", bond.wallet, bond.amount_minor)])


def capture(tx: Tx, bond: Bond, captured_minor: int) -> None:
    """A part (or all) for the other side, the rest back; it waits as pending until ``settle``.

    Refused with ``payment_disputed`` while a chargeback runs on the bond.
    """
    back = bond.amount_minor - captured_minor
    ledger.open_accounts(tx, [bond.pending])
    ledger.resolve_hold(
        tx,
        bond.id,
        "split" if back else "released",
        [("release", bond.pending, captured_minor), ("refund", bond.wallet, back)],
        bond.beneficiary_id,
    )


async def settle(tx: Tx, bond: Bond) -> int:
    """What waits of it becomes the other side's, at once; how much. A chargeback may have left
    less than was captured, or nothing."""
    await tx.execute("SELECT money.lock_holds($1)", [bond.id])
    waiting: int = await tx.fetchval("SELECT pending FROM money.holds WHERE id = $1", bond.id)
    if waiting:
        wallet = Account("wallet", bond.beneficiary_id, bond.unit)
        ledger.open_accounts(tx, [wallet])
        ledger.settle_holds(tx, [Settlement(bond.id, wallet, waiting)])
    return waiting


async def stopped(tx: Tx, bond_id: UUID) -> bool:
    """Whether a chargeback stops it: then it can only go back. The hold is locked."""
    await tx.execute("SELECT money.lock_holds($1)", [bond_id])
    found: bool = await tx.fetchval(
        "SELECT disputed_at IS NOT NULL FROM money.holds WHERE id = $1", bond_id
    )
    return found


async def taken_by_bank(tx: Tx, hold_id: UUID) -> bool:
    """Whether a lost chargeback waits for money that this hold still has."""
    found: bool = await tx.fetchval(
        "SELECT EXISTS (SELECT FROM money.chargeback_parts p JOIN money.chargebacks c"
        " ON c.id = p.chargeback_id AND c.round = p.round"
        " WHERE p.hold_id = $1 AND c.state IN ('lost', 'accepted') AND p.gone_back < p.amount)",
        hold_id,
    )
    return found
