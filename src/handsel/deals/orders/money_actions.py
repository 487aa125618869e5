"""The money actions of the processes: each moves the order's money through escrow and says how.

Every action returns the lines of the timeline; they add up to what was held.
"""

from collections.abc import Sequence

from handsel.deals.orders.moves import Action, Batch, Move
from handsel.deals.orders.queries import Order
from handsel.deals.orders.schemas import MoneyLine
from handsel.foundation.core.money import allocate
from handsel.foundation.db.uow import Tx
from handsel.money.escrow import fees
from handsel.money.escrow import service as escrow
from handsel.money.escrow.service import Sale
from handsel.money.ledger.service import LONGEST_HOLD
from handsel.people.trust import service as trust


async def hold(tx: Tx, move: Move) -> list[MoneyLine]:
    """From the customer's wallet into the order's escrow."""
    order = move.order
    escrow.hold(tx, order.id, order.customer_id, order.amount, order.unit, tx.now + LONGEST_HOLD)
    return [MoneyLine(to="escrow", amount_minor=order.amount)]


async def refund(tx: Tx, move: Move) -> list[MoneyLine]:
    """All that is left back to the customer, and the limit is free again."""
    return _refund(tx, move.order, expired=False)


async def refund_expired(tx: Tx, move: Move) -> list[MoneyLine]:
    """As ``refund``, because a time ran out."""
    return _refund(tx, move.order, expired=True)


async def refund_part(tx: Tx, move: Move) -> list[MoneyLine]:
    """A part back to the customer; the rest stays held."""
    order, amount_minor = move.order, move.data.amount_minor
    assert amount_minor is not None
    escrow.refund_part(tx, order.id, amount_minor)
    order.refunded_minor += amount_minor
    return [MoneyLine(to="customer", amount_minor=amount_minor)]


async def release(tx: Tx, move: Move) -> list[MoneyLine]:
    """What is left to the provider's pending money, less its share of the fee of the sale."""
    return released(tx, move.order)


async def share_by_policy(tx: Tx, move: Move) -> list[MoneyLine]:
    """A late cancellation: the provider keeps the share that was agreed at sale."""
    kept = move.order.terms.cancellation.late_share_bps
    return _split(tx, move.order, weights=(10_000 - kept, kept))


async def share_halves(tx: Tx, move: Move) -> list[MoneyLine]:
    """Half each; a unit that cannot be halved is the customer's."""
    return _split(tx, move.order, weights=(1, 1))


async def share_as_agreed(tx: Tx, move: Move) -> list[MoneyLine]:
    """As one side proposed and the other accepted."""
    assert move.proposal is not None
    assert move.proposal.customer_minor is not None
    return split_at(tx, move.order, move.proposal.customer_minor)


async def share_by_ruling(tx: Tx, move: Move) -> list[MoneyLine]:
    """As a dispute was decided: ``customer_minor`` back, the rest to the provider."""
    assert move.data.customer_minor is not None
    return split_at(tx, move.order, move.data.customer_minor)


async def refund_from_sale(tx: Tx, move: Move) -> list[MoneyLine]:
    """As ``share_by_ruling``, out of a sale that waits for its hold period."""
    order, back = move.order, move.data.customer_minor
    assert back is not None
    kept = order.left - back
    fee = fees.on_part(order.terms.fee, kept, order.amount)
    if back:
        rest = Sale(order.id, order.provider_id, kept, order.unit, fee)
        escrow.undo_sale(tx, _sale(order), rest)
    order.net_minor = kept - fee.amount_minor
    if not kept:
        trust.release(tx, order.id)
    return _paid(fee, kept, back)


async def settle(tx: Tx, move: Move) -> list[MoneyLine]:
    """From the provider's pending money to the wallet; the exposure ends."""
    return settle_many(tx, [move.order])[0]


def release_many(tx: Tx, orders: Sequence[Order]) -> list[list[MoneyLine]]:
    """``release`` for many orders."""
    sales = [_sale(order) for order in orders]
    escrow.release_many(tx, sales)
    return [_sold(order, sale) for order, sale in zip(orders, sales, strict=True)]


def settle_many(tx: Tx, orders: Sequence[Order]) -> list[list[MoneyLine]]:
    """``settle`` for many orders. The share of a cent that could not be divided pays nothing."""
    paying = [order for order in orders if order.net_minor]
    if paying:
        escrow.settle_many(tx, [(o.id, o.provider_id, o.net_minor or 0, o.unit) for o in paying])
        trust.settle_many(tx, [(o.id, o.customer_id, o.provider_id) for o in paying])
    return [
        [MoneyLine(to="provider", amount_minor=order.net_minor)] if order.net_minor else []
        for order in orders
    ]


async def forfeit(tx: Tx, move: Move) -> list[MoneyLine]:
    """The payer's bank has taken all that waited: nothing is left to settle."""
    move.order.net_minor = 0
    trust.release(tx, move.order.id)
    return []


ACTIONS: dict[str, Action] = {
    "hold": hold,
    "refund": refund,
    "refund_expired": refund_expired,
    "refund_part": refund_part,
    "share_by_policy": share_by_policy,
    "release": release,
    "share_halves": share_halves,
    "share_as_agreed": share_as_agreed,
    "share_by_ruling": share_by_ruling,
    "refund_from_sale": refund_from_sale,
    "settle": settle,
    "forfeit": forfeit,
}
#: What lets disputed money go: not while a chargeback runs; a refund goes on.
STOPPED = frozenset({"release", "settle", "share_by_policy", "share_halves", "share_by_ruling"})
#: What time lets happen to many orders at once.
BATCHES: dict[str, Batch] = {"release": release_many, "settle": settle_many}


def released(tx: Tx, order: Order) -> list[MoneyLine]:
    """Release what is held of an order to its provider's pending money."""
    sale = _sale(order)
    escrow.release(tx, sale)
    return _sold(order, sale)


def _refund(tx: Tx, order: Order, *, expired: bool) -> list[MoneyLine]:
    escrow.refund(tx, order.id, order.customer_id, order.left, order.unit, expired=expired)
    trust.release(tx, order.id)
    return [MoneyLine(to="customer", amount_minor=order.left)]


def _sale(order: Order) -> Sale:
    fee = fees.on_part(order.terms.fee, order.left, order.amount)
    return Sale(order.id, order.provider_id, order.left, order.unit, fee)


def _sold(order: Order, sale: Sale) -> list[MoneyLine]:
    order.net_minor = sale.amount_minor - sale.fee.amount_minor
    return _paid(sale.fee, sale.amount_minor, 0)


def _split(tx: Tx, order: Order, weights: tuple[int, int]) -> list[MoneyLine]:
    back, _ = allocate(order.left, weights)
    return split_at(tx, order, back)


def split_at(tx: Tx, order: Order, back: int) -> list[MoneyLine]:
    """Share the hold: ``back`` to the customer, the rest to the provider, whose part waits like a
    whole price.

    The payer's exposure goes on until it is settled: money that reaches the provider counts against
    the limits, or a pair could move any sum by cancelling late, again and again.
    """
    kept = order.left - back
    if kept == 0:
        order.net_minor = 0
        return _refund(tx, order, expired=False)
    fee = fees.on_part(order.terms.fee, kept, order.amount)
    sale = Sale(order.id, order.provider_id, kept, order.unit, fee)
    escrow.split(tx, sale, order.customer_id, back)
    order.net_minor = kept - fee.amount_minor
    return _paid(fee, kept, back)


def _paid(fee: fees.Fee, kept: int, back: int) -> list[MoneyLine]:
    lines = [
        MoneyLine(to="customer", amount_minor=back),
        MoneyLine(to="provider", amount_minor=kept - fee.amount_minor),
        MoneyLine(to="fee", amount_minor=fee.amount_minor - fee.fund_share_minor),
        MoneyLine(to="protection_fund", amount_minor=fee.fund_share_minor),
    ]
    assert sum(line.amount_minor for line in lines) == kept + back
    return [line for line in lines if line.amount_minor]
