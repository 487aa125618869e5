"""What is frozen at sale: pure functions from a listing and a fee to terms and their hash."""

import hashlib
from datetime import datetime, timedelta
from uuid import UUID

import msgspec

from handsel.catalog.listings.schemas import ListingForOrder
from handsel.deals.orders.errors import DurationDiffers, InvalidStart, TimeMissing
from handsel.deals.orders.schemas import Cancellation, OrderInput, Terms
from handsel.deals.process.definition import parse_duration
from handsel.foundation.core.ids import encode
from handsel.foundation.core.money import Money
from handsel.foundation.http.principal import Principal
from handsel.money.escrow.fees import Fee

WITHOUT_DATE = timedelta(days=14)
EARLIEST_START = timedelta(hours=2)
PAYMENT_WINDOW = "PT15M"
#: Within how long work that was done first is paid.
PAYMENT_TERM = "P7D"
#: Work whose start was agreed and whose end was not may take so long before it is late: whoever
#: comes at nine has until five.
WORKING_DAY = timedelta(hours=8)
LATEST_START = timedelta(days=60)  # with delivery and inspection it stays below the longest hold


def due_at(starts_at: datetime | None, now: datetime) -> datetime:
    """When the work is due. Raises ``InvalidStart``."""
    if starts_at is None:
        return now + WITHOUT_DATE
    if starts_at.tzinfo is None or not now + EARLIEST_START <= starts_at <= now + LATEST_START:
        raise InvalidStart
    return starts_at


def late_from(terms: Terms) -> datetime:
    """After when a delivery is late: when it is due, but a working day after an agreed start that
    has no agreed end, since nobody may deliver before the start."""
    if terms.starts_at is None or terms.ends_at is not None:
        return terms.due_at
    return max(terms.due_at, terms.starts_at + WORKING_DAY)


_UNITS = {"per_hour": timedelta(hours=1), "per_day": timedelta(days=1)}


def is_by_time(listing: ListingForOrder) -> bool:
    """Whether a quantity of it is a length of time, and not a number of things."""
    return listing.unit in _UNITS


def ends_at(listing: ListingForOrder, data: OrderInput) -> datetime:
    """When a booked time ends. Raises ``TimeMissing``, ``DurationDiffers`` (422)."""
    if data.starts_at is None:
        raise TimeMissing
    unit = _UNITS.get(listing.unit)
    bought = data.starts_at + unit * data.quantity if unit else None
    if bought is None and data.ends_at is None:
        raise TimeMissing
    if bought is not None and data.ends_at not in (None, bought):
        raise DurationDiffers(f"what is bought ends at {bought:%Y-%m-%d %H:%M} UTC")
    return bought or data.ends_at  # type: ignore[return-value]


def freeze(
    listing: ListingForOrder,
    data: OrderInput,
    customer: Principal,
    fee: Fee,
    due: datetime,
    process: str,
    *,
    booked: bool = False,
) -> Terms:
    """The terms of an order of this listing. The price is there: the caller has checked."""
    assert listing.price_minor is not None
    assert listing.currency is not None
    return Terms(
        listing_id=encode("lst", listing.id),
        title=listing.title,
        category=listing.category,
        unit=listing.unit,
        price=Money(amount_minor=listing.price_minor, currency=listing.currency),
        fee=fee,
        customer_id=encode("mem", customer.member_id),
        customer=customer.handle,
        provider_id=encode("mem", listing.seller_id),
        provider=listing.seller,
        starts_at=data.starts_at,
        ends_at=due if booked else None,
        booked=booked,
        due_at=due,
        process=process,
        inspection_period_s=seconds(listing.inspection_period),
        cancellation=cancellation_of(listing),
        note=data.note,
        quantity=data.quantity,
        durations={
            "payment_window": seconds(PAYMENT_WINDOW),
            **({"payment_term": seconds(PAYMENT_TERM)} if data.process == "pay_after" else {}),
        },
    )


def hash_of(order_id: UUID, terms: Terms) -> bytes:
    """SHA-256 over the order's id and the canonical JSON of its terms (sorted keys)."""
    body = msgspec.json.encode({"order": order_id.hex, "terms": terms}, order="sorted")
    return hashlib.sha256(body).digest()


def cancellation_of(listing: ListingForOrder) -> Cancellation:
    """What cancelling costs, as it is at sale."""
    return Cancellation(
        free_until_s=seconds(listing.cancellation.free_until),
        late_share_bps=listing.cancellation.late_share_bps,
    )


def seconds(duration: str) -> int:
    """Of an ISO 8601 duration."""
    return int(parse_duration(duration).total_seconds())
