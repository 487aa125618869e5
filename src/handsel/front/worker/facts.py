"""From events to credit facts: what each event says about each of the two people.

Only conduct on this platform, and only what has happened: a revoked or unpaid order says nothing.
"""

from collections.abc import Mapping
from datetime import datetime
from typing import Any
from uuid import UUID

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
    ("cancelled", "auto_cancel"): (_K.ORDER_CANCELLED_BY_OTHER, _K.NO_SHOW),
    ("cancelled", "uphold_no_show"): (_K.ORDER_CANCELLED_BY_OTHER, _K.NO_SHOW),
    ("cancelled", "drop_changes"): (_K.ORDER_CANCELLED_BY_OTHER, _K.ORDER_CANCELLED_BY_SELF),
    ("cancelled", "undecided"): (_K.ORDER_CANCELLED_BY_OTHER, _K.ORDER_CANCELLED_BY_OTHER),
    ("cancelled", "not_handed_over"): (_K.ORDER_CANCELLED_BY_OTHER, _K.ORDER_CANCELLED_BY_OTHER),
    ("cancelled", "drop_absence"): (_K.ORDER_CANCELLED_BY_OTHER, _K.ORDER_CANCELLED_BY_OTHER),
    ("cancelled", "undecided_hand_over"): (
        _K.ORDER_CANCELLED_BY_OTHER,
        _K.ORDER_CANCELLED_BY_OTHER,
    ),
    # What was lent never came back: the borrower did not appear.
    ("unreturned", "give_up"): (_K.NO_SHOW, _K.ORDER_CANCELLED_BY_OTHER),
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
    _K.ORDER_CANCELLED_BY_SELF,
    _K.ORDER_CANCELLED_BY_OTHER,
    _K.NO_SHOW,
}
_VERIFICATIONS = {
    "email": Verification.EMAIL,
    "phone": Verification.PHONE,
    "id_document": Verification.IDENTITY,
    "bank_account": Verification.BANK_ACCOUNT,
    "address": Verification.ADDRESS,
}


def of_order(event: Event, reference_minor: int) -> list[Fact]:
    """The facts of an order's move; ``reference_minor`` is its amount in the reference unit."""
    state, body = event.topic.removeprefix("order."), event.payload
    if state == "delivered":
        return [_delivery(event)]
    if state == "defaulted":
        return [_default(event, reference_minor)]
    late = datetime.fromisoformat(body["at"]) >= datetime.fromisoformat(body["due_at"])
    if state == "cancelled" and body["transition"] == "cancel" and late:
        # The agreed time passed without a delivery: it is the seller who did not come.
        state, body = "cancelled", {**body, "transition": "auto_cancel"}
    kinds = _ORDER.get((state, body["transition"])) or _ORDER.get((state, None), (None, None))
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


def _default(event: Event, reference_minor: int) -> Fact:
    """What was done first was not paid: the same as owing the house, until it has a kind of its
    own in the contract of the scores."""
    return Fact(
        member_id=UUID(event.payload["customer_id"]),
        kind=_K.NEGATIVE_BALANCE,
        source_id=str(event.id),
        happened_at=event.occurred_at,
        amount_minor=reference_minor,
    )


def _delivery(event: Event) -> Fact:
    late = datetime.fromisoformat(event.payload["at"]) - datetime.fromisoformat(
        event.payload["due_at"]
    )
    seconds = int(late.total_seconds())
    kind = _K.DELIVERED_LATE if seconds > 0 else _K.DELIVERED_ON_TIME
    return _about(event, "seller", kind, 0, value=seconds if seconds > 0 else None)


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
