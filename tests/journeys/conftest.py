"""The whole API in this process, over a module's own database."""

from collections.abc import AsyncIterator

import httpx
import pytest

from handsel.foundation.core.settings import Settings
from handsel.foundation.db.uow import Database
from handsel.front.api.app import create_app
from tests.journeys.story import Story


@pytest.fixture(scope="module")
async def story(database: Database, settings: Settings) -> AsyncIterator[Story]:
    """Members, a worker drained by hand, a clock that is moved."""
    app = create_app(settings, database)
    transport = httpx.ASGITransport(app=app)
    async with httpx.AsyncClient(transport=transport, base_url="http://handsel.test") as http:
        yield Story(database, settings, http)
