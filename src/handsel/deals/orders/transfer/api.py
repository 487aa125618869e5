"""Transfers over HTTP."""

from typing import Annotated

from litestar import Controller, Response, get, post
from litestar.params import QueryParameter

from handsel.deals.orders import service as orders
from handsel.deals.orders.schemas import OrderPage, OrderView
from handsel.deals.orders.transfer import service
from handsel.deals.orders.transfer.schemas import TransferInput
from handsel.foundation.core.settings import Settings
from handsel.foundation.db.uow import Database
from handsel.foundation.http.principal import Principal
from handsel.foundation.http.problems import documented
from handsel.foundation.http.work import Work

PageSize = Annotated[int, QueryParameter(ge=1, le=200)]


class TransferController(Controller):
    """Money from one member to another that buys nothing."""

    path = "/v1/transfers"
    tags = ("transfers",)

    @post(responses=documented(400, 401, 403, 404, 409, 422))
    async def send(
        self, data: TransferInput, principal: Principal, work: Work
    ) -> Response[OrderView]:
        """Send money to somebody. It is an order: fund it, and until it arrives you may revoke it.
        To whom you have dealt with it arrives when that window is over, to a stranger later."""
        return await work.run(lambda tx: service.send(tx, principal, data), status=201)

    @get(responses=documented(400, 401, 422))
    async def list_own(
        self,
        principal: Principal,
        database: Database,
        settings: Settings,
        cursor: str | None = None,
        page_size: PageSize = 50,
    ) -> OrderPage:
        """Transfers that you sent or were sent, newest first."""
        return await orders.own_page(
            database,
            settings,
            principal,
            cursor=cursor,
            page_size=page_size,
            process=service.PROCESS,
        )
