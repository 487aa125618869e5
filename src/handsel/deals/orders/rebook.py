"""The same again: a new order of what one has ordered before, at today's price."""

from uuid import UUID

from handsel.deals.orders import queries
from handsel.deals.orders.errors import ListingNotOrderable
from handsel.deals.orders.opening import place
from handsel.deals.orders.schemas import OrderInput, OrderView, RebookInput
from handsel.deals.process.engine import NotYourMove
from handsel.foundation.core.errors import NotFound
from handsel.foundation.db.uow import Tx
from handsel.foundation.http.principal import Principal
from handsel.foundation.http.work import Answer


async def rebook(
    tx: Tx, principal: Principal, order_id: UUID, data: RebookInput
) -> Answer[OrderView]:
    """Place the order once more, with its quantity and note. Nothing is paid; the answer has the
    price as the listing asks it now.

    Raises ``NotYourMove`` (403) for the seller, and all that ``place`` raises.
    """
    order = await queries.load(tx.conn, order_id)
    role = order.role_of(principal.member_id)
    if role is None:
        raise NotFound("there is no such order")
    if role != "customer":
        raise NotYourMove("who has bought it orders it again")
    if order.terms.listing_id is None:
        raise ListingNotOrderable("this order came of no listing")
    if order.process == "series":
        raise ListingNotOrderable("a series is no order of one date: propose it again")
    if order.terms.ends_at is not None:
        raise ListingNotOrderable("a rental has an end too: POST /v1/rentals")
    again = OrderInput(
        listing_id=order.terms.listing_id,
        starts_at=data.starts_at,
        quantity=order.terms.quantity,
        note=order.terms.note,
    )
    return await place(tx, principal, again)
