"""Routes of notices."""

from typing import Annotated

from litestar import Controller, Response, get, post
from litestar.datastructures import CacheControlHeader
from litestar.params import QueryParameter

from handsel.foundation.core.ids import decode
from handsel.foundation.core.settings import Settings
from handsel.foundation.db.uow import Database
from handsel.foundation.http.principal import Principal
from handsel.foundation.http.problems import documented
from handsel.foundation.http.work import Work
from handsel.reach.notices import queries, service
from handsel.reach.notices.schemas import NoticePage, NoticeView, ReadAllView


class NoticeController(Controller):
    """What the caller should hear of."""

    path = "/v1/notices"
    tags = ("notices",)

    @get(responses=documented(400, 401, 422), cache_control=CacheControlHeader(no_store=True))
    async def notices(
        self,
        principal: Principal,
        database: Database,
        settings: Settings,
        unread: Annotated[bool, QueryParameter(description="Only what is unread.")] = False,
        limit: Annotated[int, QueryParameter(ge=1, le=200, description="Items a page.")] = 50,
        cursor: Annotated[
            str | None, QueryParameter(description="`next_cursor` of before.")
        ] = None,
    ) -> NoticePage:
        """The caller's notices, newest first, and how many are unread."""
        async with database.reading() as conn:
            return await queries.page(conn, settings, principal.member_id, limit, cursor, unread)

    @post("/{notice_id:str}/read", status_code=200, responses=documented(401, 404, 422))
    async def read(
        self, notice_id: str, principal: Principal, free_work: Work
    ) -> Response[NoticeView]:
        """Mark a notice as read."""
        own = decode("ntc", notice_id)
        return await free_work.run(lambda tx: service.read(tx, principal, own))

    @post("/read-all", status_code=200, responses=documented(401, 422))
    async def read_all(self, principal: Principal, free_work: Work) -> Response[ReadAllView]:
        """Mark all notices as read."""
        return await free_work.run(lambda tx: service.read_all(tx, principal))
