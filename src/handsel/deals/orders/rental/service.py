"""Open a rental. Everything after that is a move of its order."""

import msgspec

from handsel.catalog.availability import service as availability
from handsel.catalog.availability.errors import EndBeforeStart
from handsel.catalog.listings import service as listings
from handsel.catalog.listings.schemas import ListingForOrder
from handsel.deals.orders import terms
from handsel.deals.orders.opening import Draft, answer, check_orderable, fee_at_sale, open_order
from handsel.deals.orders.registry import current
from handsel.deals.orders.rental import periods
from handsel.deals.orders.rental.errors import NotRentable
from handsel.deals.orders.rental.schemas import RentalInput
from handsel.deals.orders.schemas import OrderInput, OrderView, Terms
from handsel.foundation.core.ids import decode, uuid7
from handsel.foundation.db.uow import Tx
from handsel.foundation.http.principal import Principal
from handsel.foundation.http.work import Answer
from handsel.people.trust import service as trust


async def rent(tx: Tx, principal: Principal, data: RentalInput) -> Answer[OrderView]:
    """A rental at the listing's price and with its deposit, unless the renter's credit stands for
    that; the time is held while the payment is pending.

    Raises ``EndBeforeStart``, ``InvalidStart``, ``RentalTooLong`` (422), ``OwnListing``,
    ``ListingNotOrderable``, ``ListingNeedsQuote``, ``NotRentable`` and, where the listing is booked
    by time, what ``availability.reserve`` raises (409).
    """
    listing = await listings.for_order(tx, decode("lst", data.listing_id))
    check_orderable(listing, principal)
    frozen = await _freeze(tx, principal, data, listing)
    assert listing.currency is not None
    order_id = uuid7()
    if await availability.is_booked_by_time(tx.conn, listing.id):
        await availability.reserve(
            tx, listing.id, order_id, data.starts_at, data.ends_at, data.quantity,
            customer_id=principal.member_id,
        )  # fmt: skip
    process = current("rental")
    order = open_order(
        tx,
        Draft(
            process=process,
            order_id=order_id,
            customer_id=principal.member_id,
            provider_id=listing.seller_id,
            listing_id=listing.id,
            amount=frozen.price.amount_minor * frozen.quantity,
            unit=listing.currency,
            terms=frozen,
            due_at=data.starts_at,
        ),
    )
    return await answer(tx, order, process, "customer")


async def _freeze(
    tx: Tx, principal: Principal, data: RentalInput, listing: ListingForOrder
) -> Terms:
    """The terms: the hand-over is due at the start, late fee and deposit stand in them."""
    assert listing.price_minor is not None
    assert listing.currency is not None
    _check(data, listing, tx)
    units = periods.units_in(listing.unit, data.starts_at, data.ends_at, listing.time_zone)
    amount = listing.price_minor * units * data.quantity
    fee = await fee_at_sale(tx, listing.seller_id, principal.member_id, amount, listing.currency)
    process = current("rental")
    bought = OrderInput(
        listing_id=data.listing_id,
        starts_at=data.starts_at,
        quantity=units * data.quantity,
        note=data.note,
    )
    name = f"{process.name}@{process.version}"
    frozen = terms.freeze(listing, bought, principal, fee, data.starts_at, name)
    waived = listing.deposit_minor and await trust.deposit_waived(tx, principal.member_id)
    deposit_minor = 0 if waived else listing.deposit_minor * data.quantity
    return msgspec.structs.replace(
        frozen,
        ends_at=data.ends_at,
        deposit_minor=deposit_minor,
        late_fee_minor=listing.price_minor * data.quantity if deposit_minor else 0,
        durations=periods.durations(listing.unit, data.starts_at, data.ends_at),
    )


def _check(data: RentalInput, listing: ListingForOrder, tx: Tx) -> None:
    if "rental" not in listing.processes:
        raise NotRentable("things of this category are not rented")
    if data.starts_at.tzinfo is None or data.ends_at.tzinfo is None:
        raise EndBeforeStart("a time needs its offset from UTC, such as Z")
    if data.ends_at <= data.starts_at:
        raise EndBeforeStart
    periods.check(listing.unit, data.starts_at, data.ends_at, tx.now)
