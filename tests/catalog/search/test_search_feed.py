"""From a change of a listing to what search finds, and what it finds when the index lags."""

from typing import Any
from uuid import UUID, uuid4

import asyncpg
import httpx
import pytest

from handsel.catalog.listings import service
from handsel.catalog.listings.schemas import ListingPatch, Point, Price
from handsel.catalog.search import indexing, jobs
from handsel.foundation.core.ids import decode
from handsel.foundation.core.settings import Settings
from handsel.foundation.db.uow import Database
from handsel.foundation.http.principal import Principal
from handsel.front.api.app import create_app
from tests.factories import listings

LAT, LON = listings.OLD_TOWN
HERE = {"lat": LAT, "lon": LON, "radius_m": 2000}


@pytest.fixture
async def ann(database: Database, owner: asyncpg.Connection) -> Principal:
    """A seller, in a market where there is nobody else."""
    await owner.execute("DELETE FROM catalog.search_documents")
    await owner.execute("UPDATE catalog.listings SET state = 'ended'")
    async with database.transaction() as tx:
        return await listings.seller(tx, f"ann{uuid4().hex[:8]}")


async def publish(database: Database, who: Principal, **changes: Any) -> UUID:
    async with database.transaction() as tx:
        made = await listings.live(tx, who, **changes)
    key = decode("lst", made.id)
    await index(database, key)
    return key


async def index(database: Database, key: UUID) -> None:
    payload = {"listing_id": str(key), "version": 1, "live": True}
    await jobs.index_listing(database, payload)


async def search(api: httpx.AsyncClient, **params: Any) -> dict[str, Any]:
    answer = await api.get("/v1/search", params=params)
    assert answer.status_code == 200, answer.text
    page: dict[str, Any] = answer.json()
    return page


def found(page: dict[str, Any]) -> list[UUID]:
    return [decode("lst", hit["listing"]) for hit in page["hits"]]


async def test_a_listing_is_found_once_it_is_live_and_until_it_is_paused(
    api: httpx.AsyncClient, database: Database, ann: Principal
) -> None:
    async with database.transaction() as tx:
        made = await listings.draft(tx, ann)
    key = decode("lst", made.id)
    await index(database, key)
    assert found(await search(api, q="maths", **HERE)) == []

    await database.run(lambda tx: service.move(tx, ann, key, "publish"))
    await index(database, key)
    live = await search(api, q="maths", **HERE)
    await database.run(lambda tx: service.move(tx, ann, key, "pause"))
    await index(database, key)
    paused = await search(api, q="maths", **HERE)

    assert found(live) == [key]
    (hit,) = live["hits"]
    assert (hit["storefront"], hit["unit"], hit["kind"]) == (ann.handle, "per_hour", "knowledge")
    assert hit["price"] == {"amount_minor": 2500, "currency": "GBP"}
    assert {reason["code"] for reason in hit["why"]} >= {"text", "distance_m", "identity_tier"}
    assert live["facets"]["category"] == {"school-tutoring": 1}
    assert (live["total_estimate"], live["degraded"], live["next_cursor"]) == (1, False, None)
    assert live["instead"] is None
    assert (found(paused), paused["total_estimate"]) == ([], 0)


async def test_an_old_event_that_comes_late_brings_nothing_back(
    api: httpx.AsyncClient, database: Database, ann: Principal, owner: asyncpg.Connection
) -> None:
    key = await publish(database, ann)
    await database.run(lambda tx: service.move(tx, ann, key, "end"))
    await index(database, key)

    await index(database, key)

    row = await owner.fetchrow("SELECT * FROM catalog.search_documents WHERE id = $1", key)
    assert row is not None
    assert (row["live"], row["version"]) == (False, 3)
    assert found(await search(api, q="maths", **HERE)) == []


async def test_an_answer_shows_the_row_and_not_the_index(
    api: httpx.AsyncClient, database: Database, ann: Principal
) -> None:
    cheap, gone = await publish(database, ann), await publish(database, ann)
    dear = ListingPatch(price=Price(amount_minor=9000, currency="GBP"), title="Maths master")

    await database.run(lambda tx: service.edit(tx, listings.SECRET, ann, cheap, 2, dear))
    await database.run(lambda tx: service.move(tx, ann, gone, "pause"))
    everything = await search(api, q="maths", **HERE)
    below = await search(api, q="maths", currency="GBP", price_max=3000, **HERE)

    assert found(everything) == [cheap]
    assert everything["hits"][0]["title"] == "Maths master"
    assert everything["hits"][0]["price"]["amount_minor"] == 9000
    assert found(below) == []


@pytest.mark.parametrize("state", ["locked", "quiet", "friends_only"])
async def test_a_seller_who_is_not_open_is_not_found(
    api: httpx.AsyncClient,
    database: Database,
    ann: Principal,
    owner: asyncpg.Connection,
    state: str,
) -> None:
    key = await publish(database, ann)
    assert found(await search(api, q="maths", **HERE)) == [key]

    await owner.execute("UPDATE people.members SET state = $1 WHERE id = $2", state, ann.member_id)

    assert found(await search(api, q="maths", **HERE)) == []


async def test_a_moved_listing_is_measured_from_where_it_is_now(
    api: httpx.AsyncClient, database: Database, ann: Principal
) -> None:
    key = await publish(database, ann)
    munich = ListingPatch(place=Point(lat=48.137, lon=11.575))

    await database.run(lambda tx: service.edit(tx, listings.SECRET, ann, key, 2, munich))

    assert found(await search(api, q="maths", **HERE)) == []


async def test_an_empty_search_offers_who_travels_here_and_who_works_remotely(
    api: httpx.AsyncClient, database: Database, ann: Principal
) -> None:
    five_km_north = Point(lat=LAT + 0.045, lon=LON)
    travels = await publish(database, ann, place=five_km_north, service_radius_m=10_000)
    near_only = await publish(database, ann, place=five_km_north, service_radius_m=3_000)
    at_hers = await publish(database, ann, place=five_km_north, fulfilment=["at_mine"])
    remote = await publish(database, ann, place="remote")
    other = await publish(database, ann, place="remote", title="Piano", category="music-lessons")

    page = await search(
        api, q="maths", **HERE, category="school-tutoring", currency="GBP", price_max=2000
    )

    assert page["hits"] == []
    offered = page["instead"]
    assert [decode("lst", hit["listing"]) for hit in offered["travelling"]] == [travels]
    assert [decode("lst", hit["listing"]) for hit in offered["remote"]] == [remote]
    assert 4_500 < offered["travelling"][0]["distance_m"] < 5_500
    assert offered["travelling"][0]["why"][0]["code"] == "comes_to_you"
    assert offered["remote"][0]["distance_m"] is None
    assert page["request_draft"] == {
        "text": "maths",
        "place": {"lat": LAT, "lon": LON},
        "radius_m": 2000,
        "category": "school-tutoring",
        "budget": {"amount_minor": 2000, "currency": "GBP"},
    }
    assert len({travels, near_only, at_hers, remote, other}) == 5


async def test_a_dead_meilisearch_degrades_to_the_same_hits(
    database: Database, settings: Settings, ann: Principal
) -> None:
    key = await publish(database, ann)
    dead = Settings(
        home=settings.home, secret=settings.secret, meilisearch_url="http://127.0.0.1:9"
    )
    transport = httpx.ASGITransport(app=create_app(dead, database))

    async with httpx.AsyncClient(transport=transport, base_url="http://handsel") as client:
        pages = [await search(client, q="maths", **HERE) for _ in range(5)]

    assert [(found(page), page["degraded"]) for page in pages] == [([key], True)] * 5


async def test_reindexing_rebuilds_what_was_lost(
    api: httpx.AsyncClient, database: Database, ann: Principal, owner: asyncpg.Connection
) -> None:
    key = await publish(database, ann)
    await owner.execute("DELETE FROM catalog.search_documents")
    done: list[int] = []

    count = await indexing.reindex_all(database, done.append)

    assert done[-1] == count >= 1
    assert found(await search(api, q="maths", **HERE)) == [key]
    assert found(await search(api, q="mahts tutro", **HERE)) == [key]


async def test_a_seller_is_indexed_again_when_their_trust_card_changes(
    api: httpx.AsyncClient, database: Database, ann: Principal, owner: asyncpg.Connection
) -> None:
    key = await publish(database, ann)
    assert found(await search(api, min_identity_tier=1, **HERE)) == []
    await owner.execute(
        "INSERT INTO people.verifications (member_id, kind, state, created_at, passed_at)"
        " SELECT $1, k, 'passed', now(), now() FROM unnest(ARRAY['phone', 'id_document']) AS k",
        ann.member_id,
    )

    await jobs.index_seller(database, {"member_id": str(ann.member_id)})

    assert found(await search(api, min_identity_tier=1, **HERE)) == [key]


def test_the_worker_gets_every_handler_by_name(settings: Settings) -> None:
    assert set(jobs.handlers(settings)) == {
        "index_listing", "index_seller", "reindex", "refresh_vocabulary",
    }  # fmt: skip
