"""The verbs of series: propose one, look at it; and what the worker does for it: open the orders,
charge them under the mandate, and pause a series that nobody pays for."""

from datetime import datetime, timedelta
from uuid import UUID

import msgspec

from handsel.catalog.availability import service as availability
from handsel.catalog.listings import service as listings
from handsel.catalog.listings.schemas import ListingForOrder
from handsel.deals.orders import moving, terms
from handsel.deals.orders.opening import Draft, check_orderable, fee_at_sale, open_order
from handsel.deals.orders.parties import NO_FEE
from handsel.deals.orders.queries import Order, load_for_update
from handsel.deals.orders.registry import current
from handsel.deals.orders.schemas import OrderInput, Terms, TransitionInput
from handsel.deals.orders.series import dates, queries
from handsel.deals.orders.series.errors import CapTooSmall
from handsel.deals.orders.series.queries import Mandate, Planned
from handsel.deals.orders.series.schemas import MandateView, SeriesInput, SeriesView
from handsel.deals.orders.service import read
from handsel.deals.process.definition import Transition, parse_duration
from handsel.foundation.core.ids import decode, encode, uuid7
from handsel.foundation.core.money import Money
from handsel.foundation.db.pool import Connection
from handsel.foundation.db.uow import Tx
from handsel.foundation.http.principal import Principal
from handsel.foundation.http.work import Answer

OPEN_AHEAD = timedelta(days=7)
CHARGE_AHEAD = timedelta(days=2)
#: A charge that was refused is tried again so much later, while it can still be paid for.
TRY_AGAIN = timedelta(hours=6)
#: Unpaid so long before its start, an occurrence falls away.
_FALLS_AWAY = timedelta(days=1)
_SHORTEST_WINDOW = timedelta(hours=1)
#: How long a date takes, among the durations that the series' terms freeze.
_LENGTH = "length"
#: Nothing is paid for any more: the series pauses.
_UNPAID_IN_A_ROW = 2
#: The first move, as the provider is told of it.
_PROPOSED = Transition(name="initiate", actor="customer", to="proposed", notices=["provider"])
#: No move at all: what the customer is told is where the order stands.
_REFUSED = Transition(name="charge", actor="customer", to="pending_payment", notices=["customer"])


async def propose(tx: Tx, principal: Principal, data: SeriesInput) -> Answer[SeriesView]:
    """Propose a series of a priced listing.

    Raises what placing an order raises, and ``SeriesLength``, ``CapTooSmall`` (422).
    """
    listing = await listings.for_order(tx, decode("lst", data.listing_id))
    check_orderable(listing, principal)
    listings.check_time_zone(data.time_zone)
    starts = dates.starts(
        data.first_starts_at,
        parse_duration(data.every),
        occurrences=data.occurrences,
        until=data.until,
        time_zone=data.time_zone,
    )
    terms.due_at(starts[0], tx.now)  # the first date lies ahead, as any order's must
    frozen = await _frozen(tx, principal, listing, data, starts)
    price, whole = frozen.price.amount_minor, frozen.price.amount_minor * len(starts)
    total = data.cap_minor or whole
    if not price <= total <= whole:
        raise CapTooSmall(each_minor=price, all_minor=whole)
    process = current("series")
    order = open_order(
        tx,
        Draft(
            process=process,
            customer_id=principal.member_id,
            provider_id=listing.seller_id,
            listing_id=listing.id,
            amount=total,
            unit=frozen.price.currency,
            terms=frozen,
            due_at=starts[-1],
        ),
    )
    tx.call("deals.plan_series", ("uuid", "timestamptz[]"), order.id, starts)
    tx.emit("order.proposed", order.id, moving.event_of(order, process, _PROPOSED, "customer"))
    await tx.flush()  # so that the answer is read like any other
    return Answer(
        await show(tx.conn, principal, order.id),
        version=1,
        location=f"/v1/series/{encode('ord', order.id)}",
    )


async def _frozen(
    tx: Tx, customer: Principal, listing: ListingForOrder, data: SeriesInput, starts: list[datetime]
) -> Terms:
    """The terms of the frame: fee and booked time are each occurrence's own."""
    process = current("series")
    asked = OrderInput(
        listing_id=data.listing_id,
        starts_at=starts[0],
        ends_at=data.first_ends_at,
        note=data.note,
    )
    durations = {"every": terms.seconds(data.every)}
    if await availability.is_booked_by_time(tx.conn, listing.id):
        length = terms.ends_at(listing, asked) - starts[0]
        durations[_LENGTH] = int(length.total_seconds())
    name = f"{process.name}@{process.version}"
    found = terms.freeze(listing, asked, customer, NO_FEE, starts[-1], name)
    return msgspec.structs.replace(
        found, quantity=len(starts), ends_at=starts[-1], durations=durations
    )


async def show(conn: Connection, principal: Principal, series_id: UUID) -> SeriesView:
    """One of one's own series. Raises ``NotFound``."""
    order = await read(conn, principal, series_id)
    given = await queries.mandate(conn, series_id)
    return SeriesView(
        order=order,
        mandate=_mandate_view(given) if given else None,
        occurrences=await queries.occurrences(conn, series_id),
    )


async def open_occurrence(tx: Tx, planned: Planned) -> bool:
    """Make a date an order of its own, unless somebody was faster; what is booked by time is
    reserved for it. Raises what ``availability.reserve`` raises."""
    series = await load_for_update(tx, planned.series_id)
    if series.state != "running" or not await queries.is_open(tx, planned):
        return False
    child_id = uuid7()
    frozen = await _occurrence(tx, series, planned.starts_at)
    if frozen.booked:
        assert series.listing_id is not None
        await availability.reserve(
            tx,
            series.listing_id,
            child_id,
            planned.starts_at,
            frozen.due_at,
            customer_id=series.customer_id,
        )
    open_order(
        tx,
        Draft(
            process=current("service"),
            order_id=child_id,
            customer_id=series.customer_id,
            provider_id=series.provider_id,
            listing_id=series.listing_id,
            parent_id=series.id,
            amount=frozen.price.amount_minor,
            unit=series.unit,
            terms=frozen,
            due_at=frozen.due_at,
        ),
    )
    types = ("uuid", "int", "uuid")
    tx.call("deals.note_opened", types, series.id, planned.number, child_id)
    return True


async def _occurrence(tx: Tx, series: Order, starts_at: datetime) -> Terms:
    """The terms of one date: one unit at the agreed price, its fee as of today."""
    process, price = current("service"), series.terms.price.amount_minor
    fee = await fee_at_sale(tx, series.provider_id, series.customer_id, price, series.unit)
    window = max(starts_at - _FALLS_AWAY - tx.now, _SHORTEST_WINDOW)
    length_s = series.terms.durations.get(_LENGTH)
    ends_at = starts_at + timedelta(seconds=length_s) if length_s else None
    return msgspec.structs.replace(
        series.terms,
        fee=fee,
        starts_at=starts_at,
        ends_at=ends_at,
        booked=ends_at is not None,
        due_at=ends_at or starts_at,
        quantity=1,
        process=f"{process.name}@{process.version}",
        durations={"payment_window": int(window.total_seconds())},
    )


async def leave_out(tx: Tx, planned: Planned, why: str) -> bool:
    """A date cannot take place: nothing is opened for it, and both are told."""
    data = TransitionInput(name="leave_out", due_at=planned.starts_at, note=why)
    return await moving.system_move(tx, planned.series_id, on="date.taken", data=data)


async def charge(tx: Tx, planned: Planned) -> bool:
    """Pay for an occurrence under the mandate. When the mandate is used up, the series ends.

    Raises ``OutsideMandate``, what the limits refuse, and at the commit ``InsufficientFunds``.
    """
    assert planned.child_id is not None
    given = await queries.mandate(tx.conn, planned.series_id)
    if not await moving.system_move(tx, planned.child_id, on="mandate.due"):
        return False
    assert given is not None, "no charge without a mandate"
    if given.charged + 2 * given.each > given.total:  # with this charge, the next would be too much
        await moving.system_move(tx, planned.series_id, on="mandate.used_up")
    return True


async def note_refused(tx: Tx, planned: Planned, why: str) -> None:
    """A charge was refused: the customer is told, and it is tried again later."""
    assert planned.child_id is not None
    tx.call("deals.note_tried", ("uuid",), planned.child_id)
    child = await load_for_update(tx, planned.child_id)
    if child.state != "pending_payment":
        return  # somebody was faster
    event = moving.event_of(child, moving.process_of(child), _REFUSED) | {"reason": why}
    tx.emit("mandate.refused", planned.child_id, event)


async def pause_if_unpaid(tx: Tx, series_id: UUID) -> bool:
    """After two occurrences in a row that nobody paid for, a series pauses."""
    series = await load_for_update(tx, series_id)
    unpaid = await queries.unpaid_in_a_row(tx, series_id, series.entered_at)
    if unpaid < _UNPAID_IN_A_ROW:
        return False
    return await moving.system_move(tx, series_id, on="series.unpaid")


async def drop_skipped(tx: Tx, series_id: UUID) -> int:
    """Close the orders of dates that are left out; how many."""
    waiting = await queries.skipped_unpaid(tx, series_id)
    return sum([await moving.system_move(tx, child, on="parent.stopped") for child in waiting])


def _mandate_view(given: Mandate) -> MandateView:
    return MandateView(
        each=Money(amount_minor=given.each, currency=given.unit),
        total=Money(amount_minor=given.total, currency=given.unit),
        charged=Money(amount_minor=given.charged, currency=given.unit),
        ends_at=given.ends_at,
        given_at=given.given_at,
        ended_at=given.ended_at,
    )
