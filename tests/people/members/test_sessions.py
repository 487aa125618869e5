"""Logging in and out, the limits on guessing, the proof of a password."""

import asyncio
import statistics
import time
from datetime import timedelta

import httpx
import pytest

from handsel.foundation.core.errors import TooManyRequests
from handsel.foundation.core.settings import Settings
from handsel.foundation.db.uow import Database, Tx
from handsel.front.api.app import create_app
from handsel.people.members import passwords, policy
from handsel.people.members.errors import WrongPassword
from handsel.people.members.service import (
    authenticate,
    by_ids,
    find,
    open_session,
    prove_password,
)
from handsel.people.members.sessions import fingerprint
from tests.factories.members import PASSWORD, PASSWORD_HASH, add_member, calling, create_member


async def log_in(
    client: httpx.AsyncClient, identifier: str, password: str = PASSWORD
) -> httpx.Response:
    body = {"identifier": identifier, "password": password}
    return await client.post("/v1/sessions", json=body)


async def advance(database: Database, by: timedelta) -> None:
    await database.run(lambda tx: tx.execute("SELECT foundation.advance_clock($1)", by))


async def test_log_in_by_handle_email_and_phone(
    client: httpx.AsyncClient, database: Database
) -> None:
    member = await create_member(database, "three-ways")
    await database.run(
        lambda tx: tx.execute(
            "UPDATE people.members SET email = 'three@example.org', phone = '+4915100000001'"
            " WHERE id = $1",
            member.id,
        )
    )

    answers = [
        await log_in(client, identifier)
        for identifier in ("Three-Ways", " THREE@example.org", "+49 151 00000001")
    ]

    assert [a.status_code for a in answers] == [201, 201, 201]
    assert {a.json()["member"]["handle"] for a in answers} == {"three-ways"}
    assert len({a.json()["token"] for a in answers}) == 3
    async with database.reading() as conn:
        row = await conn.fetchrow(
            "SELECT count(*), bool_or(s::text LIKE '%' || $2 || '%') FROM people.sessions s"
            " WHERE member_id = $1",
            member.id,
            answers[0].json()["token"],
        )
    assert row is not None
    assert tuple(row) == (4, False)


async def test_unknown_and_wrong_answer_alike(
    client: httpx.AsyncClient, database: Database
) -> None:
    await create_member(database, "known")

    wrong = await log_in(client, "known", "not the password")
    unknown = await log_in(client, "unknown", "not the password")

    assert (wrong.status_code, wrong.json()["code"]) == (401, "wrong_credentials")
    assert wrong.headers["www-authenticate"] == "Bearer"
    assert {**wrong.json(), "instance": 0} == {**unknown.json(), "instance": 0}


async def test_unknown_costs_a_hash_too() -> None:
    own = passwords._hasher.hash("x")
    assert passwords.NOBODYS_HASH.split("$")[:4] == own.split("$")[:4]

    async def seconds(stored: str | None) -> float:
        begun = time.perf_counter()
        assert not await passwords.is_right(stored, "another")
        return time.perf_counter() - begun

    known = statistics.median([await seconds(own) for _ in range(7)])
    unknown = statistics.median([await seconds(None) for _ in range(7)])
    assert unknown > known / 3


async def test_fifth_failure_bars_the_pair_for_a_quarter_hour(
    client: httpx.AsyncClient, database: Database
) -> None:
    member = await create_member(database, "barred")

    failures = [await log_in(client, "barred", "wrong") for _ in range(5)]
    barred = await log_in(client, "barred")
    again = await log_in(client, "barred")
    wait = int(barred.headers["retry-after"])
    await advance(database, timedelta(seconds=wait))
    later = await log_in(client, "barred")

    assert [f.status_code for f in failures] == [401] * 5
    assert (barred.status_code, barred.json()["code"]) == (429, "too_many_requests")
    assert 0 < wait <= 900
    assert again.status_code == 429
    assert int(again.headers["retry-after"]) <= wait  # hammering does not prolong it
    assert later.status_code == 201
    async with database.reading() as conn:
        entries = await conn.fetch(
            "SELECT action, body FROM foundation.audit_entries WHERE subject_id = $1", member.id
        )
    assert [tuple(e) for e in entries] == [("log_in_limited", {"limit": "log_in_pair"})]


async def test_log_in_renews_an_outdated_hash(
    client: httpx.AsyncClient, database: Database
) -> None:
    member = await create_member(database)

    async def stored() -> str:
        async with database.reading() as conn:
            found: str = await conn.fetchval(
                "SELECT password_hash FROM people.members WHERE id = $1", member.id
            )
        return found

    wrong = await log_in(client, member.handle, "wrong")
    kept = await stored()
    first = await log_in(client, member.handle)
    renewed = await stored()
    second = await log_in(client, member.handle)

    assert [a.status_code for a in (wrong, first, second)] == [401, 201, 201]
    assert (kept, await stored()) == (PASSWORD_HASH, renewed)
    assert renewed.startswith("$argon2id$v=19$m=19456,t=2,p=1$")


async def test_success_forgets_the_failures(client: httpx.AsyncClient, database: Database) -> None:
    await create_member(database, "clumsy")

    answers = []
    for _ in range(2):
        answers += [(await log_in(client, "clumsy", "wrong")).status_code for _ in range(4)]
        answers.append((await log_in(client, "clumsy")).status_code)

    assert answers == [401, 401, 401, 401, 201] * 2


async def test_guesses_from_many_addresses_do_not_lock_the_owner_out(
    settings: Settings, database: Database
) -> None:
    app = create_app(settings, database)
    victim = await create_member(database, "victim")
    at_home = fingerprint(settings, "10.1.0.1")
    await database.run(lambda tx: open_session(tx, victim.id, address_hmac=at_home))

    statuses = []
    for host in range(7):
        async with calling(app, f"10.2.0.{host}") as bot:
            statuses += [(await log_in(bot, "victim", "wrong")).status_code for _ in range(5)]
    async with calling(app, "10.3.0.1") as stranger:
        elsewhere = await log_in(stranger, "victim")
    async with calling(app, "10.1.0.1") as home:
        own = await log_in(home, "victim")

    assert statuses == [401] * 30 + [429] * 5
    assert elsewhere.status_code == 429
    assert own.status_code == 201


async def test_a_forwarded_header_does_not_move_the_limit(
    client: httpx.AsyncClient, database: Database
) -> None:
    await create_member(database, "spoofed")

    statuses = []
    for number in range(6):
        answer = await client.post(
            "/v1/sessions",
            json={"identifier": "spoofed", "password": "wrong"},
            headers={"X-Forwarded-For": f"192.0.2.{number}"},
        )
        statuses.append(answer.status_code)

    assert statuses == [401] * 5 + [429]


async def test_racing_guesses_are_all_counted(
    client: httpx.AsyncClient, database: Database
) -> None:
    await create_member(database, "besieged")

    answers = await asyncio.gather(*(log_in(client, "besieged", "wrong") for _ in range(15)))

    assert sorted(a.status_code for a in answers) == [401] * 5 + [429] * 10


@pytest.mark.parametrize(
    "body",
    [
        {"identifier": "known"},
        {"identifier": "known", "password": "x" * 129},
        {"identifier": "", "password": "x"},
        {"identifier": ["known"], "password": "x"},
        {"identifier": "known", "password": "x", "otp": "1"},
    ],
    ids=["missing", "long", "empty", "type", "unknown field"],
)
async def test_wrong_log_in_bodies(client: httpx.AsyncClient, body: dict[str, object]) -> None:
    answer = await client.post("/v1/sessions", json=body)

    assert (answer.status_code, answer.json()["code"]) == (422, "invalid")


async def test_nul_in_an_identifier_is_told(client: httpx.AsyncClient) -> None:
    answer = await log_in(client, "kno\0wn", "x")

    assert (answer.status_code, answer.json()["code"]) == (422, "invalid_text")


async def test_log_out_ends_the_session_at_once(
    client: httpx.AsyncClient, database: Database
) -> None:
    member = await create_member(database)
    other = (await log_in(client, member.handle)).json()

    listed = (await client.get("/v1/sessions", headers=member.headers)).json()["items"]
    ended = await client.delete(f"/v1/sessions/{other['id']}", headers=member.headers)
    out = await client.delete("/v1/sessions/current", headers=member.headers)
    dead = [
        await client.get("/v1/me", headers={"Authorization": f"Bearer {token}"})
        for token in (other["token"], member.token)
    ]

    assert listed[0]["id"] == other["id"]
    assert [s["current"] for s in listed] == [False, True]
    assert (ended.status_code, ended.content, out.status_code) == (204, b"", 204)
    assert [d.status_code for d in dead] == [401, 401]
    assert dead[0].json()["code"] == "unauthenticated"


async def test_somebody_elses_session_is_not_there(
    client: httpx.AsyncClient, database: Database
) -> None:
    mine, theirs = await create_member(database), await create_member(database)
    their_session = f"ses_{theirs.principal.session_id.hex}"

    answer = await client.delete(f"/v1/sessions/{their_session}", headers=mine.headers)
    alive = await client.get("/v1/me", headers=theirs.headers)

    assert (answer.status_code, answer.json()["code"]) == (404, "not_found")
    assert alive.status_code == 200


async def test_session_ends_after_thirty_days(
    client: httpx.AsyncClient, database: Database
) -> None:
    member = await create_member(database)

    await advance(database, timedelta(days=30) - timedelta(minutes=1))
    alive = await client.get("/v1/me", headers=member.headers)
    await advance(database, timedelta(minutes=1))
    ended = await client.get("/v1/me", headers=member.headers)

    assert (alive.status_code, ended.status_code) == (200, 401)


@pytest.mark.parametrize("header", ["", "Bearer", "Bearer  ", "Basic abc", "Bearer wrong"])
async def test_bad_tokens(client: httpx.AsyncClient, header: str) -> None:
    answer = await client.get("/v1/me", headers={"Authorization": header})

    assert (answer.status_code, answer.json()["code"]) == (401, "unauthenticated")


async def test_edit_needs_the_newest_version(client: httpx.AsyncClient, database: Database) -> None:
    member = await create_member(database)
    read = await client.get("/v1/me", headers=member.headers)
    etag = {"If-Match": read.headers["etag"]}

    async def edit(body: object, **headers: str) -> httpx.Response:
        return await client.patch(
            "/v1/me",
            json=body,
            headers={**member.headers, **{k.replace("_", "-"): v for k, v in headers.items()}},
        )

    edited = await edit({"bio": "I mend bicycles"}, **etag)
    refused = [
        await edit({"bio": "later"}),
        await edit({"bio": "later"}, **etag),
        await edit({"bio": "later"}, If_Match='"abc"'),
        await edit({"bio": "x" * 501}, If_Match=edited.headers["etag"]),
        await edit({"bio": None}, If_Match=edited.headers["etag"]),
        await edit({"handle": "other"}, If_Match=edited.headers["etag"]),
        await edit({"state": "locked"}, If_Match=edited.headers["etag"]),
        await edit({"bio": "a\0b"}, If_Match=edited.headers["etag"]),
    ]
    now = await client.get("/v1/me", headers=member.headers)

    assert (read.headers["etag"], edited.headers["etag"]) == ('"1"', '"2"')
    assert [(r.status_code, r.json()["code"]) for r in refused] == [
        (428, "precondition_required"),
        (412, "stale"),
        (412, "stale"),
        (422, "invalid"),
        (422, "invalid"),
        (422, "invalid"),
        (422, "invalid"),
        (422, "invalid_text"),
    ]
    assert now.json() == edited.json()
    assert (now.json()["bio"], now.json()["version"]) == ("I mend bicycles", 2)


async def test_proof_of_the_password(tx: Tx) -> None:
    member = await add_member(tx)

    await prove_password(tx, member.id, PASSWORD)
    with pytest.raises(WrongPassword):
        await prove_password(tx, member.id, "wrong")


async def test_failed_proofs_count_although_they_are_refused(database: Database) -> None:
    member = await create_member(database)

    async def prove(password: str) -> str:
        try:
            await database.run(lambda tx: prove_password(tx, member.id, password))
        except WrongPassword:
            return "wrong"
        except TooManyRequests:
            return "limited"
        return "right"

    guesses = [await prove("wrong") for _ in range(6)]
    barred = await prove(PASSWORD)
    await advance(database, policy.PASSWORD_PROOF.window)
    later = await prove(PASSWORD)

    assert (barred, later) == ("limited", "right")
    assert guesses == ["wrong"] * 5 + ["limited"]
    async with database.reading() as conn:
        entries = await conn.fetch(
            "SELECT action, actor_id FROM foundation.audit_entries WHERE subject_id = $1",
            member.id,
        )
    assert [tuple(e) for e in entries] == [("password_proof_failed", member.id)] * 5


async def test_look_ups(tx: Tx) -> None:
    member = await add_member(tx, "looked-up", verified=["phone", "email"], age=timedelta(days=40))

    ref = await find(tx, "looked-up")
    refs = await by_ids(tx.conn, [member.id, member.id])
    sql = await tx.fetchrow(
        "SELECT people.verified_kinds($1) AS kinds, people.joined_at($1) AS joined", member.id
    )
    principal = await authenticate(tx.conn, member.token)

    assert (ref.id, ref.handle, ref.is_sandbox, ref.state) == (member.id, "looked-up", True, "open")
    assert ref.joined_at == tx.now - timedelta(days=40)
    assert refs == {member.id: ref}
    assert sql is not None
    assert (sql["kinds"], sql["joined"]) == (["email", "phone"], ref.joined_at)
    assert principal == member.principal
    assert await authenticate(tx.conn, "no such token") is None
