"""Who may exchange hours, and how they move."""

from uuid import UUID

import msgspec

from handsel.deals.orders.moves import Action, Guard, Move
from handsel.deals.orders.queries import Order
from handsel.deals.orders.schemas import MoneyLine
from handsel.deals.orders.time_credit.errors import TimeNotForYou, TooFewHours
from handsel.foundation.core.money import MINUTE, allocate, display
from handsel.foundation.db.uow import Tx
from handsel.money.escrow import direct
from handsel.money.escrow import service as escrow
from handsel.money.ledger.service import LONGEST_HOLD
from handsel.people.members import service as members
from handsel.people.trust import service as trust


async def may_exchange_time(tx: Tx, move: Move) -> None:
    """Both sides are verified (T1); whoever moves has no locked account. Limits are in money, and
    know nothing of hours: the floor of the account is the limit here."""
    if move.actor_id is not None:
        await members.require_unlocked(tx, move.actor_id)
    order = move.order
    own = order.customer_id if move.role == "customer" else order.provider_id
    await _must_be_known(tx, own)
    other = order.provider_id if own == order.customer_id else order.customer_id
    if not (await trust.may_receive(tx, other)).allowed:
        raise TimeNotForYou("the other side is not verified, or restricted")


async def _must_be_known(tx: Tx, member_id: UUID) -> None:
    answer = await trust.may_receive(tx, member_id)
    if not answer.allowed:
        raise TimeNotForYou(
            reasons=msgspec.to_builtins(answer.reasons), path=msgspec.to_builtins(answer.path)
        )


async def hours_left(tx: Tx, move: Move) -> None:
    """The order does not take the account below its floor. (The floor is the ledger's too; here it
    has a name, and of two orders at once the second sees the first.)"""
    account = await direct.lock_time(tx, move.order.customer_id)
    if move.order.amount > account.available:
        left = display(max(account.available, 0), MINUTE)
        raise TooFewHours(f"{left} are left", available_minutes=max(account.available, 0))


async def hold_time(tx: Tx, move: Move) -> list[MoneyLine]:
    """From the customer's hours into the order's escrow."""
    order = move.order
    direct.hold_time(tx, order.id, order.customer_id, order.amount, tx.now + LONGEST_HOLD)
    return [MoneyLine(to="escrow", amount_minor=order.amount)]


async def refund_time(tx: Tx, move: Move) -> list[MoneyLine]:
    """All of it back to the customer."""
    return _refund(tx, move.order, expired=False)


async def refund_time_expired(tx: Tx, move: Move) -> list[MoneyLine]:
    """As ``refund_time``, because a time ran out."""
    return _refund(tx, move.order, expired=True)


async def arrive_time(tx: Tx, move: Move) -> list[MoneyLine]:
    """All that is left to the provider's hours, at once."""
    order = move.order
    direct.arrive(tx, order.id, order.provider_id)
    order.net_minor = order.left
    return [MoneyLine(to="provider", amount_minor=order.left)]


async def share_time(tx: Tx, move: Move) -> list[MoneyLine]:
    """Half each; a minute that cannot be halved is the customer's."""
    order = move.order
    back, kept = allocate(order.left, (1, 1))
    escrow.refund_part(tx, order.id, back)
    direct.arrive(tx, order.id, order.provider_id)
    order.net_minor = kept
    return [
        MoneyLine(to="customer", amount_minor=back),
        MoneyLine(to="provider", amount_minor=kept),
    ]


def _refund(tx: Tx, order: Order, *, expired: bool) -> list[MoneyLine]:
    direct.refund_time(tx, order.id, order.customer_id, order.left, expired=expired)
    return [MoneyLine(to="customer", amount_minor=order.left)]


GUARDS: dict[str, Guard] = {"may_exchange_time": may_exchange_time, "hours_left": hours_left}
ACTIONS: dict[str, Action] = {
    "hold_time": hold_time,
    "refund_time": refund_time,
    "refund_time_expired": refund_time_expired,
    "arrive_time": arrive_time,
    "share_time": share_time,
}
