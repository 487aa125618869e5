"""Open an order: its terms are frozen, its first timers run, nothing is paid yet."""

from dataclasses import dataclass
from datetime import datetime
from uuid import UUID

from handsel.catalog.availability import service as availability
from handsel.catalog.listings import service as listings
from handsel.catalog.listings.schemas import ListingForOrder
from handsel.deals.orders import queries, terms
from handsel.deals.orders.errors import (
    ListingIsRented,
    ListingNeedsQuote,
    ListingNotOrderable,
    OwnListing,
)
from handsel.deals.orders.moves import Move
from handsel.deals.orders.queries import Order
from handsel.deals.orders.registry import current
from handsel.deals.orders.schemas import OrderInput, OrderView, Terms, TransitionInput
from handsel.deals.orders.timing import timer_columns, timers_of
from handsel.deals.orders.views import view_of
from handsel.deals.process.definition import Process, Role
from handsel.foundation.core.ids import decode, uuid7
from handsel.foundation.db.uow import Tx
from handsel.foundation.http.principal import Principal
from handsel.foundation.http.work import Answer
from handsel.money.escrow import fees
from handsel.money.escrow.fees import Fee
from handsel.people.trust import service as trust

_OPEN = (
    "uuid", "text", "int", "text", "uuid", "uuid", "uuid", "uuid", "bigint", "text", "jsonb",
    "bytea", "timestamptz", "uuid", "text", "text[]", "timestamptz[]", "timestamptz[]",
)  # fmt: skip


@dataclass(frozen=True, kw_only=True)
class Draft:
    """An order to be opened. ``terms`` are frozen with it; ``opened_by`` makes its first move."""

    process: Process
    customer_id: UUID
    provider_id: UUID
    amount: int
    unit: str
    terms: Terms
    due_at: datetime
    opened_by: Role = "customer"
    listing_id: UUID | None = None
    parent_id: UUID | None = None
    order_id: UUID | None = None


def open_order(tx: Tx, draft: Draft) -> Order:
    """Collect the writes of a new order in its process's initial state; the order as it will be."""
    order_id = draft.order_id or uuid7()
    order = Order(
        id=order_id,
        process=draft.process.name,
        process_version=draft.process.version,
        state=draft.process.initial,
        version=1,
        customer_id=draft.customer_id,
        provider_id=draft.provider_id,
        listing_id=draft.listing_id,
        parent_id=draft.parent_id,
        amount=draft.amount,
        unit=draft.unit,
        terms=draft.terms,
        terms_hash=terms.hash_of(order_id, draft.terms),
        due_at=draft.due_at,
        created_at=tx.now,
        entered_at=tx.now,
    )
    _write(tx, order, draft.process, draft.opened_by)
    return order


async def place(tx: Tx, principal: Principal, data: OrderInput) -> Answer[OrderView]:
    """Order a listing: the money is held first, or paid after (for who may owe).

    A listing that is booked by time keeps it while the payment is pending. Raises ``OwnListing``,
    ``ListingNotOrderable``, ``ListingNeedsQuote`` (409), ``InvalidStart``, ``TimeMissing``,
    ``DurationDiffers`` (422), and what ``availability.reserve`` raises (409).
    """
    listing = await listings.for_order(tx, decode("lst", data.listing_id))
    check_orderable(listing, principal)
    if listing.deposit_minor:
        raise ListingIsRented
    assert listing.price_minor is not None
    assert listing.currency is not None
    process = current(data.process)
    amount = listing.price_minor * data.quantity
    fee = await fee_at_sale(tx, listing.seller_id, principal.member_id, amount, listing.currency)
    due, order_id = terms.due_at(data.starts_at, tx.now), uuid7()
    booked = await availability.is_booked_by_time(tx.conn, listing.id)
    if booked:
        due = terms.ends_at(listing, data)
        assert data.starts_at is not None
        units = 1 if terms.is_by_time(listing) else data.quantity
        await availability.reserve(
            tx, listing.id, order_id, data.starts_at, due, units, customer_id=principal.member_id
        )
    name = f"{process.name}@{process.version}"
    frozen = terms.freeze(listing, data, principal, fee, due, name, booked=booked)
    order = open_order(
        tx,
        Draft(
            process=process,
            order_id=order_id,
            customer_id=principal.member_id,
            provider_id=listing.seller_id,
            listing_id=listing.id,
            amount=amount,
            unit=listing.currency,
            terms=frozen,
            due_at=due,
        ),
    )
    return await answer(tx, order, process, "customer")


async def answer(tx: Tx, order: Order, process: Process, role: Role) -> Answer[OrderView]:
    """The answer to whoever has opened an order, with what paying it will ask for."""
    needs = await trust.decide(tx, Move(order, TransitionInput(name="fund")).payment())
    view = view_of(
        order, process, timers_of(order, process), role, confirm=needs.confirmation_required
    )
    return Answer(view, version=1, location=f"/v1/orders/{view.id}")


async def fee_at_sale(
    tx: Tx, provider_id: UUID, customer_id: UUID, amount_minor: int, currency: str
) -> Fee:
    """The fee of a sale that is made now; it is frozen with its terms."""
    sold, with_pair = await queries.sales(tx, provider_id, customer_id)
    if sold < fees.current().free_first_orders:
        # Of many orders that are placed at once, no more than the first few are free.
        await queries.lock_sales(tx, provider_id)
        sold, with_pair = await queries.sales(tx, provider_id, customer_id)
    return fees.at_sale(
        amount_minor,
        currency,
        seller_orders=sold,
        pair_settled=with_pair,
        table=fees.current(),
    )


def check_orderable(listing: ListingForOrder, principal: Principal) -> None:
    """Whether this member may order it, at its price."""
    if not listing.live:
        raise ListingNotOrderable
    if listing.seller_id == principal.member_id:
        raise OwnListing
    if listing.price_minor is None or listing.currency is None:
        raise ListingNeedsQuote


def _write(tx: Tx, order: Order, process: Process, opened_by: Role) -> None:
    names, dues, reminders = timer_columns(timers_of(order, process), order.entered_at)
    opener = order.customer_id if opened_by == "customer" else order.provider_id
    tx.call(
        "deals.open_order",
        _OPEN,
        order.id,
        order.process,
        order.process_version,
        order.state,
        order.customer_id,
        order.provider_id,
        order.listing_id,
        order.parent_id,
        order.amount,
        order.unit,
        order.terms,
        order.terms_hash,
        order.due_at,
        opener,
        opened_by,
        names,
        dues,
        reminders,
    )
