"""The verbs of agreements: ask for an offer, offer or counter, accept, and look at both."""

from typing import Literal, cast
from uuid import UUID

from handsel.catalog.listings import service as listings
from handsel.deals.orders import moving, terms
from handsel.deals.orders.errors import ListingNotOrderable, OwnListing, TooManyRounds
from handsel.deals.orders.moves import Move
from handsel.deals.orders.negotiated import offers, queries
from handsel.deals.orders.negotiated.errors import ListingHasPrice
from handsel.deals.orders.negotiated.queries import Offer
from handsel.deals.orders.negotiated.schemas import (
    AgreementInput,
    AgreeMove,
    OfferInput,
    OfferList,
    OfferMove,
    OfferTerms,
    OfferView,
    QuoteInput,
)
from handsel.deals.orders.opening import Draft, fee_at_sale, open_order
from handsel.deals.orders.queries import Order
from handsel.deals.orders.registry import current
from handsel.deals.orders.schemas import OrderView
from handsel.deals.orders.service import read
from handsel.deals.process import engine
from handsel.deals.process.definition import Role, Transition
from handsel.foundation.core.errors import Invalid
from handsel.foundation.core.ids import decode, encode
from handsel.foundation.db.pool import Connection
from handsel.foundation.db.uow import Tx
from handsel.foundation.http.principal import Principal
from handsel.foundation.http.work import Answer
from handsel.people.trust import service as trust

_ROUNDS = 5
#: The first move, as the provider is told of it.
_ASKED = Transition(name="initiate", actor="customer", to="quote_requested", notices=["provider"])
_OFFER = "uuid", "int", "text", "uuid", "bigint", "jsonb", "bytea", "timestamptz"
_TERMS = "uuid", "int", "bigint", "jsonb", "bytea", "timestamptz"


async def request_quote(tx: Tx, principal: Principal, data: QuoteInput) -> Answer[OrderView]:
    """Ask for an offer. Raises ``ListingNotOrderable``, ``OwnListing``, ``ListingHasPrice`` (409),
    ``InvalidStart`` (422)."""
    listing = await listings.for_order(tx, decode("lst", data.listing_id))
    if not listing.live:
        raise ListingNotOrderable
    if listing.seller_id == principal.member_id:
        raise OwnListing
    if listing.price_minor is not None:
        raise ListingHasPrice
    currency = listing.currency or data.currency
    if currency is None:
        raise Invalid("say in which currency you want to pay")
    trust.in_reference(1, currency)  # one that the policy does not know is refused now
    due = terms.due_at(data.starts_at, tx.now)
    process = current("negotiated")
    order = open_order(
        tx,
        Draft(
            process=process,
            customer_id=principal.member_id,
            provider_id=listing.seller_id,
            listing_id=listing.id,
            amount=0,
            unit=currency,
            terms=offers.requested(listing, data, principal, currency, due),
            due_at=due,
        ),
    )
    tx.emit("order.quote_requested", order.id, moving.event_of(order, process, _ASKED, "customer"))
    view = moving.as_view(order, process, "customer")
    return Answer(view, version=1, location=f"/v1/orders/{view.id}")


async def offer(
    tx: Tx, principal: Principal, order_id: UUID, data: OfferInput
) -> Answer[OfferView]:
    """The provider's offer, or the customer's counter-offer.

    Raises what ``offers.freeze`` and a move raise, and ``TooManyRounds`` (409).
    """
    order, role = await moving.own_order(tx, principal, order_id)
    process = moving.process_of(order)
    name = "make_offer" if role == "provider" else "counter"
    chosen = engine.choose(process, order.state, name, role)
    before = await queries.latest_offer(tx, order.id)
    number = _round_of(before, role)
    frozen = offers.freeze(data, order.unit, tx.now)
    made = Offer(order.id, number, role, tx.now, frozen, offers.hash_of(order.id, frozen))
    _set_terms(tx, order, offered=frozen)
    move = Move(order, OfferMove(name=name, note=data.note), role,
                principal.member_id)  # fmt: skip
    tx.call(
        "deals.make_offer",
        _OFFER,
        order.id,
        number,
        role,
        principal.member_id,
        frozen.price.amount_minor,
        frozen,
        made.terms_hash,
        frozen.valid_until,
    )
    await moving.make(tx, move, process, chosen)
    return Answer(_view(made), location=f"/v1/orders/{encode('ord', order.id)}/offers")


async def agree(
    tx: Tx, principal: Principal, order_id: UUID, data: AgreementInput
) -> Answer[OrderView]:
    """Accept the offer on the table: its terms are the job's, and every milestone opens.

    Raises ``TermsHashMismatch`` (409) where another one is on the table, and what a move raises.
    """
    order, role = await moving.own_order(tx, principal, order_id)
    process = moving.process_of(order)
    name = "accept_offer" if role == "customer" else "accept_counter"
    chosen = engine.choose(process, order.state, name, role)
    accepted = await queries.latest_offer(tx, order.id)
    assert accepted is not None, "an offer is on the table"
    data_of = AgreeMove(name=name, named=data.terms_hash, on_table=accepted.terms_hash.hex())
    amount = accepted.terms.price.amount_minor
    fee = await fee_at_sale(tx, order.provider_id, order.customer_id, amount, order.unit)
    order.terms = offers.agreed(order.terms, accepted.terms, accepted.terms_hash, fee)
    order.due_at = order.terms.due_at
    _write_terms(tx, order)
    await moving.make(tx, Move(order, data_of, role, principal.member_id), process, chosen)
    _open_milestones(tx, order, accepted.terms, role)
    return Answer(moving.as_view(order, process, role), version=order.version)


async def list_offers(conn: Connection, principal: Principal, order_id: UUID) -> OfferList:
    """Every offer of one of one's own orders."""
    await read(conn, principal, order_id)
    return OfferList(items=[_view(made) for made in await queries.offers(conn, order_id)])


def _round_of(before: Offer | None, role: Role) -> int:
    """A round is an offer and its answer."""
    number = before.round if before else 0
    if role == "provider":
        number += 1
    if number > _ROUNDS:
        raise TooManyRounds("five rounds of offers are over: accept, or break off")
    return number


def _set_terms(tx: Tx, order: Order, *, offered: OfferTerms) -> None:
    """What is on the table is what the order says."""
    order.amount = offered.price.amount_minor
    order.terms = offers.offered(order.terms, offered, tx.now)
    _write_terms(tx, order)


def _write_terms(tx: Tx, order: Order) -> None:
    order.terms_hash = terms.hash_of(order.id, order.terms)
    tx.call(
        "deals.set_terms",
        _TERMS,
        order.id,
        order.version,
        order.amount,
        order.terms,
        order.terms_hash,
        order.due_at,
    )


def _open_milestones(tx: Tx, order: Order, offer: OfferTerms, role: Role) -> None:
    for frozen in offers.milestone_terms(order.terms, offer):
        open_order(
            tx,
            Draft(
                process=current("milestone"),
                customer_id=order.customer_id,
                provider_id=order.provider_id,
                listing_id=order.listing_id,
                parent_id=order.id,
                amount=frozen.price.amount_minor,
                unit=order.unit,
                terms=frozen,
                due_at=frozen.due_at,
                opened_by=role,
            ),
        )


def _view(made: Offer) -> OfferView:
    return OfferView(
        order_id=encode("ord", made.order_id),
        round=made.round,
        by=cast(Literal["customer", "provider"], made.by_role),
        made_at=made.made_at,
        terms=made.terms,
        terms_hash=made.terms_hash.hex(),
    )
