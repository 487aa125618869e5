"""Series over HTTP."""

from litestar import Controller, Response, get, post

from handsel.deals.orders.series import service
from handsel.deals.orders.series.schemas import SeriesInput, SeriesView
from handsel.foundation.core.ids import decode
from handsel.foundation.db.uow import Database
from handsel.foundation.http.principal import Principal
from handsel.foundation.http.problems import documented
from handsel.foundation.http.work import Work


class SeriesController(Controller):
    """The same service again and again, under one mandate."""

    path = "/v1/series"
    tags = ("orders",)

    @post(responses=documented(400, 401, 404, 409, 422))
    async def propose(
        self, data: SeriesInput, principal: Principal, work: Work
    ) -> Response[SeriesView]:
        """Propose a series of a priced listing. Moved like an order: accept, give_mandate (with the
        token of a confirmation of the whole), skip (the date in due_at), pause, resume, end."""
        return await work.run(lambda tx: service.propose(tx, principal, data), status=201)

    @get("/{order:str}", responses=documented(401, 404))
    async def read(self, order: str, principal: Principal, database: Database) -> SeriesView:
        """One of your series: its order, its mandate, and every date."""
        async with database.reading() as conn:
            return await service.show(conn, principal, decode("ord", order))
