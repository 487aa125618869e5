"""Money in and out through the sandbox provider: each intent has exactly one effect."""

import asyncio
from collections.abc import Awaitable, Callable
from typing import Any
from uuid import UUID, uuid4

import httpx
import msgspec
import pytest

from handsel.foundation.core.ids import decode
from handsel.front.api.app import create_app
from handsel.money.payments import jobs
from handsel.money.payments.gateway import ChargeAnswer, KeyReused, ProviderUnavailable
from handsel.money.payments.sandbox import SandboxGateway
from handsel.money.payments.service import gateway_of
from handsel.money.payments.top_ups import MAX_TOP_UP_MINOR
from tests.journeys.story import Member, Story
from tests.money.payments.purses import earn, euros, method, withdraw

Ask = Callable[[], Awaitable[None]]


async def top_up(member: Member, token: str, amount_minor: int = 1234) -> Any:
    body = {"amount": euros(amount_minor), "token": token}
    return await member.made("/v1/wallet/top-ups", body)


async def moved(story: Story, reference: UUID) -> list[tuple[str, int]]:
    """(code, amount) of every transfer that an intent led to."""
    async with story.database.reading() as conn:
        rows = await conn.fetch(
            "SELECT code, amount FROM money.transfers WHERE reference_id = $1 ORDER BY id",
            reference,
        )
    return [(row["code"], row["amount"]) for row in rows]


async def asked(story: Story, what: str, key: UUID) -> int | None:
    """How often the provider was asked under a key."""
    async with story.database.reading() as conn:
        found: int | None = await conn.fetchval(
            "SELECT attempts FROM money.sandbox_provider WHERE idempotency_key = $1",
            f"{what}:{key}",
        )
    return found


async def count(story: Story, table: str) -> int:
    async with story.database.reading() as conn:
        found: int = await conn.fetchval(f"SELECT count(*) FROM {table}")
    return found


@pytest.mark.parametrize(
    ("token", "state", "failure", "available", "times_asked"),
    [
        ("tok_ok", "succeeded", None, 1234, 1),
        ("tok_anything_else", "succeeded", None, 1234, 1),
        ("tok_declined", "failed", "card_declined", 0, 1),
        ("tok_no_funds", "failed", "insufficient_funds", 0, 1),
        ("tok_lost_answer", "succeeded", None, 1234, 2),
    ],
)
async def test_a_top_up_ends_as_its_token_says(
    story: Story, token: str, state: str, failure: str | None, available: int, times_asked: int
) -> None:
    member = await story.person()

    pending = await top_up(member, token)
    before = await member.available()
    await story.drain()

    assert (pending["state"], before) == ("pending", (0, 0, 0))
    found = await member.get(f"/v1/wallet/top-ups/{pending['id']}")
    assert (found["state"], found["failure"]) == (state, failure)
    assert await member.available() == (available, 0, 0)
    key = decode("top", pending["id"])
    assert await moved(story, key) == ([("top_up", 1234)] if available else [])
    assert await asked(story, "charge", key) == times_asked


async def test_a_silent_provider_is_never_taken_for_a_no(story: Story) -> None:
    member = await story.person()
    pending = await top_up(member, "tok_lost_answer")
    key, gateway = decode("top", pending["id"]), SandboxGateway(story.database, b"test")

    with pytest.raises(ProviderUnavailable):
        await jobs.charge_top_up(story.database, gateway, key)

    assert (await member.get(f"/v1/wallet/top-ups/{pending['id']}"))["state"] == "pending"
    assert await member.available() == (0, 0, 0)
    await jobs.charge_top_up(story.database, gateway, key)
    assert await member.available() == (1234, 0, 0)


async def test_a_repeated_job_has_one_effect(story: Story) -> None:
    member = await story.person()
    await earn(story, member, 1000)
    charge = decode("top", (await top_up(member, "tok_ok"))["id"])
    payout = decode("wdr", (await withdraw(member, await method(member), 400))["id"])
    gateway = SandboxGateway(story.database, b"test")
    again: list[Ask] = [
        lambda: jobs.charge_top_up(story.database, gateway, charge),
        lambda: jobs.pay_out_withdrawal(story.database, gateway, payout),
    ]

    await asyncio.gather(*(ask() for ask in again * 8))
    for ask in again * 2:
        await ask()

    assert await moved(story, charge) == [("top_up", 1234)]
    assert await moved(story, payout) == [("withdraw", 400), ("payout", 400)]
    assert await member.available() == (1000 - 400 + 1234, 0, 0)
    await story.drain()
    assert await member.available() == (1000 - 400 + 1234, 0, 0)


async def test_the_provider_refuses_another_request_under_a_used_key(story: Story) -> None:
    gateway, key = SandboxGateway(story.database, b"test"), uuid4()
    first = await gateway.charge(key, token="tok_ok", amount_minor=5, currency="EUR")

    with pytest.raises(KeyReused):
        await gateway.charge(key, token="tok_ok", amount_minor=6, currency="EUR")

    again = await gateway.charge(key, token="tok_ok", amount_minor=5, currency="EUR")
    assert again == first == ChargeAnswer("succeeded", first.reference)


@pytest.mark.parametrize(
    ("token", "code"),
    [
        ("4111111111111111", "card_number_refused"),
        ("tok_4111111111111111", "card_number_refused"),
        ("4111 1111 1111 1111", "card_number_refused"),
        ("4111-1111-1111-1111", "card_number_refused"),
        ("tok_ 3782 822463 10005", "card_number_refused"),
        ("bank_ok", "invalid"),
        ("TOK_OK", "invalid"),
        ("tok_ok\n", "invalid"),
        ("tok_öl", "invalid"),
        ("tok", "invalid"),
        ("tok_" + "x" * 251, "invalid"),
        ("tok_\0", "invalid"),
    ],
)
async def test_a_card_number_or_no_token_is_refused_and_not_stored(
    story: Story, token: str, code: str
) -> None:
    member = await story.person()
    before = await count(story, "money.top_ups"), await count(story, "foundation.answers")

    body = {"amount": euros(100), "token": token}
    problem = await member.refused("/v1/wallet/top-ups", body, 422)

    assert problem["code"] == code
    after = await count(story, "money.top_ups"), await count(story, "foundation.answers")
    assert after == before


@pytest.mark.parametrize(
    ("amount", "code"),
    [
        ({"amount_minor": 0, "currency": "EUR"}, "invalid_amount"),
        ({"amount_minor": -1, "currency": "EUR"}, "invalid_amount"),
        ({"amount_minor": 10**15 + 1, "currency": "EUR"}, "invalid_amount"),
        ({"amount_minor": 1.5, "currency": "EUR"}, "invalid_amount"),
        ({"amount_minor": "1", "currency": "EUR"}, "invalid_amount"),
        ({"amount_minor": 1, "currency": "eur"}, "invalid"),
        ({"amount_minor": 1, "currency": "XXX"}, "unit_not_kept"),
        ({"amount_minor": 1}, "invalid"),
        ({"amount_minor": 1, "currency": "EUR", "tip": 1}, "invalid"),
    ],
)
async def test_an_amount_that_is_none_is_refused(
    story: Story, amount: dict[str, Any], code: str
) -> None:
    member = await story.person()
    before = await count(story, "money.top_ups")

    body = {"amount": amount, "token": "tok_ok"}
    problem = await member.refused("/v1/wallet/top-ups", body, 422)

    assert problem["code"] == code
    assert await count(story, "money.top_ups") == before


async def test_what_is_somebody_elses_is_not_there(story: Story) -> None:
    owner, other = await story.person(), await story.person()
    await earn(story, owner, 1000)
    theirs = await top_up(owner, "tok_ok")
    out = await withdraw(owner, await method(owner), 400)

    answers = [
        await story.http.get(path, headers={"Authorization": f"Bearer {other.token}"})
        for path in (
            f"/v1/wallet/top-ups/{theirs['id']}",
            f"/v1/wallet/withdrawals/{out['id']}",
            f"/v1/wallet/top-ups/top_{uuid4().hex}",
            "/v1/wallet/top-ups/nonsense",
            f"/v1/wallet/top-ups/{out['id']}",
        )
    ]

    assert [(a.status_code, a.json()["code"]) for a in answers] == [(404, "not_found")] * 5


async def test_the_statement_tells_every_transfer_with_its_balance(story: Story) -> None:
    member = await story.person()
    await earn(story, member, 100)
    for amount in (250, 375):
        await story.top_up(member, amount)
    await withdraw(member, await method(member, "bank_returned"), 100)
    await story.drain()

    pages: list[list[tuple[str, int, int]]] = []
    cursor: dict[str, str] = {}
    while True:
        page = await member.get("/v1/wallet/statement", currency="EUR", page_size=2, **cursor)
        pages.append([(i["code"], i["amount_minor"], i["balance_minor"]) for i in page["items"]])
        if page["next_cursor"] is None:
            break
        cursor = {"cursor": page["next_cursor"]}

    assert pages == [
        [("payout_returned", 100, 725), ("withdraw", -100, 625)],
        [("top_up", 375, 725), ("top_up", 250, 350)],
        [("adjustment", 100, 100)],
    ]


async def test_the_cursor_of_another_statement_is_refused(story: Story) -> None:
    member, other = await story.person(), await story.person()
    for _ in range(2):
        await story.top_up(member, 100)
    page = await member.get("/v1/wallet/statement", currency="EUR", page_size=1)

    answers = [
        await story.http.get(
            "/v1/wallet/statement",
            params={"currency": currency, "cursor": cursor},
            headers={"Authorization": f"Bearer {who.token}"},
        )
        for who, currency, cursor in (
            (other, "EUR", page["next_cursor"]),
            (member, "GBP", page["next_cursor"]),
            (member, "EUR", "rubbish"),
            (member, "EUR", "ä" * 5),
        )
    ]

    assert [(a.status_code, a.json()["code"]) for a in answers] == [(400, "invalid_cursor")] * 4


async def test_everything_adds_up_at_the_end(story: Story) -> None:
    report = await story.check()

    assert {c.state for c in report.checks} == {"ok"}


async def test_without_a_provider_no_money_appears_and_none_leaves(story: Story) -> None:
    member = await story.person("member")
    await story.top_up(member, 5000)
    bank = await method(member)
    real = msgspec.structs.replace(story.settings, sandbox=False)
    transport = httpx.ASGITransport(app=create_app(real, story.database))

    async with httpx.AsyncClient(transport=transport, base_url="http://handsel.test") as http:
        outside = Member(member.handle, member.id, member.token, http)
        paid_in = await outside.refused(
            "/v1/wallet/top-ups", {"amount": euros(777), "token": "tok_ok"}, 503
        )
        paid_out = await outside.refused(
            "/v1/wallet/withdrawals", {"amount": euros(777), "payout_method": bank}, 503
        )

    assert paid_in["code"] == paid_out["code"] == "provider_absent"
    assert await member.available() == (5000, 0, 0)
    with pytest.raises(ProviderUnavailable):
        await gateway_of(real, story.database).charge(
            uuid4(), token="tok_ok", amount_minor=1, currency="EUR"
        )


async def test_a_top_up_has_an_upper_bound(story: Story) -> None:
    member = await story.person("member")

    problem = await member.refused(
        "/v1/wallet/top-ups", {"amount": euros(MAX_TOP_UP_MINOR + 1), "token": "tok_ok"}, 422
    )

    assert problem["code"] == "top_up_too_large"
    assert await member.available() == (0, 0, 0)
