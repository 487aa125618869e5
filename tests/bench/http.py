"""Money over HTTP against the posting function: the price of everything around a transfer.

Two figures. ``http_money_vs_posting`` sends money POSTs alone (reliability.md §6, R1: "money POST
goodput through HTTP"): half of them fund an order, half approve one, both prepared ahead, outside
of the measured time, by the same services. ``http_flow_vs_posting`` is what that figure meant at
first: whole flows of five requests (place, fund, accept, deliver, approve) of which only the two
that write transfers count, so that it cannot pass two fifths of the request rate.
"""

import asyncio
import os
import subprocess
import sys
import time
import urllib.request
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, replace
from datetime import timedelta
from uuid import UUID, uuid4

import uvloop

from handsel.deals.orders import service as orders
from handsel.deals.orders.schemas import OrderInput, TransitionInput
from handsel.foundation.core.ids import decode
from handsel.foundation.db.pool import open_pool
from handsel.foundation.db.uow import Database, Tx
from handsel.foundation.http.principal import NOBODY, Principal
from handsel.money.ledger import service as ledger
from handsel.money.ledger.service import HOUSE, Account, Transfer
from handsel.people.members import service as members
from handsel.people.members.schemas import SandboxMember
from handsel.people.trust import service as trust
from tests.bench.load import Client, rate, request
from tests.bench.posting import FUNCTION, script
from tests.bench.rounds import Effort, Line, compare
from tests.bench.server import Bench
from tests.ports import free_port

CLIENTS = 16
_PAIRS = 64
_PRICE = 100
#: More than is sent in a second, so that no client runs out before the time is up.
_STOCK_A_SECOND = 1_000
_BATCH = 20


@dataclass(frozen=True)
class Pair:
    """A buyer and a seller who have dealt before, with their tokens and a listing."""

    buyer: Principal
    seller: Principal
    buyer_token: str
    seller_token: str
    listing: str = ""


def http_money_vs_posting(bench: Bench, effort: Effort) -> Line:
    """Money POSTs a second through HTTP, and nothing else."""
    with api(bench.url) as port:
        pairs = uvloop.run(prepare(bench.url, port))

        def ours() -> float:
            queues = uvloop.run(stock(bench.url, pairs, effort.seconds))
            return uvloop.run(rate(port, queues, effort.seconds))

        return _compare("http_money_vs_posting", "money requests/s", bench, effort, ours)


def http_flow_vs_posting(bench: Bench, effort: Effort) -> Line:
    """Money requests a second in whole flows, whose other requests are made but not counted."""
    with api(bench.url) as port:
        pairs = uvloop.run(prepare(bench.url, port))
        return _compare(
            "http_flow_vs_posting", "money requests/s of flows", bench, effort,
            lambda: uvloop.run(_flows(port, pairs[:CLIENTS], effort.seconds)),
        )  # fmt: skip


def _compare(name: str, unit: str, bench: Bench, effort: Effort, ours: Callable[[], float]) -> Line:
    posting = script(FUNCTION)
    baseline = "our posting function by pgbench, 16 clients"
    return compare(
        name, unit, baseline, ours, lambda: bench.pgbench(posting, effort.seconds), effort
    )


@contextmanager
def api(url: str) -> Iterator[int]:
    """The API as its own process on a free port."""
    port = free_port()
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


async def prepare(url: str, port: int) -> list[Pair]:
    """Pairs of members with money and a published listing each."""
    pool = await open_pool(url)
    pairs = await Database(pool).run(_make_pairs)
    await pool.close()
    ready = []
    client = await Client.connect(port)
    for pair in pairs:
        body = {
            "title": "An hour of bench work",
            "category": "school-tutoring",
            "price": {"amount_minor": _PRICE, "currency": "EUR"},
            "place": {"lat": 55.95, "lon": -3.19},
        }
        made = await client.post("/v1/listings", pair.seller_token, body)
        await client.post(f"/v1/listings/{made['id']}/publish", pair.seller_token, None)
        ready.append(replace(pair, listing=made["id"]))
    client.close()
    return ready


async def _make_pairs(tx: Tx) -> list[Pair]:
    """Tier T2, known to each other, with money: no confirmation is due, as in a repeated deal."""
    handles = [
        f"bench-{uuid4().hex[:8]}-{side}" for _ in range(_PAIRS) for side in ("buyer", "seller")
    ]
    specs = [
        SandboxMember(
            handle=handle,
            joined_at=tx.now - timedelta(days=60),
            verifications=("email", "phone", "id_document", "bank_account"),
        )
        for handle in handles
    ]
    ids = await members.create_sandbox_members(tx, specs)
    pairs = []
    for buyer, seller in zip(ids[::2], ids[1::2], strict=True):
        wallet = Account("wallet", buyer, "EUR")
        ledger.open_accounts(tx, [wallet])
        source = Account("provider_clearing", HOUSE, "EUR")
        ledger.post(tx, [Transfer(source, wallet, 10_000_000, "top_up")], uuid4())
        await trust.note_settled(tx, uuid4(), buyer, seller, True, tx.now)
        tokens = [(await members.open_session(tx, member)).token for member in (buyer, seller)]
        pairs.append(Pair(_principal(buyer), _principal(seller), *tokens))
    return pairs


def _principal(member: UUID) -> Principal:
    return Principal(member_id=member, session_id=NOBODY, handle="bench")


async def stock(url: str, pairs: list[Pair], seconds: float) -> list[list[bytes]]:
    """For each client, money POSTs for more than ``seconds``: ``fund`` and ``approve`` by turns."""
    pool = await open_pool(url, size=4, durable=False)
    database = Database(pool)
    batches = max(1, round(_STOCK_A_SECOND * seconds / len(pairs) / _BATCH))
    made: dict[int, list[bytes]] = {n: [] for n in range(len(pairs))}
    gate = asyncio.Semaphore(4)

    async def fill(number: int) -> None:
        async with gate:
            for _ in range(batches):
                made[number] += await database.run(lambda tx: _orders(tx, pairs[number]))

    await asyncio.gather(*map(fill, made))
    await pool.close()
    queues: list[list[bytes]] = [[] for _ in range(CLIENTS)]
    for number, messages in made.items():
        queues[number % CLIENTS] += messages
    return queues


async def _orders(tx: Tx, pair: Pair) -> list[bytes]:
    """Orders of a pair, every other one delivered already, and the POST that each waits for."""
    messages = []
    for number in range(_BATCH):
        placed = await orders.place(tx, pair.buyer, OrderInput(listing_id=pair.listing))
        order, name = placed.view.id, "fund"
        await tx.flush()
        if number % 2:
            for name, who in (
                ("fund", pair.buyer),
                ("accept", pair.seller),
                ("deliver", pair.seller),
            ):
                await orders.transition(
                    tx, who, decode("ord", order), TransitionInput(name=name, note="bench")
                )
                await tx.flush()
            name = "approve"
        path = f"/v1/orders/{order}/transitions"
        messages.append(request("POST", path, pair.buyer_token, {"name": name}))
    return messages


async def _flows(port: int, pairs: list[Pair], seconds: float) -> float:
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
        for name, token, counts in (
            ("fund", pair.buyer_token, True),
            ("accept", pair.seller_token, False),
            ("deliver", pair.seller_token, False),
            ("approve", pair.buyer_token, True),
        ):
            await client.post(path, token, {"name": name, "note": "bench"})
            counted += counts
    client.close()
    return counted
