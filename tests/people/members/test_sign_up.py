"""Joining by e-mail address and by phone; what is refused moves nothing."""

import asyncio
import re
from datetime import datetime, timedelta
from typing import Any
from uuid import UUID

import httpx
import pytest

from handsel.foundation.core.ids import decode
from handsel.foundation.core.settings import Settings
from handsel.foundation.db.uow import Database
from handsel.front.api.app import create_app
from handsel.people.members.errors import HandleTaken
from handsel.people.members.schemas import Device, MemberCreate
from handsel.people.members.service import authenticate, sign_up
from tests.factories.members import calling, create_member

SECRET = "correct staple, battery"


async def counts(database: Database) -> dict[str, int]:
    async with database.reading() as conn:
        row = await conn.fetchrow(
            "SELECT (SELECT count(*) FROM people.members) AS members,"
            " (SELECT count(*) FROM people.sessions) AS sessions,"
            " (SELECT count(*) FROM people.verifications) AS verifications,"
            " (SELECT count(*) FROM foundation.outbox) AS events"
        )
    assert row is not None
    return dict(row)


async def advance(database: Database, by: timedelta) -> None:
    await database.run(lambda tx: tx.execute("SELECT foundation.advance_clock($1)", by))


async def code_for(client: httpx.AsyncClient, to: str) -> str:
    messages = (await client.get("/v1/sandbox/messages", params={"to": to})).json()["items"]
    found = re.match(r"(\d{6}) is your handsel code\.", messages[0]["text"])
    assert found is not None
    return found[1]


async def ask_code(client: httpx.AsyncClient, phone: str) -> str:
    answer = await client.post("/v1/members/phone-codes", json={"phone": phone})
    assert answer.status_code == 202
    return await code_for(client, phone)


async def test_sign_up_by_email_answers_member_and_token(
    client: httpx.AsyncClient, database: Database
) -> None:
    body = {"handle": "ada", "password": SECRET, "email": " Ada@Example.ORG "}

    answer = await client.post("/v1/members", json=body)

    assert answer.status_code == 201, answer.text
    assert answer.headers["cache-control"] == "no-store"
    opened = answer.json()
    me = opened["member"]
    assert {k: me[k] for k in ("handle", "email", "phone", "bio", "state", "verified")} == {
        "handle": "ada",
        "email": "ada@example.org",
        "phone": None,
        "bio": "",
        "state": "open",
        "verified": [],
    }
    life = datetime.fromisoformat(opened["expires_at"]) - datetime.fromisoformat(me["joined_at"])
    assert life == timedelta(days=30)
    async with database.reading() as conn:
        principal = await authenticate(conn, opened["token"])
        events = await conn.fetch(
            "SELECT topic, payload FROM foundation.outbox WHERE aggregate_id = $1",
            decode("mem", me["id"]),
        )
        stored = await conn.fetchrow("SELECT * FROM people.members WHERE handle = 'ada'")
    assert principal is not None
    assert (principal.handle, principal.is_staff) == ("ada", False)
    member_id = str(decode("mem", me["id"]))
    assert [tuple(e) for e in events] == [
        ("member.joined", {"member_id": member_id, "handle": "ada"})
    ]
    assert stored is not None
    assert stored["password_hash"].startswith("$argon2id$v=19$m=19456,t=2,p=1$")


async def test_sign_up_by_phone_needs_the_code_once(
    client: httpx.AsyncClient, database: Database
) -> None:
    code = await ask_code(client, "+4915112345678")
    body = {"handle": "grace", "password": SECRET, "phone": "+49 151 12345678", "code": code}

    answer = await client.post("/v1/members", json=body)
    before = await counts(database)
    again = await client.post("/v1/members", json={**body, "handle": "grace-2"})

    assert answer.status_code == 201, answer.text
    me = answer.json()["member"]
    assert (me["phone"], me["email"], me["verified"]) == ("+4915112345678", None, ["phone"])
    assert (again.status_code, again.json()["code"]) == (422, "code_refused")
    assert await counts(database) == before
    async with database.reading() as conn:
        topics = await conn.fetch(
            "SELECT topic, payload->>'kind' AS kind FROM foundation.outbox"
            " WHERE aggregate_id = $1 ORDER BY id",
            decode("mem", me["id"]),
        )
    assert [tuple(t) for t in topics] == [("member.joined", None), ("member.verified", "phone")]


async def test_wrong_code_counts_and_the_right_one_is_dead_after_five(
    client: httpx.AsyncClient, database: Database
) -> None:
    code = await ask_code(client, "+4915112345679")
    wrong = f"{(int(code) + 1) % 10**6:06d}"
    body = {"handle": "guesser", "password": SECRET, "phone": "+4915112345679"}
    before = await counts(database)

    guesses = [await client.post("/v1/members", json={**body, "code": wrong}) for _ in range(5)]
    right = await client.post("/v1/members", json={**body, "code": code})

    assert [g.json()["code"] for g in guesses] == ["code_refused"] * 5
    assert (right.status_code, right.json()["code"]) == (422, "code_refused")
    assert await counts(database) == before


async def test_racing_guesses_cannot_pass_the_five(
    client: httpx.AsyncClient, database: Database
) -> None:
    code = await ask_code(client, "+4915112345670")
    wrong = f"{(int(code) + 1) % 10**6:06d}"
    body = {"handle": "racer", "password": SECRET, "phone": "+4915112345670", "code": wrong}

    await asyncio.gather(*(client.post("/v1/members", json=body) for _ in range(12)))

    async with database.reading() as conn:
        tries = await conn.fetchval(
            "SELECT attempts FROM people.codes WHERE recipient = '+4915112345670'"
        )
    assert tries == 5


async def test_code_expires_by_business_time(client: httpx.AsyncClient, database: Database) -> None:
    code = await ask_code(client, "+4915112345671")
    body = {"handle": "late", "password": SECRET, "phone": "+4915112345671", "code": code}
    before = await counts(database)

    await advance(database, timedelta(minutes=10))
    answer = await client.post("/v1/members", json=body)

    assert (answer.status_code, answer.json()["code"]) == (422, "code_refused")
    assert await counts(database) == before


async def test_only_the_newest_code_counts(client: httpx.AsyncClient) -> None:
    old = await ask_code(client, "+4915112345672")
    new = await ask_code(client, "+4915112345672")
    body = {"handle": "newest", "password": SECRET, "phone": "+4915112345672"}

    if old != new:  # one chance in a million
        refused = await client.post("/v1/members", json={**body, "code": old})
        assert refused.json()["code"] == "code_refused"
    accepted = await client.post("/v1/members", json={**body, "code": new})

    assert accepted.status_code == 201


async def test_codes_per_recipient_are_capped_and_the_cap_ends(
    client: httpx.AsyncClient, database: Database
) -> None:
    to = {"phone": "+4915112345673"}

    answers = [await client.post("/v1/members/phone-codes", json=to) for _ in range(6)]
    messages = (await client.get("/v1/sandbox/messages", params={"to": to["phone"]})).json()
    wait = int(answers[5].headers["retry-after"])
    await advance(database, timedelta(seconds=wait))
    later = await client.post("/v1/members/phone-codes", json=to)

    assert [a.status_code for a in answers] == [202] * 5 + [429]
    assert 3500 <= wait <= 3600
    assert answers[5].json()["retry_after_s"] == wait
    assert len(messages["items"]) == 5
    assert later.status_code == 202


@pytest.mark.parametrize(
    ("change", "code", "status"),
    [
        ({"handle": "Upper"}, "invalid", 422),
        ({"handle": "ab"}, "invalid", 422),
        ({"handle": "a" * 31}, "invalid", 422),
        ({"handle": "admin"}, "handle_taken", 409),
        ({"handle": 7}, "invalid", 422),
        ({"password": "short"}, "invalid", 422),
        ({"password": "x" * 129}, "invalid", 422),
        ({"password": "Password123"}, "weak_password", 422),
        ({"password": "ZZZZZZZZZZZZ"}, "weak_password", 422),
        ({"password": "Nobody-Yet"}, "weak_password", 422),
        ({"password": "nobody@example.org"}, "weak_password", 422),
        ({"email": "no address"}, "invalid", 422),
        ({"email": "a@b"}, "invalid", 422),
        ({"email": "nobody@exa\u0000mple.org"}, "invalid", 422),
        ({"email": None}, "invalid", 422),
        ({"phone": "+4915112345678", "code": "123456"}, "invalid", 422),
        ({"code": "123456"}, "invalid", 422),
        ({"is_staff": True}, "invalid", 422),
    ],
    ids=lambda value: str(value)[:40],
)
async def test_wrong_sign_up_makes_nobody(
    client: httpx.AsyncClient, database: Database, change: dict[str, Any], code: str, status: int
) -> None:
    body = {"handle": "nobody-yet", "password": SECRET, "email": "nobody@example.org"} | change
    before = await counts(database)

    answer = await client.post("/v1/members", json=body)

    assert (answer.status_code, answer.json()["code"]) == (status, code), answer.text
    assert answer.headers["content-type"] == "application/problem+json"
    assert await counts(database) == before


@pytest.mark.parametrize(
    ("phone", "ok"),
    [("+4915112345699", True), ("015112345699", False), ("+1", False), ("x", False)],
)
async def test_phone_must_be_international(client: httpx.AsyncClient, phone: str, ok: bool) -> None:
    answer = await client.post("/v1/members/phone-codes", json={"phone": phone})

    assert answer.status_code == (202 if ok else 422)
    if not ok:
        assert answer.json()["errors"][0]["pointer"] == "/phone"


@pytest.mark.parametrize(
    ("content", "status", "code"),
    [
        (b"{", 400, "malformed"),
        (b'{"handle": "\xff\xfe"}', 400, "malformed"),
        (b'{"handle": "\\ud800abc"}', 400, "malformed"),
        (b"[]", 422, "invalid"),
        (b"", 422, "invalid"),
        (b'{"handle": "' + b"a" * 1_100_000 + b'"}', 413, "too_large"),
    ],
    ids=["truncated", "not utf-8", "half a surrogate", "a list", "empty", "huge"],
)
async def test_unreadable_bodies(
    client: httpx.AsyncClient, content: bytes, status: int, code: str
) -> None:
    answer = await client.post(
        "/v1/members", content=content, headers={"Content-Type": "application/json"}
    )

    assert (answer.status_code, answer.json()["code"]) == (status, code), answer.text


async def test_used_contacts_and_handles_are_conflicts(
    client: httpx.AsyncClient, database: Database
) -> None:
    first = {"handle": "first", "password": SECRET, "email": "first@example.org"}
    assert (await client.post("/v1/members", json=first)).status_code == 201
    before = await counts(database)

    same_handle = await client.post("/v1/members", json={**first, "email": "other@example.org"})
    same_email = await client.post(
        "/v1/members", json={**first, "handle": "second", "email": "FIRST@example.org"}
    )

    assert (same_handle.status_code, same_handle.json()["code"]) == (409, "handle_taken")
    assert (same_email.status_code, same_email.json()["code"]) == (409, "contact_unavailable")
    assert await counts(database) == before


async def test_of_six_racing_for_one_handle_one_gets_it(
    settings: Settings, database: Database
) -> None:
    device = Device(address="10.9.9.9", label="race")
    before = await counts(database)

    async def attempt(number: int) -> str:
        email = f"racer-{number}@example.org"
        data = MemberCreate(handle="coveted", password=SECRET, email=email)
        try:
            return (await sign_up(database, settings, data, device)).member.handle
        except HandleTaken:
            return "taken"

    results = await asyncio.gather(*(attempt(n) for n in range(6)))

    assert sorted(results) == ["coveted"] + ["taken"] * 5
    after = await counts(database)
    assert {k: after[k] - before[k] for k in after} == {
        "members": 1,
        "sessions": 1,
        "verifications": 0,
        "events": 1,
    }


async def test_sandbox_messages_exist_only_in_the_sandbox(
    settings: Settings, database: Database
) -> None:
    import msgspec

    real = msgspec.structs.replace(settings, sandbox=False)
    async with calling(create_app(real, database)) as client:
        messages = await client.get("/v1/sandbox/messages", params={"to": "+4915112345678"})
        code = await client.post("/v1/members/phone-codes", json={"phone": "+4915112345678"})

    assert (messages.status_code, messages.json()["code"]) == (404, "not_found")
    assert (code.status_code, code.json()["code"]) == (503, "provider_absent")


async def test_profile_shows_kinds_and_no_facts(
    client: httpx.AsyncClient, database: Database
) -> None:
    member = await create_member(database, "seen", verified=["phone", "id_document"])

    answer = await client.get("/v1/members/seen")
    absent = await client.get("/v1/members/unseen")

    assert answer.status_code == 200
    profile = answer.json()
    assert set(profile) == {"id", "handle", "bio", "verified", "joined_at"}
    assert (profile["id"], profile["verified"]) == (member.public_id, ["id_document", "phone"])
    assert (absent.status_code, absent.json()["code"]) == (404, "not_found")
    assert UUID(profile["id"].removeprefix("mem_")) == member.id
