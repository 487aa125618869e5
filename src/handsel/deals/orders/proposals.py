"""What the two agree on while the money is held: how to part, or other terms."""

from datetime import datetime, timedelta
from uuid import UUID

import msgspec

from handsel.catalog.availability import service as availability
from handsel.deals.orders import queries, terms
from handsel.deals.orders.errors import (
    AmountMissing,
    ChangeMissing,
    DueTooLate,
    NothingProposed,
    PriceIsTheProviders,
    ProposalMissing,
    SplitMissing,
    SplitTooLarge,
)
from handsel.deals.orders.moves import Guard, Move, Write
from handsel.deals.orders.queries import Order, Proposal
from handsel.deals.orders.schemas import MoneyLine
from handsel.foundation.core import ids
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
    """The other side has proposed other terms, and they still make sense. A higher price is the
    customer's to accept, and passes the gate as if the whole were paid now."""
    proposal = move.proposal = await _proposed(tx, move, "change")
    if proposal.due_at is not None and proposal.due_at <= tx.now:
        raise NothingProposed("the proposed time has passed")
    more = _more(move.order, proposal)
    if more <= 0:
        return
    if move.role != "customer":
        raise NothingProposed("less is held than was proposed; a higher price is the customer's")
    whole = await trust.decide(tx, _payment_of(move, move.order.left + more))
    if any(reason.code == "over_order_limit" for reason in whole.reasons):
        trust.require(whole)
    # What is added counts in its own time; what was held already has been counted.
    payment = _payment_of(move, more)
    move.decision = await trust.decide(tx, payment)
    trust.require(move.decision)
    move.hold_period = max(whole.hold_period, move.order.hold_period or whole.hold_period)
    asked = whole.confirmation_required or move.decision.confirmation_required
    if asked or move.data.confirmation:
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
    trust.reserve(tx, decision.payment, decision, part_of=order.id)
    escrow.raise_hold(tx, order.id, more)
    fee = fees.grown(order.terms.fee, order.amount + more, order.unit)
    order.amount += more
    adjusted = order.terms.adjustment_minor + more
    order.terms = msgspec.structs.replace(order.terms, fee=fee, adjustment_minor=adjusted)


async def write_proposal(tx: Tx, move: Move) -> None:
    """Keep what is proposed; an older proposal of the same side and kind is over."""
    data, split = move.data, move.data.name == "propose_split"
    tx.call(
        "deals.propose",
        _NOTE,
        uuid7(),
        move.order.id,
        "split" if split else "change",
        move.role,
        None if split else data.amount_minor,
        data.customer_minor if split else None,
        None if split else data.due_at,
        data.note,
        tx.now + _STANDS,
    )


async def write_accepted(tx: Tx, move: Move) -> None:
    """What was accepted, and everything else that was proposed, is over."""
    assert move.proposal is not None
    _close(tx, move.order, move.proposal.id)


async def drop_proposals(tx: Tx, move: Move) -> None:
    """What was proposed was about another state of things."""
    _close(tx, move.order, None)


def _close(tx: Tx, order: Order, accepted: UUID | None) -> None:
    tx.call("deals.close_proposals", ("uuid", "uuid"), order.id, accepted)


async def _proposed(tx: Tx, move: Move, kind: str) -> Proposal:
    """The proposal that the move names: nobody accepts what was put in its place meanwhile."""
    if move.data.proposal is None:
        raise ProposalMissing
    asked = ids.decode("prp", move.data.proposal)
    found = await queries.proposals(tx.conn, move.order.id)
    named = [p for p in found if (p.id, p.kind) == (asked, kind) and p.role != move.role]
    if not named:
        raise NothingProposed
    return named[0]


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
WRITES: dict[str, Write] = {
    "proposal": write_proposal,
    "accepted": write_accepted,
    "proposals_dropped": drop_proposals,
}
