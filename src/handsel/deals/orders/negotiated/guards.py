"""The guards of agreements and milestones."""

from datetime import timedelta

from handsel.deals.orders.moves import Guard, Move
from handsel.deals.orders.negotiated import queries
from handsel.deals.orders.negotiated.errors import (
    AgreementMissing,
    AgreementStopped,
    OfferMissing,
    TermsHashMismatch,
    TooEarlyToFund,
)
from handsel.deals.orders.negotiated.schemas import AgreeMove, OfferMove
from handsel.foundation.db.uow import Tx

#: With 44 days after it is due this stays below the longest hold.
FUND_AHEAD = timedelta(days=30)


async def offer_made(_: Tx, move: Move) -> None:
    """The move comes with an offer, so by its own route."""
    if not isinstance(move.data, OfferMove):
        raise OfferMissing


async def offer_accepted(_: Tx, move: Move) -> None:
    """Whoever accepts names the offer that is on the table."""
    if not isinstance(move.data, AgreeMove):
        raise AgreementMissing
    if move.data.named != move.data.on_table:
        raise TermsHashMismatch(terms_hash=move.data.on_table)


async def agreement_runs(tx: Tx, move: Move) -> None:
    """Once the rest of a job was stopped, nothing more of it is paid for."""
    parent_id = move.order.parent_id
    if parent_id is None or await queries.state_of(tx, parent_id) != "running":
        raise AgreementStopped


async def due_soon(tx: Tx, move: Move) -> None:
    """No hold may outlive the longest."""
    earliest = move.order.due_at - FUND_AHEAD
    if tx.now < earliest:
        raise TooEarlyToFund(earliest_at=earliest.isoformat())


GUARDS: dict[str, Guard] = {
    "offer_made": offer_made,
    "offer_accepted": offer_accepted,
    "agreement_runs": agreement_runs,
    "due_soon": due_soon,
}
