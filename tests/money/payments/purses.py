"""Members with money of each kind, and what the ledger says of it."""

import asyncio
from typing import Any
from uuid import UUID, uuid4

import httpx

from handsel.foundation.core.ids import decode
from handsel.foundation.db.uow import Tx
from handsel.money.ledger import service as ledger
from handsel.money.ledger.service import HOUSE, Account, Transfer
from tests.factories.members import PASSWORD
from tests.journeys.story import Member, Story

WITHDRAWALS = "/v1/wallet/withdrawals"
CARD_REFUNDS = "/v1/wallet/card-refunds"


def euros(amount_minor: int) -> dict[str, Any]:
    return {"amount_minor": amount_minor, "currency": "EUR"}


def id_of(member: Member) -> UUID:
    return decode("mem", member.id)


def wallet_of(member: Member, unit: str = "EUR") -> Account:
    return Account("wallet", id_of(member), unit)


async def earn(story: Story, member: Member, amount_minor: int, unit: str = "EUR") -> None:
    """Free money, as a settled sale leaves it behind."""

    async def give(tx: Tx) -> None:
        clearing, wallet = Account("provider_clearing", HOUSE, unit), wallet_of(member, unit)
        ledger.open_accounts(tx, [wallet])
        ledger.post(tx, [Transfer(clearing, wallet, amount_minor, "adjustment")], uuid4())

    await story.database.run(give)


async def owe(story: Story, member: Member, amount_minor: int) -> None:
    """A debt of the member's."""

    async def take(tx: Tx) -> None:
        debt = Account("receivable", id_of(member), "EUR")
        losses = Account("losses", HOUSE, "EUR")
        ledger.open_accounts(tx, [debt])
        ledger.post(tx, [Transfer(debt, losses, amount_minor, "adjustment")], uuid4())

    await story.database.run(take)


async def method(
    member: Member,
    token: str = "bank_ok",  # noqa: S107 - not a secret
    label: str = "My bank",
) -> str:
    body = {"token": token, "label": label, "password": PASSWORD}
    return str((await member.made("/v1/payout-methods", body))["id"])


async def withdraw(member: Member, bank: str, amount_minor: int, **more: Any) -> Any:
    body = {"amount": euros(amount_minor), "payout_method": bank, **more}
    return await member.made(WITHDRAWALS, body)


async def refused_withdrawal(
    member: Member, bank: str, amount_minor: int, status: int, **more: Any
) -> Any:
    body = {"amount": euros(amount_minor), "payout_method": bank, **more}
    return await member.refused(WITHDRAWALS, body, status)


async def at_once(*requests: Any) -> list[httpx.Response]:
    return list(await asyncio.gather(*requests))


async def purse(story: Story, member: Member, unit: str = "EUR") -> tuple[int, int]:
    """(balance, the card money in it) as the ledger has them."""
    async with story.database.reading() as conn:
        row = await conn.fetchrow(
            "SELECT balance, restricted FROM money.accounts WHERE id = $1",
            wallet_of(member, unit).id,
        )
    return (0, 0) if row is None else (row["balance"], row["restricted"])


async def moved(story: Story, reference: str) -> list[tuple[str, int]]:
    """(code, amount) of every transfer that something led to, in their order."""
    prefix, _, _ = reference.partition("_")
    async with story.database.reading() as conn:
        rows = await conn.fetch(
            "SELECT code, amount FROM money.transfers WHERE reference_id = $1 ORDER BY seq",
            decode(prefix, reference),
        )
    return [(row["code"], row["amount"]) for row in rows]


async def house(story: Story, kind: str, unit: str = "EUR") -> int:
    async with story.database.reading() as conn:
        found: int = await conn.fetchval(
            "SELECT money.folded_balance($1)", Account(kind, HOUSE, unit).id
        )
    return found


async def everything(story: Story) -> tuple[int, ...]:
    """The counters that a refusal must leave as they are."""
    async with story.database.reading() as conn:
        row = await conn.fetchrow(
            "SELECT (SELECT count(*) FROM money.transfers),"
            " (SELECT coalesce(max(seq), 0) FROM money.transfers),"
            " (SELECT count(*) FROM money.withdrawals), (SELECT count(*) FROM money.card_refunds),"
            " (SELECT count(*) FROM money.payout_methods WHERE removed_at IS NULL),"
            " (SELECT count(*) FROM money.top_ups), (SELECT count(*) FROM foundation.outbox)"
        )
    assert row is not None
    return tuple(row)


async def told(member: Member) -> list[str]:
    """The kinds of a member's notices, oldest first."""
    page = await member.get("/v1/notices", limit=200)
    return [item["kind"] for item in reversed(page["items"])]
