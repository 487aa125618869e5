"""Routes of conversations."""

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
from handsel.people.messaging import pages, policy, queries, service
from handsel.people.messaging.schemas import (
    ConversationCreate,
    ConversationPage,
    ConversationView,
    MessageCreate,
    MessagePage,
    MessageView,
    ReadInput,
    ReadView,
)

Limit = Annotated[int, QueryParameter(ge=1, le=policy.MAX_PAGE_SIZE, description="Items a page.")]
Cursor = Annotated[str | None, QueryParameter(description="`next_cursor` of the page before.")]
After = Annotated[
    str | None, QueryParameter(description="`after` of an earlier page: what is new.")
]


class ConversationController(Controller):
    """One conversation per pair of people."""

    path = "/v1/conversations"
    tags = ("conversations",)

    @get(responses=documented(400, 401, 422), cache_control=CacheControlHeader(no_store=True))
    async def conversations(
        self,
        principal: Principal,
        database: Database,
        settings: Settings,
        limit: Limit = policy.PAGE_SIZE,
        cursor: Cursor = None,
    ) -> ConversationPage:
        """The caller's conversations, the latest words first, with what is unread."""
        async with database.reading() as conn:
            return await pages.conversations(conn, settings, principal.member_id, limit, cursor)

    @post(responses=documented(400, 401, 404, 409, 413, 422, 429))
    async def talk(
        self, data: ConversationCreate, principal: Principal, work: Work
    ) -> Response[ConversationView]:
        """Say something to somebody: begins the pair's conversation, or goes on with it."""
        return await work.run(lambda tx: service.talk(tx, principal, data), status=201)

    @get("/{conversation_id:str}", responses=documented(401, 404))
    async def conversation(
        self, conversation_id: str, principal: Principal, database: Database
    ) -> ConversationView:
        """One conversation."""
        async with database.reading() as conn:
            return await queries.conversation(
                conn, principal.member_id, decode("cnv", conversation_id)
            )

    @get(
        "/{conversation_id:str}/messages",
        responses=documented(400, 401, 404, 422),
        cache_control=CacheControlHeader(no_store=True),
    )
    async def messages(
        self,
        conversation_id: str,
        principal: Principal,
        database: Database,
        settings: Settings,
        limit: Limit = policy.PAGE_SIZE,
        cursor: Cursor = None,
        after: After = None,
    ) -> MessagePage:
        """Messages, newest first; with `after`, those that are new since, oldest first."""
        asked = pages.Asked(decode("cnv", conversation_id), limit, cursor, after)
        async with database.reading() as conn:
            return await pages.messages(conn, settings, principal.member_id, asked)

    @post(
        "/{conversation_id:str}/messages", responses=documented(400, 401, 404, 409, 413, 422, 429)
    )
    async def say(
        self, conversation_id: str, data: MessageCreate, principal: Principal, work: Work
    ) -> Response[MessageView]:
        """Say something."""
        own = decode("cnv", conversation_id)
        return await work.run(lambda tx: service.say(tx, principal, own, data.text), status=201)

    @post(
        "/{conversation_id:str}/read",
        status_code=200,
        responses=documented(400, 401, 404, 413, 422),
    )
    async def read(
        self, conversation_id: str, data: ReadInput, principal: Principal, free_work: Work
    ) -> Response[ReadView]:
        """Note up to which message the caller has read."""
        own = decode("cnv", conversation_id)
        return await free_work.run(lambda tx: service.have_read(tx, principal, own, data.seq))
