"""The guards and the money of transfers, and how long one takes to arrive."""

from datetime import timedelta
from typing import Literal

import msgspec

from handsel.deals.orders.moves import Action, Guard, Move
from handsel.deals.orders.schemas import MoneyLine
from handsel.foundation.db.uow import Tx
from handsel.money.escrow import direct
from handsel.people.trust import service as trust

Relation = Literal["traded_before", "stranger"]
_STRANGER, _FIRST = timedelta(hours=2), timedelta(hours=24)


def revocable_for(relation: Relation, window: timedelta, *, first: bool) -> timedelta:
    """How long a transfer is under way, and may be taken back. ``window``: what the payer's tier
    gives for every payment, so nothing ends before it; ``first``: nothing has reached them before.
    """
    if relation == "traded_before":
        return window
    return max(window, _FIRST if first else _STRANGER)


async def revocable_as_agreed(_: Tx, move: Move) -> None:
    """The time to take it back is what the terms say, not what the tier gives for other orders."""
    assert move.decision is not None, "within_limits comes before revocable_as_agreed"
    window = timedelta(seconds=move.order.terms.durations["revocable_for"])
    move.decision = msgspec.structs.replace(move.decision, revoke_window=window)


async def nothing_waits(_: Tx, move: Move) -> None:
    """What is given is no sale: once it has arrived there is no hold period."""
    assert move.decision is not None, "within_limits comes before nothing_waits"
    move.decision = msgspec.structs.replace(move.decision, hold_period=timedelta(0))


async def arrive(tx: Tx, move: Move) -> list[MoneyLine]:
    """All of it to the recipient. It counts against the payer's limits until its time is over."""
    order = move.order
    direct.arrive(tx, order.id, order.provider_id)
    trust.settle(tx, order.id, order.customer_id, order.provider_id)
    order.net_minor = order.left
    return [MoneyLine(to="provider", amount_minor=order.left)]


GUARDS: dict[str, Guard] = {
    "revocable_as_agreed": revocable_as_agreed,
    "nothing_waits": nothing_waits,
}
ACTIONS: dict[str, Action] = {"arrive": arrive}
