"""From events to credit facts: what each event says about each of the two people.

Only conduct on this platform, and only what has happened: a revoked or unpaid order says nothing.
What the house does not do yet gives no facts: nobody upholds reports or removes listings.
"""

from collections.abc import Mapping
from datetime import datetime, timedelta
from typing import Any
from uuid import UUID

import msgspec

from handsel.foundation.outbox import Event
from handsel.people.credit.schemas import Fact
from handsel_ml.contract import FactKind, Role, Verification

_K = FactKind
#: (state, transition or None for any) -> (fact about the customer, fact about the provider).
#: An order counts from its acceptance, not from its funding: one that is declined, revoked or left
#: unanswered says nothing of its buyer. Whatever ends an accepted order is told of both, so that an
#: exposure that began with a fact ends with one; where nobody is to blame it is the other's doing.
_ORDER: dict[tuple[str, str | None], tuple[FactKind | None, FactKind | None]] = {
    ("accepted", "accept"): (_K.ORDER_FUNDED, _K.ORDER_FUNDED),
    ("accepted", "fund_agreed"): (_K.ORDER_FUNDED, _K.ORDER_FUNDED),
    ("accepted", "fund_by_mandate"): (_K.ORDER_FUNDED, _K.ORDER_FUNDED),
    ("declined", None): (None, _K.ORDER_DECLINED),
    ("expired", None): (None, _K.ORDER_EXPIRED_UNANSWERED),
    ("cancelled", "cancel"): (_K.ORDER_CANCELLED_BY_SELF, _K.ORDER_CANCELLED_BY_OTHER),
    ("cancelled", "withdraw"): (_K.ORDER_CANCELLED_BY_OTHER, _K.ORDER_CANCELLED_BY_SELF),
    # Nobody said that the seller stayed away, but nothing was delivered by when it had to be.
    ("cancelled", "auto_cancel"): (_K.ORDER_REFUNDED, _K.ORDER_REFUNDED),
    ("cancelled", "uphold_no_show"): (_K.ORDER_CANCELLED_BY_OTHER, _K.NO_SHOW),
    ("cancelled", "drop_changes"): (_K.ORDER_CANCELLED_BY_OTHER, _K.ORDER_CANCELLED_BY_SELF),
    ("cancelled", "undecided"): (_K.ORDER_CANCELLED_BY_OTHER, _K.ORDER_CANCELLED_BY_OTHER),
    ("cancelled", "not_handed_over"): (_K.ORDER_CANCELLED_BY_OTHER, _K.ORDER_CANCELLED_BY_OTHER),
    ("cancelled", "drop_absence"): (_K.ORDER_CANCELLED_BY_OTHER, _K.ORDER_CANCELLED_BY_OTHER),
    ("cancelled", "undecided_hand_over"): (
        _K.ORDER_CANCELLED_BY_OTHER,
        _K.ORDER_CANCELLED_BY_OTHER,
    ),
    ("unreturned", None): (_K.ITEM_UNRETURNED, _K.ORDER_CANCELLED_BY_OTHER),
    # The bank took it back. That it was lost is a fact of its own, about the buyer; this ends the
    # deal: with a label for the buyer, with none for the seller, whose doing it was not.
    ("charged_back", None): (_K.ORDER_REFUNDED, _K.ORDER_CANCELLED_BY_OTHER),
    # A debt that later income has paid; one that nobody asks for any more; one that was given up.
    ("collected", None): (_K.ORDER_SETTLED, _K.ORDER_SETTLED),
    ("waived", None): (_K.ORDER_CANCELLED_BY_OTHER, _K.ORDER_CANCELLED_BY_OTHER),
    ("written_off", None): (None, _K.ORDER_CANCELLED_BY_OTHER),
    ("completed", "auto_approve"): (_K.AUTO_APPROVED, _K.AUTO_APPROVED),
    # Paid on the spot: it counts from when it can no longer be taken back.
    ("completed", "complete"): (_K.ORDER_FUNDED, _K.ORDER_FUNDED),
    ("refunded", None): (_K.ORDER_CANCELLED_BY_OTHER, _K.ORDER_CANCELLED_BY_SELF),
    ("shared", "cancel_late"): (_K.ORDER_CANCELLED_BY_SELF, _K.ORDER_CANCELLED_BY_OTHER),
    ("shared", "uphold_absence"): (_K.NO_SHOW, _K.ORDER_CANCELLED_BY_OTHER),
    ("shared", None): (_K.ORDER_CANCELLED_BY_OTHER, _K.ORDER_CANCELLED_BY_OTHER),
    ("settled", None): (_K.ORDER_SETTLED, _K.ORDER_SETTLED),
}
_WITH_MONEY = {
    _K.ORDER_FUNDED,
    _K.ORDER_SETTLED,
    _K.ORDER_REFUNDED,
    _K.ORDER_CANCELLED_BY_SELF,
    _K.ORDER_CANCELLED_BY_OTHER,
    _K.NO_SHOW,
    _K.ITEM_UNRETURNED,
}
#: Where a bank ends no deal: it had not begun with an acceptance, or it had ended before.
_NO_DEAL = {"funded", "reserved", "paid", "sent", "shared", "unreturned"}
#: Where the seller comes to the buyer, or delivers: a rented thing is fetched by who rents it.
_SELLER_COMES = {"service", "pay_after", "milestone"}
#: What comes late or in time, and the move by which the house had said that it was late. A thing is
#: back by a code or its owner's word; by the renter's word alone, once its owner has let it be.
_LATE_BY = {
    ("pay_after", "pay"): "fall_overdue",
    ("rental", "return_thing"): "fall_late",
    ("rental", "confirm_return"): "fall_late",
    ("rental", "pass_inspection"): "fall_late",
    ("rental", "auto_return"): "fall_late",
}
#: Silence that was longer than this is no late answer: they have begun to talk anew.
_ANSWER_WITHIN = timedelta(days=7)
_VERIFICATIONS = {
    "email": Verification.EMAIL,
    "phone": Verification.PHONE,
    "id_document": Verification.IDENTITY,
    "bank_account": Verification.BANK_ACCOUNT,
    "address": Verification.ADDRESS,
}


def late_by(event: Event) -> str | None:
    """The move of this order that would have made it late, where lateness is a fact of it."""
    return _LATE_BY.get((event.payload["process"], event.payload["transition"]))


def of_order(event: Event, reference_minor: int, late: timedelta | None = None) -> list[Fact]:
    """The facts of an order's move; ``reference_minor`` is its amount in the reference unit,
    ``late`` how long after the move that ``late_by`` names, if it was made."""
    state = event.topic.removeprefix("order.")
    if state == "delivered":
        # Once: what comes after changes or a dispute says nothing of who keeps to a time.
        return [_delivery(event)] if event.payload["transition"] == "deliver" else []
    if state == "defaulted":
        return [_about(event, "buyer", _K.PAY_AFTER_DEFAULT, reference_minor)]
    if late_by(event) is not None:
        return [_in_time_or_late(event, reference_minor, late)]
    return [*_ended(event, state, reference_minor), *_promised(event, state, reference_minor)]


def _ended(event: Event, state: str, reference_minor: int) -> list[Fact]:
    """What the table says of both sides."""
    body = event.payload
    move = body["transition"]
    if state == "charged_back" and body.get("was") in _NO_DEAL:
        return []
    late = datetime.fromisoformat(body["at"]) >= datetime.fromisoformat(body["due_at"])
    if (state, move) == ("cancelled", "cancel") and late:
        # The agreed time passed without a delivery: it is the seller who did not come. That
        # nothing was handed over is nobody's fault.
        move = "uphold_no_show" if body["process"] in _SELLER_COMES else "not_handed_over"
    kinds = _ORDER.get((state, move)) or _ORDER.get((state, None), (None, None))
    roles: tuple[Role, Role] = ("buyer", "seller")
    return [
        _about(event, role, kind, reference_minor if kind in _WITH_MONEY else 0)
        for role, kind in zip(roles, kinds, strict=True)
        if kind is not None
    ]


def of_review(event: Event, author_was: str) -> Fact:
    """A review as a fact about its subject."""
    body = event.payload
    return Fact(
        member_id=UUID(body["subject_id"]),
        kind=_K.REVIEW_RECEIVED,
        source_id=str(event.id),
        happened_at=event.occurred_at,
        order_id=UUID(body["order_id"]),
        counterparty_id=UUID(body["author_id"]),
        role="seller" if author_was == "customer" else "buyer",
        value=body["stars"],
        weight_bps=body["weight_bps"],
    )


def of_answer(event: Event, waited: timedelta) -> Fact | None:
    """A message as an answer to what had waited so long; None where it began to talk anew.

    Its source is the conversation and the day: chatting does not build a record.
    """
    body = event.payload
    if waited > _ANSWER_WITHIN:
        return None
    return Fact(
        member_id=UUID(body["sender_id"]),
        kind=_K.MESSAGE_ANSWERED,
        source_id=f"{body['conversation_id']}:{event.occurred_at:%Y-%m-%d}",
        happened_at=event.occurred_at,
        counterparty_id=UUID(body["recipient_id"]),
        value=max(int(waited.total_seconds()), 0),
    )


def of_member(event: Event) -> Fact | None:
    """Joining, or a step of the verification ladder."""
    member_id = UUID(event.payload["member_id"])
    if event.topic == "member.joined":
        kind, value = _K.MEMBER_JOINED, None
    else:
        step = _VERIFICATIONS.get(event.payload["kind"])
        if step is None:
            return None
        kind, value = _K.VERIFICATION_PASSED, int(step)
    return Fact(
        member_id=member_id,
        kind=kind,
        source_id=str(event.id),
        happened_at=event.occurred_at,
        value=value,
    )


def of_top_up(event: Event, reference_minor: int) -> Fact:
    """Money that came, or did not."""
    succeeded = event.topic == "top_up.succeeded"
    return Fact(
        member_id=UUID(event.payload["member_id"]),
        kind=_K.TOP_UP_SUCCEEDED if succeeded else _K.TOP_UP_FAILED,
        source_id=str(event.id),
        happened_at=event.occurred_at,
        amount_minor=reference_minor,
    )


def _promised(event: Event, state: str, reference_minor: int) -> list[Fact]:
    """Work was begun on a promise to pay."""
    if (event.payload["process"], state) != ("pay_after", "accepted"):
        return []
    return [_about(event, "buyer", _K.PAY_AFTER_PROMISED, reference_minor)]


def _in_time_or_late(event: Event, reference_minor: int, overdue: timedelta | None) -> Fact:
    """A payment afterwards, or the return of what was lent: the first word of it counts."""
    paid = event.payload["process"] == "pay_after"
    in_time = _K.PAY_AFTER_PAID if paid else _K.ITEM_RETURNED
    late = _K.PAY_AFTER_LATE if paid else _K.ITEM_RETURNED_LATE
    source = f"{event.payload['order_id']}:{'paid' if paid else 'returned'}"
    seconds = None if overdue is None else max(int(overdue.total_seconds()), 1)
    kind, amount = in_time if seconds is None else late, reference_minor if paid else 0
    return msgspec.structs.replace(
        _about(event, "buyer", kind, amount, value=seconds), source_id=source
    )


def _delivery(event: Event) -> Fact:
    body = event.payload
    # An event of before there was such a moment has only when it was due.
    due = datetime.fromisoformat(body.get("late_from", body["due_at"]))
    seconds = int((datetime.fromisoformat(body["at"]) - due).total_seconds())
    kind = _K.DELIVERED_LATE if seconds > 0 else _K.DELIVERED_ON_TIME
    fact = _about(event, "seller", kind, 0, value=seconds if seconds > 0 else None)
    return msgspec.structs.replace(fact, source_id=f"{body['order_id']}:delivered")


def _about(
    event: Event, role: Role, kind: FactKind, amount_minor: int, value: int | None = None
) -> Fact:
    body: Mapping[str, Any] = event.payload
    customer, provider = UUID(body["customer_id"]), UUID(body["provider_id"])
    member, other = (customer, provider) if role == "buyer" else (provider, customer)
    return Fact(
        member_id=member,
        kind=kind,
        source_id=str(event.id),
        happened_at=event.occurred_at,
        order_id=UUID(body["order_id"]),
        counterparty_id=other,
        role=role,
        amount_minor=amount_minor,
        value=value,
    )
