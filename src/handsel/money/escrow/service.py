"""How an order's money moves. One hold an order; its id is the order's id."""

from datetime import datetime
from uuid import UUID

from handsel.foundation.db.uow import Tx
from handsel.money.escrow.fees import Fee
from handsel.money.ledger import service as ledger
from handsel.money.ledger.service import HOUSE, Account, Leg, Resolution, Transfer


def hold(
    tx: Tx, order_id: UUID, payer_id: UUID, amount_minor: int, unit: str, expires_at: datetime
) -> None:
    """From the payer's wallet into the order's escrow. Refused when the wallet has less."""
    wallet, escrow = Account("wallet", payer_id, unit), Account("escrow", order_id, unit)
    ledger.open_accounts(tx, [wallet, escrow])
    ledger.open_hold(tx, order_id, wallet, escrow, amount_minor, expires_at)


def release(
    tx: Tx, order_id: UUID, seller_id: UUID, amount_minor: int, unit: str, fee: Fee
) -> None:
    """The whole hold to the seller's pending money, less the fee."""
    pending = Account("pending", seller_id, unit)
    ledger.open_accounts(tx, [pending])
    legs: list[tuple[Leg, Account, int]] = [("release", pending, amount_minor - fee.amount_minor)]
    ledger.resolve_hold(tx, order_id, "released", legs + _fee_legs(fee, unit))


def refund(
    tx: Tx, order_id: UUID, payer_id: UUID, amount_minor: int, unit: str, *, expired: bool = False
) -> None:
    """The whole hold back to the payer; no fee stays."""
    state: Resolution = "expired" if expired else "refunded"
    ledger.resolve_hold(
        tx, order_id, state, [("refund", Account("wallet", payer_id, unit), amount_minor)]
    )


def split(
    tx: Tx, order_id: UUID, payer_id: UUID, seller_id: UUID, seller_minor: int, payer_minor: int,
    unit: str, fee: Fee,
) -> None:  # fmt: skip
    """A part to the seller (less its share of the fee), the rest back to the payer."""
    pending = Account("pending", seller_id, unit)
    ledger.open_accounts(tx, [pending])
    legs: list[tuple[Leg, Account, int]] = [
        ("release", pending, seller_minor - fee.amount_minor),
        ("refund", Account("wallet", payer_id, unit), payer_minor),
    ]
    ledger.resolve_hold(tx, order_id, "split", legs + _fee_legs(fee, unit))


def settle(tx: Tx, order_id: UUID, seller_id: UUID, net_minor: int, unit: str) -> None:
    """After the hold period: from the seller's pending money to the wallet."""
    if net_minor == 0:
        return
    pending, wallet = Account("pending", seller_id, unit), Account("wallet", seller_id, unit)
    ledger.open_accounts(tx, [wallet])
    ledger.post(tx, [Transfer(pending, wallet, net_minor, "settle")], order_id)


def _fee_legs(fee: Fee, unit: str) -> list[tuple[Leg, Account, int]]:
    return [
        ("fee", Account("fee", HOUSE, unit), fee.amount_minor - fee.fund_share_minor),
        ("fund_share", Account("protection_fund", HOUSE, unit), fee.fund_share_minor),
    ]
