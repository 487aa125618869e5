"""What the process of rentals may name: its guards, its money actions, what else its moves write.

Price and deposit are two holds and end together: every action that empties the one ends the other.
"""

from datetime import datetime

import msgspec

from handsel.catalog.availability import service as availability
from handsel.deals.orders import bonds, codes, money_actions
from handsel.deals.orders.bonds import Deposit
from handsel.deals.orders.errors import AmountMissing
from handsel.deals.orders.moves import Action, Guard, Move, Write
from handsel.deals.orders.queries import Order
from handsel.deals.orders.rental import periods
from handsel.deals.orders.rental.errors import ClaimTooLarge, NoDeposit
from handsel.deals.orders.schemas import MoneyLine
from handsel.foundation.db.uow import Tx
from handsel.money.escrow import bonds as escrow_bonds
from handsel.people.trust import service as trust

_RETURNS = ["return_thing", "declare_return", "confirm_return"]


async def deposit_within_limits(tx: Tx, move: Move) -> None:
    """The renter's tier allows the deposit too: it may reach the owner like any payment. Where the
    deposit asks for a confirmation, so does the move; the terms that are confirmed name it."""
    if not move.order.terms.deposit_minor:
        return
    assert move.decision is not None, "within_limits comes before deposit_within_limits"
    move.deposit = await trust.decide(tx, bonds.payment(move.order))
    trust.require(move.deposit)
    if move.deposit.confirmation_required:
        move.decision = msgspec.structs.replace(move.decision, confirmation_required=True)


async def claim_fits(tx: Tx, move: Move) -> None:
    """There is a deposit, and the claim is no more than it."""
    deposit = await bonds.held(tx, move.order.id)
    if deposit is None:
        raise NoDeposit
    if move.data.amount_minor is None:
        raise AmountMissing
    if move.data.amount_minor > deposit.bond.amount_minor:
        raise ClaimTooLarge(deposit_minor=deposit.bond.amount_minor)


async def hold_with_deposit(tx: Tx, move: Move) -> list[MoneyLine]:
    """The price into the order's escrow, the deposit into its own."""
    lines = await money_actions.hold(tx, move)
    return lines + (bonds.freeze(tx, move.order, move.deposit) if move.deposit else [])


def _returning(action: Action, *, expired: bool = False) -> Action:
    """The price as ``action`` has it, the whole deposit back."""

    async def run(tx: Tx, move: Move) -> list[MoneyLine]:
        lines = await action(tx, move)
        return lines + bonds.end(tx, await bonds.held(tx, move.order.id), expired=expired)

    return run


async def release_and_return(tx: Tx, move: Move) -> list[MoneyLine]:
    """The price to the owner, the deposit back but for what the lateness costs."""
    return await _release(tx, move, claimed=False)


async def release_and_capture(tx: Tx, move: Move) -> list[MoneyLine]:
    """The price to the owner, and of the deposit what was claimed and what the lateness costs."""
    return await _release(tx, move, claimed=True)


async def release_and_capture_whole(tx: Tx, move: Move) -> list[MoneyLine]:
    """The price and the whole deposit to the owner."""
    lines = await money_actions.release(tx, move)
    deposit = await bonds.held(tx, move.order.id)
    return lines + bonds.end(tx, deposit, deposit.bond.amount_minor if deposit else 0)


async def refund_and_capture_whole(tx: Tx, move: Move) -> list[MoneyLine]:
    """The bank has taken the price while the thing is out: the owner keeps the deposit for it,
    unless a bank is after that too: then it can only go back."""
    lines = await money_actions.refund(tx, move)
    move.order.net_minor = 0
    deposit = await bonds.held(tx, move.order.id)
    if deposit is None or await escrow_bonds.stopped(tx, deposit.bond.id):
        return lines + bonds.end(tx, deposit)
    return lines + bonds.end(tx, deposit, deposit.bond.amount_minor)


async def share_all_by_ruling(tx: Tx, move: Move) -> list[MoneyLine]:
    """Price and deposit as a dispute was decided; what it does not give the owner goes back."""
    lines = await money_actions.share_by_ruling(tx, move)
    deposit = await bonds.held(tx, move.order.id)
    return lines + bonds.end(tx, deposit, (deposit.ruled_minor or 0) if deposit else 0)


async def settle_all(tx: Tx, move: Move) -> list[MoneyLine]:
    """What waits of price and deposit to the owner's wallet."""
    return await money_actions.settle(tx, move) + await bonds.settle(tx, move.order.id)


async def forfeit_price(tx: Tx, move: Move) -> list[MoneyLine]:
    """The bank has taken the price that waited; what waits of the deposit is the owner's now, since
    nothing else will come of this order."""
    return await money_actions.forfeit(tx, move) + await bonds.settle(tx, move.order.id)


async def write_claim(tx: Tx, move: Move) -> None:
    """What the owner asks for."""
    deposit = await bonds.held(tx, move.order.id)
    assert deposit is not None
    assert move.data.amount_minor is not None
    bonds.claim(tx, deposit, move.data.amount_minor)


async def take_the_time(tx: Tx, move: Move) -> None:
    """The owner's calendar shows the rental."""
    await availability.confirm(tx, move.order.id)


async def free_the_time(tx: Tx, move: Move) -> None:
    """Somebody else may have it."""
    await availability.release(tx, move.order.id)


async def _release(tx: Tx, move: Move, *, claimed: bool) -> list[MoneyLine]:
    lines = await money_actions.release(tx, move)
    deposit = await bonds.held(tx, move.order.id)
    if deposit is None:
        return lines
    owed = await late_fee(tx, move.order, deposit) + (deposit.claimed_minor if claimed else 0)
    return lines + bonds.end(tx, deposit, min(owed, deposit.bond.amount_minor))


async def late_fee(tx: Tx, order: Order, deposit: Deposit) -> int:
    """What a late return costs, in minor units: the timeline knows when it came back. No more than
    the deposit."""
    returned_at: datetime | None = await tx.fetchval(
        "SELECT min(at) FROM deals.moves WHERE order_id = $1 AND transition = ANY ($2)",
        order.id,
        _RETURNS,
    )
    assert order.terms.ends_at is not None
    if returned_at is None:
        return 0
    units = periods.late_units(order.terms.unit, order.terms.ends_at, returned_at)
    return min(units * order.terms.late_fee_minor, deposit.bond.amount_minor)


GUARDS: dict[str, Guard] = {
    "deposit_within_limits": deposit_within_limits,
    "claim_fits": claim_fits,
    "hand_over_code": codes.guard("hand_over"),
    "return_code": codes.guard("return"),
}
ACTIONS: dict[str, Action] = {
    "hold_with_deposit": hold_with_deposit,
    "refund_all": _returning(money_actions.refund),
    "refund_all_expired": _returning(money_actions.refund_expired, expired=True),
    "share_by_policy_and_return": _returning(money_actions.share_by_policy),
    "release_and_return": release_and_return,
    "release_and_capture": release_and_capture,
    "release_and_capture_whole": release_and_capture_whole,
    "refund_and_capture_whole": refund_and_capture_whole,
    "share_all_by_ruling": share_all_by_ruling,
    "settle_all": settle_all,
    "forfeit_price": forfeit_price,
}
WRITES: dict[str, Write] = {
    # Each shows the code whose own money hangs on it.
    "hand_over_code": codes.issuing("hand_over", holder="customer"),
    "return_code": codes.issuing("return", holder="provider"),
    "claim": write_claim,
    "take_the_time": take_the_time,
    "free_the_time": free_the_time,
}
TERMS = frozenset({"until_end", "until_late", "until_unreturned"})
#: What the ledger refuses while a chargeback of the rent or the deposit runs.
STOPPED = frozenset(
    {
        "release_and_return",
        "release_and_capture",
        "release_and_capture_whole",
        "settle_all",
        "share_by_policy_and_return",
        "share_all_by_ruling",
    }
)
#: The actions that give the owner the price.
PAYING = frozenset({"release_and_return", "release_and_capture", "release_and_capture_whole"})
