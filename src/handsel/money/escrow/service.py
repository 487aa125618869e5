"""How an order's money moves. One hold an order; its id is the order's id."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from uuid import UUID

from handsel.foundation.db.uow import Tx
from handsel.money.escrow.fees import Fee
from handsel.money.ledger import service as ledger
from handsel.money.ledger.service import HOUSE, Account, Leg, Resolution, Settlement


def hold(
    tx: Tx, order_id: UUID, payer_id: UUID, amount_minor: int, unit: str, expires_at: datetime
) -> None:
    """From the payer's wallet into the order's escrow. Refused when the wallet has less."""
    wallet, escrow = Account("wallet", payer_id, unit), Account("escrow", order_id, unit)
    ledger.open_accounts(tx, [wallet, escrow])
    ledger.open_hold(tx, order_id, wallet, escrow, amount_minor, expires_at)


def refund_part(tx: Tx, order_id: UUID, amount_minor: int) -> None:
    """A part of the hold back to the payer; the rest stays held."""
    ledger.refund_part(tx, order_id, amount_minor)


@dataclass(frozen=True, slots=True)
class Sale:
    """What a seller gets of an order: ``amount_minor`` less the fee."""

    order_id: UUID
    seller_id: UUID
    amount_minor: int
    unit: str
    fee: Fee

    @property
    def pending(self) -> Account:
        """Where it waits: an account of the order's own."""
        return Account("pending", self.order_id, self.unit)

    def legs(self) -> list[tuple[Leg, Account, int]]:
        """How it is paid out of the hold."""
        net = self.amount_minor - self.fee.amount_minor
        return [("release", self.pending, net), *_fee_legs(self.fee, self.unit)]


def release(tx: Tx, sale: Sale) -> None:
    """What is left of the hold to the order's pending money, less the fee."""
    ledger.open_accounts(tx, [sale.pending])
    ledger.resolve_hold(tx, sale.order_id, "released", sale.legs(), sale.seller_id)


def release_many(tx: Tx, sales: Sequence[Sale]) -> None:
    """``release`` for many orders, set-based: all or none."""
    ledger.open_accounts(tx, [sale.pending for sale in sales])
    ledger.release_holds(
        tx, [ledger.Release(sale.order_id, sale.seller_id, sale.legs()) for sale in sales]
    )


def refund(
    tx: Tx, order_id: UUID, payer_id: UUID, amount_minor: int, unit: str, *, expired: bool = False
) -> None:
    """All that is left of the hold back to the payer; no fee stays."""
    state: Resolution = "expired" if expired else "refunded"
    ledger.resolve_hold(
        tx, order_id, state, [("refund", Account("wallet", payer_id, unit), amount_minor)]
    )


def split(tx: Tx, sale: Sale, payer_id: UUID, payer_minor: int) -> None:
    """A part to the seller (less its share of the fee), the rest back to the payer."""
    ledger.open_accounts(tx, [sale.pending])
    legs: list[tuple[Leg, Account, int]] = [
        *sale.legs(),
        ("refund", Account("wallet", payer_id, sale.unit), payer_minor),
    ]
    ledger.resolve_hold(tx, sale.order_id, "split", legs, sale.seller_id)


def settle(tx: Tx, order_id: UUID, seller_id: UUID, net_minor: int, unit: str) -> None:
    """After the hold period: from the order's pending money to the seller's wallet."""
    if net_minor:
        settle_many(tx, [(order_id, seller_id, net_minor, unit)])


def settle_many(tx: Tx, sales: Sequence[tuple[UUID, UUID, int, str]]) -> None:
    """``settle`` for many orders (order, seller, net in minor units > 0, unit): all or none."""
    wallets = [Account("wallet", seller_id, unit) for _, seller_id, _, unit in sales]
    ledger.open_accounts(tx, wallets)
    ledger.settle_holds(
        tx,
        [
            Settlement(order_id, wallet, net_minor)
            for (order_id, _, net_minor, _), wallet in zip(sales, wallets, strict=True)
        ],
    )


def _fee_legs(fee: Fee, unit: str) -> list[tuple[Leg, Account, int]]:
    return [
        ("fee", Account("fee", HOUSE, unit), fee.amount_minor - fee.fund_share_minor),
        ("fund_share", Account("protection_fund", HOUSE, unit), fee.fund_share_minor),
    ]
