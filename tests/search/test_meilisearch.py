"""The Meilisearch adapter over real sockets: shapes, threads, timeouts, tasks, the breaker."""

from __future__ import annotations

import asyncio
import threading
import time
from collections.abc import Iterator
from datetime import UTC, datetime
from typing import Any

import anyio
import pytest
from meilisearch import Client

from handsel_search.engine import Candidate, CandidatePage, SearchEngine
from handsel_search.errors import EngineRefused, EngineUnavailable, IndexingFailed, InvalidSearch
from handsel_search.fallback import Breaker, ResilientEngine
from handsel_search.meilisearch import MeilisearchEngine
from handsel_search.query import SearchQuery, ViewerRules
from tests.search.conftest import make_document, uid
from tests.search.stub_meilisearch import StubMeilisearch

NOBODY = ViewerRules()
HERE: dict[str, Any] = {"lat": 55.95, "lon": -3.19, "radius_m": 1000}


@pytest.fixture
def stub() -> Iterator[StubMeilisearch]:
    stub = StubMeilisearch()
    yield stub
    stub.delay_s = 0
    stub.close()


@pytest.fixture
async def engine(stub: StubMeilisearch) -> MeilisearchEngine:
    engine = MeilisearchEngine(
        stub.url, "key", search_timeout_s=1, index_timeout_s=1, poll_s=0.001, task_timeout_s=20.0
    )
    await engine.setup()
    return engine


def searches(stub: StubMeilisearch) -> list[dict[str, Any]]:
    return [body for _, path, _, body in stub.requests if path.endswith("/search")]


async def test_setup_applies_all_settings_in_one_call(
    stub: StubMeilisearch, engine: MeilisearchEngine
) -> None:
    patches = [body for method, _, _, body in stub.requests if method == "PATCH"]
    settings = patches[0]
    await engine.setup()

    assert len(patches) == 1
    assert settings["rankingRules"][0] == "sort"
    assert settings["filterableAttributes"][0] == "_geo"
    assert "bohrmaschine" in settings["synonyms"]["drill"]
    assert "the" in settings["stopWords"]
    assert settings["typoTolerance"]["disableOnNumbers"] is True


async def test_a_search_sends_the_documented_shape(
    stub: StubMeilisearch, engine: MeilisearchEngine
) -> None:
    query = SearchQuery(
        text='"cordless" -drill',
        categories=frozenset({"power-tools"}),
        fulfilment=frozenset({"remote", "at_mine"}),
        price_max_minor=500,
        currency="GBP",
        **HERE,
    )
    await engine.candidates(query, ViewerRules(excluded_seller_ids=frozenset({"mem_1"})))
    method, path, headers, body = stub.requests[-1]

    assert (method, path) == ("POST", "/indexes/listings/search")
    assert headers["Authorization"] == "Bearer key"
    assert body["q"].split() == ["cordless", "drill"]
    assert (body["limit"], body["matchingStrategy"]) == (200, "last")
    assert "sort" not in body
    assert body["showRankingScore"] is True
    assert body["facets"] == ["category", "kind", "unit", "fulfilment"]
    box = "_geoBoundingBox([55.959065162, -3.173809787], [55.940934838, -3.206190213])"
    assert body["filter"] == [
        "live = true",
        "currency = 'GBP'",
        "category IN ['power-tools']",
        "fulfilment IN ['at_mine', 'remote']",
        "price_minor <= 500",
        "seller_id NOT IN ['mem_1']",
        [box, "fulfilment = 'remote'"],
    ]


async def test_documents_carry_two_floats_or_null_and_integers(
    stub: StubMeilisearch, engine: MeilisearchEngine
) -> None:
    created = datetime(2026, 1, 1, 0, 0, 0, 123457, tzinfo=UTC)
    docs = [
        make_document(1, created_at=created),
        make_document(2, lat=None, lon=None, price_minor=None),
    ]
    assert await engine.upsert(docs) == 2
    rows = stub.indexes["listings"].documents

    assert rows[uid(1)]["_geo"] == {"lat": 55.95, "lng": -3.19}
    assert rows[uid(2)]["_geo"] is None
    assert rows[uid(2)]["price_minor"] is None
    assert rows[uid(2)]["price_key"] == 2**53 - 1
    assert rows[uid(1)]["created_us"] == 1767225600123457
    page = await engine.candidates(SearchQuery(sort="newest"), NOBODY)
    assert {c.created_at for c in page.candidates} >= {created}


async def test_deleting_is_one_batch_by_id(
    stub: StubMeilisearch, engine: MeilisearchEngine
) -> None:
    await engine.upsert([make_document(n) for n in range(1, 4)])
    await engine.delete([uid(1), uid(3)])

    batches = [body for _, path, _, body in stub.requests if path.endswith("delete-batch")]
    assert batches == [[uid(1), uid(3)]]
    assert list(stub.indexes["listings"].documents) == [uid(2)]


async def test_threads_never_share_a_clients_headers(
    stub: StubMeilisearch, engine: MeilisearchEngine
) -> None:
    async def write(n: int) -> None:
        await engine.upsert([make_document(n)])

    async def look() -> None:
        await engine.candidates(SearchQuery(), NOBODY)

    stub.task_polls = 6
    await asyncio.gather(*(write(n) for n in range(1, 40)), *(look() for _ in range(40)))

    assert stub.missing_content_type == 0
    assert len(stub.indexes["listings"].documents) == 39


async def test_each_thread_has_a_client_of_its_own(
    stub: StubMeilisearch, engine: MeilisearchEngine
) -> None:
    def both_ways(client: Client) -> tuple[int, int]:
        for _ in range(10):
            client.http.get("tasks/0")
            client.http.post("tasks/0", {})
        return threading.get_ident(), id(client)

    pairs = await asyncio.gather(
        *(engine._client.call(both_ways, purpose="search") for _ in range(8))
    )

    assert len(set(pairs)) == len({thread for thread, _ in pairs}) > 1
    assert len(set(pairs)) == len({client for _, client in pairs})
    assert stub.missing_content_type == 0


@pytest.mark.parametrize("final", ["invalid_document_fields", "internal"])
async def test_a_failed_task_raises(
    stub: StubMeilisearch, engine: MeilisearchEngine, final: str
) -> None:
    stub.fail_tasks_with = final
    with pytest.raises(IndexingFailed) as caught:
        await engine.upsert([make_document(1)])
    assert caught.value.code == final
    with pytest.raises(IndexingFailed):
        await engine.setup()


async def test_a_task_that_never_ends_is_unavailable(
    stub: StubMeilisearch, engine: MeilisearchEngine
) -> None:
    stub.task_polls = 10**9
    engine._client._task_timeout_s = 0.1
    with pytest.raises(EngineUnavailable, match="not done in time"):
        await engine.upsert([make_document(1)])


@pytest.mark.parametrize(
    ("status", "garbage", "error"),
    [
        (500, None, EngineUnavailable),
        (503, None, EngineUnavailable),
        (429, None, EngineUnavailable),
        (401, None, EngineUnavailable),
        (400, None, EngineRefused),
        (None, b"<html>", EngineUnavailable),
        (None, b"[]", EngineUnavailable),
        (None, b'{"hits": [{"id": 5}]}', EngineUnavailable),
        (None, b"", EngineUnavailable),
    ],
)
async def test_broken_answers_become_facts(
    stub: StubMeilisearch,
    engine: MeilisearchEngine,
    status: int | None,
    garbage: bytes | None,
    error: type[Exception],
) -> None:
    stub.status, stub.garbage = status, garbage
    with pytest.raises(error):
        await engine.candidates(SearchQuery(), NOBODY)
    with pytest.raises(error):
        await engine.upsert([make_document(1)])


async def test_a_slow_or_dead_server_is_unavailable(
    stub: StubMeilisearch, engine: MeilisearchEngine
) -> None:
    stub.delay_s = 1.5
    started = time.monotonic()
    with pytest.raises(EngineUnavailable):
        await engine.candidates(SearchQuery(), NOBODY)
    assert time.monotonic() - started < 1.4

    dead = MeilisearchEngine("http://127.0.0.1:1")
    with pytest.raises(EngineUnavailable):
        await dead.candidates(SearchQuery(), NOBODY)


async def test_rebuild_swaps_only_when_everything_is_there(
    stub: StubMeilisearch, engine: MeilisearchEngine
) -> None:
    await engine.upsert([make_document(1), make_document(2)])
    assert await engine.rebuild(make_document(n) for n in range(2, 5)) == 3
    assert sorted(stub.indexes["listings"].documents) == [uid(2), uid(3), uid(4)]
    assert list(stub.indexes) == ["listings"]

    stub.fail_tasks_with = "disk_full"
    with pytest.raises(IndexingFailed, match="disk_full"):
        await engine.rebuild([make_document(9)])
    assert sorted(stub.indexes["listings"].documents) == [uid(2), uid(3), uid(4)]


async def test_rebuild_works_on_an_empty_server(stub: StubMeilisearch) -> None:
    engine = MeilisearchEngine(stub.url, poll_s=0.001)
    with pytest.raises(EngineUnavailable):
        await engine.candidates(SearchQuery(), NOBODY)
    assert await engine.rebuild([make_document(1)]) == 1
    assert len((await engine.candidates(SearchQuery(), NOBODY)).candidates) == 1


async def test_too_many_listings_at_one_distance_are_refused_not_misordered(
    stub: StubMeilisearch, engine: MeilisearchEngine
) -> None:
    await engine.upsert([make_document(n) for n in range(1, 1102)])
    with pytest.raises(EngineRefused, match="more than 1000"):
        await engine.candidates(SearchQuery(sort="distance", **HERE), NOBODY)


# The breaker


class Clock:
    """Monotonic seconds that a test moves."""

    now = 100.0

    def __call__(self) -> float:
        return self.now


class Told:
    """An engine that does as it is told."""

    def __init__(self, name: str) -> None:
        self.name = name
        self.calls = 0
        self.written: list[Any] = []
        self.error: Exception | None = None
        self.wait_s = 0.0

    async def candidates(
        self, query: SearchQuery, viewer: ViewerRules, limit: int | None = None
    ) -> CandidatePage:
        self.calls += 1
        if self.wait_s:
            await anyio.sleep(self.wait_s)
        if self.error is not None:
            raise self.error
        hits: tuple[Candidate, ...] = ()
        return CandidatePage(
            candidates=hits, total_estimate=0, facets={}, next_cursor=None, engine=self.name
        )

    async def upsert(self, documents: Any) -> int:
        self.written.append(documents)
        if self.error is not None:
            raise self.error
        return len(documents)

    async def delete(self, ids: Any) -> None:
        self.written.append(ids)


@pytest.fixture
def told() -> tuple[Told, Told, Clock, ResilientEngine]:
    primary, fallback, clock = Told("meilisearch"), Told("postgres"), Clock()
    engine = ResilientEngine(
        primary, fallback, monotonic=clock, failures=3, cooldown_s=10, timeout_s=0.05
    )
    return primary, fallback, clock, engine


Four = tuple[Told, Told, Clock, ResilientEngine]


async def ask(engine: ResilientEngine) -> tuple[str, bool]:
    page = await engine.candidates(SearchQuery(), NOBODY)
    return page.engine, page.degraded


async def test_the_breaker_opens_probes_once_and_closes(told: Four) -> None:
    primary, _, clock, engine = told
    assert isinstance(engine, SearchEngine)
    assert await ask(engine) == ("meilisearch", False)
    primary.error = EngineUnavailable("down")
    for _ in range(3):
        assert await ask(engine) == ("postgres", True)
    assert (primary.calls, engine.breaker.state) == (4, "open")

    assert await ask(engine) == ("postgres", True)
    clock.now += 9.9
    assert await ask(engine) == ("postgres", True)
    assert primary.calls == 4

    clock.now += 0.2
    assert engine.breaker.state == "half_open"
    assert await ask(engine) == ("postgres", True)
    assert (primary.calls, engine.breaker.state) == (5, "open")

    clock.now += 10.1
    primary.error = None
    assert await ask(engine) == ("meilisearch", False)
    assert engine.breaker.state == "closed"


async def test_only_failures_in_a_row_count(told: Four) -> None:
    primary, _, _, engine = told
    for error in (EngineUnavailable("x"), EngineUnavailable("x"), None) * 3:
        primary.error = error
        await ask(engine)
    assert engine.breaker.state == "closed"


async def test_a_slow_primary_counts_as_failing(told: Four) -> None:
    primary, _, _, engine = told
    primary.wait_s = 5.0
    started = time.monotonic()
    for _ in range(3):
        assert await ask(engine) == ("postgres", True)
    assert time.monotonic() - started < 2
    assert engine.breaker.state == "open"


async def test_half_open_lets_one_probe_through(told: Four) -> None:
    primary, _, clock, engine = told
    primary.error = EngineUnavailable("down")
    for _ in range(3):
        await ask(engine)
    clock.now += 11
    primary.error, primary.wait_s = None, 0.02
    answers = await asyncio.gather(*(ask(engine) for _ in range(10)))

    assert primary.calls == 4
    assert sorted(answers) == [("meilisearch", False)] + [("postgres", True)] * 9
    assert engine.breaker.state == "closed"


async def test_a_cancelled_probe_frees_its_place(told: Four) -> None:
    primary, _, clock, engine = told
    primary.error = EngineUnavailable("down")
    for _ in range(3):
        await ask(engine)
    clock.now += 11
    primary.error, primary.wait_s = None, 5.0
    with anyio.move_on_after(0.01):
        await ask(engine)
    primary.wait_s = 0.0
    assert await ask(engine) == ("meilisearch", False)


async def test_a_refused_query_degrades_without_opening(told: Four) -> None:
    primary, _, _, engine = told
    primary.error = EngineRefused("not this one")
    for _ in range(5):
        assert await ask(engine) == ("postgres", True)
    assert (primary.calls, engine.breaker.state) == (5, "closed")


async def test_the_searchers_own_fault_is_not_the_engines(told: Four) -> None:
    primary, fallback, _, engine = told
    primary.error = InvalidSearch("cursor_mismatch", "/cursor", "no")
    for _ in range(4):
        with pytest.raises(InvalidSearch):
            await ask(engine)
    assert (fallback.calls, engine.breaker.state) == (0, "closed")


async def test_both_engines_dead_is_unavailable(told: Four) -> None:
    primary, fallback, _, engine = told
    primary.error = fallback.error = EngineUnavailable("down")
    with pytest.raises(EngineUnavailable):
        await ask(engine)


async def test_writes_reach_the_fallback_first_and_failures_are_told(told: Four) -> None:
    primary, fallback, _, engine = told
    docs = [make_document(1)]
    assert await engine.upsert(docs) == 1
    await engine.delete([uid(1)])
    assert primary.written == fallback.written == [docs, [uid(1)]]

    primary.error = EngineUnavailable("down")
    with pytest.raises(EngineUnavailable):
        await engine.upsert(docs)
    assert len(fallback.written) == 3


async def test_a_real_engine_behind_the_breaker_goes_dark_and_comes_back(
    stub: StubMeilisearch, engine: MeilisearchEngine
) -> None:
    clock = Clock()
    resilient = ResilientEngine(engine, Told("postgres"), monotonic=clock, failures=2)
    assert await ask(resilient) == ("meilisearch", False)
    stub.status = 503
    seen = len(stub.requests)
    for _ in range(5):
        assert await ask(resilient) == ("postgres", True)
    assert len(stub.requests) - seen == 2
    stub.status = None
    clock.now += 11
    assert await ask(resilient) == ("meilisearch", False)


def test_a_breaker_needs_its_reports() -> None:
    clock = Clock()
    breaker = Breaker(clock, failures=1, cooldown_s=5)
    assert breaker.admit()
    breaker.failed()
    assert not breaker.admit()
    clock.now += 5
    assert breaker.admit()
    assert not breaker.admit()
    breaker.succeeded()
    assert breaker.admit()
