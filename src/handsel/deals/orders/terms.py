"""What is frozen at sale: pure functions from a listing and a fee to terms and their hash."""

import hashlib
from datetime import datetime, timedelta
from uuid import UUID

import msgspec

from handsel.catalog.listings.schemas import ListingForOrder
from handsel.deals.orders.errors import InvalidStart
from handsel.deals.orders.schemas import Cancellation, OrderInput, Terms
from handsel.deals.process.definition import parse_duration
from handsel.foundation.core.ids import encode
from handsel.foundation.core.money import Money
from handsel.foundation.http.principal import Principal
from handsel.money.escrow.fees import Fee

WITHOUT_DATE = timedelta(days=14)
EARLIEST_START = timedelta(hours=2)
LATEST_START = timedelta(days=60)  # with delivery and inspection it stays below the longest hold


def due_at(starts_at: datetime | None, now: datetime) -> datetime:
    """When the work is due. Raises ``InvalidStart``."""
    if starts_at is None:
        return now + WITHOUT_DATE
    if starts_at.tzinfo is None or not now + EARLIEST_START <= starts_at <= now + LATEST_START:
        raise InvalidStart
    return starts_at


def freeze(
    listing: ListingForOrder,
    data: OrderInput,
    customer: Principal,
    fee: Fee,
    due: datetime,
    process: str,
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
        due_at=due,
        process=process,
        inspection_period_s=_seconds(listing.inspection_period),
        cancellation=Cancellation(
            free_until_s=_seconds(listing.cancellation.free_until),
            late_share_bps=listing.cancellation.late_share_bps,
        ),
        note=data.note,
        quantity=data.quantity,
    )


def hash_of(order_id: UUID, terms: Terms) -> bytes:
    """SHA-256 over the order's id and the canonical JSON of its terms (sorted keys)."""
    body = msgspec.json.encode({"order": order_id.hex, "terms": terms}, order="sorted")
    return hashlib.sha256(body).digest()


def _seconds(duration: str) -> int:
    return int(parse_duration(duration).total_seconds())
