"""How an order's money moves. One hold an order; its id is the order's id."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from uuid import UUID

from handsel.foundation.db.uow import Tx
from handsel.money.escrow import reserve
from handsel.money.escrow.fees import Fee
from handsel.money.ledger import service as ledger
from handsel.money.ledger.service import HOUSE, Account, Leg, Resolution


def hold(
    tx: Tx, order_id: UUID, payer_id: UUID, amount_minor: int, unit: str, expires_at: datetime
) -> None:
    """From the payer's wallet into the order's escrow. Refused when the wallet has less."""
    wallet, escrow = Account("wallet", payer_id, unit), Account("escrow", order_id, unit)
    ledger.open_accounts(tx, [wallet, escrow])
    ledger.open_hold(tx, order_id, wallet, escrow, amount_minor, expires_at)


def raise_hold(tx: Tx, order_id: UUID, amount_minor: int) -> None:
    """More from the payer's wallet into an open hold. Refused when the wallet has less."""
    ledger.raise_hold(tx, order_id, amount_minor)


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
    """After the hold period: the order's pending money becomes the seller's."""
    if net_minor:
        settle_many(tx, [(order_id, seller_id, net_minor, unit)])


def settle_many(tx: Tx, sales: Sequence[tuple[UUID, UUID, int, str]]) -> None:
    """``settle`` for many orders (order, seller, net in minor units > 0, unit): all or none.

    First what the seller owes is paid, then the rolling reserve is kept, the rest goes to the
    wallet. The database does it, since only there a debt can be read and paid under one lock; it
    tells of what it kept back with ``sale.kept_back``. Only earned money pays debts: a top-up was
    put in to be spent and may be charged back itself, a refund is an order undone.
    """
    policy = reserve.policy()
    tx.call(
        "money.settle_sales",
        ("uuid[]", "uuid[]", "bigint[]", "text[]", "int", "interval"),
        [order_id for order_id, _, _, _ in sales],
        [seller_id for _, seller_id, _, _ in sales],
        [net_minor for _, _, net_minor, _ in sales],
        [unit for _, _, _, unit in sales],
        policy.general_bps,
        policy.keep,
    )


async def pending(tx: Tx, order_id: UUID) -> int:
    """What of an order waits to be settled; the hold is locked."""
    await tx.execute("SELECT money.lock_holds($1)", [order_id])
    found: int = await tx.fetchval("SELECT pending FROM money.holds WHERE id = $1", order_id)
    return found


@dataclass(frozen=True, slots=True)
class Stake:
    """What of an order waits, gross. ``sold``: it was released, and waits for its hold period;
    ``until``: when the hold ends. ``touched``: a bank has taken of it what was sold."""

    gross_minor: int
    sold: bool
    until: datetime
    touched: bool = False


async def stake(tx: Tx, order_id: UUID) -> Stake | None:
    """What of an order waits and could be shared, None when nothing does; the hold is locked."""
    await tx.execute("SELECT money.lock_holds($1)", [order_id])
    row = await tx.fetchrow(
        "SELECT state, amount, refunded, released, fee, pending, undone, expires_at"
        " FROM money.holds WHERE id = $1",
        order_id,
    )
    if row is None:
        return None
    if row["state"] == "open":
        return Stake(row["amount"] - row["refunded"], False, row["expires_at"])
    if not row["pending"] or row["undone"]:
        return None
    gross, touched = row["pending"] + row["fee"], row["pending"] != row["released"]
    return Stake(gross, True, row["expires_at"], touched)


def undo_sale(tx: Tx, sold: Sale, kept: Sale) -> None:
    """A sale that waits shrinks to ``kept``: the difference goes back to the payer, of the fee too.

    What had come by card goes back as card money. Once for an order; refused with
    ``nothing_pending`` where less waits, with ``payment_disputed`` while a chargeback runs.
    """
    was, rest = sold.fee, kept.fee
    fee = was.amount_minor - rest.amount_minor
    # Each line is rounded by itself: what the others give back of a unit, the house does not.
    tax = min(was.tax_minor - rest.tax_minor, fee)
    fund = min(was.fund_share_minor - rest.fund_share_minor, fee - tax)
    tx.call(
        "money.refund_pending",
        ("uuid", "bigint", "bigint", "bigint", "bigint"),
        sold.order_id,
        sold.amount_minor - kept.amount_minor - fee,
        fee - fund - tax,
        fund,
        tax,
    )


async def disputed(tx: Tx, order_ids: Sequence[UUID]) -> list[UUID]:
    """Those whose money a chargeback stops; all the holds are locked."""
    rows = await tx.fetch("SELECT money.lock_disputed($1) AS id", list(order_ids))
    return [row["id"] for row in rows]


def _fee_legs(fee: Fee, unit: str) -> list[tuple[Leg, Account, int]]:
    return [
        ("fee", Account("fee", HOUSE, unit), fee.house_minor),
        ("fund_share", Account("protection_fund", HOUSE, unit), fee.fund_share_minor),
        ("fee_tax", Account("fee_tax", HOUSE, unit), fee.tax_minor),
    ]
