"""Is the process alive, and may it get traffic?"""

import asyncio
import re
from functools import cache
from pathlib import Path
from typing import Final, Literal

import asyncpg
from litestar import Controller, get

from handsel import __version__, migrations
from handsel.foundation.core.errors import Problem
from handsel.foundation.core.schema import View
from handsel.foundation.db.uow import Database
from handsel.foundation.http.problems import documented

_PATIENCE_S: Final = 2.0
_REVISION_FILE: Final = re.compile(r"r(\d{4})_\w+\.py")
_VERSION: Final = "SELECT version_num FROM foundation.alembic_version"


class NotReady(Problem):
    """The service is not ready for requests"""

    code = "not_ready"
    status = 503


class Health(View):
    """The process answers."""

    status: Literal["ok"] = "ok"
    version: str = __version__


class Readiness(View):
    """The database answers and has the schema that this program needs, or a newer one."""

    status: Literal["ready"] = "ready"
    version: str = __version__
    schema_revision: str


@cache
def needed_revision() -> str:
    """The newest revision in the migrations folder; their file names carry the number."""
    folder = Path(migrations.__file__).parent / "versions"
    names = (_REVISION_FILE.fullmatch(file.name) for file in folder.iterdir())
    return max(name.group(1) for name in names if name)


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
                applied = await _applied_revision(database)
        except (asyncpg.PostgresError, asyncpg.InterfaceError, OSError) as error:
            raise NotReady(f"the database does not answer ({type(error).__name__})") from None
        if applied < needed_revision():
            raise NotReady(f"the schema is {applied or 'empty'}, {needed_revision()} is needed")
        return Readiness(schema_revision=applied)


async def _applied_revision(database: Database) -> str:
    async with database.reading() as conn:
        return str(await conn.fetchval(_VERSION) or "")
