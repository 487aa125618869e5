"""The API over the module's database, and the owner's eyes for what no answer may show."""

from collections.abc import AsyncIterator

import asyncpg
import httpx
import pytest

from handsel.foundation.core.settings import Settings
from handsel.foundation.db.uow import Database
from handsel.front.api.app import create_app


@pytest.fixture(scope="module")
async def api(database: Database, settings: Settings) -> AsyncIterator[httpx.AsyncClient]:
    """A client of the whole API."""
    transport = httpx.ASGITransport(app=create_app(settings, database))
    async with httpx.AsyncClient(transport=transport, base_url="http://handsel") as client:
        yield client


@pytest.fixture
async def owner(database: Database, database_url: str) -> AsyncIterator[asyncpg.Connection]:
    """A connection that may read everything, private columns and the outbox too."""
    conn = await asyncpg.connect(database_url)
    yield conn
    await conn.close()
