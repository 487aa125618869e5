"""Bodies and answers of orders."""

from datetime import datetime
from typing import Annotated, Literal

import msgspec

from handsel.foundation.core.money import AmountMinor, Money
from handsel.foundation.core.schema import Input, View
from handsel.money.escrow.fees import Fee

Note = Annotated[str, msgspec.Meta(max_length=2000)]


class OrderInput(Input):
    """Order one or more units of a priced listing. ``starts_at`` is when it should happen; without
    it, the work is due within 14 days. What is booked by time needs it, and ``ends_at`` where the
    unit is neither the hour nor the day; what is not is late eight hours after its start."""

    listing_id: Annotated[str, msgspec.Meta(max_length=64)]
    starts_at: datetime | None = None
    ends_at: datetime | None = None
    quantity: Annotated[int, msgspec.Meta(ge=1, le=100)] = 1
    note: Note = ""
    process: Literal["service", "pay_after"] = "service"


class RebookInput(Input):
    """The same again: listing, quantity and note are those of the order. ``starts_at`` as there."""

    starts_at: datetime | None = None


class TransitionInput(Input):
    """A move. ``confirmation`` is the token of POST /v1/confirmations where one is required;
    ``note`` is the proof of a delivery or the reason of an objection; ``amount_minor`` is what
    ``refund_part`` gives back or the price that ``propose_change`` proposes; ``customer_minor`` is
    the customer's part of a proposed split; ``due_at`` is a proposed new time, or the date that
    ``skip`` leaves out; ``code`` is what the other side shows at a meeting."""

    name: Annotated[str, msgspec.Meta(min_length=1, max_length=40, examples=["fund"])]
    confirmation: Annotated[str, msgspec.Meta(max_length=200)] | None = None
    note: Note = ""
    amount_minor: AmountMinor | None = None
    customer_minor: Annotated[int, msgspec.Meta(ge=0, le=10**15)] | None = None
    due_at: datetime | None = None
    proposal: Annotated[str, msgspec.Meta(max_length=64)] | None = None
    code: Annotated[str, msgspec.Meta(max_length=64)] | None = None


class Cancellation(View):
    """Cancelling an accepted order is free until ``free_until_s`` seconds before it is due; after
    that the seller keeps ``late_share_bps`` ten-thousandths."""

    free_until_s: int
    late_share_bps: int


class Terms(View):
    """What was agreed, frozen at sale; its hash binds a confirmation."""

    listing_id: str | None
    title: str
    category: str
    unit: str
    price: Money
    fee: Fee
    customer_id: str
    customer: str
    provider_id: str
    provider: str
    starts_at: datetime | None
    due_at: datetime
    process: str
    inspection_period_s: int
    cancellation: Cancellation
    note: str = ""
    #: Whether its time is kept free in the seller's calendar.
    booked: bool = False
    #: How many units of ``price`` were bought; the order's amount is their product.
    quantity: int = 1
    ends_at: datetime | None = None
    deposit_minor: int = 0
    #: For each started unit of time that a rented thing comes back late, out of the deposit.
    late_fee_minor: int = 0
    #: What was added to the price by agreement.
    adjustment_minor: int = 0
    #: Of the offer that was accepted, where the terms were negotiated.
    offer_hash: str | None = None
    #: What the process's timers count with, in seconds, by the name of the term.
    durations: dict[str, int] = msgspec.field(default_factory=dict)
    #: How well the two knew each other, where a rule asked.
    relation: str | None = None


class Deadline(View):
    """What the system will do, and when, if nobody moves."""

    transition: str
    due_at: datetime
    otherwise: str


class OrderView(View):
    """An order as its two parties see it. ``promise`` says in one sentence what happens if the
    other side fails, and by when; ``refunded`` is what the seller gave back of ``amount`` while it
    was held."""

    id: str
    state: str
    version: int
    process: str
    customer_id: str
    provider_id: str
    customer: str
    provider: str
    your_role: Literal["customer", "provider"]
    amount: Money
    refunded: Money
    terms: Terms
    terms_hash: str
    promise: str
    waits_for: str | None
    your_transitions: list[str]
    created_at: datetime
    entered_at: datetime
    next_deadline: Deadline | None = None
    parent_id: str | None = None
    confirmation_required: bool | None = None
    hold_period_s: int | None = None
    revocable_until: datetime | None = None


class OrderPage(View):
    """Newest first."""

    items: list[OrderView]
    next_cursor: str | None = None


class MoneyLine(View):
    """Money that a move moved: positive to whom it names."""

    to: Literal["escrow", "customer", "provider", "fee", "protection_fund", "deposit", "debt"]
    amount_minor: int


class Move(View):
    """One move of an order."""

    seq: int
    transition: str
    from_state: str | None
    to_state: str
    by: str
    at: datetime
    note: str | None
    money: list[MoneyLine]


class ProposalView(View):
    """What one side proposes: a split (``customer_minor``), or another price or time."""

    id: str
    kind: Literal["split", "change"]
    by: str
    amount_minor: int | None
    customer_minor: int | None
    due_at: datetime | None
    note: str
    made_at: datetime
    expires_at: datetime


class Timeline(View):
    """Every move, oldest first."""

    items: list[Move]
