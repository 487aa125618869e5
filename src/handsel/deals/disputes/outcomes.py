"""How disputes end: which split the order is told, and whose fault it was.

An outcome moves the order's money by the order's own process; what it returns is written into the
dispute and told to the house. Silence blames nobody but a respondent who never answered.
"""

from collections.abc import Awaitable, Callable

import msgspec

from handsel.deals.disputes import machine, orders_port, queries
from handsel.deals.disputes.errors import OfferExpired
from handsel.deals.disputes.moves import Move
from handsel.deals.disputes.rulings import (
    NOBODY_AT_FAULT,
    RESPONDENT_AT_FAULT,
    Fault,
    Split,
    all_to,
)
from handsel.foundation.db.uow import Tx


class Outcome(msgspec.Struct, frozen=True, kw_only=True):
    """``split`` is absent where the order went its own way."""

    split: Split | None
    fault: Fault = NOBODY_AT_FAULT


async def as_requested(tx: Tx, move: Move) -> Outcome:
    """The respondent gave in, or said nothing at all."""
    return await _share(tx, move, move.dispute.request, RESPONDENT_AT_FAULT)


async def as_offered(tx: Tx, move: Move) -> Outcome:
    """The two agreed: nobody is to blame."""
    offer = move.offer or await queries.live_offer(tx, move.dispute.id)
    if offer is None:
        raise OfferExpired
    return await _share(tx, move, offer.split, NOBODY_AT_FAULT)


async def as_ruled(tx: Tx, move: Move) -> Outcome:
    """As staff have ruled, now or before the appeal."""
    ruling = move.data.ruling or move.dispute.ruling
    assert ruling is not None, "the process leads here by a ruling alone"
    return await _share(tx, move, ruling.split, ruling.shares)


async def against_claimant(tx: Tx, move: Move) -> Outcome:
    """A claim to what was delivered, and not pursued: the other side gets the money."""
    dispute = move.dispute
    split = all_to(dispute.order_role("respondent"), dispute.held, dispute.bonds)
    return await _share(tx, move, split, NOBODY_AT_FAULT)


async def by_default(tx: Tx, move: Move) -> Outcome:
    """Staff never decided: what the order's own process declares happens, whatever it is."""
    await orders_port.default(tx, move.dispute.order_id)
    return Outcome(split=None)


async def as_before(tx: Tx, move: Move) -> Outcome:
    """The claim is given up: it counts for nobody."""
    await orders_port.given_up(tx, move.dispute.order_id, move.dispute.claimant_role)
    return Outcome(split=None)


async def nothing(tx: Tx, move: Move) -> Outcome:
    """The money went another way: what is left of it goes on, if anything."""
    await orders_port.overtaken(tx, move.dispute.order_id)
    return Outcome(split=None)


async def _share(tx: Tx, move: Move, split: Split, fault: Fault) -> Outcome:
    shared = await orders_port.resolved(tx, move.dispute.order_id, split)
    return Outcome(split=shared, fault=fault)


Ending = Callable[[Tx, Move], Awaitable[Outcome]]
OUTCOMES: dict[str, Ending] = {
    "as_requested": as_requested,
    "as_offered": as_offered,
    "as_ruled": as_ruled,
    "against_claimant": against_claimant,
    "by_default": by_default,
    "as_before": as_before,
    "nothing": nothing,
}
assert set(OUTCOMES) == machine.OUTCOMES
