"""A move in the making, and what may refuse it. A guard moves nothing itself."""

from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from uuid import UUID

from handsel.deals.disputes import machine, queries
from handsel.deals.disputes.errors import (
    AgreedAlready,
    AppealNeedsNewEvidence,
    OfferChanged,
    OfferExpired,
    OfferMissing,
    RulingMissing,
    SameStaffCannotDecideAppeal,
    SplitMissing,
)
from handsel.deals.disputes.queries import Dispute, Offer
from handsel.deals.disputes.rulings import check_sum
from handsel.deals.disputes.schemas import DisputeMoveInput
from handsel.deals.orders.errors import ReasonMissing
from handsel.deals.process.definition import SYSTEM, Role
from handsel.foundation.core.ids import encode
from handsel.foundation.db.uow import Tx

_SHORTEST_NOTE = 3


@dataclass(slots=True)
class Move:
    """Who moves, with what; ``offer`` is the one that stands, where a guard looked for it."""

    dispute: Dispute
    data: DisputeMoveInput
    role: Role = SYSTEM
    actor_id: UUID | None = None
    offer: Offer | None = None


Guard = Callable[[Tx, Move], Awaitable[None]]


async def reason_given(_: Tx, move: Move) -> None:
    """In words."""
    if len(move.data.note.strip()) < _SHORTEST_NOTE:
        raise ReasonMissing
    if move.data.split is not None:
        await split_given(_, move)


async def split_given(_: Tx, move: Move) -> None:
    """A split of exactly what waits."""
    if move.data.split is None:
        raise SplitMissing
    check_sum(move.data.split, move.dispute.held, move.dispute.bonds)


async def ruling_given(_: Tx, move: Move) -> None:
    """A ruling about exactly what waits."""
    if move.data.ruling is None:
        raise RulingMissing
    check_sum(move.data.ruling.split, move.dispute.held, move.dispute.bonds)


async def offer_is_live(tx: Tx, move: Move) -> None:
    """The other side's offer still stands."""
    move.offer = await queries.live_offer(tx, move.dispute.id)
    if move.offer is None or move.offer.by_id == move.actor_id:
        raise OfferExpired


async def offer_named(_: Tx, move: Move) -> None:
    """Whoever accepts has read the very offer that stands; after ``offer_is_live``."""
    assert move.offer is not None, "offer_is_live comes before offer_named"
    if move.data.offer is None:
        raise OfferMissing
    if move.data.offer != encode("dso", move.offer.id):
        raise OfferChanged


async def not_agreed_yet(tx: Tx, move: Move) -> None:
    """The staff's proposal stands, and whoever agrees has not done so before."""
    move.offer = await queries.live_offer(tx, move.dispute.id)
    if move.offer is None:
        raise OfferExpired
    if move.actor_id in move.offer.agreed_by:
        raise AgreedAlready


async def new_evidence(tx: Tx, move: Move) -> None:
    """Whoever appeals has shown something since the ruling; what was known is not shown twice."""
    shown = await tx.fetchval(
        "SELECT EXISTS (SELECT FROM deals.dispute_evidence"
        " WHERE dispute_id = $1 AND by_id = $2 AND shown_in = 'ruled')",
        move.dispute.id,
        move.actor_id,
    )
    if not shown:
        raise AppealNeedsNewEvidence


async def another_person(_: Tx, move: Move) -> None:
    """Nobody decides the appeal against their own ruling."""
    if move.actor_id is not None and move.actor_id == move.dispute.ruled_by:
        raise SameStaffCannotDecideAppeal


GUARDS: dict[str, Guard] = {
    "reason_given": reason_given,
    "split_given": split_given,
    "ruling_given": ruling_given,
    "offer_is_live": offer_is_live,
    "offer_named": offer_named,
    "not_agreed_yet": not_agreed_yet,
    "new_evidence": new_evidence,
    "another_person": another_person,
}
assert set(GUARDS) == machine.GUARDS

#: Of two things that time may do, the guard says which of them it does in this dispute.
SILENCE: dict[str, Callable[[Dispute], bool]] = {
    "silence_grants": lambda dispute: dispute.silence_grants,
    "silence_does_not_grant": lambda dispute: not dispute.silence_grants,
    "delivered": lambda dispute: not dispute.undelivered,
    "not_delivered": lambda dispute: dispute.undelivered,
}
assert set(SILENCE) == machine.SILENCE
