"""Bodies and answers of series."""

from datetime import datetime
from typing import Annotated

import msgspec

from handsel.deals.orders.schemas import Note, OrderView
from handsel.foundation.core.money import AmountMinor, Money
from handsel.foundation.core.schema import Input, View


class SeriesInput(Input):
    """Propose the same again and again. ``every`` is a number of days (P7D); in ``time_zone`` the
    hour of the day stays the same over summer and winter. ``first_ends_at`` says how long each
    takes, where the listing is booked by time and its unit does not say. ``cap_minor`` is the most
    that the mandate will cover in all: without it, what all of the dates cost."""

    listing_id: Annotated[str, msgspec.Meta(max_length=64)]
    first_starts_at: datetime
    every: Annotated[str, msgspec.Meta(pattern="^P([1-9]|1[0-9]|2[0-8])D$", examples=["P7D"])] = (
        "P7D"
    )
    occurrences: Annotated[int, msgspec.Meta(ge=2, le=52)] | None = None
    until: datetime | None = None
    first_ends_at: datetime | None = None
    cap_minor: AmountMinor | None = None
    time_zone: Annotated[str, msgspec.Meta(max_length=64, examples=["Europe/London"])] | None = None
    note: Note = ""


class MandateView(View):
    """What may be charged: ``each`` time, in ``total``, until; ``charged`` is what was."""

    each: Money
    total: Money
    charged: Money
    ends_at: datetime
    given_at: datetime
    ended_at: datetime | None


class OccurrenceView(View):
    """One date. ``state`` is ``planned``, ``skipped``, or that of its order."""

    number: int
    starts_at: datetime
    state: str
    order_id: str | None
    skipped_by: str | None


class SeriesView(View):
    """A series: the order that frames it, its mandate once it is given, and every date."""

    order: OrderView
    mandate: MandateView | None
    occurrences: list[OccurrenceView]
