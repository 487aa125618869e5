"""Money requests with a key, everything that they were told, and what the books say of them."""

import asyncio
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any
from uuid import UUID, uuid4

import asyncpg
import httpx

from handsel.foundation.db.pool import open_pool
from handsel.foundation.db.uow import Database
from handsel.money.ledger import service as ledger
from handsel.money.ledger.service import HOUSE, Account, Transfer
from tests.factories.members import Member, create_member
from tests.faults.place import Place, eventually

REQUESTS = 40
BUYERS = 4
START = 100_000


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
        """Ask once; whether the answer is final. No answer, "not now" and "unknown" are not."""
        headers = self.who.headers | {"Idempotency-Key": self.key}
        try:
            answer = await http.post(self.path, json=self.body, headers=headers)
        except httpx.TransportError:
            return False
        final = answer.status_code not in (503, 504) and not (
            answer.status_code == 409 and answer.json()["code"] == "idempotency_in_flight"
        )
        (self.answers if final else self.others).append(answer)
        return final

    @property
    def amount(self) -> int:
        return int(self.body["amount"]["amount_minor"])


async def members(place: Place, number: int = BUYERS) -> list[tuple[Member, str]]:
    """Members with 1,000.00 EUR each, and the id of a bank account."""
    pool = await open_pool(place.url, size=2)
    database, found = Database(pool), []
    for _ in range(number):
        who = await create_member(
            database, f"k{uuid4().hex[:12]}", verified=("phone", "id_document", "bank_account")
        )
        async with database.transaction() as tx:
            wallet = Account("wallet", who.id, "EUR")
            ledger.open_accounts(tx, [wallet])
            clearing = Account("provider_clearing", HOUSE, "EUR")
            ledger.post(tx, [Transfer(clearing, wallet, START, "adjustment")], uuid4())
            bank: UUID = await tx.fetchval(
                "INSERT INTO money.payout_methods (member_id, token, label, created_at)"
                " VALUES ($1, 'bank_ok', 'x', $2) RETURNING id",
                who.id,
                tx.now,
            )
        found.append((who, f"pay_{bank.hex}"))
    await pool.close()
    return found


def withdrawal(who: Member, bank: str, amount: int, key: str = "") -> Request:
    body = {"amount": {"amount_minor": amount, "currency": "EUR"}, "payout_method": bank}
    return Request(who, "/v1/wallet/withdrawals", body, key or uuid4().hex)


def withdrawals(people: list[tuple[Member, str]]) -> list[Request]:
    """Forty withdrawals of different amounts."""
    return [withdrawal(*people[n % len(people)], 100 + n) for n in range(REQUESTS)]


def top_up(who: Member, token: str, amount: int) -> Request:
    body = {"amount": {"amount_minor": amount, "currency": "EUR"}, "token": token}
    return Request(who, "/v1/wallet/top-ups", body)


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


async def committed(place: Place, requests: list[Request]) -> set[str]:
    """The keys of those that were done, whatever anybody was told; nothing is under way."""
    await eventually(place.is_quiet, "somebody still works")
    row = await place.fetchrow(
        "SELECT array_agg(key) FROM foundation.answers WHERE key = ANY($1)",
        [request.key for request in requests],
    )
    return set(row[0] or [])


async def books(place: Place, who: Member) -> tuple[int, int, int, int]:
    """(wallet, withdrawals, stored answers, sum of all accounts of everybody and the house)."""
    row = await place.fetchrow(
        "SELECT (SELECT balance FROM money.accounts WHERE id = $2) AS wallet,"
        " (SELECT count(*) FROM money.withdrawals WHERE member_id = $1) AS withdrawals,"
        " (SELECT count(*) FROM foundation.answers WHERE principal = $1) AS answers,"
        " (SELECT sum(CASE WHEN folded THEN money.folded_balance(id) ELSE balance END)::bigint"
        "    FROM money.accounts) AS all_money",
        who.id,
        Account("wallet", who.id, "EUR").id,
    )
    return row["wallet"], row["withdrawals"], row["answers"], row["all_money"]


async def each_has_one_effect(
    place: Place, http: httpx.AsyncClient, people: list[tuple[Member, str]], requests: list[Request]
) -> None:
    """Every withdrawal has one answer, always the same, one effect, and the money is all there."""
    for request in requests:
        assert await request.send(http)
        assert {answer.status_code for answer in request.answers} == {202}, place.log("serve")
        assert len({answer.content for answer in request.answers}) == 1
        assert request.answers[-1].headers["idempotent-replayed"] == "true"
        assert {answer.status_code for answer in request.others} <= {409, 503, 504}
    for who, _ in people:
        mine = [request.amount for request in requests if request.who is who]
        assert await books(place, who) == (START - sum(mine), len(mine), len(mine), 0)
    assert await place.violations() == []
    assert len({request.answers[0].json()["id"] for request in requests}) == len(requests)


async def top_up_states(place: Place, requests: list[Request]) -> list[str]:
    """The states of these top-ups."""
    ids = [UUID(r.answers[0].json()["id"].partition("_")[2]) for r in requests]
    conn = await asyncpg.connect(place.url)
    rows = await conn.fetch("SELECT state FROM money.top_ups WHERE id = ANY($1)", ids)
    await conn.close()
    return [row["state"] for row in rows]
