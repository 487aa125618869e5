"""One server and one API for all of the killing; each test has members of its own."""

import asyncio
import shutil
import tempfile
from collections.abc import AsyncIterator, Iterator
from pathlib import Path

import asyncpg
import httpx
import pytest

from handsel.foundation.db import embedded
from handsel.migrations.run import migrate
from tests.faults.asking import REQUESTS
from tests.faults.place import SAFE_ENOUGH, Place, ready


@pytest.fixture(scope="session")
def place() -> Iterator[Place]:
    home = Path(tempfile.mkdtemp(prefix="handsel-kill-"))
    found = None
    try:
        address = embedded.start(home, lifetime="tied", settings=SAFE_ENOUGH)
        asyncio.run(create(address.url("postgres")))
        migrate(address.url("handsel"))
        found = Place(home, address.url("handsel"))
        yield found
    finally:
        for name in list(found.running) if found else ():
            assert found is not None
            found.kill(name)
        embedded.reset(home)
        shutil.rmtree(home, ignore_errors=True)


async def create(url: str) -> None:
    conn = await asyncpg.connect(url)
    await conn.execute("CREATE DATABASE handsel")
    await conn.close()


@pytest.fixture
async def http(place: Place) -> AsyncIterator[httpx.AsyncClient]:
    """A client of the API over TCP; the API runs."""
    if "serve" not in place.running:
        place.start("serve")
    limits = httpx.Limits(max_connections=REQUESTS)
    async with httpx.AsyncClient(
        base_url=place.address("serve"), timeout=20, limits=limits
    ) as client:
        await ready(place)
        yield client
