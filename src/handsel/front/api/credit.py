"""``/v1/credit``: both scores and the next tier on one page; trust, which knows the tier, stands
above credit and not beside it."""

from litestar import Controller, get

from handsel.foundation.db.uow import Database
from handsel.foundation.http.principal import Principal
from handsel.foundation.http.problems import documented
from handsel.people.credit import history
from handsel.people.credit.api import PRIVATE, SPOKEN
from handsel.people.credit.views import CreditView
from handsel.people.trust import service as trust
from handsel.people.trust.schemas import NextTierView
from handsel_ml.reasons import Language


class CreditPage(CreditView):
    """A member's own two scores, and the next tier with what it still needs."""

    next_unlock: NextTierView | None = None


class CreditPageController(Controller):
    """My two credit scores."""

    path = "/v1/credit"
    tags = ("credit",)

    @get(responses=documented(401, 422), cache_control=PRIVATE, dependencies=SPOKEN)
    async def read(self, principal: Principal, database: Database, spoken: Language) -> CreditPage:
        """My financial and social score: band, range, reasons, what changed, and what is next."""
        async with database.reading() as conn:
            mine = await history.own_credit(conn, principal.member_id, spoken)
            standing = await trust.own_trust(conn, principal.member_id)
        fields = {name: getattr(mine, name) for name in CreditView.__struct_fields__}
        return CreditPage(**fields, next_unlock=standing.next_tier)
