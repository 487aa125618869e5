"""Locking without a session: who can, who cannot, what nobody can tell from the answers."""

import re
from datetime import timedelta
from typing import Any

import httpx
import pytest

from handsel.foundation.core.settings import Settings
from handsel.foundation.db.uow import Database
from handsel.front.api.app import create_app
from handsel.front.worker.inline import InlineWorker
from tests.factories.members import PASSWORD, Member, calling, create_member

_phones = iter(range(15_112_350_000, 15_112_360_000))


async def with_phone(database: Database) -> tuple[Member, str]:
    """A member whose number is verified."""
    member = await create_member(database, verified=("phone",))
    phone = f"+49{next(_phones)}"
    async with database.transaction() as tx:
        await tx.execute("UPDATE people.members SET phone = $2 WHERE id = $1", member.id, phone)
    return member, phone


async def codes_of(client: httpx.AsyncClient, member: Member) -> list[str]:
    made = await client.post(
        "/v1/me/recovery-codes", json={"password": PASSWORD}, headers=member.headers
    )
    assert made.status_code == 201, made.text
    codes: list[str] = made.json()["codes"]
    return codes


async def ask(client: httpx.AsyncClient, phone: str, code: str) -> httpx.Response:
    return await client.post("/v1/claims/lock", json={"phone": phone, "recovery_code": code})


async def judged(database: Database, settings: Settings) -> None:
    await InlineWorker(database, settings).drain()


async def freeze(database: Database, member: Member) -> str:
    async with database.reading() as conn:
        found: str = await conn.fetchval("SELECT people.freeze_of($1)", member.id)
    return found


async def left(client: httpx.AsyncClient, member: Member) -> Any:
    answer = await client.get("/v1/me/recovery-codes", headers=member.headers)
    return answer.json()["remaining"]


async def logged_in(client: httpx.AsyncClient, member: Member) -> Member:
    opened = await client.post(
        "/v1/sessions", json={"identifier": member.handle, "password": PASSWORD}
    )
    assert opened.status_code == 201, opened.text
    return member._replace(token=opened.json()["token"])


async def unlock(client: httpx.AsyncClient, member: Member, phone: str) -> httpx.Response:
    await client.post("/v1/me/unlock-code", json={"channel": "phone"}, headers=member.headers)
    sent = (await client.get("/v1/sandbox/messages", params={"to": phone})).json()["items"]
    text = next(item["text"] for item in sent if "handsel code" in item["text"])
    return await client.post(
        "/v1/me/unlock",
        json={"password": PASSWORD, "channel": "phone", "code": text[:6]},
        headers=member.headers,
    )


async def refusals(database: Database, member: Member) -> list[str]:
    async with database.reading() as conn:
        rows = await conn.fetch(
            "SELECT body->>'reason' AS reason FROM foundation.audit_entries"
            " WHERE subject_id = $1 AND action = 'lock_refused' ORDER BY id",
            member.id,
        )
    return [row["reason"] for row in rows]


async def test_ten_codes_shown_once_and_stored_hashed(
    client: httpx.AsyncClient, database: Database
) -> None:
    member, _ = await with_phone(database)

    codes = await codes_of(client, member)

    assert len(set(codes)) == 10
    assert all(re.fullmatch("[A-Z2-7]{5}-[A-Z2-7]{5}", code) for code in codes)
    assert await left(client, member) == 10
    async with database.reading() as conn:
        rows = await conn.fetch("SELECT * FROM people.recovery_codes")
        audited = await conn.fetch("SELECT body::text FROM foundation.audit_entries")
    stored = " ".join(map(str, [*rows, *audited]))
    assert not any(code in stored or code.replace("-", "") in stored for code in codes)


async def test_new_codes_need_the_password_and_void_the_old(
    client: httpx.AsyncClient, database: Database, settings: Settings
) -> None:
    member, phone = await with_phone(database)
    old = await codes_of(client, member)

    refused = await client.post(
        "/v1/me/recovery-codes", json={"password": "not the password"}, headers=member.headers
    )
    kept = await left(client, member)
    await codes_of(client, member)
    await ask(client, phone, old[0])
    await judged(database, settings)

    assert (refused.status_code, refused.json()["code"], kept) == (403, "wrong_password", 10)
    assert await freeze(database, member) == "none"
    assert await refusals(database, member) == ["wrong_code"]


@pytest.mark.parametrize("typed", [str, str.lower, lambda code: code.replace("-", " ")])
async def test_a_code_locks_once(
    client: httpx.AsyncClient, database: Database, settings: Settings, typed: Any
) -> None:
    member, phone = await with_phone(database)
    codes = await codes_of(client, member)

    asked = await ask(client, phone, typed(codes[3]))
    await judged(database, settings)

    assert asked.status_code == 202
    assert await freeze(database, member) == "account"
    me = await client.get("/v1/me", headers=member.headers)
    assert me.status_code == 401  # its sessions have ended
    sms = (await client.get("/v1/sandbox/messages", params={"to": phone})).json()["items"]
    assert sms[0]["text"].startswith("Your account is locked. Your account was locked with one of")
    again = await logged_in(client, member)
    assert await left(client, again) == 9


async def test_nothing_in_the_answer_tells_what_was_right(
    client: httpx.AsyncClient, database: Database
) -> None:
    member, phone = await with_phone(database)
    bare, unproven = await create_member(database), "+4915112369999"
    async with database.transaction() as tx:
        await tx.execute("UPDATE people.members SET phone = $2 WHERE id = $1", bare.id, unproven)
    right = (await codes_of(client, member))[0]

    answers = [
        await ask(client, "+4915112360001", right),  # nobody's number
        await ask(client, phone, "AAAAA-AAAAA"),
        await ask(client, unproven, right),
        await ask(client, phone, right),
        await ask(client, phone, right),
    ]

    assert {(a.status_code, a.content) for a in answers} == {(202, answers[0].content)}
    names = [sorted(a.headers.keys()) for a in answers]
    assert names == [names[0]] * 5
    # And the same was done for each of them: one event, judged later.
    async with database.reading() as conn:
        asked = await conn.fetch(
            "SELECT payload FROM foundation.outbox WHERE topic = 'lock.requested'"
            " ORDER BY id DESC LIMIT 5"
        )
    assert {tuple(sorted(row["payload"])) for row in asked} == {("code_hmac", "member_id")}
    assert right not in str([row["payload"] for row in asked])


async def test_wrong_requests_lock_nobody(
    client: httpx.AsyncClient, database: Database, settings: Settings
) -> None:
    member, phone = await with_phone(database)
    other, other_phone = await with_phone(database)
    codes = await codes_of(client, member)

    await ask(client, other_phone, codes[0])  # of another member
    await ask(client, phone, "not a code")
    malformed = await ask(client, "0151", codes[0])
    await judged(database, settings)

    assert [await freeze(database, m) for m in (member, other)] == ["none", "none"]
    assert (malformed.status_code, malformed.json()["code"]) == (422, "invalid")
    assert await refusals(database, member) == ["wrong_code"]
    assert await left(client, member) == 10


async def test_a_number_that_nobody_proved_locks_nothing(
    client: httpx.AsyncClient, database: Database, settings: Settings
) -> None:
    member, phone = await create_member(database), f"+49{next(_phones)}"
    async with database.transaction() as tx:
        await tx.execute("UPDATE people.members SET phone = $2 WHERE id = $1", member.id, phone)
    codes = await codes_of(client, member)

    await ask(client, phone, codes[0])
    await judged(database, settings)

    assert await freeze(database, member) == "none"
    assert await refusals(database, member) == ["number_not_verified"]
    assert await left(client, member) == 10


async def test_the_owner_lifts_a_lock_and_the_codes_rest(
    client: httpx.AsyncClient, database: Database, settings: Settings
) -> None:
    member, phone = await with_phone(database)
    codes = await codes_of(client, member)
    await ask(client, phone, codes[0])
    await judged(database, settings)
    owner = await logged_in(client, member)

    lifted = await unlock(client, owner, phone)
    free = await freeze(database, member)
    await ask(client, phone, codes[1])
    await judged(database, settings)
    resting = await freeze(database, member)
    async with database.transaction() as tx:
        await tx.execute("SELECT foundation.advance_clock($1)", timedelta(days=1, seconds=1))
    await ask(client, phone, codes[0])
    await judged(database, settings)
    used = await freeze(database, member)
    await ask(client, phone, codes[1])
    await judged(database, settings)

    assert used == "none"
    assert (lifted.status_code, lifted.json()["freeze"]) == (200, "none")
    assert (free, resting, await freeze(database, member)) == ("none", "none", "account")
    assert await refusals(database, member) == ["locked_lately", "wrong_code"]


async def test_a_second_code_is_not_spent_on_a_locked_account(
    client: httpx.AsyncClient, database: Database, settings: Settings
) -> None:
    member, phone = await with_phone(database)
    codes = await codes_of(client, member)

    await ask(client, phone, codes[0])
    await ask(client, phone, codes[1])
    await judged(database, settings)

    async with database.reading() as conn:
        locks = await conn.fetchval(
            "SELECT count(*) FROM people.locks WHERE member_id = $1", member.id
        )
    assert locks == 1
    assert await left(client, await logged_in(client, member)) == 9


async def test_requests_are_limited_by_number(
    client: httpx.AsyncClient, database: Database
) -> None:
    _, phone = await with_phone(database)

    known = [(await ask(client, phone, "AAAAA-AAAAA")).status_code for _ in range(6)]
    unknown = [(await ask(client, "+4915112360002", "AAAAA-AAAAA")) for _ in range(6)]

    assert known == [202] * 5 + [429]
    assert [a.status_code for a in unknown] == [202] * 5 + [429]
    assert unknown[-1].json()["code"] == "too_many_requests"


async def test_requests_are_limited_by_address(settings: Settings, database: Database) -> None:
    async with calling(create_app(settings, database), "10.9.9.9") as stranger:
        statuses = [
            (await ask(stranger, f"+49151123{70000 + n}", "AAAAA-AAAAA")).status_code
            for n in range(21)
        ]

    assert statuses == [202] * 20 + [429]
