"""What an offer must be, and what it becomes: pure functions."""

import hashlib
from datetime import datetime, timedelta
from uuid import UUID

import msgspec

from handsel.catalog.listings.schemas import ListingForOrder
from handsel.deals.orders import terms
from handsel.deals.orders.negotiated.errors import (
    InvalidDates,
    InvalidValidity,
    MilestonesDoNotSum,
)
from handsel.deals.orders.negotiated.schemas import (
    Milestone,
    OfferInput,
    OfferTerms,
    QuoteInput,
)
from handsel.deals.orders.parties import NO_FEE
from handsel.deals.orders.schemas import Terms
from handsel.foundation.core.errors import InvalidAmount
from handsel.foundation.core.ids import encode
from handsel.foundation.core.money import MAX_AMOUNT_MINOR, Money
from handsel.foundation.http.principal import Principal
from handsel.money.escrow import fees
from handsel.money.escrow.fees import Fee

_VALID_FOR = timedelta(days=3)
_LONGEST_VALIDITY = timedelta(days=30)
_LATEST_DUE = timedelta(days=365)


def freeze(data: OfferInput, currency: str, now: datetime) -> OfferTerms:
    """The terms of an offer that is made now.

    Raises ``MilestonesDoNotSum``, ``InvalidDates``, ``InvalidValidity``, ``InvalidAmount`` (422).
    """
    price = sum(line.amount_minor for line in data.lines)
    parts = sum(milestone.amount_minor for milestone in data.milestones)
    if parts != price:
        raise MilestonesDoNotSum(price_minor=price, milestones_minor=parts)
    if price > MAX_AMOUNT_MINOR:
        raise InvalidAmount
    dates = [milestone.due_at for milestone in data.milestones]
    valid_until = data.valid_until or min(now + _VALID_FOR, dates[0])
    _check_dates(dates, now)
    _check_validity(valid_until, dates[0], now)
    return OfferTerms(
        price=Money(amount_minor=price, currency=currency),
        lines=data.lines,
        milestones=data.milestones,
        valid_until=valid_until,
        note=data.note,
    )


def _check_dates(dates: list[datetime], now: datetime) -> None:
    if any(date.tzinfo is None for date in dates):
        raise InvalidDates("a time needs its offset")
    earliest, latest = now + terms.EARLIEST_START, now + _LATEST_DUE
    if dates != sorted(dates) or not earliest <= dates[0] <= dates[-1] <= latest:
        raise InvalidDates


def _check_validity(until: datetime, first_due: datetime, now: datetime) -> None:
    if until.tzinfo is None:
        raise InvalidValidity("a time needs its offset")
    if not now < until <= min(now + _LONGEST_VALIDITY, first_due):
        raise InvalidValidity


def hash_of(order_id: UUID, offer: OfferTerms) -> bytes:
    """SHA-256 over the order's id and the canonical JSON of the offer (sorted keys)."""
    body = msgspec.json.encode({"offer_of": order_id.hex, "terms": offer}, order="sorted")
    return hashlib.sha256(body).digest()


def requested(
    listing: ListingForOrder, data: QuoteInput, customer: Principal, currency: str, due: datetime
) -> Terms:
    """The terms of a job without a price: what is wished for, by whom, of whom."""
    return Terms(
        listing_id=encode("lst", listing.id),
        title=listing.title,
        category=listing.category,
        unit=listing.unit,
        price=Money(amount_minor=0, currency=currency),
        fee=NO_FEE,
        customer_id=encode("mem", customer.member_id),
        customer=customer.handle,
        provider_id=encode("mem", listing.seller_id),
        provider=listing.seller,
        starts_at=data.starts_at,
        due_at=due,
        process="negotiated@1",
        inspection_period_s=terms.seconds(listing.inspection_period),
        cancellation=terms.cancellation_of(listing),
        note=data.wish,
    )


def offered(before: Terms, offer: OfferTerms, now: datetime) -> Terms:
    """The job's terms while this offer is on the table: they run as long as it is valid."""
    validity = int((offer.valid_until - now).total_seconds())
    return msgspec.structs.replace(
        before, price=offer.price, durations={"offer_validity": validity}
    )


def agreed(before: Terms, offer: OfferTerms, offer_hash: bytes, fee: Fee) -> Terms:
    """The job's terms once this offer is accepted; those of its milestones follow from them."""
    return msgspec.structs.replace(
        before,
        price=offer.price,
        fee=fee,
        due_at=offer.milestones[-1].due_at,
        offer_hash=offer_hash.hex(),
        durations={},
    )


def milestone_terms(job: Terms, offer: OfferTerms) -> list[Terms]:
    """The terms of each milestone; their fees add up to the job's exactly."""
    found, fee, price = [], job.fee, job.price.amount_minor
    for milestone in offer.milestones:
        part = fees.on_part(fee, milestone.amount_minor, price)
        fee, price = _less(fee, part), price - milestone.amount_minor
        found.append(_milestone(job, milestone, part))
    return found


def _less(fee: Fee, part: Fee) -> Fee:
    return msgspec.structs.replace(
        fee,
        amount_minor=fee.amount_minor - part.amount_minor,
        fund_share_minor=fee.fund_share_minor - part.fund_share_minor,
        tax_minor=fee.tax_minor - part.tax_minor,
    )


def _milestone(job: Terms, milestone: Milestone, fee: Fee) -> Terms:
    return msgspec.structs.replace(
        job,
        title=f"{job.title}: {milestone.title}",
        price=Money(amount_minor=milestone.amount_minor, currency=job.price.currency),
        fee=fee,
        starts_at=None,
        due_at=milestone.due_at,
        process="milestone@1",
    )
