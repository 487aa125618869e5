"""Orders over HTTP."""

from typing import Annotated

from litestar import Controller, Response, get, post
from litestar.params import QueryParameter

from handsel.deals.orders import queries, service
from handsel.deals.orders.codes import CodeView, of_holder
from handsel.deals.orders.schemas import (
    OrderInput,
    OrderPage,
    OrderView,
    ProposalView,
    RebookInput,
    Timeline,
    TransitionInput,
)
from handsel.deals.orders.views import proposal_view
from handsel.foundation.core.ids import decode
from handsel.foundation.core.settings import Settings
from handsel.foundation.db.uow import Database
from handsel.foundation.http.principal import Principal
from handsel.foundation.http.problems import documented
from handsel.foundation.http.work import Work, etag

PageSize = Annotated[int, QueryParameter(ge=1, le=200)]


class OrderController(Controller):
    """What two members agreed, and whose money is held."""

    path = "/v1/orders"
    tags = ("orders",)

    @post(responses=documented(400, 401, 404, 409, 422))
    async def place(
        self, data: OrderInput, principal: Principal, work: Work
    ) -> Response[OrderView]:
        """Open an order of a listing. Its terms are frozen; nothing is paid until you fund it."""
        return await work.run(lambda tx: service.place(tx, principal, data), status=201)

    @get(responses=documented(400, 401, 422))
    async def list_own(
        self,
        principal: Principal,
        database: Database,
        settings: Settings,
        order_state: Annotated[str | None, QueryParameter(name="state", max_length=40)] = None,
        cursor: str | None = None,
        page_size: PageSize = 50,
    ) -> OrderPage:
        """Your orders on either side, newest first."""
        return await service.own_page(
            database, settings, principal, cursor=cursor, page_size=page_size, state=order_state
        )

    @get("/{order:str}", responses=documented(401, 404))
    async def read(
        self, order: str, principal: Principal, database: Database
    ) -> Response[OrderView]:
        """One of your orders, with its promise and next deadline."""
        async with database.reading() as conn:
            view = await service.read(conn, principal, decode("ord", order))
        return Response(content=view, headers={"ETag": etag(view.version)})

    @post(
        "/{order:str}/transitions",
        status_code=200,
        responses=documented(400, 401, 403, 404, 409, 422),
    )
    async def transition(
        self, order: str, data: TransitionInput, principal: Principal, work: Work
    ) -> Response[OrderView]:
        """Move an order: fund, revoke, accept, decline, deliver, approve, object, cancel …"""
        order_id = decode("ord", order)
        return await work.run(lambda tx: service.transition(tx, principal, order_id, data))

    @post("/{order:str}/rebook", responses=documented(400, 401, 403, 404, 409, 422))
    async def rebook(
        self, order: str, data: RebookInput, principal: Principal, work: Work
    ) -> Response[OrderView]:
        """Order the same again: a new order at the price of today. Nothing is paid until you fund
        it."""
        order_id = decode("ord", order)
        return await work.run(lambda tx: service.rebook(tx, principal, order_id, data), status=201)

    @get("/{order:str}/codes", responses=documented(401, 404))
    async def codes(self, order: str, principal: Principal, database: Database) -> list[CodeView]:
        """The codes that you show at a meeting; the other side enters them."""
        order_id = decode("ord", order)
        async with database.reading() as conn:
            view = await service.read(conn, principal, order_id)
            return await of_holder(conn, order_id, view.your_role)

    @get("/{order:str}/proposals", responses=documented(401, 404))
    async def proposals(
        self, order: str, principal: Principal, database: Database
    ) -> list[ProposalView]:
        """What either side proposes and the other may accept, newest first."""
        order_id = decode("ord", order)
        async with database.reading() as conn:
            await service.read(conn, principal, order_id)
            return [proposal_view(one) for one in await queries.proposals(conn, order_id)]

    @get("/{order:str}/timeline", responses=documented(401, 404))
    async def timeline(self, order: str, principal: Principal, database: Database) -> Timeline:
        """Every move with who, when, why and what money moved."""
        order_id = decode("ord", order)
        async with database.reading() as conn:
            await service.read(conn, principal, order_id)
            return Timeline(items=await queries.moves(conn, order_id))
