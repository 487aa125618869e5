"""Hours instead of money, over HTTP."""

from typing import Annotated

from litestar import Controller, Response, get, post
from litestar.params import QueryParameter

from handsel.deals.orders import service as orders
from handsel.deals.orders.schemas import OrderPage, OrderView
from handsel.deals.orders.time_credit import service
from handsel.deals.orders.time_credit.schemas import TimeAccountView, TimeCreditInput
from handsel.foundation.core.settings import Settings
from handsel.foundation.db.uow import Database
from handsel.foundation.http.principal import Principal
from handsel.foundation.http.problems import documented
from handsel.foundation.http.work import Work

PageSize = Annotated[int, QueryParameter(ge=1, le=200)]


class TimeCreditController(Controller):
    """Work for hours instead of money."""

    path = "/v1/time-credits"
    tags = ("time credits",)

    @post(responses=documented(400, 401, 404, 409, 422))
    async def ask(
        self, data: TimeCreditInput, principal: Principal, work: Work
    ) -> Response[OrderView]:
        """Ask somebody for work, for hours. It is an order: fund it to set the hours aside."""
        return await work.run(lambda tx: service.ask(tx, principal, data), status=201)

    @get(responses=documented(400, 401, 422))
    async def list_own(
        self,
        principal: Principal,
        database: Database,
        settings: Settings,
        cursor: str | None = None,
        page_size: PageSize = 50,
    ) -> OrderPage:
        """Your orders of hours on either side, newest first."""
        return await orders.own_page(
            database,
            settings,
            principal,
            cursor=cursor,
            page_size=page_size,
            process=service.PROCESS,
        )

    @get("/account", responses=documented(401))
    async def account(self, principal: Principal, database: Database) -> TimeAccountView:
        """Your hours: given, taken, set aside, and what you may still take."""
        async with database.reading() as conn:
            return await service.account(conn, principal)
