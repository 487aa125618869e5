"""Real PostgreSQL for every test: one server, one migrated template, clones where commits matter.

``tx`` is a transaction that is rolled back; ``database`` is a clone that a module shares, with real
commits; ``client`` is the whole API over it, ``world`` adds what a story needs: a worker that is
drained by hand and a clock that is moved.
"""

import asyncio
import os
import shutil
import tempfile
from collections.abc import AsyncIterator, Iterator
from pathlib import Path
from uuid import uuid4

import asyncpg
import pytest

from handsel.foundation.core.settings import Settings
from handsel.foundation.db import embedded
from handsel.foundation.db.pool import connect, open_pool
from handsel.foundation.db.uow import Database, Tx
from handsel.migrations.run import migrate

_FAST = {"fsync": "off", "synchronous_commit": "off", "full_page_writes": "off"}
TEMPLATE = "handsel_template"


@pytest.fixture(scope="session")
def server() -> Iterator[embedded.ServerAddress]:
    """A PostgreSQL of this test run's own, gone with it (also after kill -9)."""
    home = Path(tempfile.mkdtemp(prefix="handsel-test-"))
    address = embedded.start(home, lifetime="tied", settings=_FAST)
    try:
        yield address
    finally:
        embedded.reset(home)
        shutil.rmtree(home, ignore_errors=True)


@pytest.fixture(scope="session")
def template(server: embedded.ServerAddress) -> str:
    """The name of a database with the newest schema, made by the migrations."""

    async def create() -> None:
        conn = await asyncpg.connect(server.url("postgres"))
        await conn.execute(f"CREATE DATABASE {TEMPLATE}")
        await conn.close()

    asyncio.run(create())
    migrate(server.url(TEMPLATE))
    return TEMPLATE


async def _clone(server: embedded.ServerAddress, template: str) -> str:
    name = f"t_{uuid4().hex[:12]}"
    conn = await asyncpg.connect(server.url("postgres"))
    await conn.execute(f"CREATE DATABASE {name} TEMPLATE {template}")
    await conn.close()
    return name


async def _drop(server: embedded.ServerAddress, name: str) -> None:
    conn = await asyncpg.connect(server.url("postgres"))
    await conn.execute(f"DROP DATABASE {name} WITH (FORCE)")
    await conn.close()


@pytest.fixture(scope="module")
async def database_url(server: embedded.ServerAddress, template: str) -> AsyncIterator[str]:
    """A clone of the template for this module: migrated, disposable, real commits."""
    name = await _clone(server, template)
    yield server.url(name)
    await _drop(server, name)


@pytest.fixture(scope="module")
async def database(database_url: str) -> AsyncIterator[Database]:
    """The module's clone, reached as the application's role."""
    pool = await open_pool(database_url, size=20)
    yield Database(pool)
    await pool.close()


@pytest.fixture(scope="session")
async def _tx_url(server: embedded.ServerAddress, template: str) -> AsyncIterator[str]:
    name = await _clone(server, template)
    yield server.url(name)
    await _drop(server, name)


@pytest.fixture
async def tx(_tx_url: str) -> AsyncIterator[Tx]:
    """A transaction that is rolled back. Deferred constraints are checked at the end."""
    conn = await connect(_tx_url)
    outer = conn.transaction()
    await outer.start()
    work = Tx(conn, await conn.fetchval("SELECT foundation.handsel_now()"))
    try:
        yield work
        await work.flush()
        await conn.execute("SET CONSTRAINTS ALL IMMEDIATE")
    finally:
        await outer.rollback()
        await conn.close()


@pytest.fixture(scope="session")
def settings(tmp_path_factory: pytest.TempPathFactory) -> Settings:
    """Settings of a sandbox with a fixed secret."""
    return Settings(home=tmp_path_factory.mktemp("home"), secret="s" * 48, log_level="warning")


def real_data(*parts: str) -> Path:
    """A file of the real data; the test is skipped, and says so, where there is none."""
    root = Path(os.environ.get("HANDSEL_DATA") or "../shared/data")
    path = root.joinpath(*parts)
    if not path.exists():
        pytest.skip(f"real data absent: {path} (set HANDSEL_DATA)")
    return path
