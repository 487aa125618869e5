"""Chargebacks as those concerned see them."""

from datetime import datetime
from typing import Annotated, Literal

import msgspec

from handsel.foundation.core.money import Money
from handsel.foundation.core.schema import Input, View

State = Literal["open", "evidence_sent", "won", "lost", "accepted"]


class EvidenceInput(Input):
    """What you have to say; it goes to the payer's bank, once, together with what is known of the
    order: its terms, its timeline, the proof of delivery."""

    text: Annotated[str, msgspec.Meta(min_length=3, max_length=5000)]


class Step(View):
    """Something that happened. ``by_you``: it was you."""

    step: str
    round: int
    at: datetime
    by_you: bool


class ContestedLine(View):
    """Money of yours that it moved: negative when it left you."""

    code: Literal["contest", "contest_returned", "dispute_covered", "dispute_owed"]
    account: Literal["wallet", "reserve", "receivable", "pending"]
    amount_minor: int
    at: datetime


class ChargebackView(View):
    """A payment that the payer's bank took back. ``concerned`` is what of it touches you,
    ``set_aside`` what of yours waits for the decision. ``promise`` says what comes next, by when.
    """

    id: str
    state: State
    round: int
    your_role: Literal["payer", "seller"]
    amount: Money
    concerned: Money
    set_aside: Money
    reason: str
    orders: list[str]
    opened_at: datetime
    evidence_due_at: datetime
    you_may_give_evidence: bool
    promise: str
    evidence_sent_at: datetime | None
    decided_at: datetime | None


class ChargebackDetail(ChargebackView):
    """With its timeline and the lines of your money, oldest first."""

    timeline: list[Step]
    money: list[ContestedLine]


class ChargebackPage(View):
    """Newest first."""

    items: list[ChargebackView]
    next_cursor: str | None = None
