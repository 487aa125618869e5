"""A story through HTTP: members act, the worker is drained by hand, the one clock is moved."""

from dataclasses import dataclass, field
from datetime import datetime, timedelta
from typing import Any
from uuid import uuid4

import httpx

from handsel.deals.orders import service as orders
from handsel.foundation.core.ids import decode
from handsel.foundation.core.settings import Settings
from handsel.foundation.db.uow import Database
from handsel.front import invariants
from handsel.front.worker.inline import InlineWorker
from handsel.people.members import service as members
from handsel.people.members.schemas import Kind
from tests.factories.members import PASSWORD, create_member


@dataclass
class Member:
    """A signed-up member and a client that speaks for them."""

    handle: str
    id: str
    token: str
    http: httpx.AsyncClient = field(repr=False)

    async def post(self, path: str, body: Any = None, **headers: str) -> httpx.Response:
        sent = {
            "Authorization": f"Bearer {self.token}",
            "Idempotency-Key": uuid4().hex,
            **{name.replace("_", "-"): value for name, value in headers.items()},
        }
        return await self.http.post(path, json=body, headers=sent)

    async def get(self, path: str, **params: Any) -> Any:
        answer = await self.http.get(
            path, params=params, headers={"Authorization": f"Bearer {self.token}"}
        )
        assert answer.status_code == 200, answer.text
        return answer.json()

    async def made(self, path: str, body: Any = None) -> Any:
        """A POST that must succeed."""
        answer = await self.post(path, body)
        assert answer.status_code in (200, 201, 202), f"{answer.status_code} {answer.text}"
        return answer.json() if answer.content else None

    async def refused(self, path: str, body: Any, status: int) -> Any:
        """A POST that must be refused with this status; the problem."""
        answer = await self.post(path, body)
        assert answer.status_code == status, f"{answer.status_code} {answer.text}"
        assert answer.headers["content-type"].startswith("application/problem+json")
        return answer.json()

    async def move(self, order: str, name: str, **more: Any) -> Any:
        return await self.made(f"/v1/orders/{order}/transitions", {"name": name, **more})

    async def available(self, currency: str = "EUR") -> tuple[int, int, int]:
        """(available, pending, held) in minor units."""
        for balance in (await self.get("/v1/wallet"))["balances"]:
            if balance["currency"] == currency:
                return (
                    balance["available_minor"],
                    balance["pending_minor"],
                    balance["held_minor"],
                )
        return (0, 0, 0)


@dataclass
class Story:
    """The house, its worker, its clock, and ways to come to the point."""

    database: Database
    settings: Settings
    http: httpx.AsyncClient

    def __post_init__(self) -> None:
        self._worker = InlineWorker(self.database, self.settings)

    async def member(self, *, verified: bool = True, name: str = "m") -> Member:
        handle = f"{name}{uuid4().hex[:10]}"
        answer = await self.http.post(
            "/v1/members",
            json={"handle": handle, "email": f"{handle}@example.com", "password": PASSWORD},
        )
        assert answer.status_code == 201, answer.text
        body = answer.json()
        member = Member(handle, body["member"]["id"], body["token"], self.http)
        if verified:
            await self.verify(member)
        return member

    async def person(self, name: str = "m", *, verified: bool = True) -> Member:
        """The same person, made by the service: no password is hashed, no code is sent."""
        kinds: tuple[Kind, ...] = ("phone", "id_document", "bank_account") if verified else ()
        handle = f"{name}{uuid4().hex[:10]}"
        made = await create_member(self.database, handle, verified=kinds)
        return Member(handle, made.public_id, made.token, self.http)

    async def returns(self, member: Member) -> None:
        """A month has passed: the member logs in again."""
        opened = await self.database.run(
            lambda tx: members.open_session(tx, decode("mem", member.id))
        )
        member.token = opened.token

    async def now(self) -> datetime:
        """The business time."""
        async with self.database.reading() as conn:
            moment: datetime = await conn.fetchval("SELECT foundation.handsel_now()")
        return moment

    async def verify(self, member: Member) -> None:
        """To T1 (email, document, bank): what the sandbox verifier calls PASS."""
        email = f"{member.handle}@example.com"
        await member.made("/v1/me/email-code", {"email": email})
        mails = await self.http.get("/v1/sandbox/messages", params={"to": email})
        text = mails.json()["items"][0]["text"]
        code = next(word for word in text.replace(".", " ").split() if word.isdigit())
        await member.made("/v1/me/verifications", {"kind": "email", "value": email, "code": code})
        for kind in ("id_document", "bank_account"):
            await member.made("/v1/me/verifications", {"kind": kind, "value": "PASS"})
        await self.drain()

    async def top_up(self, member: Member, amount_minor: int, currency: str = "EUR") -> None:
        await member.made(
            "/v1/wallet/top-ups",
            {"amount": {"amount_minor": amount_minor, "currency": currency}, "token": "tok_ok"},
        )
        await self.drain()

    async def listing(self, seller: Member, amount_minor: int = 2500, **more: Any) -> str:
        body = {
            "title": "Maths lessons for the final year",
            "category": "school-tutoring",
            "price": {"amount_minor": amount_minor, "currency": "EUR"},
            "place": {"lat": 55.9483, "lon": -3.1999},
            **more,
        }
        made = await seller.made("/v1/listings", body)
        await seller.made(f"/v1/listings/{made['id']}/publish")
        await self.drain()
        return str(made["id"])

    async def confirmation(self, buyer: Member, order: dict[str, Any]) -> str:
        made = await buyer.made(
            "/v1/confirmations",
            {
                "payee_id": order["provider_id"],
                "amount": order["amount"],
                "terms_hash": order["terms_hash"],
                "password": PASSWORD,
            },
        )
        return str(made["token"])

    async def funded(self, buyer: Member, listing: str) -> dict[str, Any]:
        order = await buyer.made("/v1/orders", {"listing_id": listing})
        token = await self.confirmation(buyer, order)
        funded: dict[str, Any] = await buyer.move(order["id"], "fund", confirmation=token)
        return funded

    async def drain(self) -> None:
        """Run every job of every waiting event, as the worker would, until there are none."""
        await self._worker.drain()

    async def move_clock(self, by: timedelta) -> None:
        """Move the clock while the worker sleeps."""
        async with self.database.transaction() as tx:
            await tx.execute("SELECT foundation.advance_clock($1)", by)

    async def pass_time(self, by: timedelta) -> None:
        """Move the clock, then let the worker do what has become due, until nothing is."""
        await self.move_clock(by)
        await self._worker.run_due()
        while await self.database.run(orders.remind_due):
            await self._worker.drain()

    async def check(self) -> invariants.Report:
        """The invariants; none may be violated."""
        async with self.database.reading() as conn:
            await conn.execute("SELECT foundation.seal_audit(10000)")
            report = await invariants.run(conn)
        broken = [c for c in report.checks if c.state == "violated"]
        assert not broken, broken
        return report
