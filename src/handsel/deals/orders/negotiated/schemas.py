"""Bodies and answers of quotes and offers, and what an offer freezes."""

from datetime import datetime
from typing import Annotated, Literal

import msgspec

from handsel.deals.orders.schemas import Note, OrderView, TransitionInput
from handsel.foundation.core.money import AmountMinor, Currency, Money
from handsel.foundation.core.schema import Input, View

Title = Annotated[str, msgspec.Meta(min_length=1, max_length=200)]
Hash = Annotated[str, msgspec.Meta(pattern="^[0-9a-f]{64}$")]


class QuoteInput(Input):
    """Ask the seller of a listing without a price for an offer. ``wish`` says what is to be done;
    ``currency`` is what will be paid in, where the listing does not say."""

    listing_id: Annotated[str, msgspec.Meta(max_length=64)]
    wish: Annotated[str, msgspec.Meta(min_length=3, max_length=2000)]
    starts_at: datetime | None = None
    currency: Currency | None = None


class Part(Input):
    """One line of a price."""

    title: Title
    amount_minor: AmountMinor


class Milestone(Input):
    """A part of the work with a price and a date: paid for, held and delivered by itself."""

    title: Title
    amount_minor: AmountMinor
    due_at: datetime


class OfferInput(Input):
    """An offer, or a counter-offer: the price in lines, and the same sum in milestones.
    ``valid_until``: without it, three days."""

    lines: Annotated[list[Part], msgspec.Meta(min_length=1, max_length=40)]
    milestones: Annotated[list[Milestone], msgspec.Meta(min_length=1, max_length=20)]
    valid_until: datetime | None = None
    note: Note = ""


class AgreementInput(Input):
    """What is accepted, by its hash: never what the other side has just changed."""

    terms_hash: Hash


class OfferTerms(View):
    """What an offer freezes. Its hash, over this and the order's id, is what is accepted."""

    price: Money
    lines: list[Part]
    milestones: list[Milestone]
    valid_until: datetime
    note: str


class OfferView(View):
    """One offer of an order. Of a round, the provider's comes first."""

    order_id: str
    round: int
    by: Literal["customer", "provider"]
    made_at: datetime
    terms: OfferTerms
    terms_hash: str


class OfferList(View):
    """Every offer of an order, oldest first; the last one is on the table."""

    items: list[OfferView]


class Parts(View):
    """The orders that an agreement consists of, by their dates."""

    items: list[OrderView]


class OfferMove(TransitionInput):
    """A move with an offer; only the house makes it, out of an ``OfferInput``."""


class AgreeMove(TransitionInput):
    """A move that accepts an offer: the hash that was named, and that of the offer on the table.
    Only the house makes it."""

    named: str = ""
    on_table: str = "none"
