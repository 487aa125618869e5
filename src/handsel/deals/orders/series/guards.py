"""The guards of series and of what is charged under their mandates, and what such moves write."""

from uuid import UUID

from handsel.deals.orders.moves import Guard, Move, Write
from handsel.deals.orders.series import queries
from handsel.deals.orders.series.errors import NotPlanned, OutsideMandate
from handsel.foundation.db.uow import Tx
from handsel.people.trust import service as trust


async def mandate_confirmed(tx: Tx, move: Move) -> None:
    """The payer has confirmed payee, amount in all, and terms: price, dates and end."""
    await trust.consume_confirmation(tx, move.data.confirmation, move.payment())


async def may_be_skipped(tx: Tx, move: Move) -> None:
    """There is something on that date, and nobody has paid for it."""
    starts_at = move.data.due_at
    if starts_at is None or starts_at.tzinfo is None:
        raise NotPlanned
    if not await queries.may_be_skipped(tx, move.order.id, starts_at):
        raise NotPlanned


async def under_mandate(tx: Tx, move: Move) -> None:
    """The customer's mandate covers this charge; ``mandate_charge`` makes sure under its lock."""
    order = move.order
    mandate = await queries.mandate(tx.conn, _series_of(move))
    amount, unit = order.amount, order.unit
    if mandate is None or not mandate.covers(order.provider_id, amount, unit, tx.now):
        raise OutsideMandate


async def mandate_given(tx: Tx, move: Move) -> None:
    """Write the mandate down: what the series' terms say, and no more."""
    tx.call("deals.give_mandate", ("uuid",), move.order.id)


async def mandate_ended(tx: Tx, move: Move) -> None:
    """Nothing more is charged."""
    tx.call("deals.end_mandate", ("uuid",), move.order.id)


async def mandate_charged(tx: Tx, move: Move) -> None:
    """Count a charge against the mandate. Raises ``OutsideMandate`` when the work is sent."""
    types = ("uuid", "uuid")
    tx.call("deals.charge_mandate", types, _series_of(move), move.order.id)


async def skipped(tx: Tx, move: Move) -> None:
    """Leave a date out, and tell."""
    order, starts_at = move.order, move.data.due_at
    types = ("uuid", "timestamptz", "text")
    tx.call("deals.skip_occurrence", types, order.id, starts_at, move.role)
    body = {
        "order_id": order.id,
        "customer_id": order.customer_id,
        "provider_id": order.provider_id,
        "title": order.terms.title,
        "starts_at": starts_at,
        "by": move.role,
    }
    tx.emit("series.date_left_out", order.id, body)


GUARDS: dict[str, Guard] = {
    "mandate_confirmed": mandate_confirmed,
    "may_be_skipped": may_be_skipped,
    "under_mandate": under_mandate,
}
WRITES: dict[str, Write] = {
    "mandate": mandate_given,
    "mandate_end": mandate_ended,
    "mandate_charge": mandate_charged,
    "skip": skipped,
}


def _series_of(move: Move) -> UUID:
    if move.order.parent_id is None:
        raise OutsideMandate
    return move.order.parent_id
