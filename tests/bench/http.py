"""Money over HTTP against the posting function: the price of everything around a transfer."""

import asyncio
import json
import os
import socket
import subprocess
import sys
import time
import urllib.request
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import timedelta
from typing import Any
from uuid import UUID, uuid4

import uvloop

from handsel.foundation.db.pool import open_pool
from handsel.foundation.db.uow import Database, Tx
from handsel.money.ledger import service as ledger
from handsel.money.ledger.service import HOUSE, Account, Transfer
from handsel.people.members import service as members
from handsel.people.members.schemas import SandboxMember
from handsel.people.trust import service as trust
from tests.bench.posting import FUNCTION, script
from tests.bench.rounds import Effort, Line, compare
from tests.bench.server import Bench

CLIENTS = 16
_PRICE = 100
#: Of the five requests of a flow, these write transfers; only they count.
_MONEY = {"fund", "approve"}


@dataclass(frozen=True)
class Pair:
    """A buyer and a seller who have dealt before, with their tokens and a listing."""

    buyer: UUID
    seller: UUID
    buyer_token: str
    seller_token: str
    listing: str = ""


def http_money_vs_posting(bench: Bench, effort: Effort) -> Line:
    """Money requests a second through HTTP, the other requests of the flow made but not counted."""
    posting = script(FUNCTION)
    with api(bench.url) as port:
        pairs = uvloop.run(_prepare(bench.url, port))
        return compare(
            "http_money_vs_posting",
            "money requests/s",
            "our posting function by pgbench, 16 clients",
            lambda: uvloop.run(_load(port, pairs, effort.seconds)),
            lambda: bench.pgbench(posting, effort.seconds),
            effort,
        )


@contextmanager
def api(url: str) -> Iterator[int]:
    """The API as its own process on a free port."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port: int = probe.getsockname()[1]
    environ = os.environ | {
        "HANDSEL_DATABASE_URL": url,
        "PORT": str(port),
        "HANDSEL_SECRET": "b" * 48,
        "HANDSEL_LOG_LEVEL": "warning",
    }
    child = subprocess.Popen([sys.executable, "-m", "handsel.front.cli", "serve"], env=environ)
    try:
        _wait_until_ready(port, child)
        yield port
    finally:
        child.terminate()
        child.wait(20)


def _wait_until_ready(port: int, child: subprocess.Popen[bytes]) -> None:
    for _ in range(150):
        assert child.poll() is None, "the API did not start"
        try:
            with urllib.request.urlopen(f"http://127.0.0.1:{port}/readyz", timeout=2):
                return
        except OSError:
            time.sleep(0.2)
    raise AssertionError("the API was not ready within 30 s")


async def _prepare(url: str, port: int) -> list[Pair]:
    pool = await open_pool(url)
    pairs = await Database(pool).run(_make_pairs)
    await pool.close()
    ready = []
    for pair in pairs:
        client = await Client.connect(port)
        body = {
            "title": "An hour of bench work",
            "category": "school-tutoring",
            "price": {"amount_minor": _PRICE, "currency": "EUR"},
            "place": {"lat": 55.95, "lon": -3.19},
        }
        made = await client.post("/v1/listings", pair.seller_token, body)
        await client.post(f"/v1/listings/{made['id']}/publish", pair.seller_token, None)
        ready.append(Pair(pair.buyer, pair.seller, pair.buyer_token, pair.seller_token, made["id"]))
        client.close()
    return ready


async def _make_pairs(tx: Tx) -> list[Pair]:
    """Tier T2, known to each other, with money: no confirmation is due, as in a repeated deal."""
    specs = [
        SandboxMember(
            handle=f"bench-{side}-{n}",
            joined_at=tx.now - timedelta(days=60),
            verifications=("email", "phone", "id_document", "bank_account"),
        )
        for n in range(CLIENTS)
        for side in ("buyer", "seller")
    ]
    ids = await members.create_sandbox_members(tx, specs)
    pairs = []
    for buyer, seller in zip(ids[::2], ids[1::2], strict=True):
        wallet = Account("wallet", buyer, "EUR")
        ledger.open_accounts(tx, [wallet])
        source = Account("provider_clearing", HOUSE, "EUR")
        ledger.post(tx, [Transfer(source, wallet, 10_000_000, "top_up")], uuid4())
        await trust.note_settled(tx, uuid4(), buyer, seller, True, tx.now)
        opened = [await members.open_session(tx, member) for member in (buyer, seller)]
        pairs.append(Pair(buyer, seller, opened[0].token, opened[1].token))
    return pairs


async def _load(port: int, pairs: list[Pair], seconds: float) -> float:
    until = time.monotonic() + seconds
    began = time.monotonic()
    counts = await asyncio.gather(*(_deal(port, pair, until) for pair in pairs))
    return sum(counts) / (time.monotonic() - began)


async def _deal(port: int, pair: Pair, until: float) -> int:
    client = await Client.connect(port)
    counted = 0
    while time.monotonic() < until:
        order = await client.post("/v1/orders", pair.buyer_token, {"listing_id": pair.listing})
        path = f"/v1/orders/{order['id']}/transitions"
        for name, token in (
            ("fund", pair.buyer_token),
            ("accept", pair.seller_token),
            ("deliver", pair.seller_token),
            ("approve", pair.buyer_token),
        ):
            await client.post(path, token, {"name": name, "note": "bench"})
            counted += name in _MONEY
    client.close()
    return counted


class Client:
    """Just enough HTTP/1.1 over one kept-alive connection: the load must not be the bottleneck."""

    def __init__(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self._reader, self._writer = reader, writer

    @classmethod
    async def connect(cls, port: int) -> "Client":
        """A connection on loopback."""
        return cls(*await asyncio.open_connection("127.0.0.1", port))

    async def post(self, path: str, token: str, body: Any) -> Any:
        """A keyed POST that must succeed; the decoded answer."""
        return await self.send("POST", path, token, body)

    async def send(self, method: str, path: str, token: str | None, body: Any) -> Any:
        """One request; raises on a status of 400 and above."""
        data = json.dumps(body).encode() if body is not None else b""
        who = f"Authorization: Bearer {token}\r\n" if token else ""
        head = (
            f"{method} {path} HTTP/1.1\r\nHost: bench\r\n{who}"
            f"Idempotency-Key: {uuid4().hex}\r\nContent-Type: application/json\r\n"
            f"Content-Length: {len(data)}\r\n\r\n"
        )
        self._writer.write(head.encode() + data)
        answer = await self._reader.readuntil(b"\r\n\r\n")
        length = 0
        for line in answer.lower().split(b"\r\n"):
            if line.startswith(b"content-length:"):
                length = int(line.split(b":")[1])
        content = await self._reader.readexactly(length)
        assert int(answer[9:12]) < 400, f"{method} {path}: {answer[:40]!r} {content[:300]!r}"
        return json.loads(content) if content else None

    def close(self) -> None:
        """Hang up."""
        self._writer.close()
