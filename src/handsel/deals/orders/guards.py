"""The guards of the processes: each may refuse a move, and says why. None moves anything."""

from datetime import timedelta

import msgspec

from handsel.deals.orders import queries
from handsel.deals.orders.errors import (
    AgreedBefore,
    AmountMissing,
    CancellingCosts,
    CancellingIsFree,
    CannotReceive,
    NotAgreedBefore,
    NothingMissed,
    NotRevocable,
    NotStarted,
    PartTooLarge,
    ProofMissing,
    ReasonMissing,
    RulingDoesNotSum,
    TooEarlyToMeet,
    TooManyRounds,
)
from handsel.deals.orders.moves import Guard, Move
from handsel.deals.orders.queries import Order
from handsel.foundation.db.uow import Tx
from handsel.people.trust import service as trust

#: How long before the agreed start two people may meet.
_MEET_BEFORE = timedelta(hours=1)
#: Whoever is late for so long has not come; after a day it is too late to say so.
_MISSED_AFTER, _MISSED_UNTIL = timedelta(minutes=15), timedelta(hours=24)
_CHANGE_ROUNDS = 2
#: An objection needs words; an empty proof is no proof.
_SHORTEST_NOTE = 3


async def within_limits(tx: Tx, move: Move) -> None:
    """The payer's tier allows this amount now; the limit is reserved with the move."""
    move.decision = await trust.decide(tx, move.payment())
    trust.require(move.decision)


async def confirmed(tx: Tx, move: Move) -> None:
    """Where the tier asks for it, the payer has confirmed payee, amount and terms."""
    assert move.decision is not None, "within_limits comes before confirmed"
    if move.decision.confirmation_required or move.data.confirmation:
        await trust.consume_confirmation(tx, move.data.confirmation, move.payment())


async def revocable(tx: Tx, move: Move) -> None:
    """The revocation window that was set at funding is still open."""
    until = move.order.revocable_until
    if until is None or tx.now > until:
        raise NotRevocable


async def cancelling_is_free(tx: Tx, move: Move) -> None:
    """Early enough, or so late that it is the seller who did not come."""
    _must_be_free(move.order, costs=_share_due(tx, move.order))


async def cancelling_costs(tx: Tx, move: Move) -> None:
    """Nobody pays for what is free."""
    if not _share_due(tx, move.order):
        raise CancellingIsFree("use cancel")


async def free_to_cancel(tx: Tx, move: Move) -> None:
    """As ``cancelling_is_free``, but what was missed is reported, and not cancelled for free."""
    _must_be_free(move.order, costs=_share_due_until_missed(tx, move.order))


async def costly_to_cancel(tx: Tx, move: Move) -> None:
    """Nobody pays for what is free."""
    if not _share_due_until_missed(tx, move.order):
        raise CancellingIsFree("use cancel")


def _must_be_free(order: Order, *, costs: bool) -> None:
    if costs:
        bps = order.terms.cancellation.late_share_bps
        raise CancellingCosts(
            f"the seller would keep {bps / 100:g} % of the price; cancel_late says that you agree",
            late_share_bps=bps,
        )


def _share_due(tx: Tx, order: Order) -> bool:
    policy = order.terms.cancellation
    left_s = (order.due_at - tx.now).total_seconds()
    return policy.late_share_bps > 0 and 0 < left_s < policy.free_until_s


def _share_due_until_missed(tx: Tx, order: Order) -> bool:
    """Counted from the agreed start: it costs until nobody can say any more who did not come."""
    policy, starts_at = order.terms.cancellation, order.terms.starts_at
    if starts_at is None:
        return _share_due(tx, order)
    left = starts_at - tx.now
    free_until = timedelta(seconds=policy.free_until_s)
    return policy.late_share_bps > 0 and -_MISSED_UNTIL <= left < free_until


async def may_receive(tx: Tx, move: Move) -> None:
    """The provider's tier may receive money."""
    answer = await trust.may_receive(tx, move.order.provider_id)
    if not answer.allowed:
        raise CannotReceive(
            reasons=msgspec.to_builtins(answer.reasons), path=msgspec.to_builtins(answer.path)
        )


async def started(tx: Tx, move: Move) -> None:
    """Work with an agreed time is not delivered before it."""
    starts_at = move.order.terms.starts_at
    if starts_at is not None and tx.now < starts_at:
        raise NotStarted


async def proof_given(tx: Tx, move: Move) -> None:
    """A delivery says what was done, unless the two are known to have met."""
    if len(move.data.note.strip()) >= _SHORTEST_NOTE:
        return
    if not await queries.times_made(tx, move.order.id, "check_in"):
        raise ProofMissing


async def reason_given(_: Tx, move: Move) -> None:
    """An objection says why."""
    if len(move.data.note.strip()) < _SHORTEST_NOTE:
        raise ReasonMissing


async def part_is_left(_: Tx, move: Move) -> None:
    """A part that goes back is less than what is still held."""
    amount = move.data.amount_minor
    if amount is None:
        raise AmountMissing
    if amount >= move.order.left:
        raise PartTooLarge(left_minor=move.order.left)


async def agreed_now(_: Tx, move: Move) -> None:
    """No part of an agreement: the seller has yet to accept."""
    if move.order.parent_id is not None:
        raise AgreedBefore


async def agreed_before(_: Tx, move: Move) -> None:
    """A part of an agreement that both sides have accepted."""
    if move.order.parent_id is None:
        raise NotAgreedBefore


async def near_the_start(tx: Tx, move: Move) -> None:
    """The agreed time has nearly come, or there is none."""
    starts_at = move.order.terms.starts_at
    if starts_at is not None and tx.now < starts_at - _MEET_BEFORE:
        raise TooEarlyToMeet


async def start_was_missed(tx: Tx, move: Move) -> None:
    """A start was agreed, and it passed a while ago, but not too long."""
    starts_at = move.order.terms.starts_at
    if starts_at is None or not (starts_at + _MISSED_AFTER <= tx.now <= starts_at + _MISSED_UNTIL):
        raise NothingMissed


async def rounds_left(tx: Tx, move: Move) -> None:
    """Changes are asked for so often and no more."""
    if await queries.times_made(tx, move.order.id, move.data.name) >= _CHANGE_ROUNDS:
        raise TooManyRounds


async def ruling_sums(_: Tx, move: Move) -> None:
    """The customer's part is no more than what is held."""
    part = move.data.customer_minor
    if part is None or part > move.order.left:
        raise RulingDoesNotSum(left_minor=move.order.left)


GUARDS: dict[str, Guard] = {
    "within_limits": within_limits,
    "confirmed": confirmed,
    "revocable": revocable,
    "cancelling_is_free": cancelling_is_free,
    "cancelling_costs": cancelling_costs,
    "free_to_cancel": free_to_cancel,
    "costly_to_cancel": costly_to_cancel,
    "may_receive": may_receive,
    "started": started,
    "proof_given": proof_given,
    "reason_given": reason_given,
    "part_is_left": part_is_left,
    "agreed_now": agreed_now,
    "agreed_before": agreed_before,
    "near_the_start": near_the_start,
    "start_was_missed": start_was_missed,
    "rounds_left": rounds_left,
    "ruling_sums": ruling_sums,
}
