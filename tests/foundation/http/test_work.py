"""The unit of work over HTTP: one key, one effect, one answer; and bad input that moves nothing."""

import asyncio
import json
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager, suppress
from datetime import timedelta
from typing import Any
from uuid import uuid4

import asyncpg
import httpx
import pytest
from litestar import Litestar

from handsel.foundation import idempotency
from handsel.foundation.core.errors import Busy, Forbidden, Problem
from handsel.foundation.core.settings import Settings
from handsel.foundation.db.uow import Database, NothingCommitted, Tx, begin
from handsel.foundation.http.work import Work
from handsel.front.api.app import create_app
from handsel.money.ledger import service as ledger
from handsel.money.ledger.service import HOUSE, Account, Transfer
from tests.factories.members import PASSWORD, Member, calling, create_member

TOP_UPS = "/v1/wallet/top-ups"
WITHDRAWALS = "/v1/wallet/withdrawals"


@pytest.fixture(scope="module")
def app(settings: Settings, database: Database) -> Litestar:
    return create_app(settings, database)


@pytest.fixture(scope="module")
async def http(app: Litestar) -> AsyncIterator[httpx.AsyncClient]:
    async with calling(app) as client:
        yield client


@pytest.fixture
async def member(database: Database) -> Member:
    """Verified, with 10.00 EUR and a bank account."""
    return await rich(database)


@pytest.fixture
async def raw(database_url: str) -> AsyncIterator[asyncpg.Connection]:
    """The superuser's connection, past the application."""
    conn = await asyncpg.connect(database_url)
    yield conn
    await conn.close()


async def rich(database: Database) -> Member:
    made = await create_member(
        database, f"w{uuid4().hex[:12]}", verified=("phone", "id_document", "bank_account")
    )
    async with database.transaction() as tx:
        wallet = Account("wallet", made.id, "EUR")
        ledger.open_accounts(tx, [wallet])
        clearing = Account("provider_clearing", HOUSE, "EUR")
        ledger.post(tx, [Transfer(clearing, wallet, 1000, "adjustment")], uuid4())
    return made


def top_up(amount_minor: int = 100, **more: Any) -> dict[str, Any]:
    amount = {"amount_minor": amount_minor, "currency": "EUR"}
    return {"amount": amount, "token": "tok_ok", **more}


async def send(
    http: httpx.AsyncClient, who: Member, path: str, body: Any, key: str | None, **headers: str
) -> httpx.Response:
    sent = {**who.headers, **headers}
    if key is not None:
        sent["Idempotency-Key"] = key
    if isinstance(body, bytes):
        sent.setdefault("Content-Type", "application/json")
        return await http.post(path, content=body, headers=sent)
    return await http.post(path, json=body, headers=sent)


async def bank(http: httpx.AsyncClient, who: Member) -> str:
    body = {"token": "bank_ok", "label": "My bank", "password": PASSWORD}
    return str((await send(http, who, "/v1/payout-methods", body, None)).json()["id"])


async def made(database: Database, who: Member, table: str = "money.top_ups") -> int:
    """How many rows of a member there are: the effects."""
    async with database.reading() as conn:
        sql = f"SELECT count(*) FROM {table} WHERE member_id = $1"
        found: int = await conn.fetchval(sql, who.id)
    return found


async def stored(database: Database, who: Member) -> int:
    async with database.reading() as conn:
        sql = "SELECT count(*) FROM foundation.answers WHERE principal = $1"
        found: int = await conn.fetchval(sql, who.id)
    return found


async def wallet(database: Database, who: Member) -> int:
    async with database.reading() as conn:
        account = Account("wallet", who.id, "EUR")
        found: int = await conn.fetchval(
            "SELECT balance FROM money.accounts WHERE id = $1", account.id
        )
    return found


def said(answer: httpx.Response) -> tuple[int, bytes, dict[str, str]]:
    """What must be the same when it is said again."""
    names = ("content-type", "etag", "location", "cache-control", "retry-after")
    return answer.status_code, answer.content, {
        name: answer.headers[name] for name in names if name in answer.headers
    }  # fmt: skip


async def test_the_same_request_again_gets_the_same_answer_and_no_second_effect(
    http: httpx.AsyncClient, database: Database, member: Member
) -> None:
    first = await send(http, member, TOP_UPS, top_up(), "k1")

    again = [await send(http, member, TOP_UPS, top_up(), key) for key in ("k1", '"k1"', " k1 ")]

    assert first.status_code == 202
    assert first.headers["location"] == f"{TOP_UPS}/{first.json()['id']}"
    assert "idempotent-replayed" not in first.headers
    assert [said(answer) for answer in again] == [said(first)] * 3
    assert {answer.headers["idempotent-replayed"] for answer in again} == {"true"}
    assert (await made(database, member), await stored(database, member)) == (1, 1)


@pytest.mark.parametrize(
    ("path", "body"),
    [
        (TOP_UPS, top_up(101)),
        (TOP_UPS, top_up() | {"token": "tok_declined"}),
        (f"{TOP_UPS}?x=1", top_up()),
    ],
)
async def test_another_request_under_a_used_key_is_refused(
    http: httpx.AsyncClient, database: Database, member: Member, path: str, body: Any
) -> None:
    first = await send(http, member, TOP_UPS, top_up(), "k1")

    other = await send(http, member, path, body, "k1")

    assert (other.status_code, other.json()["code"]) == (422, "idempotency_key_reused")
    assert await made(database, member) == 1
    again = await send(http, member, TOP_UPS, top_up(), "k1")
    assert said(again) == said(first)


async def test_a_body_written_another_way_is_the_same_request(
    http: httpx.AsyncClient, database: Database, member: Member
) -> None:
    first = await send(http, member, TOP_UPS, top_up(), "k1")
    ways = (
        b'{"token": "tok_ok", "amount": {"currency": "EUR", "amount_minor": 100}}',
        b'\n{"amount":{"amount_minor":100,"currency":"\\u0045UR"},"token":"tok_ok"}\n',
    )

    again = [await send(http, member, TOP_UPS, body, "k1") for body in ways]

    assert [said(answer) for answer in again] == [said(first)] * 2
    assert await made(database, member) == 1


async def test_a_key_belongs_to_a_member_and_a_route(
    http: httpx.AsyncClient, database: Database, member: Member
) -> None:
    other = await rich(database)
    out = {"amount": top_up(400)["amount"], "payout_method": await bank(http, member)}

    answers = [
        await send(http, member, TOP_UPS, top_up(), "shared"),
        await send(http, other, TOP_UPS, top_up(77), "shared"),
        await send(http, member, WITHDRAWALS, out, "shared"),
    ]

    assert [answer.status_code for answer in answers] == [202, 202, 202]
    assert all("idempotent-replayed" not in answer.headers for answer in answers)
    assert (await made(database, member), await made(database, other)) == (1, 1)


@pytest.mark.parametrize(
    ("key", "status", "code"),
    [
        (None, 400, "idempotency_key_missing"),
        ("", 422, "invalid"),
        (" ", 422, "invalid"),
        ('"', 422, "invalid"),
        ('""', 422, "invalid"),
        ("k" * 256, 422, "invalid"),
        ("k" * 1000, 422, "invalid"),
        ('"' + "k" * 256 + '"', 422, "invalid"),
        ('"never closed', 422, "invalid"),
        ('"a";b=1', 422, "invalid"),
        ('"a"b"', 422, "invalid"),
    ],
)
async def test_a_key_that_is_none_is_refused(
    http: httpx.AsyncClient,
    database: Database,
    member: Member,
    key: str | None,
    status: int,
    code: str,
) -> None:
    answer = await send(http, member, TOP_UPS, top_up(), key)

    assert (answer.status_code, answer.json()["code"]) == (status, code)
    assert (await made(database, member), await stored(database, member)) == (0, 0)


@pytest.mark.parametrize(
    ("bare", "quoted"),
    [("k" * 255, '"' + "k" * 255 + '"'), ('a"b\\c', r'"a\"b\\c"'), ("it's, 1;2", '"it\'s, 1;2"')],
)
async def test_a_key_is_the_same_bare_and_quoted(
    http: httpx.AsyncClient, database: Database, member: Member, bare: str, quoted: str
) -> None:
    answers = [await send(http, member, TOP_UPS, top_up(), key) for key in (bare, quoted)]

    assert [answer.status_code for answer in answers] == [202, 202]
    assert answers[1].headers["idempotent-replayed"] == "true"
    assert (await made(database, member), await stored(database, member)) == (1, 1)


async def test_a_missing_key_is_explained_behind_the_link_of_its_problem(
    http: httpx.AsyncClient, member: Member
) -> None:
    refused = await send(http, member, TOP_UPS, top_up(), None)

    page = await http.get(refused.json()["type"])

    assert (refused.status_code, page.status_code) == (400, 200)
    assert "once" in page.json()["description"]


async def test_how_long_an_answer_is_kept_is_published(http: httpx.AsyncClient) -> None:
    operation = (await http.get("/openapi.json")).json()["paths"][TOP_UPS]["post"]

    [header] = [p for p in operation["parameters"] if p["name"] == "Idempotency-Key"]
    assert idempotency.KEEP.days == 7
    assert "for 7 days" in header["description"]


async def test_a_hundred_at_once_under_one_key_have_one_effect(
    http: httpx.AsyncClient, database: Database, member: Member
) -> None:
    body = {"amount": top_up(400)["amount"], "payout_method": await bank(http, member)}

    answers = await asyncio.gather(
        *(send(http, member, WITHDRAWALS, body, "race") for _ in range(100))
    )

    done = [answer for answer in answers if answer.status_code == 202]
    in_flight = [answer for answer in answers if answer.status_code == 409]
    assert len(done) + len(in_flight) == 100
    assert len({answer.content for answer in done}) == 1
    assert sum("idempotent-replayed" not in answer.headers for answer in done) == 1
    assert {answer.json()["code"] for answer in in_flight} <= {"idempotency_in_flight"}
    assert all(answer.headers["retry-after"] == "1" for answer in in_flight)
    assert await made(database, member, "money.withdrawals") == 1
    assert await wallet(database, member) == 600


async def test_a_refusal_of_the_business_is_kept(
    http: httpx.AsyncClient, database: Database, member: Member
) -> None:
    body = {"amount": top_up(1001)["amount"], "payout_method": await bank(http, member)}
    first = await send(http, member, WITHDRAWALS, body, "too much")
    async with database.transaction() as tx:
        clearing = Account("provider_clearing", HOUSE, "EUR")
        mine = Account("wallet", member.id, "EUR")
        ledger.post(tx, [Transfer(clearing, mine, 1, "adjustment")], uuid4())

    again = await send(http, member, WITHDRAWALS, body, "too much")

    assert (first.status_code, first.json()["code"]) == (409, "insufficient_funds")
    assert said(again) == said(first)
    assert again.headers["idempotent-replayed"] == "true"
    assert await made(database, member, "money.withdrawals") == 0
    assert (await send(http, member, WITHDRAWALS, body, "a fresh key")).status_code == 202


@pytest.mark.parametrize(
    ("body", "status", "code"),
    [
        (top_up(0), 422, "invalid_amount"),
        (top_up(tip=1), 422, "invalid"),
        (top_up(token=1), 422, "invalid"),
        (top_up() | {"token": "no token"}, 422, "invalid"),
        ([top_up()], 422, "invalid"),
        (None, 422, "invalid"),
        (b"", 422, "invalid"),
        (b"{", 400, "malformed"),
        (b'{"amount": NaN}', 400, "malformed"),
        (b'{"token": "\xff\xfe"}', 400, "malformed"),
        (b'{"token": "\\ud800"}', 400, "malformed"),
        (b"\xff\xfe{\x00}\x00", 400, "malformed"),
    ],
)
async def test_a_request_that_could_not_be_understood_is_not_kept(
    http: httpx.AsyncClient, database: Database, member: Member, body: Any, status: int, code: str
) -> None:
    if isinstance(body, dict) and body["token"] == 1:
        body = top_up() | {"token": 1}
    refused = await send(http, member, TOP_UPS, body, "k1")

    assert (refused.status_code, refused.json()["code"]) == (status, code)
    assert refused.headers["content-type"].startswith("application/problem+json")
    assert (await made(database, member), await stored(database, member)) == (0, 0)
    assert (await send(http, member, TOP_UPS, top_up(), "k1")).status_code == 202


async def test_a_body_of_more_than_a_megabyte_is_refused(
    http: httpx.AsyncClient, database: Database, member: Member
) -> None:
    body = json.dumps(top_up(note="x" * 1_000_000)).encode()

    answer = await send(http, member, TOP_UPS, body, "k1")

    assert (answer.status_code, answer.json()["code"]) == (413, "too_large")
    assert (await made(database, member), await stored(database, member)) == (0, 0)


async def test_a_nul_in_a_text_is_refused(
    http: httpx.AsyncClient, database: Database, member: Member
) -> None:
    body = {"token": "bank_ok", "label": "My \0 bank", "password": PASSWORD}

    answer = await send(http, member, "/v1/payout-methods", body, "k1")

    assert (answer.status_code, answer.json()["code"]) == (422, "invalid_text")
    assert await made(database, member, "money.payout_methods") == 0
    assert await stored(database, member) == 0


async def test_whoever_has_logged_out_gets_401_and_not_the_stored_answer(
    http: httpx.AsyncClient, database: Database, member: Member
) -> None:
    await send(http, member, TOP_UPS, top_up(), "k1")
    await http.delete("/v1/sessions/current", headers=member.headers)

    answer = await send(http, member, TOP_UPS, top_up(), "k1")

    assert (answer.status_code, answer.json()["code"]) == (401, "unauthenticated")
    assert answer.headers["www-authenticate"] == "Bearer"


async def test_what_is_forbidden_is_not_kept(
    http: httpx.AsyncClient, database: Database, raw: asyncpg.Connection
) -> None:
    """Who may do it can change: the same key is judged again once it has."""
    member = await create_member(database, f"w{uuid4().hex[:12]}")

    async def refuse(tx: Any) -> None:
        raise Forbidden("not yet")

    key = idempotency.Key(member.id, f"POST {TOP_UPS}", "k1", b"another")
    with pytest.raises(Forbidden):
        await Work(database, key).run(refuse)

    assert await stored(database, member) == 0
    assert (await send(http, member, TOP_UPS, top_up(), "k1")).status_code == 202


@pytest.mark.parametrize("status", [401, 403, 429, 500, 503, 504])
def test_no_problem_of_these_statuses_can_be_one_that_is_kept(status: int) -> None:
    with pytest.raises(TypeError, match="never kept"):
        type("Kept", (Problem,), {"code": f"kept_{status}", "status": status, "stored": True})

    Problem._by_code.pop(f"kept_{status}", None)


async def test_after_seven_days_a_key_is_new(
    http: httpx.AsyncClient, database: Database, member: Member, raw: asyncpg.Connection
) -> None:
    ages = {
        "older": timedelta(days=8),
        "old": timedelta(days=7, minutes=1),
        "young": timedelta(days=6, hours=23),
    }
    for key, age in ages.items():
        await send(http, member, TOP_UPS, top_up(), key)
        await raw.execute(
            "UPDATE foundation.answers SET created_at = created_at - $3::interval"
            " WHERE principal = $1 AND key = $2",
            member.id, key, age,
        )  # fmt: skip

    async with database.reading() as conn:
        forgotten = await idempotency.prune(conn, limit=1)

    assert (forgotten, await stored(database, member)) == (2, 1)
    answer = await send(http, member, TOP_UPS, top_up(), "old")
    assert "idempotent-replayed" not in answer.headers
    assert await made(database, member) == 4


@pytest.mark.parametrize(
    ("if_match", "status", "code"),
    [
        (None, 428, "precondition_required"),
        ('"999"', 412, "stale"),
        ('"x"', 412, "stale"),
        ("", 412, "stale"),
        ("*", 412, "stale"),
        ('"²"', 412, "stale"),
        ('"' + "9" * 30 + '"', 412, "stale"),
    ],
)
async def test_a_change_needs_the_etag_that_was_last_read(
    http: httpx.AsyncClient, member: Member, if_match: str | None, status: int, code: str
) -> None:
    headers = dict(member.headers)
    if if_match is not None:
        headers["If-Match"] = if_match
    sent = {name: value.encode() for name, value in headers.items()}

    answer = await http.patch("/v1/me", json={"bio": "new"}, headers=sent)  # type: ignore[arg-type]

    assert (answer.status_code, answer.json()["code"]) == (status, code)
    me = await http.get("/v1/me", headers=member.headers)
    assert (me.json()["bio"], me.headers["etag"]) == ("", '"1"')


async def test_of_two_changes_with_one_etag_one_wins(
    http: httpx.AsyncClient, member: Member
) -> None:
    headers = member.headers | {"If-Match": '"1"'}

    answers = await asyncio.gather(
        *(http.patch("/v1/me", json={"bio": f"bio {n}"}, headers=headers) for n in range(5))
    )

    won = [answer for answer in answers if answer.status_code == 200]
    assert sorted(answer.status_code for answer in answers) == [200, 412, 412, 412, 412]
    assert won[0].headers["etag"] == '"2"'
    me = await http.get("/v1/me", headers=member.headers)
    assert (me.json()["bio"], me.headers["etag"]) == (won[0].json()["bio"], '"2"')


async def eventually(holds: Callable[[], Awaitable[bool]]) -> None:
    """Ask the server until it says so."""
    async with asyncio.timeout(10):
        while not await holds():  # noqa: ASYNC110 - a server cannot set our event
            await asyncio.sleep(0.01)


@asynccontextmanager
async def locked_wallet(url: str, who: Member) -> AsyncIterator[asyncpg.Connection]:
    """Another session that holds the row lock of a wallet, and never is a deadlock's victim."""
    conn = await asyncpg.connect(url, server_settings={"deadlock_timeout": "60s"})
    outer = conn.transaction()
    await outer.start()
    account = Account("wallet", who.id, "EUR")
    await conn.execute("SELECT FROM money.accounts WHERE id = $1 FOR UPDATE", account.id)
    yield conn
    with suppress(asyncpg.InterfaceError):
        await outer.rollback()
    await conn.close()


async def waiting(raw: asyncpg.Connection) -> bool:
    """Whether a session of the application waits for somebody else's lock."""
    found: bool = await raw.fetchval(
        "SELECT EXISTS (SELECT FROM pg_stat_activity WHERE wait_event_type = 'Lock'"
        " AND application_name = 'handsel' AND datname = current_database())"
    )
    return found


async def test_a_deadlock_is_tried_again(
    database: Database, member: Member, raw: asyncpg.Connection, database_url: str
) -> None:
    key = idempotency.Key(member.id, "POST /x", "dead", b"sha")
    lock_member = "SELECT FROM people.members WHERE id = $1 FOR UPDATE"
    async with database.reading() as conn:
        aborted = await conn.fetchval(
            "SELECT deadlocks FROM pg_stat_database WHERE datname = current_database()"
        )

    async def spend(tx: Tx) -> str:
        await tx.execute(lock_member, member.id)
        mine, yours = Account("wallet", member.id, "EUR"), Account("wallet", uuid4(), "EUR")
        ledger.open_accounts(tx, [yours])
        ledger.post(tx, [Transfer(mine, yours, 400, "adjustment")], uuid4())
        return "done"

    # The request has the member and wants the wallet; another session the other way round.
    async with locked_wallet(database_url, member) as other:
        await other.execute("SET LOCAL lock_timeout = 0")
        request = asyncio.create_task(Work(database, key).run(spend))
        await eventually(lambda: waiting(raw))
        await other.execute(lock_member, member.id)
        await other.execute("ROLLBACK")
        answer = await request

    assert answer.status_code == 200
    assert await stored(database, member) == 1
    assert await wallet(database, member) == 600
    await raw.execute("SELECT pg_stat_force_next_flush()")

    async def counted() -> bool:
        now: int = await raw.fetchval(
            "SELECT deadlocks FROM pg_stat_database WHERE datname = current_database()"
        )
        return bool(now == aborted + 1)

    await eventually(counted)


async def test_a_lock_that_is_not_had_soon_is_503_and_not_kept(
    http: httpx.AsyncClient, database: Database, member: Member, database_url: str
) -> None:
    body = {"amount": top_up(400)["amount"], "payout_method": await bank(http, member)}
    before = await stored(database, member)

    async with locked_wallet(database_url, member):
        answer = await send(http, member, WITHDRAWALS, body, "busy")

    assert (answer.status_code, answer.json()["code"]) == (503, "busy")
    assert answer.headers["retry-after"] == "1"
    assert await stored(database, member) == before
    assert await made(database, member, "money.withdrawals") == 0
    assert (await send(http, member, WITHDRAWALS, body, "busy")).status_code == 202
    assert await wallet(database, member) == 600


@asynccontextmanager
async def failing_commit(raw: asyncpg.Connection, sqlstate: str, times: int) -> AsyncIterator[None]:
    """COMMIT fails this often, by a deferred constraint on top-ups."""
    await raw.execute(
        "CREATE SEQUENCE planted_failures; GRANT ALL ON planted_failures TO PUBLIC;"
        "CREATE FUNCTION planted() RETURNS trigger LANGUAGE plpgsql AS $$ BEGIN"
        f" IF nextval('public.planted_failures') <= {times} THEN"
        f" RAISE EXCEPTION 'planted' USING ERRCODE = '{sqlstate}'; END IF; RETURN NULL; END $$;"
        "CREATE CONSTRAINT TRIGGER planted AFTER INSERT ON money.top_ups DEFERRABLE"
        " INITIALLY DEFERRED FOR EACH ROW EXECUTE FUNCTION planted()"
    )
    try:
        yield
    finally:
        await raw.execute(
            "DROP TRIGGER planted ON money.top_ups; DROP FUNCTION planted();"
            " DROP SEQUENCE planted_failures"
        )


@pytest.mark.parametrize(
    ("sqlstate", "status", "code"),
    [("P0001", 500, "internal"), ("23514", 500, "internal"), ("55P03", 503, "busy")],
)
async def test_a_commit_that_fails_is_an_error_and_nothing_is_stored(
    http: httpx.AsyncClient, database: Database, member: Member, raw: asyncpg.Connection,
    sqlstate: str, status: int, code: str,
) -> None:  # fmt: skip
    async with failing_commit(raw, sqlstate, times=1):
        answer = await send(http, member, TOP_UPS, top_up(), "k1")

        assert (answer.status_code, answer.json()["code"]) == (status, code)
        assert "planted" not in answer.text
        assert (await made(database, member), await stored(database, member)) == (0, 0)
        again = await send(http, member, TOP_UPS, top_up(), "k1")

    assert again.status_code == 202
    assert "idempotent-replayed" not in again.headers
    assert await made(database, member) == 1


async def test_a_connection_that_dies_in_its_commit_leaves_the_outcome_unknown(
    http: httpx.AsyncClient, database: Database, member: Member, raw: asyncpg.Connection
) -> None:
    await raw.execute(
        "CREATE FUNCTION planted_death() RETURNS trigger LANGUAGE plpgsql SECURITY DEFINER AS $$"
        " BEGIN PERFORM pg_terminate_backend(pg_backend_pid()); RETURN NULL; END $$;"
        "CREATE CONSTRAINT TRIGGER planted_death AFTER INSERT ON money.top_ups DEFERRABLE"
        " INITIALLY DEFERRED FOR EACH ROW EXECUTE FUNCTION planted_death()"
    )
    try:
        answer = await send(http, member, TOP_UPS, top_up(), "k1")
    finally:
        await raw.execute("DROP FUNCTION planted_death() CASCADE")

    assert (answer.status_code, answer.json()["code"]) == (504, "outcome_unknown")
    assert answer.headers["retry-after"] == "1"
    assert (await made(database, member), await stored(database, member)) == (0, 0)
    again = await send(http, member, TOP_UPS, top_up(), "k1")
    assert (again.status_code, await made(database, member)) == (202, 1)
    assert "idempotent-replayed" not in again.headers


@pytest.mark.parametrize(("times", "status", "effects"), [(1, 202, 1), (3, 202, 1), (4, 503, 0)])
async def test_a_serialisation_failure_at_commit_is_tried_again_three_times(
    http: httpx.AsyncClient, database: Database, member: Member, raw: asyncpg.Connection,
    times: int, status: int, effects: int,
) -> None:  # fmt: skip
    async with failing_commit(raw, "40001", times):
        answer = await send(http, member, TOP_UPS, top_up(), "k1")

    assert answer.status_code == status
    assert (await made(database, member), await stored(database, member)) == (effects, effects)


async def test_a_swallowed_database_error_is_no_success(database: Database) -> None:
    key = idempotency.Key(uuid4(), "POST /x", "k", b"sha")

    async def careless(tx: Any) -> None:
        with suppress(asyncpg.PostgresError):
            await tx.execute("SELECT 1 / 0")

    with pytest.raises(NothingCommitted):
        await database.run(careless)
    with pytest.raises(NothingCommitted):
        await Work(database, None).run(careless)
    with pytest.raises(asyncpg.PostgresError):
        await Work(database, key).run(careless)


async def test_a_task_that_is_cancelled_leaves_a_clean_connection(
    database: Database, member: Member, database_url: str, raw: asyncpg.Connection
) -> None:
    async def spend(tx: Any) -> None:
        mine, yours = Account("wallet", member.id, "EUR"), Account("wallet", uuid4(), "EUR")
        ledger.open_accounts(tx, [yours])
        ledger.post(tx, [Transfer(mine, yours, 400, "adjustment")], uuid4())

    async with locked_wallet(database_url, member):
        task = asyncio.create_task(database.run(spend))
        await eventually(lambda: waiting(raw))
        task.cancel()
        with pytest.raises(asyncio.CancelledError):
            await task

    assert await wallet(database, member) == 1000
    await database.run(spend)
    assert await wallet(database, member) == 600
    open_ones = await raw.fetchval(
        "SELECT count(*) FROM pg_stat_activity WHERE application_name = 'handsel'"
        " AND datname = current_database() AND state LIKE 'idle in transaction%'"
    )
    assert open_ones == 0


class CancelledAtBegin:
    """A connection whose task is cancelled in the moment in which BEGIN has been done."""

    def __init__(self, conn: asyncpg.Connection) -> None:
        self._conn = conn

    def __getattr__(self, name: str) -> Any:
        return getattr(self._conn, name)

    async def execute(self, sql: str) -> str:
        tag = await self._conn.execute(sql)
        if sql == "BEGIN":
            raise asyncio.CancelledError
        return str(tag)


async def test_a_task_that_is_cancelled_at_begin_leaves_no_open_transaction(
    database: Database,
) -> None:
    async with database.reading() as conn:
        with pytest.raises(asyncio.CancelledError):
            async with begin(CancelledAtBegin(conn)):  # type: ignore[arg-type]
                pytest.fail("nothing runs")

        assert not conn.is_in_transaction()


async def test_a_connection_that_dies_is_busy_and_the_next_one_works(
    database: Database, member: Member, raw: asyncpg.Connection
) -> None:
    async def dies(tx: Any) -> None:
        pid = await tx.fetchval("SELECT pg_backend_pid()")
        await raw.execute("SELECT pg_terminate_backend($1)", pid)
        await tx.execute("SELECT 1")

    with pytest.raises(Busy):
        await database.run(dies)

    assert await wallet(database, member) == 1000
