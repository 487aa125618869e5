"""Quotes, offers and agreements over HTTP."""

from litestar import Controller, Response, get, post

from handsel.deals.orders import family
from handsel.deals.orders.negotiated import service
from handsel.deals.orders.negotiated.schemas import (
    AgreementInput,
    OfferInput,
    OfferList,
    OfferView,
    Parts,
    QuoteInput,
)
from handsel.deals.orders.schemas import OrderView
from handsel.foundation.core.ids import decode
from handsel.foundation.db.uow import Database
from handsel.foundation.http.principal import Principal
from handsel.foundation.http.problems import documented
from handsel.foundation.http.work import Work


class QuoteController(Controller):
    """Jobs whose price is found together: a request, offers, an agreement, milestones."""

    path = "/v1"
    tags = ("orders",)

    @post("/quotes", responses=documented(400, 401, 404, 409, 422))
    async def request(
        self, data: QuoteInput, principal: Principal, work: Work
    ) -> Response[OrderView]:
        """Ask the seller of a listing without a price for an offer."""
        return await work.run(lambda tx: service.request_quote(tx, principal, data), status=201)

    @post("/orders/{order:str}/offers", responses=documented(400, 401, 403, 404, 409, 422))
    async def offer(
        self, order: str, data: OfferInput, principal: Principal, work: Work
    ) -> Response[OfferView]:
        """Make an offer (as its provider) or counter one (as its customer)."""
        order_id = decode("ord", order)
        return await work.run(lambda tx: service.offer(tx, principal, order_id, data), status=201)

    @get("/orders/{order:str}/offers", responses=documented(401, 404))
    async def offers(self, order: str, principal: Principal, database: Database) -> OfferList:
        """Every offer of one of your orders, oldest first; the last one is on the table."""
        async with database.reading() as conn:
            return await service.list_offers(conn, principal, decode("ord", order))

    @post(
        "/orders/{order:str}/agreement",
        status_code=200,
        responses=documented(400, 401, 403, 404, 409, 422),
    )
    async def agree(
        self, order: str, data: AgreementInput, principal: Principal, work: Work
    ) -> Response[OrderView]:
        """Accept the offer on the table, named by its hash; every milestone becomes an order."""
        order_id = decode("ord", order)
        return await work.run(lambda tx: service.agree(tx, principal, order_id, data))

    @get("/orders/{order:str}/parts", responses=documented(401, 404))
    async def parts(self, order: str, principal: Principal, database: Database) -> Parts:
        """The orders that an agreement or a series consists of, by their dates."""
        async with database.reading() as conn:
            return Parts(items=await family.list_children(conn, principal, decode("ord", order)))
