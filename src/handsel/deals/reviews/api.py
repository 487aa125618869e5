"""Reviews over HTTP."""

from typing import Annotated
from uuid import UUID

from litestar import Controller, Response, get, post, put
from litestar.params import QueryParameter

from handsel.deals.reviews import service
from handsel.deals.reviews.schemas import (
    OrderReviews,
    ReplyInput,
    ReviewEdit,
    ReviewInput,
    ReviewPage,
    ReviewView,
)
from handsel.foundation.core.ids import decode
from handsel.foundation.core.paging import IdPages
from handsel.foundation.core.settings import Settings
from handsel.foundation.db.uow import Database
from handsel.foundation.http.principal import Principal
from handsel.foundation.http.problems import documented
from handsel.foundation.http.work import IfMatch, Work, etag, expected_version

MemberParam = Annotated[str, QueryParameter(max_length=64, description="mem_…")]
PageSize = Annotated[int, QueryParameter(ge=1, le=200)]


def _id_of(view: ReviewView) -> UUID:
    return decode("rev", view.id)


class ReviewController(Controller):
    """What people say of each other after a settled order."""

    path = "/v1"
    tags = ("reviews",)

    @post("/reviews", responses=documented(400, 401, 404, 409, 422))
    async def write(
        self, data: ReviewInput, principal: Principal, work: Work
    ) -> Response[ReviewView]:
        """Review the other side of a settled order, within 14 days. Nobody sees it before both
        sides have written or the 14 days are over."""
        return await work.run(lambda tx: service.write(tx, principal, data), status=201)

    @get("/reviews", responses=documented(400, 404, 422))
    async def of_member(
        self,
        database: Database,
        settings: Settings,
        member: MemberParam,
        cursor: str | None = None,
        page_size: PageSize = 50,
    ) -> ReviewPage:
        """Published reviews of a member, newest first; no account needed."""
        member_id = decode("mem", member)
        pages = IdPages(settings.secret_bytes(), f"reviews:{member_id}", page_size, _id_of)
        before = pages.before(cursor or None)
        async with database.reading() as conn:
            found = await service.of_member(conn, member_id, before, page_size + 1)
        items, next_cursor = pages.cut(found)
        return ReviewPage(items=list(items), next_cursor=next_cursor)

    @get("/reviews/{review:str}", responses=documented(401, 404))
    async def read(
        self, review: str, visitor: Principal | None, database: Database
    ) -> Response[ReviewView]:
        """A published review; your own also before."""
        reader = visitor.member_id if visitor else None
        async with database.reading() as conn:
            view = await service.one(conn, decode("rev", review), reader)
        return Response(content=view, headers={"ETag": etag(view.version)})

    @put("/reviews/{review:str}", responses=documented(400, 401, 404, 409, 412, 422, 428))
    async def edit(
        self,
        review: str,
        data: ReviewEdit,
        principal: Principal,
        free_work: Work,
        if_match: IfMatch = None,
    ) -> Response[ReviewView]:
        """Write your review anew while it is pending; If-Match carries the ETag that you last
        read."""
        mine, expected = decode("rev", review), expected_version(if_match)
        return await free_work.run(lambda tx: service.edit(tx, principal, mine, expected, data))

    @post(
        "/reviews/{review:str}/reply",
        responses=documented(400, 401, 403, 404, 409, 422),
    )
    async def reply(
        self, review: str, data: ReplyInput, principal: Principal, work: Work
    ) -> Response[ReviewView]:
        """Reply in public to a review of you, once, within 14 days."""
        about_me = decode("rev", review)
        return await work.run(lambda tx: service.reply(tx, principal, about_me, data), status=201)

    @get("/orders/{order:str}/reviews", responses=documented(401, 404))
    async def of_order(self, order: str, principal: Principal, database: Database) -> OrderReviews:
        """Yours and, once published, theirs."""
        async with database.reading() as conn:
            return await service.of_order(conn, principal, decode("ord", order))
