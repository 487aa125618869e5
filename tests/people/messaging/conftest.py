"""The API over this module's database, called from one address."""

from collections.abc import AsyncIterator

import httpx
import pytest

from handsel.foundation.core.settings import Settings
from handsel.foundation.db.uow import Database
from handsel.front.api.app import create_app
from tests.factories.members import calling


@pytest.fixture(scope="module")
async def client(settings: Settings, database: Database) -> AsyncIterator[httpx.AsyncClient]:
    """A client without a token."""
    async with calling(create_app(settings, database)) as http:
        yield http
