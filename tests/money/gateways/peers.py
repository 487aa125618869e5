"""The companies that the contract of ``payments/gateway.py`` is tried on, in their own words."""

from collections.abc import AsyncIterator, Awaitable, Callable, Mapping
from contextlib import asynccontextmanager
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta

import msgspec

from handsel.foundation.core.settings import Settings
from handsel.foundation.db.uow import Database
from handsel.money.payments import sandbox_desk
from handsel.money.payments.gateway import Gateway
from handsel.money.payments.sandbox import SandboxGateway
from handsel.money.payments.stripe.gateway import StripeGateway
from tests.money.gateways.stripe_books import SECRET
from tests.money.gateways.stripe_double import API_KEY, StripeDouble

Headers = dict[str, str]
_SANDBOX_SECRET = b"a secret of the sandbox provider's"


@dataclass(frozen=True)
class Peer:
    """A gateway and its company: ``token`` by meaning, what can be made to happen there, and a
    signed webhook of any body."""

    name: str
    gateway: Gateway
    token: Mapping[str, str]
    goes_through: Callable[[str], Awaitable[None]]
    comes_back: Callable[[str], Awaitable[None]]
    go_down: Callable[[], Awaitable[None]]
    sign: Callable[[bytes, datetime], Headers]
    now: Callable[[], Awaitable[datetime]]


@asynccontextmanager
async def sandbox(database: Database) -> AsyncIterator[Peer]:
    """The built-in provider; what happens later there happens when its clock has moved."""
    gateway = SandboxGateway(database, _SANDBOX_SECRET)

    async def later(_: str) -> None:
        async with database.transaction() as tx:
            await tx.execute("SELECT foundation.advance_clock($1)", timedelta(days=1, hours=1))
        while await sandbox_desk.deliver(database, gateway, _SANDBOX_SECRET):
            pass

    async def confirm(reference: str) -> None:
        async with database.transaction() as tx:
            waits = await tx.fetchval(
                "SELECT state FROM money.sandbox_provider WHERE reference = $1", reference
            )
            if waits == "requires_action":
                await sandbox_desk.confirm_charge(tx, reference, approve=True)
        await later(reference)

    async def go_down() -> None:
        async with database.transaction() as tx:
            await sandbox_desk.be_down(tx, tx.now + timedelta(hours=1))

    async def now() -> datetime:
        async with database.reading() as conn:
            moment: datetime = await conn.fetchval("SELECT foundation.handsel_now()")
        return moment

    yield Peer(
        name="sandbox",
        gateway=gateway,
        token={
            "ok": "tok_ok", "declined": "tok_declined", "no_funds": "tok_no_funds",
            "lost": "tok_lost_answer", "3ds": "tok_3ds", "late": "tok_late", "bank": "bank_ok",
            "closed_bank": "bank_returned", "late_return": "bank_late_return",
            "lost_bank": "bank_lost_answer",
        },
        goes_through=confirm,
        comes_back=later,
        go_down=go_down,
        sign=lambda raw, at: sandbox_desk.sandbox_headers(_SANDBOX_SECRET, at, raw),
        now=now,
    )  # fmt: skip
    async with database.transaction() as tx:
        await sandbox_desk.be_down(tx, tx.now)


def stripe_settings(double: StripeDouble, **more: str) -> Settings:
    """An installation whose Stripe is the double."""
    return msgspec.structs.replace(
        Settings(sandbox=False, secret="s" * 48, log_level="warning"),
        stripe_secret_key=API_KEY,
        stripe_webhook_secret=SECRET,
        stripe_api_base=double.base,
        stripe_return_url="https://handsel.test/wallet",
        **more,
    )


@asynccontextmanager
async def stripe() -> AsyncIterator[Peer]:
    """Stripe's double. Whoever loses an answer loses it once."""
    double = StripeDouble()
    books, gateway = double.books, StripeGateway(stripe_settings(double))

    async def goes_through(reference: str) -> None:
        books.goes_through(reference)

    async def comes_back(reference: str) -> None:
        found = [x for x in books.of("payout") if x["metadata"]["handsel_transfer"] == reference]
        books.payout_fails(found[0]["id"])

    async def go_down() -> None:
        double.down = True

    async def now() -> datetime:
        return datetime.now(UTC)

    yield Peer(
        name="stripe",
        gateway=gateway,
        token={
            "ok": "pm_ok", "declined": "pm_declined", "no_funds": "pm_no_funds",
            "lost": "pm_lost", "3ds": "pm_3ds", "late": "pm_late", "bank": "acct_ok",
            "closed_bank": "acct_no_bank", "late_return": "acct_ok", "lost_bank": "acct_lost",
        },
        goes_through=goes_through,
        comes_back=comes_back,
        go_down=go_down,
        sign=lambda raw, at: books.signed_raw(raw, int(at.timestamp())),
        now=now,
    )  # fmt: skip
    await gateway.close()
    double.stop()
