"""What the two agree on while the money is held: how to part, or other terms."""

from datetime import datetime, timedelta

import msgspec

from handsel.catalog.availability import service as availability
from handsel.deals.orders import queries, terms
from handsel.deals.orders.errors import (
    AmountMissing,
    ChangeMissing,
    DueTooLate,
    NothingProposed,
    PriceIsTheProviders,
    SplitMissing,
    SplitTooLarge,
)
from handsel.deals.orders.moves import Guard, Move, Write
from handsel.deals.orders.queries import Order, Proposal
from handsel.deals.orders.schemas import MoneyLine
from handsel.foundation.core.ids import uuid7
from handsel.foundation.db.uow import Tx
from handsel.money.escrow import fees
from handsel.money.escrow import service as escrow
from handsel.people.trust import service as trust
from handsel.people.trust.service import Payment

#: A proposal stands for so long, or until its maker makes another.
_STANDS = timedelta(hours=48)
_NOTE = (
    "uuid", "uuid", "text", "text", "bigint", "bigint", "timestamptz", "text", "timestamptz",
)  # fmt: skip


async def split_fits(_: Tx, move: Move) -> None:
    """The customer's part is no more than what is held."""
    part = move.data.customer_minor
    if part is None:
        raise SplitMissing
    if part > move.order.left:
        raise SplitTooLarge(left_minor=move.order.left)


async def change_fits(tx: Tx, move: Move) -> None:
    """Another price above zero, another time that the hold still covers, or both. Only who is paid
    may ask for more: who pays it confirms it by accepting."""
    price, due = move.data.amount_minor, move.data.due_at
    if price is None and due is None:
        raise ChangeMissing
    if price is not None and price > move.order.left and move.role == "customer":
        raise PriceIsTheProviders
    latest = move.order.created_at + terms.LATEST_START
    if due is not None and (due.tzinfo is None or not tx.now < due <= latest):
        raise DueTooLate(latest=latest)


async def split_proposed(tx: Tx, move: Move) -> None:
    """The other side has proposed a split, and it still fits."""
    move.proposal = await _proposed(tx, move, "split")
    part = move.proposal.customer_minor
    if part is None or part > move.order.left:
        raise NothingProposed("what was proposed is more than what is still held")


async def change_proposed(tx: Tx, move: Move) -> None:
    """The other side has proposed other terms; a higher price passes the gate like a payment."""
    move.proposal = await _proposed(tx, move, "change")
    more = _more(move.order, move.proposal)
    if more <= 0:
        return
    payment = _payment_of(move, more)
    move.decision = await trust.decide(tx, payment)
    trust.require(move.decision)
    if move.decision.confirmation_required or move.data.confirmation:
        await trust.consume_confirmation(tx, move.data.confirmation, payment)


async def amend(tx: Tx, move: Move) -> list[MoneyLine]:
    """Other terms hold from now on: money follows a changed price at once."""
    order, proposal = move.order, move.proposal
    assert proposal is not None
    more = _more(order, proposal)
    lines = []
    if more > 0:
        assert move.decision is not None
        _raise(tx, move, more)
        lines = [MoneyLine(to="escrow", amount_minor=more)]
    elif more < 0:
        escrow.refund_part(tx, order.id, -more)
        order.refunded_minor -= more
        lines = [MoneyLine(to="customer", amount_minor=-more)]
    if proposal.due_at is not None:
        await _shift(tx, order, proposal.due_at)
    order.terms_hash = terms.hash_of(order.id, order.terms)
    types = ("uuid", "bigint", "bigint", "jsonb", "bytea", "timestamptz")
    tx.call(
        "deals.amend_order",
        types,
        order.id,
        order.amount,
        order.refunded_minor,
        order.terms,
        order.terms_hash,
        order.due_at,
    )
    return lines


async def _shift(tx: Tx, order: Order, due_at: datetime) -> None:
    """Beginning and end move together; a booked time must be free there."""
    by, was = due_at - order.due_at, order.terms
    order.due_at = due_at
    starts_at, ends_at = was.starts_at and was.starts_at + by, was.ends_at and was.ends_at + by
    order.terms = msgspec.structs.replace(was, due_at=due_at, starts_at=starts_at, ends_at=ends_at)
    if was.booked and starts_at is not None and ends_at is not None:
        await availability.move(tx, order.id, starts_at, ends_at)


def _raise(tx: Tx, move: Move, more: int) -> None:
    order, decision = move.order, move.decision
    assert decision is not None
    trust.reserve(tx, decision.payment, decision)
    trust.merge(tx, decision.payment.reference_id, order.id)
    escrow.raise_hold(tx, order.id, more)
    fee = fees.grown(order.terms.fee, order.amount + more, order.unit)
    order.amount += more
    adjusted = order.terms.adjustment_minor + more
    order.terms = msgspec.structs.replace(order.terms, fee=fee, adjustment_minor=adjusted)


async def write_proposal(tx: Tx, move: Move) -> None:
    """Keep what is proposed; an older proposal of the same side and kind is over."""
    data = move.data
    kind = "split" if data.customer_minor is not None else "change"
    until = tx.now + _STANDS
    tx.call(
        "deals.propose",
        _NOTE,
        uuid7(),
        move.order.id,
        kind,
        move.role,
        data.amount_minor,
        data.customer_minor,
        data.due_at,
        data.note,
        until,
    )


async def write_accepted(tx: Tx, move: Move) -> None:
    """What was accepted, and everything else that was proposed, is over."""
    assert move.proposal is not None
    types = ("uuid", "uuid")
    tx.call("deals.close_proposals", types, move.order.id, move.proposal.id)


async def _proposed(tx: Tx, move: Move, kind: str) -> Proposal:
    found = await queries.proposals(tx.conn, move.order.id)
    mine = [p for p in found if p.kind == kind and p.role != move.role]
    if not mine:
        raise NothingProposed
    return mine[0]


def _more(order: Order, proposal: Proposal) -> int:
    """How much the proposed price is above what is held; below zero, how much goes back."""
    if proposal.amount_minor is None:
        return 0
    if proposal.amount_minor < 1:
        raise AmountMissing
    return proposal.amount_minor - order.left


def _payment_of(move: Move, more: int) -> Payment:
    assert move.proposal is not None
    return Payment(
        payer_id=move.order.customer_id,
        payee_id=move.order.provider_id,
        amount_minor=more,
        currency=move.order.unit,
        terms_hash=move.order.terms_hash,
        reference_id=move.proposal.id,
    )


GUARDS: dict[str, Guard] = {
    "split_fits": split_fits,
    "split_proposed": split_proposed,
    "change_fits": change_fits,
    "change_proposed": change_proposed,
}
WRITES: dict[str, Write] = {"proposal": write_proposal, "accepted": write_accepted}
