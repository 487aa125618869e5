"""Transfers over HTTP."""

from typing import Annotated
from uuid import UUID

from litestar import Controller, Response, get, post
from litestar.params import QueryParameter

from handsel.deals.orders import service as orders
from handsel.deals.orders.schemas import OrderPage, OrderView
from handsel.deals.orders.transfer import service
from handsel.deals.orders.transfer.schemas import TransferInput
from handsel.foundation.core.ids import decode
from handsel.foundation.core.paging import IdPages
from handsel.foundation.core.settings import Settings
from handsel.foundation.db.uow import Database
from handsel.foundation.http.principal import Principal
from handsel.foundation.http.problems import documented
from handsel.foundation.http.work import Work

PageSize = Annotated[int, QueryParameter(ge=1, le=200)]


def _id_of(view: OrderView) -> UUID:
    return decode("ord", view.id)


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
        scope = f"transfers:{principal.member_id}"
        pages = IdPages(settings.secret_bytes(), scope, page_size, _id_of)
        before = pages.before(cursor or None)
        async with database.reading() as conn:
            found = await orders.list_own(
                conn, principal, None, before, page_size + 1, service.PROCESS
            )
        items, next_cursor = pages.cut(found)
        return OrderPage(items=list(items), next_cursor=next_cursor)
