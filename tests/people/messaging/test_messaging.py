"""One conversation per pair, numbered without gaps, chained, found only by its two."""

import asyncio
from datetime import timedelta
from typing import Any
from uuid import uuid4

import asyncpg
import httpx
import pytest

from handsel.foundation.core.ids import decode
from handsel.foundation.db.uow import Database
from handsel.people.messaging import policy
from handsel.people.messaging.service import attach_card
from tests.factories.members import Member, create_member, key

Json = dict[str, Any]


async def talk(
    client: httpx.AsyncClient, sender: Member, partner: Member, text: str = "Hello"
) -> httpx.Response:
    body = {"handle": partner.handle, "text": text}
    return await client.post("/v1/conversations", json=body, headers={**sender.headers, **key()})


async def say(
    client: httpx.AsyncClient, sender: Member, conversation: str, text: str
) -> httpx.Response:
    path = f"/v1/conversations/{conversation}/messages"
    return await client.post(path, json={"text": text}, headers={**sender.headers, **key()})


async def page(client: httpx.AsyncClient, reader: Member, conversation: str, **query: Any) -> Json:
    path = f"/v1/conversations/{conversation}/messages"
    answer = await client.get(path, params=query, headers=reader.headers)
    assert answer.status_code == 200, answer.text
    found: Json = answer.json()
    return found


async def breaks(database: Database) -> list[tuple[Any, ...]]:
    async with database.reading() as conn:
        return [tuple(r) for r in await conn.fetch("SELECT * FROM people.message_chain_breaks(10)")]


async def messages_stored(database: Database) -> int:
    async with database.reading() as conn:
        count: int = await conn.fetchval("SELECT count(*) FROM people.messages")
    return count


async def test_a_pair_has_one_conversation_whoever_begins(
    client: httpx.AsyncClient, database: Database
) -> None:
    ada, bob = await create_member(database), await create_member(database)

    first = await talk(client, ada, bob, "Do you mend bicycles?")
    second = await client.post(
        "/v1/conversations",
        json={"member_id": ada.public_id, "text": "I do."},
        headers={**bob.headers, **key()},
    )
    seen = (await client.get("/v1/conversations", headers=ada.headers)).json()

    assert (first.status_code, second.status_code) == (201, 201), second.text
    view = first.json()
    assert first.headers["location"] == f"/v1/conversations/{view['id']}"
    assert (view["partner"], view["unread"]) == ({"id": bob.public_id, "handle": bob.handle}, 0)
    assert second.json()["id"] == view["id"]
    [item] = seen["items"]
    assert (item["unread"], item["partner"]["handle"]) == (1, bob.handle)
    last = item["last_message"]
    assert {k: last[k] for k in ("seq", "mine", "kind", "text", "card", "sender_id")} == {
        "seq": 2,
        "mine": False,
        "kind": "text",
        "text": "I do.",
        "card": None,
        "sender_id": bob.public_id,
    }
    assert seen["next_cursor"] is None
    async with database.reading() as conn:
        events = await conn.fetch(
            "SELECT payload FROM foundation.outbox WHERE topic = 'message.sent'"
            " AND aggregate_id = $1 ORDER BY id",
            decode("cnv", view["id"]),
        )
    assert events[0]["payload"] == {
        "conversation_id": str(decode("cnv", view["id"])),
        "message_id": str(decode("msg", view["last_message"]["id"])),
        "seq": 1,
        "sender_id": str(ada.id),
        "recipient_id": str(bob.id),
        "kind": "text",
    }
    assert len(events) == 2


async def test_reading_and_unread_counts(client: httpx.AsyncClient, database: Database) -> None:
    ada, bob = await create_member(database), await create_member(database)
    conversation = (await talk(client, ada, bob, "1")).json()["id"]
    for text in ("2", "3"):
        await say(client, ada, conversation, text)

    async def read(seq: object) -> httpx.Response:
        path = f"/v1/conversations/{conversation}/read"
        return await client.post(path, json={"seq": seq}, headers=bob.headers)

    answers = [(await read(seq)).json()["unread"] for seq in (1, 0, 3, 99)]
    wrong = [(await read(seq)).status_code for seq in (-1, 1.5, None, 2**60)]
    await say(client, ada, conversation, "4")
    bobs = (await client.get("/v1/conversations", headers=bob.headers)).json()["items"][0]

    assert answers == [2, 2, 0, 0]
    assert wrong == [422] * 4
    assert bobs["unread"] == 1  # 99 did not reach into the future


async def test_pages_newest_first_and_polling_by_after(
    client: httpx.AsyncClient, database: Database
) -> None:
    ada, bob = await create_member(database), await create_member(database)
    conversation = (await talk(client, ada, bob, "1")).json()["id"]
    for number in range(2, 6):
        await say(client, ada if number % 2 else bob, conversation, str(number))

    newest = await page(client, bob, conversation, limit=2)
    older = await page(client, bob, conversation, limit=2, cursor=newest["next_cursor"])
    oldest = await page(client, bob, conversation, limit=2, cursor=older["next_cursor"])
    nothing = await page(client, bob, conversation, after=newest["after"])
    for number in range(6, 9):
        await say(client, ada, conversation, str(number))
    new = await page(client, bob, conversation, limit=2, after=nothing["after"])
    rest = await page(client, bob, conversation, limit=2, after=new["after"])

    texts = [[m["text"] for m in p["items"]] for p in (newest, older, oldest, nothing, new, rest)]
    assert texts == [["5", "4"], ["3", "2"], ["1"], [], ["6", "7"], ["8"]]
    assert (oldest["next_cursor"], new["next_cursor"]) == (None, None)
    assert [m["mine"] for m in newest["items"]] == [False, True]


async def test_cursors_belong_to_reader_and_conversation(
    client: httpx.AsyncClient, database: Database
) -> None:
    ada, bob, eve = [await create_member(database) for _ in range(3)]
    conversation = (await talk(client, ada, bob)).json()["id"]
    other = (await talk(client, ada, eve)).json()["id"]
    after = (await page(client, ada, conversation))["after"]

    async def ask(reader: Member, where: str, **query: object) -> tuple[int, str]:
        path = f"/v1/conversations/{where}/messages"
        answer = await client.get(path, params=query, headers=reader.headers)  # type: ignore[arg-type]
        return answer.status_code, answer.json().get("code", "")

    assert await ask(ada, conversation, after=after) == (200, "")
    assert await ask(bob, conversation, after=after) == (400, "invalid_cursor")
    assert await ask(ada, other, after=after) == (400, "invalid_cursor")
    assert await ask(ada, conversation, cursor=after) == (400, "invalid_cursor")
    assert await ask(ada, conversation, after="é") == (400, "invalid_cursor")
    assert await ask(ada, conversation, after=after, cursor=after) == (422, "invalid")
    assert await ask(ada, conversation, limit=0) == (422, "invalid")
    assert await ask(ada, conversation, limit=201) == (422, "invalid")
    assert await ask(ada, conversation, limit="many") == (422, "invalid")


async def test_conversations_page_by_latest_words(
    client: httpx.AsyncClient, database: Database
) -> None:
    ada = await create_member(database)
    partners = [await create_member(database) for _ in range(3)]
    for partner in partners:
        await talk(client, ada, partner)
    await talk(client, partners[0], ada, "again")

    first = (await client.get("/v1/conversations?limit=2", headers=ada.headers)).json()
    second = (
        await client.get(
            "/v1/conversations",
            params={"limit": 2, "cursor": first["next_cursor"]},
            headers=ada.headers,
        )
    ).json()

    handles = [[i["partner"]["handle"] for i in p["items"]] for p in (first, second)]
    assert handles == [[partners[0].handle, partners[2].handle], [partners[1].handle]]
    assert second["next_cursor"] is None


async def test_somebody_elses_conversation_is_not_there(
    client: httpx.AsyncClient, database: Database
) -> None:
    ada, bob, eve = [await create_member(database) for _ in range(3)]
    conversation = (await talk(client, ada, bob)).json()["id"]
    path = f"/v1/conversations/{conversation}"
    before = await messages_stored(database)

    answers = [
        await client.get(path, headers=eve.headers),
        await client.get(f"{path}/messages", headers=eve.headers),
        await say(client, eve, conversation, "hi"),
        await client.post(f"{path}/read", json={"seq": 1}, headers=eve.headers),
        await say(client, ada, f"cnv_{uuid4().hex}", "hi"),
        await say(client, ada, "nonsense", "hi"),
    ]
    eves = (await client.get("/v1/conversations", headers=eve.headers)).json()

    assert [(a.status_code, a.json()["code"]) for a in answers] == [(404, "not_found")] * 6
    assert eves["items"] == []
    assert await messages_stored(database) == before


@pytest.mark.parametrize(
    ("body", "status", "code"),
    [
        ({"text": ""}, 422, "invalid"),
        ({"text": " \n\t "}, 422, "invalid"),
        ({"text": "x" * 4001}, 422, "invalid"),
        ({"text": 5}, 422, "invalid"),
        ({"text": "a\0b"}, 422, "invalid_text"),
        ({}, 422, "invalid"),
        ({"text": "hi", "sender_id": "mem_1"}, 422, "invalid"),
        ({"text": "hi", "kind": "card"}, 422, "invalid"),
    ],
    ids=["empty", "blank", "long", "type", "nul", "missing", "sender", "kind"],
)
async def test_wrong_messages_say_nothing(
    client: httpx.AsyncClient, database: Database, body: Json, status: int, code: str
) -> None:
    ada, bob = await create_member(database), await create_member(database)
    conversation = (await talk(client, ada, bob)).json()["id"]
    before = await messages_stored(database)

    answer = await client.post(
        f"/v1/conversations/{conversation}/messages", json=body, headers={**ada.headers, **key()}
    )

    assert (answer.status_code, answer.json()["code"]) == (status, code)
    assert await messages_stored(database) == before


async def test_wrong_partners(client: httpx.AsyncClient, database: Database) -> None:
    ada = await create_member(database)
    before = await messages_stored(database)

    async def to(**partner: str) -> tuple[int, str]:
        answer = await client.post(
            "/v1/conversations", json={"text": "hi", **partner}, headers={**ada.headers, **key()}
        )
        return answer.status_code, answer.json()["code"]

    assert await to(handle=ada.handle) == (422, "talking_to_yourself")
    assert await to(member_id=ada.public_id) == (422, "talking_to_yourself")
    assert await to(handle="no-such-handle") == (404, "not_found")
    assert await to(member_id=f"mem_{uuid4().hex}") == (404, "not_found")
    assert await to(member_id="ord_1") == (404, "not_found")
    assert await to() == (422, "invalid")
    assert await to(handle=ada.handle, member_id=ada.public_id) == (422, "invalid")
    assert await messages_stored(database) == before


async def test_a_repeated_post_is_said_once(client: httpx.AsyncClient, database: Database) -> None:
    ada, bob = await create_member(database), await create_member(database)
    conversation = (await talk(client, ada, bob)).json()["id"]
    path = f"/v1/conversations/{conversation}/messages"
    headers = {**ada.headers, **key("same")}

    said = await client.post(path, json={"text": "once"}, headers=headers)
    replayed = await client.post(path, json={"text": "once"}, headers=headers)
    other = await client.post(path, json={"text": "twice"}, headers=headers)
    without = await client.post(path, json={"text": "once"}, headers=ada.headers)

    assert (said.status_code, replayed.status_code) == (201, 201)
    assert (replayed.content, replayed.headers["idempotent-replayed"]) == (said.content, "true")
    assert (other.status_code, other.json()["code"]) == (422, "idempotency_key_reused")
    assert (without.status_code, without.json()["code"]) == (400, "idempotency_key_missing")
    found = await page(client, bob, conversation)
    assert [m["text"] for m in found["items"]] == ["once", "Hello"]


async def test_twenty_racing_posts_are_numbered_without_gaps(
    client: httpx.AsyncClient, database: Database
) -> None:
    ada, bob = await create_member(database), await create_member(database)

    answers = await asyncio.gather(
        *(talk(client, *((ada, bob) if n % 2 else (bob, ada)), text=f"race {n}") for n in range(20))
    )

    assert [a.status_code for a in answers] == [201] * 20
    assert len({a.json()["id"] for a in answers}) == 1
    found = await page(client, ada, answers[0].json()["id"])
    assert [m["seq"] for m in found["items"]] == list(range(20, 0, -1))
    assert {m["text"] for m in found["items"]} == {f"race {n}" for n in range(20)}
    times = [m["at"] for m in found["items"]]
    assert times == sorted(times, reverse=True)
    assert await breaks(database) == []


async def test_senders_are_capped(client: httpx.AsyncClient, database: Database) -> None:
    ada, bob = await create_member(database), await create_member(database)
    conversation = (await talk(client, ada, bob)).json()["id"]

    said = [(await say(client, ada, conversation, "spam")).status_code for _ in range(60)]
    capped = await say(client, ada, conversation, "spam")
    answered = await say(client, bob, conversation, "stop")

    assert said == [201] * 59 + [429]
    assert (capped.status_code, capped.json()["code"]) == (429, "too_many_requests")
    assert 0 < int(capped.headers["retry-after"]) <= 60
    assert answered.json()["seq"] == 61


async def test_new_conversations_are_capped(client: httpx.AsyncClient, database: Database) -> None:
    ada = await create_member(database)
    partners = [await create_member(database) for _ in range(21)]

    begun = [(await talk(client, ada, partner)).status_code for partner in partners]
    known = await talk(client, ada, partners[0])
    welcome = await talk(client, partners[20], ada)
    await database.run(
        lambda tx: tx.execute(
            "SELECT foundation.advance_clock($1)", policy.NEW_CONVERSATIONS.window
        )
    )
    later = await create_member(database)

    assert begun == [201] * 20 + [429]
    assert (known.status_code, welcome.status_code) == (201, 201)
    assert (await talk(client, ada, later)).status_code == 201


async def test_a_card_joins_the_conversation(client: httpx.AsyncClient, database: Database) -> None:
    ada, bob = await create_member(database), await create_member(database)

    conversation_id = await database.run(
        lambda tx: attach_card(tx, ada.id, bob.id, "order", "ord_1", "An order")
    )
    answer = await talk(client, bob, ada, "Thank you")

    assert decode("cnv", answer.json()["id"]) == conversation_id
    found = (await page(client, bob, answer.json()["id"]))["items"]
    assert [(m["seq"], m["kind"], m["card"], m["text"]) for m in found] == [
        (2, "text", None, "Thank you"),
        (1, "card", {"kind": "order", "ref": "ord_1"}, "An order"),
    ]
    assert await breaks(database) == []


async def test_the_application_cannot_rewrite_messages(
    client: httpx.AsyncClient, database: Database
) -> None:
    ada, bob = await create_member(database), await create_member(database)
    await talk(client, ada, bob)

    for sql in (
        "UPDATE people.messages SET text = 'other'",
        "DELETE FROM people.messages",
        "TRUNCATE people.messages",
        "INSERT INTO people.messages SELECT * FROM people.messages",
        "UPDATE people.conversations SET last_seq = 0",
    ):
        async with database.reading() as conn:
            with pytest.raises(asyncpg.InsufficientPrivilegeError):
                await conn.execute(sql)


@pytest.mark.parametrize(
    ("damage", "found"),
    [
        ("UPDATE people.messages SET text = 'forged' WHERE seq = 2 AND conversation_id = $1", 2),
        (
            "UPDATE people.messages SET at = now() WHERE (conversation_id, seq) = ($1, 1)",
            1,
        ),
        ("DELETE FROM people.messages WHERE seq = 2 AND conversation_id = $1", 3),
        ("DELETE FROM people.messages WHERE seq = 3 AND conversation_id = $1", 3),
    ],
    ids=["text", "time", "a gap", "the end cut off"],
)
async def test_tampering_below_the_application_is_named(
    client: httpx.AsyncClient, database: Database, database_url: str, damage: str, found: int
) -> None:
    ada, bob = await create_member(database), await create_member(database)
    conversation = (await talk(client, ada, bob, "1")).json()["id"]
    for text in ("2", "3"):
        await say(client, bob, conversation, text)
    assert await breaks(database) == []

    root = await asyncpg.connect(database_url)
    try:
        await root.execute("BEGIN")
        await root.execute("SET LOCAL session_replication_role = replica")
        await root.execute(damage, decode("cnv", conversation))
        named = await root.fetch("SELECT * FROM people.message_chain_breaks(10)")
    finally:
        await root.close()

    assert tuple(named[0]) == (decode("cnv", conversation), found)
    assert await breaks(database) == []


async def test_time_goes_on_in_a_conversation(
    client: httpx.AsyncClient, database: Database
) -> None:
    ada, bob = await create_member(database), await create_member(database)
    first = (await talk(client, ada, bob)).json()["last_message"]
    await database.run(
        lambda tx: tx.execute("SELECT foundation.advance_clock($1)", timedelta(days=1))
    )
    second = (await talk(client, bob, ada)).json()["last_message"]

    assert first["at"][:10] < second["at"][:10]
    assert second["at"].endswith("Z")
