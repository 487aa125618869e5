"""What goes in and out: rules in the time of the wall clock, slots and bookings in UTC."""

from datetime import date, datetime
from typing import Annotated, Literal
from uuid import UUID

import msgspec
from msgspec import Meta

from handsel.foundation.core.schema import Input, View

State = Literal["reserved", "confirmed", "released"]

MINUTES_A_DAY = 1440
LONGEST_LEAD_MINUTES = 365 * MINUTES_A_DAY
LONGEST_PERIOD_MINUTES = 92 * MINUTES_A_DAY

Clock = Annotated[
    str,
    Meta(
        pattern="^(([01][0-9]|2[0-3]):[0-5][0-9]|24:00)$",
        description="HH:MM on the wall; 24:00 is the end of the day.",
        examples=["09:00"],
    ),
]
Length = Annotated[int, Meta(ge=5, le=LONGEST_PERIOD_MINUTES)]
Buffer = Annotated[int, Meta(ge=0, le=MINUTES_A_DAY)]


class OpeningHours(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """A time of each week. A night is two of them: until 24:00, and from 00:00."""

    weekday: Annotated[int, Meta(ge=1, le=7, description="ISO 8601: 1 is Monday.")]
    opens: Clock
    closes: Clock


class ClosedDays(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """Days, both included, on which the weekly hours do not count."""

    first_day: date
    last_day: date


class ExtraHours(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """A time of each of these days, both included: beside the weekly hours, or instead of them
    where the day is closed."""

    first_day: date
    last_day: date
    opens: Clock
    closes: Clock


class Rules(Input):
    """When a listing can be booked.

    With ``slot_minutes``, a booking starts every ``step_minutes`` (by default one after the other)
    after an opening, lasts one slot or several, and ends within the same opening time. Without, it
    starts at any minute and lasts ``shortest_minutes`` to ``longest_minutes``; where it
    ``may_span_closing``, only its start and its end lie within opening hours, as with things that
    are lent for days. Buffers are kept free beside the booking, also outside of the hours, and add
    up between two bookings.
    """

    time_zone: Annotated[str, Meta(max_length=64, examples=["Europe/London"])]
    weekly: Annotated[list[OpeningHours], Meta(max_length=100)]
    closed: Annotated[list[ClosedDays], Meta(max_length=200)] = msgspec.field(default_factory=list)
    extra: Annotated[list[ExtraHours], Meta(max_length=200)] = msgspec.field(default_factory=list)
    slot_minutes: Length | None = None
    step_minutes: Length | None = None
    shortest_minutes: Length = 30
    longest_minutes: Length = 28 * MINUTES_A_DAY
    may_span_closing: bool = False
    buffer_before_minutes: Buffer = 0
    buffer_after_minutes: Buffer = 0
    lead_minutes: Annotated[int, Meta(ge=0, le=LONGEST_LEAD_MINUTES)] = 120
    horizon_days: Annotated[int, Meta(ge=1, le=730)] = 60
    capacity: Annotated[int, Meta(ge=1, le=100)] = 1


class AvailabilityView(View):
    """The rules of a listing and their version."""

    listing_id: str
    version: int
    rules: Rules
    updated_at: datetime


class Slot(View):
    """A time that can be booked, and how many units are free for the whole of it.

    For a listing without slots this is a stretch of opening time in which that number of units is
    free; a booking over several of them needs one unit that is free in all.
    """

    starts_at: datetime
    ends_at: datetime
    units_free: int


class SlotList(View):
    """Free times in order; what is taken, too soon or too far is left out."""

    listing_id: str
    time_zone: str
    version: int
    items: list[Slot]


class Booking(msgspec.Struct, frozen=True, kw_only=True):
    """One unit that an order holds for a time."""

    id: UUID
    listing_id: UUID
    unit: int
    order_id: UUID
    customer_id: UUID | None
    starts_at: datetime
    ends_at: datetime
    state: State
    changed_at: datetime


class CalendarImportInput(Input):
    """A calendar from elsewhere; it takes the place of the one that came from the same source."""

    source: Annotated[str, Meta(pattern="^[a-z0-9][a-z0-9_-]{0,39}$", examples=["family"])]
    calendar: Annotated[str, Meta(max_length=500_000, description="iCalendar text (RFC 5545).")]


class CalendarImportView(View):
    """What of a calendar counts: ``periods`` until the horizon in which the seller is busy.
    ``bookings_touched`` of their bookings lie in such a period, and stay."""

    source: str
    periods: int
    bookings_touched: int
    imported_at: datetime


class CalendarImportList(View):
    """By source."""

    items: list[CalendarImportView]


class CalendarFeedView(View):
    """Where a calendar program reads the seller's bookings. The path is the secret: it is shown
    once, and a new one ends the old one."""

    path: str
    made_at: datetime
