"""TEMPORARY: an app of my rooms only, until every colleague's controllers import."""

from typing import Any
from litestar import Litestar
from litestar.datastructures import State
from litestar.di import Provide
from handsel.foundation.core.settings import Settings
from handsel.foundation.db.uow import Database
from handsel.foundation.http import problems
from handsel.foundation.http.principal import Principal, provide_principal, provide_visitor
from handsel.foundation.http.work import provide_free_work, provide_work
from handsel.people.members.api import (
    MeController,
    MemberController,
    SandboxMessageController,
    SessionController,
)
from handsel.people.members.service import authenticate
from handsel.people.messaging.api import ConversationController
from handsel.reach.notices.api import NoticeController


def create_app(settings: Settings, database: Database) -> Litestar:
    async def look_up(token: str) -> Principal | None:
        async with database.reading() as conn:
            return await authenticate(conn, token)

    return Litestar(
        route_handlers=[
            MeController,
            MemberController,
            SandboxMessageController,
            SessionController,
            ConversationController,
            NoticeController,
        ],
        state=State({"settings": settings, "database": database, "authenticate": look_up}),
        dependencies={
            "principal": Provide(provide_principal),
            "visitor": Provide(provide_visitor),
            "work": Provide(provide_work),
            "free_work": Provide(provide_free_work),
            "database": Provide(lambda: database, sync_to_thread=False),
            "settings": Provide(lambda: settings, sync_to_thread=False),
        },
        exception_handlers={Exception: problems.answer},
        request_max_body_size=1_000_000,
    )
