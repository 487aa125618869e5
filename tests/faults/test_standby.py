"""A COMMIT that its synchronous standby has not confirmed is no success, whoever cut it short.

A real primary and a real standby. The standby is stopped (not killed: the primary goes on waiting
for it), then what waits is cancelled, terminated, timed out or given up by its client.
"""

import asyncio
import shutil
import signal
import tempfile
from collections.abc import AsyncIterator, Awaitable, Callable, Iterator
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Any, cast
from uuid import uuid4

import asyncpg
import httpx
import pytest
import uvloop

from handsel.foundation.core.errors import OutcomeUnknown
from handsel.foundation.core.settings import Settings
from handsel.foundation.db import embedded
from handsel.foundation.db.pool import connect, open_pool
from handsel.foundation.db.session import Session
from handsel.foundation.db.uow import Database
from handsel.front.api.app import create_app
from handsel.migrations.run import migrate
from tests.factories.members import Member, calling, create_member
from tests.faults.standby import FAST, Standby, ask_for_standby, standby_of, waiting

TOP_UPS = "/v1/wallet/top-ups"
BODY = {"amount": {"amount_minor": 100, "currency": "EUR"}, "token": "tok_ok"}


@dataclass
class Pair:
    """The primary's address, and its standby."""

    url: str
    standby: Standby


async def create(url: str) -> None:
    conn = await asyncpg.connect(url)
    await conn.execute("CREATE DATABASE handsel")
    await conn.close()


@pytest.fixture(scope="module")
def pair() -> Iterator[Pair]:
    home = Path(tempfile.mkdtemp(prefix="handsel-primary-"))
    try:
        address = embedded.start(home, lifetime="tied", settings=FAST)
        asyncio.run(create(address.url("postgres")))
        migrate(address.url("handsel"))
        with standby_of(address) as standby:
            yield Pair(address.url("handsel"), standby)
    finally:
        embedded.reset(home)
        shutil.rmtree(home, ignore_errors=True)


@pytest.fixture
async def raw(pair: Pair) -> AsyncIterator[asyncpg.Connection]:
    """The superuser's connection; the standby is asked for while a test runs."""
    conn = await asyncpg.connect(pair.url)
    await ask_for_standby(conn, "*")
    await eventually(lambda: answers(conn, "SELECT count(*) FROM pg_stat_replication", 1))
    await eventually(lambda: answers(conn, "SHOW synchronous_standby_names", "*"))
    yield conn
    with suppress(ProcessLookupError):
        pair.standby.signal(signal.SIGCONT)
    await ask_for_standby(conn, "")
    await conn.close()


@pytest.fixture
async def database(pair: Pair, raw: asyncpg.Connection) -> AsyncIterator[Database]:
    """Reached as the application's role; the standby follows."""
    pool = await open_pool(pair.url, size=8)
    yield Database(pool)
    await asyncio.wait_for(pool.close(), 5)


@pytest.fixture
async def member(database: Database) -> Member:
    return await create_member(database, f"s{uuid4().hex[:12]}")


@pytest.fixture
async def http(database: Database, settings: Settings) -> AsyncIterator[httpx.AsyncClient]:
    async with calling(create_app(settings, database)) as client:
        yield client


async def eventually(holds: Callable[[], Awaitable[object]]) -> None:
    """Ask the server until it says so."""
    async with asyncio.timeout(10):
        while not await holds():  # noqa: ASYNC110 - a server cannot set our event
            await asyncio.sleep(0.01)


async def answers(conn: asyncpg.Connection, sql: str, expected: Any) -> bool:
    return bool(await conn.fetchval(sql) == expected)


async def made(raw: asyncpg.Connection, who: Member) -> int:
    found: int = await raw.fetchval(
        "SELECT count(*) FROM money.top_ups WHERE member_id = $1", who.id
    )
    return found


async def top_up(http: httpx.AsyncClient, who: Member, key: str) -> httpx.Response:
    return await http.post(TOP_UPS, json=BODY, headers=who.headers | {"Idempotency-Key": key})


@pytest.mark.parametrize("cut", ["pg_cancel_backend", "pg_terminate_backend"])
async def test_a_commit_cut_loose_from_its_standby_is_no_success(
    pair: Pair, http: httpx.AsyncClient, raw: asyncpg.Connection, member: Member, cut: str
) -> None:
    async def cut_loose() -> httpx.Response:
        asking = asyncio.create_task(top_up(http, member, "k1"))
        await eventually(lambda: waiting(raw))
        for pid in await waiting(raw):
            await raw.execute(f"SELECT {cut}($1)", pid)
        return await asking

    pair.standby.signal(signal.SIGSTOP)
    first, again = await cut_loose(), await cut_loose()
    seen = await made(raw, member)
    pair.standby.signal(signal.SIGCONT)
    told, once_more = await top_up(http, member, "k1"), await top_up(http, member, "k1")

    for unknown in (first, again):
        assert (unknown.status_code, unknown.json()["code"]) == (504, "outcome_unknown")
        assert unknown.headers["retry-after"] == "1"
        assert "Idempotency-Key" in unknown.json()["title"]
    assert seen == 1  # the primary has it; no client was told so
    assert (told.status_code, told.headers["idempotent-replayed"]) == (202, "true")
    assert told.content == once_more.content
    assert await made(raw, member) == 1


async def test_a_commit_that_waits_too_long_is_given_up_without_cancelling_it(
    pair: Pair, settings: Settings, raw: asyncpg.Connection, member: Member
) -> None:
    pool = await open_pool(pair.url, size=2, commit_within_s=0.2)
    async with calling(create_app(settings, Database(pool))) as http:
        pair.standby.signal(signal.SIGSTOP)
        given_up = await top_up(http, member, "slow")
        still = await waiting(raw)
        in_flight = await top_up(http, member, "slow")
        pair.standby.signal(signal.SIGCONT)
        await eventually(lambda: answers(raw, "SELECT count(*) FROM pg_locks WHERE NOT granted", 0))
        await eventually(lambda: nobody_waits(raw))
        told = await top_up(http, member, "slow")
    await pool.close()

    assert (given_up.status_code, given_up.json()["code"]) == (504, "outcome_unknown")
    assert len(still) == 1
    assert (in_flight.status_code, in_flight.json()["code"]) == (409, "idempotency_in_flight")
    assert (told.status_code, told.headers["idempotent-replayed"]) == (202, "true")
    assert await made(raw, member) == 1


async def nobody_waits(raw: asyncpg.Connection) -> bool:
    return not await waiting(raw)


async def test_a_client_that_goes_away_does_not_cancel_the_commit(
    pair: Pair, database: Database, raw: asyncpg.Connection, member: Member
) -> None:
    async def write(tx: Any) -> None:
        await tx.execute("SELECT pg_logical_emit_message(true, 'test', '')")

    pair.standby.signal(signal.SIGSTOP)
    asking = asyncio.create_task(database.run(write))
    await eventually(lambda: waiting(raw))
    before = await waiting(raw)
    asking.cancel()
    with pytest.raises(asyncio.CancelledError):
        await asking
    # A second commit reaches its wait: what the first one was sent, if anything, has arrived.
    other = asyncio.create_task(database.run(write))
    await eventually(lambda: count_waits(raw, 2))
    after = await waiting(raw)
    pair.standby.signal(signal.SIGCONT)
    await other

    assert set(before) < set(after)


async def count_waits(raw: asyncpg.Connection, number: int) -> bool:
    return len(await waiting(raw)) == number


async def test_nothing_is_told_of_a_refusal_that_could_not_be_committed(
    pair: Pair, database: Database, raw: asyncpg.Connection
) -> None:
    """What is collected for a refusal is not for an unknown outcome: it may be a success."""

    async def write(tx: Any) -> None:
        tx.if_refused("pg_catalog.set_config", ("text", "text", "bool"), "work_mem", "?", True)
        await tx.execute("SELECT pg_logical_emit_message(true, 'test', '')")

    pair.standby.signal(signal.SIGSTOP)
    asking = asyncio.create_task(database.run(write))
    await eventually(lambda: waiting(raw))
    await raw.execute("SELECT pg_cancel_backend($1)", (await waiting(raw))[0])
    with pytest.raises(OutcomeUnknown):
        await asking


async def test_the_event_loop_of_production_hears_the_warning_in_time(
    pair: Pair, raw: asyncpg.Connection
) -> None:
    """The API runs on uvloop: there too the warning must be known before COMMIT returns."""

    async def write() -> None:
        conn = await connect(pair.url)
        await conn.execute("BEGIN")
        await conn.execute("SELECT pg_logical_emit_message(true, 'test', '')")
        try:
            await cast(Session, conn).commit()
        finally:
            conn.terminate()

    pair.standby.signal(signal.SIGSTOP)
    asking = asyncio.create_task(asyncio.to_thread(uvloop.run, write()))
    await eventually(lambda: waiting(raw))
    await raw.execute("SELECT pg_cancel_backend($1)", (await waiting(raw))[0])
    with pytest.raises(OutcomeUnknown):
        await asking


async def test_readiness_ends_with_the_last_standby(
    pair: Pair, http: httpx.AsyncClient, raw: asyncpg.Connection
) -> None:
    async def says(status: int) -> bool:
        return (await http.get("/readyz")).status_code == status

    await eventually(lambda: says(200))
    await asyncio.to_thread(pair.standby.kill)
    await asyncio.wait_for(eventually(lambda: says(503)), 5)
    red = await http.get("/readyz")
    await ask_for_standby(raw, "")
    await eventually(lambda: says(200))
    pair.standby.start()
    await ask_for_standby(raw, "*")
    await eventually(lambda: says(200))
    for two in ("ANY 2 (*)", "2 (*)", "FIRST 2 (walreceiver, other)"):
        await ask_for_standby(raw, two)
        await eventually(lambda: says(503))
        await ask_for_standby(raw, "ANY 1 (other, walreceiver)")
        await eventually(lambda: says(200))

    assert red.json()["code"] == "not_ready"
    assert "no synchronous standby is connected" in red.json()["detail"]
