"""``/v1/credit``: a member's own scores."""

from litestar import Controller, get
from litestar.datastructures import CacheControlHeader

from handsel.foundation.db.uow import Database
from handsel.foundation.http.principal import Principal
from handsel.foundation.http.problems import documented
from handsel.people.credit import service
from handsel.people.credit.schemas import CreditView

_PRIVATE = CacheControlHeader(no_store=True)


class CreditController(Controller):
    """My two credit scores."""

    path = "/v1/credit"
    tags = ("credit",)

    @get(responses=documented(401), cache_control=_PRIVATE)
    async def read(self, principal: Principal, database: Database) -> CreditView:
        """My financial and social score with band, range, reasons and the next step."""
        async with database.reading() as conn:
            return await service.own_credit(conn, principal.member_id)
