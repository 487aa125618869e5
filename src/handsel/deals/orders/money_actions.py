"""The money actions of the processes: each moves the order's money through escrow and says how.

Every action returns the lines of the timeline; they add up to what was held.
"""

from collections.abc import Callable

from handsel.deals.orders.queries import Order
from handsel.deals.orders.schemas import MoneyLine
from handsel.foundation.core.money import allocate
from handsel.foundation.db.uow import Tx
from handsel.money.escrow import fees
from handsel.money.escrow import service as escrow
from handsel.money.ledger.service import LONGEST_HOLD
from handsel.people.trust import service as trust

Action = Callable[[Tx, Order], list[MoneyLine]]


def hold(tx: Tx, order: Order) -> list[MoneyLine]:
    """From the customer's wallet into the order's escrow."""
    escrow.hold(tx, order.id, order.customer_id, order.amount, order.unit, tx.now + LONGEST_HOLD)
    return [MoneyLine(to="escrow", amount_minor=order.amount)]


def refund(tx: Tx, order: Order) -> list[MoneyLine]:
    """All of it back to the customer, and the limit is free again."""
    return _refund(tx, order, expired=False)


def refund_expired(tx: Tx, order: Order) -> list[MoneyLine]:
    """As ``refund``, because a time ran out."""
    return _refund(tx, order, expired=True)


def release(tx: Tx, order: Order) -> list[MoneyLine]:
    """To the provider's pending money, less the fee that was frozen at sale."""
    fee = order.terms.fee
    escrow.release(tx, order.id, order.provider_id, order.amount, order.unit, fee)
    order.net_minor = order.amount - fee.amount_minor
    return _paid(order, fee, order.amount, 0)


def share_by_policy(tx: Tx, order: Order) -> list[MoneyLine]:
    """A late cancellation: the provider keeps the share that was agreed at sale."""
    kept = order.terms.cancellation.late_share_bps
    return _split(tx, order, weights=(10_000 - kept, kept))


def share_halves(tx: Tx, order: Order) -> list[MoneyLine]:
    """Half each; a unit that cannot be halved is the customer's."""
    return _split(tx, order, weights=(1, 1))


def settle(tx: Tx, order: Order) -> list[MoneyLine]:
    """From the provider's pending money to the wallet; the exposure ends."""
    assert order.net_minor is not None
    if order.net_minor == 0:
        return []  # a share of a cent that could not be divided
    escrow.settle(tx, order.id, order.provider_id, order.net_minor, order.unit)
    trust.settle(tx, order.id, order.customer_id, order.provider_id)
    return [MoneyLine(to="provider", amount_minor=order.net_minor)]


ACTIONS: dict[str, Action] = {
    "hold": hold,
    "refund": refund,
    "refund_expired": refund_expired,
    "share_by_policy": share_by_policy,
    "release": release,
    "share_halves": share_halves,
    "settle": settle,
}


def _refund(tx: Tx, order: Order, *, expired: bool) -> list[MoneyLine]:
    escrow.refund(tx, order.id, order.customer_id, order.amount, order.unit, expired=expired)
    trust.release(tx, order.id)
    return [MoneyLine(to="customer", amount_minor=order.amount)]


def _split(tx: Tx, order: Order, weights: tuple[int, int]) -> list[MoneyLine]:
    """Share the hold between customer and provider, whose part waits like a whole price.

    The payer's exposure goes on until it is settled: money that reaches the provider counts against
    the limits, or a pair could move any sum by cancelling late, again and again.
    """
    back, kept = allocate(order.amount, weights)
    if kept == 0:
        order.net_minor = 0
        return refund(tx, order)
    fee = fees.on_part(order.terms.fee, kept, order.amount)
    escrow.split(tx, order.id, order.customer_id, order.provider_id, kept, back, order.unit, fee)
    order.net_minor = kept - fee.amount_minor
    return _paid(order, fee, kept, back)


def _paid(order: Order, fee: fees.Fee, kept: int, back: int) -> list[MoneyLine]:
    lines = [
        MoneyLine(to="customer", amount_minor=back),
        MoneyLine(to="provider", amount_minor=kept - fee.amount_minor),
        MoneyLine(to="fee", amount_minor=fee.amount_minor - fee.fund_share_minor),
        MoneyLine(to="protection_fund", amount_minor=fee.fund_share_minor),
    ]
    assert sum(line.amount_minor for line in lines) == order.amount
    return [line for line in lines if line.amount_minor]
