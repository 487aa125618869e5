"""``/v1/trust`` and ``/v1/confirmations`` over HTTP."""

from collections.abc import AsyncIterator
from typing import Any
from uuid import uuid4

import httpx
import pytest

from handsel.foundation.core.ids import encode
from handsel.foundation.core.settings import Settings
from handsel.foundation.db.uow import Database
from handsel.front.api.app import create_app
from handsel.people.trust import service
from tests.factories.members import PASSWORD, Member, calling, create_member
from tests.people.trust.parties import T1_KINDS, T2_KINDS, TERMS, payment


@pytest.fixture
async def client(settings: Settings, database: Database) -> AsyncIterator[httpx.AsyncClient]:
    async with calling(create_app(settings, database)) as http:
        yield http


async def spend(database: Database, buyer: Member, seller: Member, amount_minor: int) -> None:
    asked = payment(amount_minor, payer_id=buyer.id, payee_id=seller.id)
    async with database.transaction() as tx:
        service.reserve(tx, asked, await service.decide(tx, asked))


async def test_own_tier_with_limits_warnings_and_next_step(
    client: httpx.AsyncClient, database: Database
) -> None:
    me = await create_member(database, verified=T1_KINDS)
    seller = await create_member(database, verified=T1_KINDS)
    for _ in range(2):
        await spend(database, me, seller, 6_000)

    body = (await client.get("/v1/trust", headers=me.headers)).json()

    assert (body["tier"], body["title"]) == ("T1", "Basic")
    assert {part["part"]: part["allows"] for part in body["why"]} == {
        "verification": "T1",
        "track_record": "T1",
        "financial_score": "T5",
        "social_score": "T5",
    }
    assert [
        (item["code"], item["limit"]["amount_minor"], item["used"]["amount_minor"],
         item["remaining"]["amount_minor"])
        for item in body["limits"]
    ] == [
        ("per_order", 6_000, 0, 6_000),
        ("per_24h", 15_000, 12_000, 3_000),
        ("per_30d", 30_000, 12_000, 18_000),
    ]  # fmt: skip
    assert body["warnings"] == [
        "You have used 80 % of what you may pay in 24 hours; €30.00 are left."
    ]
    assert (body["hold_period"], body["revoke_window"]) == ("P14D", "P1D")
    assert body["next_tier"]["tier"] == "T2"
    assert [step["code"] for step in body["next_tier"]["steps"]] == ["verify", "settle_orders"]


async def test_policy_is_public(client: httpx.AsyncClient) -> None:
    body = (await client.get("/v1/trust/policy")).json()

    assert body["version"] == service.current_policy().version
    assert [tier["tier"] for tier in body["tiers"]] == ["TX", "T0", "T1", "T2", "T3", "T4", "T5"]
    assert body["tiers"][1]["per_order"] is None
    assert body["tiers"][2]["per_order"] == {"amount_minor": 6_000, "currency": "EUR"}
    assert body["tiers"][3]["record_any"] == {"settled_orders": 3, "days_since_joined": 14}
    assert body["rates"]["GBP"] == "1.15"


@pytest.mark.parametrize("by", ["handle", "id"])
async def test_check_answers_like_the_gate_and_leaves_no_trace(
    client: httpx.AsyncClient, database: Database, by: str
) -> None:
    me = await create_member(database, verified=T1_KINDS)
    seller = await create_member(database, verified=T2_KINDS)
    payee = seller.handle if by == "handle" else seller.public_id

    async def ask(amount_minor: int) -> dict[str, Any]:
        answer = await client.post(
            "/v1/trust/checks",
            headers=me.headers,
            json={"payee": payee, "amount": {"amount_minor": amount_minor, "currency": "EUR"}},
        )
        assert answer.status_code == 200
        return answer.json()  # type: ignore[no-any-return]

    yes, no = await ask(6_000), await ask(6_001)

    assert (yes["allowed"], yes["reasons"], yes["confirmation_required"]) == (True, [], True)
    assert (no["allowed"], no["reasons"][0]["code"]) == (False, "over_order_limit")
    assert no["path"][0] == {
        "code": "verify",
        "text": "Verify a bank account in your name.",
        "one_of": ["bank_account"],
    }
    assert "payee_tier" not in yes
    assert "hold_period" not in yes
    async with database.reading() as conn:
        counts = await conn.fetchrow(
            "SELECT (SELECT count(*) FROM people.decisions WHERE payer_id = $1),"
            " (SELECT count(*) FROM people.exposures WHERE payer_id = $1),"
            " (SELECT count(*) FROM people.standings WHERE member_id = $1)",
            me.id,
        )
    assert counts is not None
    assert tuple(counts) == (0, 0, 0)


@pytest.mark.parametrize(
    ("body", "status", "code"),
    [
        ({"payee": "nobody-here", "amount": {"amount_minor": 1, "currency": "EUR"}}, 404,
         "not_found"),
        ({"payee": encode("mem", uuid4()), "amount": {"amount_minor": 1, "currency": "EUR"}}, 404,
         "not_found"),
        ({"payee": "mem_x", "amount": {"amount_minor": 1, "currency": "EUR"}}, 404, "not_found"),
        ({"payee": "nobody-here", "amount": {"amount_minor": 0, "currency": "EUR"}}, 422,
         "invalid"),
        ({"payee": "a", "amount": {"amount_minor": -1, "currency": "EUR"}}, 422,
         "invalid_amount"),
        ({"payee": "a", "amount": {"amount_minor": 1.5, "currency": "EUR"}}, 422,
         "invalid_amount"),
        ({"payee": "a", "amount": {"amount_minor": 1, "currency": "eur"}}, 422, "invalid"),
        ({"payee": "a\0b", "amount": {"amount_minor": 1, "currency": "EUR"}}, 422,
         "invalid_text"),
        ({"payee": "a", "amount": {"amount_minor": 1, "currency": "EUR"}, "x": 1}, 422, "invalid"),
    ],
)  # fmt: skip
async def test_check_of_nonsense(
    client: httpx.AsyncClient, database: Database, body: dict[str, Any], status: int, code: str
) -> None:
    me = await create_member(database, verified=T1_KINDS)

    answer = await client.post("/v1/trust/checks", headers=me.headers, json=body)

    assert (answer.status_code, answer.json()["code"]) == (status, code)


async def test_confirmation_for_the_right_password(
    client: httpx.AsyncClient, database: Database
) -> None:
    me, seller = await create_member(database), await create_member(database)
    body = {
        "payee_id": seller.public_id,
        "amount": {"amount_minor": 1_250, "currency": "EUR"},
        "terms_hash": TERMS.hex().upper(),
        "password": PASSWORD,
    }

    answer = await client.post("/v1/confirmations", headers=me.headers, json=body)

    assert answer.status_code == 201
    assert set(answer.json()) == {"token", "expires_at"}
    assert answer.headers["cache-control"] == "no-store"
    asked = payment(1_250, payer_id=me.id, payee_id=seller.id)
    async with database.transaction() as tx:
        await service.consume_confirmation(tx, answer.json()["token"], asked)


@pytest.mark.parametrize(
    ("changes", "status", "code"),
    [
        ({"password": "wrong"}, 403, "wrong_password"),
        ({"payee_id": encode("mem", uuid4())}, 404, "not_found"),
        ({"payee_id": "me"}, 403, "self_payment"),
        ({"amount": {"amount_minor": 0, "currency": "EUR"}}, 422, "invalid"),
        ({"terms_hash": "07"}, 422, "invalid"),
        ({"terms_hash": "g" * 64}, 422, "invalid"),
        ({"token": "x"}, 422, "invalid"),
    ],
)
async def test_refused_confirmation(
    client: httpx.AsyncClient,
    database: Database,
    changes: dict[str, Any],
    status: int,
    code: str,
) -> None:
    me, seller = await create_member(database), await create_member(database)
    body = {
        "payee_id": seller.public_id,
        "amount": {"amount_minor": 1_250, "currency": "EUR"},
        "terms_hash": TERMS.hex(),
        "password": PASSWORD,
    } | changes
    if body["payee_id"] == "me":
        body["payee_id"] = me.public_id

    answer = await client.post("/v1/confirmations", headers=me.headers, json=body)

    assert (answer.status_code, answer.json()["code"]) == (status, code)


AMOUNT = {"amount_minor": 1, "currency": "EUR"}


@pytest.mark.parametrize(
    ("method", "path", "body"),
    [
        ("GET", "/v1/trust", None),
        ("POST", "/v1/trust/checks", {"payee": "ada", "amount": AMOUNT}),
        (
            "POST",
            "/v1/confirmations",
            {
                "payee_id": encode("mem", uuid4()),
                "amount": AMOUNT,
                "terms_hash": TERMS.hex(),
                "password": PASSWORD,
            },
        ),
    ],
)
async def test_needs_a_session(
    client: httpx.AsyncClient, method: str, path: str, body: dict[str, Any] | None
) -> None:
    answer = await client.request(method, path, json=body)

    assert (answer.status_code, answer.json()["code"]) == (401, "unauthenticated")
