"""Reviews over HTTP."""

from typing import Annotated
from uuid import UUID

from litestar import Controller, Response, get, post
from litestar.params import QueryParameter

from handsel.deals.reviews import service
from handsel.deals.reviews.service import ReviewInput, ReviewPage, ReviewView
from handsel.foundation.core.ids import decode
from handsel.foundation.core.paging import IdPages
from handsel.foundation.core.settings import Settings
from handsel.foundation.db.uow import Database
from handsel.foundation.http.principal import Principal
from handsel.foundation.http.problems import documented
from handsel.foundation.http.work import Work

MemberParam = Annotated[str, QueryParameter(max_length=64, description="mem_…")]
PageSize = Annotated[int, QueryParameter(ge=1, le=200)]


def _id_of(view: ReviewView) -> UUID:
    return decode("rev", view.id)


class ReviewController(Controller):
    """What people say of each other after a settled order."""

    path = "/v1/reviews"
    tags = ("orders",)

    @post(responses=documented(400, 401, 404, 409, 422))
    async def write(
        self, data: ReviewInput, principal: Principal, work: Work
    ) -> Response[ReviewView]:
        """Review the other side of a settled order, once."""
        return await work.run(lambda tx: service.write(tx, principal, data), status=201)

    @get(responses=documented(400, 404, 422))
    async def of_member(
        self,
        database: Database,
        settings: Settings,
        member: MemberParam,
        cursor: str | None = None,
        page_size: PageSize = 50,
    ) -> ReviewPage:
        """Reviews of a member, newest first; no account needed."""
        member_id = decode("mem", member)
        pages = IdPages(settings.secret_bytes(), f"reviews:{member_id}", page_size, _id_of)
        before = pages.before(cursor or None)
        async with database.reading() as conn:
            found = await service.of_member(conn, member_id, before, page_size + 1)
        items, next_cursor = pages.cut(found)
        return ReviewPage(items=list(items), next_cursor=next_cursor)
