"""``/v1/credit``: a member's own scores."""

from litestar import Controller, get

from handsel.foundation.db.uow import Database
from handsel.foundation.http.principal import Principal
from handsel.foundation.http.problems import documented
from handsel.people.credit import service
from handsel.people.credit.schemas import CreditView


class CreditController(Controller):
    """My two credit scores."""

    path = "/v1/credit"
    tags = ("credit",)

    @get(responses=documented(401))
    async def read(self, principal: Principal, database: Database) -> CreditView:
        """My financial and social score with band, range, reasons and the next step."""
        async with database.reading() as conn:
            return await service.own_credit(conn, principal.member_id)
