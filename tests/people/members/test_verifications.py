"""Facts: by code, by the sandbox verifier; what is refused leaves no fact."""

import re
from datetime import timedelta

import httpx

from handsel.foundation.core.settings import Settings
from handsel.foundation.db.uow import Database
from handsel.people.members.service import recheck_due
from tests.factories.members import Member, create_member


async def verify(
    client: httpx.AsyncClient, member: Member, kind: str, value: str, code: str | None = None
) -> httpx.Response:
    body = {"kind": kind, "value": value} | ({} if code is None else {"code": code})
    return await client.post("/v1/me/verifications", json=body, headers=member.headers)


async def kinds(client: httpx.AsyncClient, member: Member) -> list[tuple[str, str]]:
    answer = await client.get("/v1/me/verifications", headers=member.headers)
    return [(item["kind"], item["state"]) for item in answer.json()["items"]]


async def code_for(client: httpx.AsyncClient, to: str) -> str:
    messages = (await client.get("/v1/sandbox/messages", params={"to": to})).json()["items"]
    return re.match(r"\d{6}", messages[0]["text"])[0]  # type: ignore[index]


async def verified_events(database: Database, member: Member) -> list[str]:
    async with database.reading() as conn:
        rows = await conn.fetch(
            "SELECT payload FROM foundation.outbox"
            " WHERE topic = 'member.verified' AND aggregate_id = $1 ORDER BY id",
            member.id,
        )
    assert all(row["payload"]["member_id"] == str(member.id) for row in rows)
    return [row["payload"]["kind"] for row in rows]


async def test_sandbox_values_pass_refuse_and_wait(
    client: httpx.AsyncClient, database: Database, settings: Settings
) -> None:
    member = await create_member(database)

    passed = await verify(client, member, "id_document", "PASS")
    again = await verify(client, member, "id_document", "FAIL")
    refused = await verify(client, member, "bank_account", "FAIL")
    pending = await verify(client, member, "address", "LATER")
    early = await recheck_due(database, settings)
    before = await kinds(client, member)
    await database.run(
        lambda tx: tx.execute("SELECT foundation.advance_clock($1)", timedelta(days=1))
    )
    due = [await recheck_due(database, settings) for _ in range(2)]

    assert (passed.status_code, passed.json()["state"]) == (201, "passed")
    assert again.json() == passed.json()  # a passed fact stays as it is
    assert (refused.status_code, refused.json()["code"]) == (409, "verification_failed")
    assert (pending.status_code, pending.json()["state"]) == (201, "pending")
    assert pending.json()["passed_at"] is None
    assert (early, due) == (0, [1, 0])
    assert before == [("id_document", "passed"), ("address", "pending")]
    assert await kinds(client, member) == [("id_document", "passed"), ("address", "passed")]
    assert await verified_events(database, member) == ["id_document", "address"]
    async with database.reading() as conn:
        audited = await conn.fetch(
            "SELECT body->>'kind', body->>'state' FROM foundation.audit_entries"
            " WHERE subject_id = $1 AND action = 'verification' ORDER BY id",
            member.id,
        )
    assert [tuple(row) for row in audited] == [
        ("id_document", "passed"),
        ("bank_account", "refused"),
        ("address", "pending"),
        ("address", "passed"),
    ]


async def test_email_by_code(client: httpx.AsyncClient, database: Database) -> None:
    member, other = await create_member(database), await create_member(database)
    sent = await client.post(
        "/v1/me/email-code", json={"email": "Proof@Example.org"}, headers=member.headers
    )
    code = await code_for(client, "proof@example.org")

    stolen = await verify(client, other, "email", "proof@example.org", code)
    elsewhere = await verify(client, member, "email", "other@example.org", code)
    proven = await verify(client, member, "email", "proof@example.org", code)
    repeated = await verify(client, member, "email", "PROOF@example.org", code)
    replaced = await verify(client, member, "email", "other@example.org", code)
    me = (await client.get("/v1/me", headers=member.headers)).json()

    assert sent.status_code == 202
    assert (stolen.status_code, stolen.json()["code"]) == (422, "code_refused")
    assert (elsewhere.status_code, elsewhere.json()["code"]) == (422, "code_refused")
    assert (proven.status_code, proven.json()["kind"]) == (201, "email")
    assert repeated.json() == proven.json()
    assert (replaced.status_code, replaced.json()["code"]) == (409, "contact_fixed")
    assert (me["email"], me["verified"], me["version"]) == ("proof@example.org", ["email"], 2)
    assert await kinds(client, other) == []
    assert await verified_events(database, member) == ["email"]


async def test_phone_of_somebody_else_is_unavailable(
    client: httpx.AsyncClient, database: Database
) -> None:
    owner, thief = await create_member(database), await create_member(database)
    number = "+4915112340001"
    for member in (owner, thief):
        await client.post("/v1/me/phone-code", json={"phone": number}, headers=member.headers)
        code = await code_for(client, number)
        answer = await verify(client, member, "phone", number, code)

    assert (answer.status_code, answer.json()["code"]) == (409, "contact_unavailable")
    assert await kinds(client, owner) == [("phone", "passed")]
    assert await kinds(client, thief) == []


async def test_a_sign_up_code_proves_nothing_else(
    client: httpx.AsyncClient, database: Database
) -> None:
    member = await create_member(database)
    number = "+4915112340002"
    await client.post("/v1/members/phone-codes", json={"phone": number})

    answer = await verify(client, member, "phone", number, await code_for(client, number))

    assert (answer.status_code, answer.json()["code"]) == (422, "code_refused")
    assert await kinds(client, member) == []


async def test_wrong_bodies(client: httpx.AsyncClient, database: Database) -> None:
    member = await create_member(database)

    answers = [
        await verify(client, member, "email", "a@example.org"),
        await verify(client, member, "id_document", "PASS", "123456"),
        await verify(client, member, "passport", "PASS"),
        await verify(client, member, "phone", "0151", "123456"),
        await verify(client, member, "address", "x" * 255),
        await verify(client, member, "email", "a@example.org", "12345"),
    ]
    nobody = await client.post("/v1/me/verifications", json={"kind": "address", "value": "PASS"})

    assert [(a.status_code, a.json()["code"]) for a in answers] == [(422, "invalid")] * 6
    assert (nobody.status_code, nobody.json()["code"]) == (401, "unauthenticated")
    assert await kinds(client, member) == []


async def test_verifications_are_capped(client: httpx.AsyncClient, database: Database) -> None:
    member = await create_member(database)

    statuses = [(await verify(client, member, "address", "FAIL")).status_code for _ in range(21)]

    assert statuses == [409] * 20 + [429]
