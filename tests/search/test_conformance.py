"""One meaning on every engine: filters, radius, sorts and pages against a plain-Python oracle."""

from __future__ import annotations

import os
import random
from collections.abc import AsyncIterator
from datetime import UTC, datetime, timedelta
from typing import Any
from uuid import uuid4

import asyncpg
import msgspec
import pytest
import pytest_asyncio
from geopy.distance import geodesic

from handsel_search.documents import ListingDocument
from handsel_search.engine import CandidatePage, SearchEngine
from handsel_search.geo import published_point
from handsel_search.meilisearch import MeilisearchEngine
from handsel_search.postgres import PostgresEngine
from handsel_search.query import SearchQuery, ViewerRules
from tests.search.conftest import SCHEMA, make_document
from tests.search.stub_meilisearch import StubMeilisearch

NOBODY = ViewerRules()
CENTRE = (55.95, -3.19)
START = datetime(2026, 1, 1, tzinfo=UTC)


def town(count: int) -> list[ListingDocument]:
    """Listings around Edinburgh on published points, with many ties in every sort key."""
    rng = random.Random(20)
    docs = []
    for _ in range(count):
        lat, lon = rng.gauss(CENTRE[0], 0.02), rng.gauss(CENTRE[1], 0.03)
        point: tuple[float | None, float | None] = published_point(lat, lon, b"s" * 16)
        fulfilment = frozenset(rng.sample(["at_yours", "at_mine", "remote"], rng.choice([1, 1, 2])))
        if fulfilment == {"remote"} and rng.random() < 0.7:
            point = (None, None)
        docs.append(
            make_document(
                rng.getrandbits(100),
                lat=point[0],
                lon=point[1],
                fulfilment=fulfilment,
                seller_id=f"mem_{rng.randint(1, 40)}",
                kind=rng.choice(["thing", "skill", "room"]),
                category=rng.choice(["power-tools", "garden-tools", "music-lessons"]),
                unit=rng.choice(["per_day", "per_hour", "quote"]),
                price_minor=rng.choice([None, 0, 500, 1000, 1000, 2500, 2**53 - 2]),
                currency=rng.choice(["GBP", "GBP", "GBP", "EUR"]),
                identity_tier=rng.randint(0, 5),
                verified_facts=frozenset(rng.sample(["city", "tenure", "id"], rng.randint(0, 3))),
                live=rng.random() > 0.1,
                created_at=START + timedelta(microseconds=rng.randint(0, 60)),
                settled_count=rng.randint(0, 3),
                title=f"{rng.choice(['Cordless', 'Quiet'])} {rng.choice(['hammer', 'piano'])}",
            )
        )
    return docs


def metres(query: SearchQuery, doc: ListingDocument) -> float | None:
    """Geodesic distance by geopy where it counts as within the radius."""
    if query.point is None or doc.lat is None:
        return None
    assert query.radius_m is not None
    away = float(geodesic(query.point, (doc.lat, doc.lon)).m)
    return away if away <= query.radius_m else None


def admits(query: SearchQuery, viewer: ViewerRules, doc: ListingDocument) -> bool:
    """What a query means, as plainly as it can be said."""
    remote = "remote" in query.fulfilment and "remote" in doc.fulfilment
    priced = query.price_min_minor is not None or query.price_max_minor is not None
    return all(
        (
            doc.live,
            doc.seller_id not in viewer.excluded_seller_ids,
            query.point is None or metres(query, doc) is not None or remote,
            not query.categories or doc.category in query.categories,
            query.kind in (None, doc.kind),
            query.unit in (None, doc.unit),
            query.currency in (None, doc.currency),
            not query.fulfilment or query.fulfilment & doc.fulfilment,
            query.verified_facts <= doc.verified_facts,
            doc.identity_tier >= (query.identity_tier_min or 0),
            not priced or doc.price_minor is not None,
            (doc.price_minor or 0) >= (query.price_min_minor or 0),
            query.price_max_minor is None or (doc.price_minor or 0) <= query.price_max_minor,
        )
    )


def expected(query: SearchQuery, viewer: ViewerRules, docs: list[ListingDocument]) -> list[str]:
    """Ids in the order the query asks for."""
    hits = [doc for doc in docs if admits(query, viewer, doc)]

    def key(doc: ListingDocument) -> tuple[Any, ...]:
        if query.sort == "distance":
            away = metres(query, doc)
            return (away is None, round(away or 0.0, 6), doc.id)
        if query.sort == "price":
            return (doc.price_minor is None, doc.price_minor, doc.id)
        return (START - doc.created_at, doc.id)

    return [doc.id for doc in sorted(hits, key=key)]


async def all_pages(
    engine: SearchEngine, query: SearchQuery, viewer: ViewerRules
) -> list[CandidatePage]:
    pages = [await engine.candidates(query, viewer)]
    while pages[-1].next_cursor is not None:
        query = msgspec.structs.replace(query, cursor=pages[-1].next_cursor)
        pages.append(await engine.candidates(query, viewer))
        assert len(pages) < 500
    return pages


def ids(pages: list[CandidatePage]) -> list[str]:
    return [candidate.id for page in pages for candidate in page.candidates]


@pytest.fixture(scope="module")
def documents() -> list[ListingDocument]:
    return town(500)


@pytest_asyncio.fixture(scope="module", params=["postgres", "stub", "meilisearch"])
async def engine(
    request: pytest.FixtureRequest, pool: asyncpg.Pool, documents: list[ListingDocument]
) -> AsyncIterator[SearchEngine]:
    """Each engine with the town in it."""
    if request.param == "postgres":
        await pool.execute(f"TRUNCATE {SCHEMA}.search_documents, {SCHEMA}.search_vocabulary")
        postgres = PostgresEngine(pool, SCHEMA)
        assert await postgres.upsert(documents) == len(documents)
        yield postgres
    elif request.param == "stub":
        stub = StubMeilisearch()
        engine = MeilisearchEngine(stub.url, poll_s=0.001)
        await engine.setup()
        assert await engine.upsert(documents) == len(documents)
        yield engine
        stub.close()
    else:
        url = os.environ.get("MEILISEARCH_URL")
        if not url:
            pytest.skip("MEILISEARCH_URL is not set: no real Meilisearch to ask")
        key = os.environ.get("MEILISEARCH_API_KEY")
        engine = MeilisearchEngine(url, key, index=f"test_{uuid4().hex}")
        await engine.setup()
        await engine.upsert(documents)
        yield engine
        await engine._client.task(lambda client: client.delete_index(engine._index))


def random_query(rng: random.Random) -> tuple[SearchQuery, ViewerRules]:
    fields: dict[str, Any] = {"sort": rng.choice(["distance", "price", "newest"])}
    if fields["sort"] == "distance" or rng.random() < 0.6:
        fields["lat"], fields["lon"] = rng.gauss(CENTRE[0], 0.02), rng.gauss(CENTRE[1], 0.03)
        fields["radius_m"] = rng.choice([300, 1000, 3000, 10_000])
    if fields["sort"] == "price" or rng.random() < 0.3:
        fields["currency"] = rng.choice(["GBP", "EUR"])
        if rng.random() < 0.6:
            fields["price_min_minor"] = rng.choice([None, 0, 1, 500])
            fields["price_max_minor"] = rng.choice([None, 500, 1000, 2500])
    if rng.random() < 0.3:
        fields["categories"] = frozenset(rng.sample(["power-tools", "music-lessons", "x"], 2))
    for name, values in (("kind", ["thing", "skill"]), ("unit", ["per_day", "quote"])):
        if rng.random() < 0.2:
            fields[name] = rng.choice(values)
    if rng.random() < 0.4:
        chosen = rng.sample(["at_yours", "at_mine", "remote", "remote"], rng.choice([1, 2]))
        fields["fulfilment"] = frozenset(chosen)
    if rng.random() < 0.2:
        fields["verified_facts"] = frozenset(rng.sample(["city", "id"], rng.choice([1, 2])))
    if rng.random() < 0.2:
        fields["identity_tier_min"] = rng.randint(0, 5)
    fields["page_size"] = rng.choice([1, 7, 20, 50]) if rng.random() < 0.5 else 50
    hidden = frozenset(f"mem_{rng.randint(1, 40)}" for _ in range(rng.choice([0, 0, 3])))
    return SearchQuery(**fields), ViewerRules(excluded_seller_ids=hidden)


@pytest.mark.parametrize("seed", range(24))
async def test_every_page_of_every_sort_is_exact(
    engine: SearchEngine, documents: list[ListingDocument], seed: int
) -> None:
    query, viewer = random_query(random.Random(seed))
    if query.page_size == 1:  # one by one through a narrow part
        query = msgspec.structs.replace(query, kind="thing", unit="per_day")

    pages = await all_pages(engine, query, viewer)

    assert ids(pages) == expected(query, viewer, documents)
    assert {page.facets == {} for page in pages[1:]} <= {True}
    assert {page.total_estimate for page in pages} == {pages[0].total_estimate}


async def test_distances_are_geopys(engine: SearchEngine, documents: list[ListingDocument]) -> None:
    query = SearchQuery(lat=CENTRE[0], lon=CENTRE[1], radius_m=3000, sort="distance", page_size=50)
    by_id = {doc.id: doc for doc in documents}
    page = await engine.candidates(query, NOBODY)

    assert len(page.candidates) == 50
    for candidate in page.candidates:
        doc = by_id[candidate.id]
        oracle = geodesic(CENTRE, (doc.lat, doc.lon)).m
        assert candidate.distance_m == pytest.approx(oracle, abs=1e-6)


@pytest.mark.parametrize("place", [{}, {"lat": 55.95, "lon": -3.19, "radius_m": 1500}])
async def test_best_gives_the_same_hits_and_exact_counts_when_they_fit(
    engine: SearchEngine, documents: list[ListingDocument], place: dict[str, Any]
) -> None:
    query = SearchQuery(kind="skill", unit="per_hour", **place)
    hits = [doc for doc in documents if admits(query, NOBODY, doc)]

    page = await engine.candidates(query, NOBODY)

    assert 0 < len(hits) < 200
    assert {candidate.id for candidate in page.candidates} == {doc.id for doc in hits}
    assert page.total_estimate == len(hits)
    assert page.facets["kind"] == {"skill": len(hits)}
    assert sum(page.facets["category"].values()) == len(hits)
    assert page.facets["fulfilment"].get("remote", 0) == sum(
        "remote" in doc.fulfilment for doc in hits
    )
    assert {candidate.text_score for candidate in page.candidates} == {None}


async def test_best_never_gives_more_than_200_and_estimates_the_rest(
    engine: SearchEngine, documents: list[ListingDocument]
) -> None:
    query = SearchQuery(lat=CENTRE[0], lon=CENTRE[1], radius_m=10_000)
    hits = expected(query, NOBODY, documents)
    page = await engine.candidates(query, NOBODY, limit=10_000)

    assert len(page.candidates) == 200
    assert len(hits) > 250
    assert page.total_estimate == pytest.approx(len(hits), rel=0.03)
    nearest = expected(msgspec.structs.replace(query, sort="distance"), NOBODY, documents)[:190]
    assert set(nearest) <= {candidate.id for candidate in page.candidates}


async def test_total_and_facets_of_a_long_list_are_close(
    engine: SearchEngine, documents: list[ListingDocument]
) -> None:
    query = SearchQuery(currency="GBP", sort="price", page_size=5)
    hits = [doc for doc in documents if admits(query, NOBODY, doc)]
    page = await engine.candidates(query, NOBODY)

    assert page.next_cursor is not None
    assert page.total_estimate == len(hits)
    for name in ("thing", "skill", "room"):
        assert page.facets["kind"][name] == sum(doc.kind == name for doc in hits)


async def test_text_narrows_every_sort(
    engine: SearchEngine, documents: list[ListingDocument]
) -> None:
    for sort in ("best", "newest"):
        query = SearchQuery(text="cordless hammer", kind="room", sort=sort, page_size=50)
        pages = await all_pages(engine, query, NOBODY)
        both = {
            doc.id
            for doc in documents
            if admits(query, NOBODY, doc) and doc.title == "Cordless hammer"
        }
        assert len(both) > 3
        if sort == "newest":
            assert set(ids(pages)) == both
            assert {c.text_score for c in pages[0].candidates} == {None}
        else:
            assert {c.id for c in pages[0].candidates if (c.text_score or 0) >= 0.5} >= both


async def test_a_text_without_words_is_no_text(
    engine: SearchEngine, documents: list[ListingDocument]
) -> None:
    query = SearchQuery(text='"!-?"', kind="room", unit="quote", sort="newest", page_size=50)
    pages = await all_pages(engine, query, NOBODY)
    assert ids(pages) == expected(query, NOBODY, documents)


async def test_an_unknown_word_finds_nothing(engine: SearchEngine) -> None:
    for sort in ("best", "newest"):
        page = await engine.candidates(SearchQuery(text="xyzzyq", sort=sort), NOBODY)
        assert page.candidates == ()
        assert page.total_estimate == 0


async def test_older_versions_never_win(
    engine: SearchEngine, documents: list[ListingDocument]
) -> None:
    doc = msgspec.structs.replace(documents[0], id=str(uuid4()), version=5, category="version-test")

    def at(version: int, tier: int) -> ListingDocument:
        return msgspec.structs.replace(doc, version=version, identity_tier=tier, live=True)

    async def stored() -> list[int]:
        page = await engine.candidates(SearchQuery(categories=frozenset({"version-test"})), NOBODY)
        return [candidate.identity_tier for candidate in page.candidates]

    assert await engine.upsert([at(5, 1), at(6, 2), at(4, 3)]) == 1
    assert await stored() == [2]
    assert await engine.upsert([at(5, 4)]) == 0
    assert await stored() == [2]
    assert await engine.upsert([at(6, 5)]) == 1
    assert await stored() == [5]
    await engine.delete([doc.id, str(uuid4())])
    assert await stored() == []
    await engine.delete([])
    assert await engine.upsert([]) == 0
