"""Told once, read once, by its own member only."""

import asyncio
import string
from typing import Any
from uuid import uuid4

import httpx
import pytest

from handsel.foundation.core.ids import encode
from handsel.foundation.db.uow import Database, Tx
from handsel.reach.notices import texts
from handsel.reach.notices.service import deliver
from tests.factories.members import Member, add_member, create_member

PARAMS = {"sender": "ada"}


async def tell(database: Database, member: Member, dedupe_key: str, sender: str = "ada") -> bool:
    return await database.run(
        lambda tx: deliver(
            tx, member.id, "message_received", "cnv_1", {"sender": sender}, dedupe_key
        )
    )


async def notices(client: httpx.AsyncClient, member: Member, **query: Any) -> dict[str, Any]:
    answer = await client.get("/v1/notices", params=query, headers=member.headers)
    assert answer.status_code == 200, answer.text
    found: dict[str, Any] = answer.json()
    return found


async def test_the_same_is_told_once_also_when_it_races(
    client: httpx.AsyncClient, database: Database
) -> None:
    bob, eve = await create_member(database), await create_member(database)

    told = await asyncio.gather(*(tell(database, bob, "event-1") for _ in range(8)))
    another = await tell(database, bob, "event-2", "grace")
    other_member = await tell(database, eve, "event-1")
    page = await notices(client, bob)

    assert sorted(told) == [False] * 7 + [True]
    assert (another, other_member) == (True, True)
    assert (page["unread"], page["next_cursor"]) == (2, None)
    newest, oldest = page["items"]
    assert {k: newest[k] for k in ("kind", "title", "body", "ref", "read_at")} == {
        "kind": "message_received",
        "title": "Message from grace",
        "body": "grace wrote to you.",
        "ref": "cnv_1",
        "read_at": None,
    }
    assert oldest["title"] == "Message from ada"


async def test_reading_one_and_all(client: httpx.AsyncClient, database: Database) -> None:
    bob, eve = await create_member(database), await create_member(database)
    for number in range(3):
        await tell(database, bob, f"event-{number}")
    await tell(database, eve, "event-0")
    first = (await notices(client, bob))["items"][0]
    path = f"/v1/notices/{first['id']}/read"

    read = await client.post(path, headers=bob.headers)
    again = await client.post(path, headers=bob.headers)
    unread = await notices(client, bob, unread=True)
    everything = await client.post("/v1/notices/read-all", headers=bob.headers)
    rest = await notices(client, bob, unread=True)

    assert (read.status_code, read.json()["read_at"] is None) == (200, False)
    assert again.json() == read.json()
    assert (unread["unread"], len(unread["items"])) == (2, 2)
    assert everything.json() == {"read": 2}
    assert (rest["unread"], rest["items"]) == (0, [])
    assert len((await notices(client, bob))["items"]) == 3
    assert (await notices(client, eve))["unread"] == 1


async def test_pages(client: httpx.AsyncClient, database: Database) -> None:
    bob, eve = await create_member(database), await create_member(database)
    for number in range(3):
        await tell(database, bob, f"event-{number}", f"sender-{number}")

    first = await notices(client, bob, limit=2)
    second = await notices(client, bob, limit=2, cursor=first["next_cursor"])
    stolen = await client.get(
        "/v1/notices", params={"cursor": first["next_cursor"]}, headers=eve.headers
    )
    refiltered = await client.get(
        "/v1/notices", params={"cursor": first["next_cursor"], "unread": True}, headers=bob.headers
    )

    titles = [[n["title"][-1] for n in page["items"]] for page in (first, second)]
    assert titles == [["2", "1"], ["0"]]
    assert second["next_cursor"] is None
    assert [a.json()["code"] for a in (stolen, refiltered)] == ["invalid_cursor"] * 2


async def test_somebody_elses_notice_is_not_there(
    client: httpx.AsyncClient, database: Database
) -> None:
    bob, eve = await create_member(database), await create_member(database)
    await tell(database, bob, "event")
    own = (await notices(client, bob))["items"][0]["id"]

    answers = [
        await client.post(f"/v1/notices/{notice}/read", headers=eve.headers)
        for notice in (own, encode("ntc", uuid4()), "nonsense", own.removeprefix("ntc_"))
    ]
    nobody = await client.get("/v1/notices")

    assert [(a.status_code, a.json()["code"]) for a in answers] == [(404, "not_found")] * 4
    assert nobody.status_code == 401
    assert (await notices(client, bob))["unread"] == 1


@pytest.mark.parametrize("query", [{"unread": "perhaps"}, {"limit": 0}, {"limit": 201}])
async def test_wrong_questions(
    client: httpx.AsyncClient, database: Database, query: dict[str, Any]
) -> None:
    bob = await create_member(database)

    answer = await client.get("/v1/notices", params=query, headers=bob.headers)

    assert (answer.status_code, answer.json()["code"]) == (422, "invalid")


@pytest.mark.parametrize("kind", texts.KINDS)
async def test_every_kind_can_be_told(tx: Tx, kind: texts.Kind) -> None:
    template = texts.templates()[kind]
    names = {
        name
        for text in (template.title, template.body)
        for _, name, _, _ in string.Formatter().parse(text)
        if name
    }
    member = await add_member(tx)

    told = await deliver(tx, member.id, kind, "ord_1", dict.fromkeys(names, "{x}" * 400), "k")
    row = await tx.fetchrow("SELECT title, body FROM reach.notices WHERE member_id = $1", member.id)

    assert told
    assert row is not None
    for said, text, most in (
        (row["title"], template.title, 200),
        (row["body"], template.body, 1000),
    ):
        if "{" not in text:
            assert said == text
            continue
        assert "{x}{x}" in said  # a parameter is never a template
        assert len(said) == most or "…" not in said
    if names:
        with pytest.raises(KeyError):
            texts.words(kind, {})
