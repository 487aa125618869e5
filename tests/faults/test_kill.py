"""kill -9 of the API, of the worker and of the postmaster in the middle of forty money requests.

Real processes against a server of this test's own. Whoever got no answer asks again with the same
key; in the end each request has had exactly one effect and the money is all there.
"""

import asyncio
import os
import shutil
import signal
import socket
import subprocess
import sys
import tempfile
from collections.abc import AsyncIterator, Awaitable, Callable, Iterator
from contextlib import suppress
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any
from uuid import uuid4

import asyncpg
import httpx
import pytest

from handsel.foundation.db import embedded
from handsel.foundation.db.pool import open_pool
from handsel.foundation.db.uow import Database
from handsel.front import invariants
from handsel.migrations.run import migrate
from handsel.money.ledger import service as ledger
from handsel.money.ledger.service import HOUSE, Account, Transfer
from tests.factories.members import Member, create_member
from tests.foundation.db.embedded_support import postmaster

pytestmark = pytest.mark.skipif(
    sys.platform != "linux", reason="the server's processes are found in /proc"
)

#: What was answered must survive the death of the server: only the disk's own delay is left out.
SAFE_ENOUGH = {"fsync": "off", "full_page_writes": "off", "synchronous_commit": "on"}
REQUESTS = 40
BUYERS = 4
START = 100_000


@dataclass
class Place:
    """A home with a migrated database, and the processes that were started on it."""

    home: Path
    url: str
    port: int
    running: dict[str, subprocess.Popen[bytes]] = field(default_factory=dict)

    def start(self, name: str) -> None:
        """``handsel serve`` or ``handsel worker``; it ends with this process, however that ends."""
        env = os.environ | {
            "HANDSEL_HOME": str(self.home),
            "HANDSEL_DATABASE_URL": self.url,
            "PORT": str(self.port),
            "HANDSEL_LOG_LEVEL": "warning",
        }
        argv = [sys.executable, "-m", "handsel.front.cli", name, "--parent", str(os.getpid())]
        with (self.home / f"{name}.log").open("ab") as log:
            self.running[name] = subprocess.Popen(argv, env=env, stdout=log, stderr=log)

    def kill(self, name: str) -> None:
        """kill -9, by its own pid."""
        process = self.running.pop(name)
        process.kill()
        assert process.wait() == -signal.SIGKILL

    def log(self, name: str) -> str:
        return (self.home / f"{name}.log").read_text()[-3000:]


def free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port: int = probe.getsockname()[1]
    return port


@pytest.fixture(scope="module")
def place() -> Iterator[Place]:
    home = Path(tempfile.mkdtemp(prefix="handsel-kill-"))
    found = None
    try:
        address = embedded.start(home, lifetime="tied", settings=SAFE_ENOUGH)
        asyncio.run(create(address.url("postgres")))
        migrate(address.url("handsel"))
        found = Place(home, address.url("handsel"), free_port())
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
    limits = httpx.Limits(max_connections=REQUESTS)
    async with httpx.AsyncClient(
        base_url=f"http://127.0.0.1:{place.port}", timeout=20, limits=limits
    ) as client:
        if "serve" not in place.running:
            place.start("serve")
        await ready(place, client)
        yield client


async def eventually(holds: Callable[[], Awaitable[bool]], what: str, within: float = 30) -> None:
    with suppress(TimeoutError):
        async with asyncio.timeout(within):
            while not await holds():  # noqa: ASYNC110 - another process cannot set our event
                await asyncio.sleep(0.02)
            return
    pytest.fail(what)


async def ready(place: Place, http: httpx.AsyncClient) -> None:
    async def says_so() -> bool:
        assert place.running["serve"].poll() is None, place.log("serve")
        with suppress(httpx.TransportError):
            return (await http.get("/readyz")).status_code == 200
        return False

    await eventually(says_so, "the API does not get ready")


async def members(place: Place) -> list[tuple[Member, str]]:
    """Buyers with 1,000.00 EUR each, and the id of a bank account."""
    pool = await open_pool(place.url, size=2)
    database, found = Database(pool), []
    for _ in range(BUYERS):
        kinds = ("phone", "id_document", "bank_account")
        who = await create_member(database, f"k{uuid4().hex[:12]}", verified=kinds)
        async with database.transaction() as tx:
            wallet = Account("wallet", who.id, "EUR")
            ledger.open_accounts(tx, [wallet])
            clearing = Account("provider_clearing", HOUSE, "EUR")
            ledger.post(tx, [Transfer(clearing, wallet, START, "gift")], uuid4())
            bank = await tx.fetchval(
                "INSERT INTO money.payout_methods (member_id, token, label, created_at)"
                " VALUES ($1, 'bank_ok', 'x', $2) RETURNING id",
                who.id,
                tx.now,
            )
        found.append((who, f"pay_{bank.hex}"))
    await pool.close()
    return found


@dataclass
class Request:
    """A money request with its key, and every final answer that it got."""

    who: Member
    path: str
    body: dict[str, Any]
    key: str = field(default_factory=lambda: uuid4().hex)
    answers: list[httpx.Response] = field(default_factory=list)
    others: list[httpx.Response] = field(default_factory=list)

    async def send(self, http: httpx.AsyncClient) -> bool:
        """Ask once; whether the answer is final. No answer, and "not now", are not."""
        headers = self.who.headers | {"Idempotency-Key": self.key}
        try:
            answer = await http.post(self.path, json=self.body, headers=headers)
        except httpx.TransportError:
            return False
        final = answer.status_code not in (503,) and not (
            answer.status_code == 409 and answer.json()["code"] == "idempotency_in_flight"
        )
        (self.answers if final else self.others).append(answer)
        return final


async def kill_in_the_middle(
    http: httpx.AsyncClient, requests: list[Request], kill: Callable[[], None], after: int = 5
) -> list[Request]:
    """Send all at once and kill when the first few have been answered; those without an answer."""
    answered, enough = 0, asyncio.Event()

    async def one(request: Request) -> None:
        nonlocal answered
        if await request.send(http):
            answered += 1
            if answered == after:
                enough.set()

    sending = [asyncio.create_task(one(request)) for request in requests]
    await enough.wait()
    kill()
    await asyncio.gather(*sending)
    return [request for request in requests if not request.answers]


async def ask_again(http: httpx.AsyncClient, requests: list[Request]) -> None:
    """Every request until it has a final answer, unchanged."""
    for request in requests:
        await eventually(lambda r=request: r.send(http), "a request is never answered")  # type: ignore[misc]


async def report(place: Place) -> invariants.Report:
    conn = await asyncpg.connect(place.url)
    try:
        return await invariants.run(conn)
    finally:
        await conn.close()


async def books(place: Place, who: Member) -> tuple[int, int, int, int]:
    """(wallet, withdrawals, stored answers, sum of all accounts of everybody and the house)."""
    conn = await asyncpg.connect(place.url)
    row = await conn.fetchrow(
        "SELECT (SELECT balance FROM money.accounts WHERE id = $2) AS wallet,"
        " (SELECT count(*) FROM money.withdrawals WHERE member_id = $1) AS withdrawals,"
        " (SELECT count(*) FROM foundation.answers WHERE principal = $1) AS answers,"
        " (SELECT sum(CASE WHEN folded THEN money.folded_balance(id) ELSE balance END)::bigint"
        "    FROM money.accounts) AS all_money",
        who.id,
        Account("wallet", who.id, "EUR").id,
    )
    await conn.close()
    assert row is not None
    return row["wallet"], row["withdrawals"], row["answers"], row["all_money"]


def withdrawals(people: list[tuple[Member, str]]) -> list[Request]:
    """Forty withdrawals of different amounts."""
    return [
        Request(
            people[n % BUYERS][0],
            "/v1/wallet/withdrawals",
            {
                "amount": {"amount_minor": 100 + n, "currency": "EUR"},
                "payout_method": people[n % BUYERS][1],
            },
        )
        for n in range(REQUESTS)
    ]


async def each_has_one_effect(
    place: Place, http: httpx.AsyncClient, people: list[tuple[Member, str]], requests: list[Request]
) -> None:
    for request in requests:
        assert await request.send(http)
        assert {answer.status_code for answer in request.answers} == {202}
        assert len({answer.content for answer in request.answers}) == 1
        assert request.answers[-1].headers["idempotent-replayed"] == "true"
        assert {answer.status_code for answer in request.others} <= {409, 503}
    for who, _ in people:
        mine = [r.body["amount"]["amount_minor"] for r in requests if r.who is who]
        expected = (START - sum(mine), len(mine), len(mine), 0)
        assert await books(place, who) == expected
    found = await report(place)
    assert [c for c in found.checks if c.state == "violated"] == []
    assert len({r.answers[0].json()["id"] for r in requests}) == REQUESTS


async def test_the_api_is_killed(place: Place, http: httpx.AsyncClient) -> None:
    people = await members(place)
    requests = withdrawals(people)

    unknown = await kill_in_the_middle(http, requests, lambda: place.kill("serve"))
    place.start("serve")
    await ready(place, http)
    await ask_again(http, unknown)

    assert 0 < len(unknown) <= REQUESTS - 5
    await each_has_one_effect(place, http, people, requests)


async def test_the_postmaster_is_killed(place: Place, http: httpx.AsyncClient) -> None:
    people = await members(place)
    requests = withdrawals(people)

    unknown = await kill_in_the_middle(
        http, requests, lambda: os.kill(postmaster(place.home), signal.SIGKILL)
    )
    away = Request(people[0][0], requests[0].path, requests[0].body, key=requests[0].key)
    answered = await away.send(http)
    await asyncio.to_thread(embedded.start, place.home, lifetime="tied", settings=SAFE_ENOUGH)
    await ask_again(http, unknown)

    assert 0 < len(unknown) <= REQUESTS - 5
    assert not answered
    assert {(a.status_code, a.json()["code"]) for a in away.others} == {(503, "busy")}
    await each_has_one_effect(place, http, people, requests)


async def test_the_worker_is_killed(place: Place, http: httpx.AsyncClient) -> None:
    people = await members(place)
    tokens = ["tok_ok", "tok_ok", "tok_declined", "tok_ok", "tok_lost_answer"]
    requests = [
        Request(
            people[n % BUYERS][0],
            "/v1/wallet/top-ups",
            {
                "amount": {"amount_minor": 100 + n, "currency": "EUR"},
                "token": tokens[n % len(tokens)],
            },
        )
        for n in range(REQUESTS)
    ]
    conn = await asyncpg.connect(place.url)

    async def decided(at_least: int) -> bool:
        assert place.running["worker"].poll() is None, place.log("worker")
        found: int = await conn.fetchval(
            "SELECT count(*) FROM money.top_ups WHERE state <> 'pending'"
        )
        return found >= at_least

    for request in requests:
        assert await request.send(http)
    place.start("worker")
    await eventually(lambda: decided(3), "the worker does nothing")
    place.kill("worker")
    left = await conn.fetchval("SELECT count(*) FROM money.top_ups WHERE state = 'pending'")
    # What the dead worker held is taken back after thirty seconds without a sign: let them be over.
    await conn.execute("UPDATE jobs.pgqueuer SET heartbeat = heartbeat - interval '1 minute'")
    place.start("worker")
    await eventually(lambda: decided(REQUESTS), "a top-up was lost")

    assert left > 0
    for who, _ in people:
        mine = [r.body for r in requests if r.who is who]
        paid = sum(b["amount"]["amount_minor"] for b in mine if b["token"] != "tok_declined")
        wallet, _, _, all_money = await books(place, who)
        assert (wallet, all_money) == (START + paid, 0)
    await conn.close()
    place.kill("worker")
    found = await report(place)
    assert [c for c in found.checks if c.state == "violated"] == []
