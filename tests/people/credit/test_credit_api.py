"""``/v1/credit``: one's own scores, and nobody else's."""

from collections.abc import AsyncIterator
from typing import Any

import httpx
import pytest

from handsel.foundation.core.settings import Settings
from handsel.foundation.db.uow import Database, Tx
from handsel.front.api.app import create_app
from handsel.people.credit import service
from tests.factories.members import calling, create_member
from tests.people.credit.deals import good_deals


@pytest.fixture
async def client(settings: Settings, database: Database) -> AsyncIterator[httpx.AsyncClient]:
    async with calling(create_app(settings, database)) as http:
        yield http


async def test_newcomer_is_building_history(client: httpx.AsyncClient, database: Database) -> None:
    me = await create_member(database)

    body = (await client.get("/v1/credit", headers=me.headers)).json()

    nothing: dict[str, Any] = {
        "state": "building_history",
        "points": None,
        "band": None,
        "low": None,
        "high": None,
        "reasons": [],
        "model_id": None,
        "changed": None,
    }
    unlock = body.pop("next_unlock")
    assert body == {
        "as_of": None,
        "financial": {"kind": "financial", **nothing},
        "social": {"kind": "social", **nothing},
        "next_step": "Protected orders still to complete before you have a score: 3.",
        "facts_used": 0,
        "facts_url": "/v1/credit/facts",
        "history_url": "/v1/credit/history",
        "appeal_url": "/v1/credit/appeals",
    }
    assert unlock["tier"] == "T1"
    assert unlock["steps"]


async def test_own_scores_with_reasons_in_words(
    client: httpx.AsyncClient, database: Database
) -> None:
    me = await create_member(database)
    others = [await create_member(database) for _ in range(3)]

    async def use_case(tx: Tx) -> service.Snapshot:
        service.record(tx, good_deals(tx, me, others))
        return await service.refresh(tx, me.id)

    snapshot = await database.run(use_case)

    body = (await client.get("/v1/credit", headers=me.headers)).json()
    chinese = await client.get("/v1/credit", headers=me.headers | {"Accept-Language": "zh-CN"})
    german = await client.get("/v1/credit?language=de", headers=me.headers)
    other = (await client.get("/v1/credit", headers=others[0].headers)).json()

    social = body["social"]
    assert (social["state"], social["points"], social["band"]) == (
        "scored", snapshot.social.points, snapshot.social.band,
    )  # fmt: skip
    assert (social["low"], social["high"]) == (snapshot.social.low, snapshot.social.high)
    reasons = [*body["financial"]["reasons"], *social["reasons"]]
    assert reasons
    assert all(reason["text"] and reason["help"] for reason in reasons)
    assert body["next_step"] in {reason["help"] for reason in reasons}
    assert social["model_id"] == snapshot.social.model_id
    assert not {"pd", "vector"} & set(social)
    assert body["facts_used"] == 12
    assert len({body["next_step"], chinese.json()["next_step"], german.json()["next_step"]}) == 3
    assert other["social"]["points"] is None


async def test_needs_a_session(client: httpx.AsyncClient) -> None:
    assert (await client.get("/v1/credit")).status_code == 401
