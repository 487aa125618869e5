"""Is the process alive, and may it get traffic?"""

import asyncio
from typing import Final, Literal

import asyncpg
from litestar import Controller, get

from handsel import __version__
from handsel.foundation.core.errors import Busy, Problem
from handsel.foundation.core.schema import View
from handsel.foundation.db.uow import Database
from handsel.foundation.http.problems import documented
from handsel.front import revision

_PATIENCE_S: Final = 2.0


class NotReady(Problem):
    """The service is not ready for requests"""

    code = "not_ready"
    status = 503


class Health(View):
    """The process answers."""

    status: Literal["ok"] = "ok"
    version: str = __version__


class Readiness(View):
    """The database answers, can commit, and has the schema that this program needs, or a newer."""

    schema_revision: str
    status: Literal["ready"] = "ready"
    version: str = __version__


class HealthController(Controller):
    path = "/"
    tags = ("operations",)

    @get("/healthz", sync_to_thread=False)
    def read_health(self) -> Health:
        """Whether the process lives; it says nothing about the database."""
        return Health()

    @get("/readyz", responses=documented(503))
    async def read_readiness(self, database: Database) -> Readiness:
        """Whether requests can be served now. Search may be degraded and this still says yes."""
        try:
            async with asyncio.timeout(_PATIENCE_S):
                async with database.reading() as conn:
                    applied = await revision.applied(conn)
                    current = applied >= revision.needed()
                    alone = current and await conn.fetchval("SELECT foundation.standby_missing()")
        except (Busy, asyncpg.PostgresError, asyncpg.InterfaceError, OSError) as error:
            raise NotReady(f"the database does not answer ({type(error).__name__})") from None
        if not current:
            raise NotReady(f"the schema is {applied or 'empty'}, {revision.needed()} is needed")
        if alone:
            raise NotReady("no synchronous standby is connected: nothing can be committed")
        return Readiness(schema_revision=applied)
