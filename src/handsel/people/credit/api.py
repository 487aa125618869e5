"""``/v1/credit/…``: how a member's scores came to be, what they know, and the appeal to a person.
The page itself, ``/v1/credit``, names the next tier too: ``front/api/credit.py``."""

from typing import Annotated

from litestar import Controller, Response, get, post
from litestar.datastructures import CacheControlHeader
from litestar.di import Provide
from litestar.params import HeaderParameter, QueryParameter

from handsel.foundation.core.ids import decode
from handsel.foundation.core.settings import Settings
from handsel.foundation.db.uow import Database, Tx
from handsel.foundation.http.principal import Principal
from handsel.foundation.http.problems import documented
from handsel.foundation.http.work import Answer, Work
from handsel.people.credit import appeals, history
from handsel.people.credit.language import preferred
from handsel.people.credit.views import (
    AppealInput,
    AppealPage,
    AppealView,
    FactPage,
    HistoryPage,
)
from handsel_ml.contract import ScoreKind
from handsel_ml.reasons import Language

Limit = Annotated[int, QueryParameter(ge=1, le=200, description="Items a page.")]
Cursor = Annotated[str | None, QueryParameter(description="`next_cursor` of before.")]
PRIVATE = CacheControlHeader(no_store=True)


def provide_language(
    language: Annotated[
        Language | None, QueryParameter(description="Of the words; else by Accept-Language.")
    ] = None,
    accept_language: Annotated[
        str | None, HeaderParameter(name="Accept-Language", required=False)
    ] = None,
) -> Language:
    """The language of an answer's words, as dependency ``spoken``."""
    return language or preferred(accept_language)


#: For the controllers of ``/v1/credit``.
SPOKEN = {"spoken": Provide(provide_language, sync_to_thread=False)}


class CreditController(Controller):
    """What is behind my two scores, and how to contest it."""

    path = "/v1/credit"
    tags = ("credit",)

    @get(
        "/history",
        responses=documented(400, 401, 422),
        cache_control=PRIVATE,
        dependencies=SPOKEN,
    )
    async def history(
        self,
        principal: Principal,
        database: Database,
        settings: Settings,
        spoken: Language,
        kind: Annotated[ScoreKind | None, QueryParameter(description="Of one score alone.")] = None,
        limit: Limit = 50,
        cursor: Cursor = None,
    ) -> HistoryPage:
        """When state, points or band of my scores changed, newest first, and by which facts."""
        async with database.reading() as conn:
            return await history.own_history(
                conn, settings.secret_bytes(), principal.member_id, kind, cursor, limit, spoken
            )

    @get("/facts", responses=documented(400, 401, 422), cache_control=PRIVATE, dependencies=SPOKEN)
    async def facts(
        self,
        principal: Principal,
        database: Database,
        settings: Settings,
        spoken: Language,
        limit: Limit = 50,
        cursor: Cursor = None,
    ) -> FactPage:
        """Everything that my scores know about me, newest first; what is wrong can be contested."""
        async with database.reading() as conn:
            return await history.own_facts(
                conn, settings.secret_bytes(), principal.member_id, cursor, limit, spoken
            )

    @post("/appeals", responses=documented(400, 401, 404, 409, 413, 422))
    async def appeal(
        self, data: AppealInput, principal: Principal, work: Work
    ) -> Response[AppealView]:
        """Contest a score, the facts behind it or a decision. A person decides within 30 days."""

        async def filed(tx: Tx) -> Answer[AppealView]:
            view = await appeals.file(tx, principal.member_id, data)
            return Answer(view, location=f"/v1/credit/appeals/{view.id}")

        return await work.run(filed, status=201)

    @get("/appeals", responses=documented(400, 401, 422), cache_control=PRIVATE)
    async def list_appeals(
        self,
        principal: Principal,
        database: Database,
        settings: Settings,
        limit: Limit = 50,
        cursor: Cursor = None,
    ) -> AppealPage:
        """My appeals, newest first."""
        async with database.reading() as conn:
            return await appeals.own(
                conn, settings.secret_bytes(), principal.member_id, cursor, limit
            )

    @get("/appeals/{appeal_id:str}", responses=documented(401, 404), cache_control=PRIVATE)
    async def read_appeal(
        self, appeal_id: str, principal: Principal, database: Database
    ) -> AppealView:
        """One of my appeals, with the answer once there is one."""
        async with database.reading() as conn:
            return await appeals.one(conn, decode("apl", appeal_id), principal.member_id)
