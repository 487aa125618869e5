"""The API in this process over a module's own database, and the house as a process."""

from collections.abc import AsyncIterator, Iterator
from pathlib import Path

import httpx
import pytest
from litestar import Litestar

from handsel.foundation.core.settings import Settings
from handsel.foundation.db import embedded
from handsel.foundation.db.uow import Database
from handsel.front.api.app import create_app
from tests.front.house import House


@pytest.fixture(scope="module")
def app(database: Database, settings: Settings) -> Litestar:
    return create_app(settings, database)


@pytest.fixture(scope="module")
async def http(app: Litestar) -> AsyncIterator[httpx.AsyncClient]:
    transport = httpx.ASGITransport(app=app, raise_app_exceptions=False)
    async with httpx.AsyncClient(transport=transport, base_url="http://test") as client:
        yield client


@pytest.fixture(scope="module")
def house(tmp_path_factory: pytest.TempPathFactory) -> Iterator[House]:
    """`handsel run` on a home and a port of its own; gone afterwards, however the tests end."""
    home: Path = tmp_path_factory.mktemp("house")
    running = House(home)
    running.start("--no-seed")
    try:
        yield running
    finally:
        running.end()
        embedded.reset(home)
