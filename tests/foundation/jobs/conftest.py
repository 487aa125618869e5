"""A real database for the queue and the outbox. The project's own fixtures replace it later."""

import asyncio
import functools
import itertools
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from pathlib import Path

import asyncpg
import pytest

from handsel import migrations
from handsel.foundation.db.pool import connect, open_pool
from handsel.foundation.jobs import Worker
from tests.foundation.jobs.server import shared

#: The revision that makes the queue and the outbox.
REVISION = Path(migrations.__file__).with_name("versions") / "r0002_jobs.sql"
_number = itertools.count(1)

_SCHEMA = f"""
DO $$ BEGIN
    CREATE ROLE handsel_app;
EXCEPTION WHEN duplicate_object THEN NULL; END $$;
CREATE SCHEMA foundation;
CREATE FUNCTION foundation.handsel_now() RETURNS timestamptz LANGUAGE sql STABLE
    AS 'SELECT now() + interval ''1 day''';
{REVISION.read_text()}
CREATE TABLE effects (
    name text, note text, attempt integer, at timestamptz DEFAULT clock_timestamp());
GRANT ALL ON effects TO handsel_app;
"""


async def install(url: str) -> None:
    """What the migrations will do, and a table for handlers to leave a trace in."""
    conn = await asyncpg.connect(url)
    await conn.execute(_SCHEMA)
    await conn.close()


async def create(template: str) -> str:
    """A database of one's own, as a copy. It goes with the server, at the end of the run."""
    name = f"jobs_{next(_number)}"
    admin = await asyncpg.connect(shared().url())
    await admin.execute(f"CREATE DATABASE {name} TEMPLATE {template}")
    await admin.close()
    return name


@pytest.fixture
async def database_url() -> str:
    """An empty database."""
    return shared().url(await create("template0"))


@functools.cache
def template() -> "asyncio.Task[str]":
    """The database that all others are copies of, made once."""

    async def make() -> str:
        name = await create("template0")
        await install(shared().url(name))
        return name

    return asyncio.create_task(make())


@pytest.fixture
async def dsn() -> str:
    """A database with the queue and the outbox. Its business time is a day ahead."""
    return shared().url(await create(await template()))


@pytest.fixture
async def conn(dsn: str) -> AsyncIterator[asyncpg.Connection]:
    """A connection as the application has it: its role, its JSON codec."""
    connection = await connect(dsn)
    yield connection
    await connection.close()


@pytest.fixture
async def pool(dsn: str) -> AsyncIterator[asyncpg.Pool]:
    """The pool that handlers use."""
    pool = await open_pool(dsn, size=12)
    yield pool
    pool.terminate()


@asynccontextmanager
async def running(*workers: Worker) -> AsyncIterator[None]:
    """The workers work inside the block and have stopped after it; a fault of theirs surfaces."""
    tasks = [asyncio.create_task(worker.run()) for worker in workers]
    try:
        yield
    finally:
        for worker in workers:
            worker.stop()
        await asyncio.wait(tasks, timeout=15)
        for task in tasks:
            assert task.done(), "a worker did not stop"
            task.result()


async def until(holds: Callable[[], Awaitable[bool]], within_s: float = 8.0) -> None:
    """Wait for a condition that must come true."""
    async with asyncio.timeout(within_s):
        while not await holds():  # noqa: ASYNC110 - it is in the database
            await asyncio.sleep(0.02)
