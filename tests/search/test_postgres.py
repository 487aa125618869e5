"""What only the PostgreSQL engine has: COPY, the vocabulary, typos, Chinese, filling with OR."""

from __future__ import annotations

import asyncio
import random
from typing import Any

import asyncpg
import msgspec
import pytest

from handsel_search.ddl import DDL, ddl, ddl_drop
from handsel_search.errors import EngineUnavailable
from handsel_search.postgres import PostgresEngine, copy_upsert, refresh_vocabulary
from handsel_search.query import SearchQuery, ViewerRules
from tests.search.conftest import SCHEMA, make_document, uid

NOBODY = ViewerRules()


async def found(engine: PostgresEngine, text: str, **fields: Any) -> list[str]:
    page = await engine.candidates(SearchQuery(text=text, **fields), NOBODY)
    ranked = sorted(page.candidates, key=lambda c: -(c.text_score or 0))
    return [candidate.id for candidate in ranked]


async def test_copy_and_upsert_store_the_same_rows(
    postgres: PostgresEngine, pool: asyncpg.Pool
) -> None:
    docs = [
        make_document(1, title="O'Hara's \\ drill", tags=("a b", "c"), lang="en"),
        make_document(2, lat=None, lon=None, price_minor=None, unit="quote"),
        make_document(
            3,
            verified_facts=frozenset({"city", "id"}),
            fulfilment=frozenset({"at_mine", "remote"}),
            conduct_band=4,
            response_rate=0.25,
            service_radius_m=3000,
            live=False,
        ),
    ]
    everything = f"SELECT t::text FROM {SCHEMA}.search_documents t ORDER BY id"
    assert await postgres.upsert(docs) == 3
    one = await pool.fetch(everything)
    await pool.execute(f"TRUNCATE {SCHEMA}.search_documents")
    async with pool.acquire() as conn:
        assert await copy_upsert(conn, iter(docs), SCHEMA) == 3

    assert await pool.fetch(everything) == one
    assert len(one) == 3


async def test_copy_keeps_the_newest_version_and_joins_the_callers_transaction(
    postgres: PostgresEngine, pool: asyncpg.Pool
) -> None:
    docs = [make_document(1, version=v, settled_count=v) for v in (3, 9, 5)]
    count = f"SELECT settled_count FROM {SCHEMA}.search_documents"
    async with pool.acquire() as conn:
        transaction = conn.transaction()
        await transaction.start()
        assert await copy_upsert(conn, docs, SCHEMA) == 1
        assert await copy_upsert(conn, docs[:1], SCHEMA) == 0
        assert await conn.fetchval(count) == 9
        await transaction.rollback()
        assert await conn.fetchval(count) is None


async def test_a_failing_copy_writes_nothing(postgres: PostgresEngine, pool: asyncpg.Pool) -> None:
    bad = msgspec.structs.replace(make_document(2))
    msgspec.structs.force_setattr(bad, "identity_tier", 9)
    async with pool.acquire() as conn:
        with pytest.raises(asyncpg.CheckViolationError):
            await copy_upsert(conn, [make_document(1), bad], SCHEMA)
    assert await pool.fetchval(f"SELECT count(*) FROM {SCHEMA}.search_documents") == 0
    assert await pool.fetchval(f"SELECT count(*) FROM {SCHEMA}.search_vocabulary") == 0


async def test_writers_of_the_same_new_words_do_not_deadlock(
    postgres: PostgresEngine, pool: asyncpg.Pool
) -> None:
    rng = random.Random(3)
    words = ["".join(rng.choices("abcdefghij", k=9)) for _ in range(3000)]

    async def write(n: int) -> int:
        docs = [
            make_document(n * 100 + i, description=" ".join(rng.sample(words, 500)))
            for i in range(10)
        ]
        return await postgres.upsert(docs)

    assert await asyncio.gather(*(write(n) for n in range(4))) == [10] * 4
    assert await pool.fetchval(f"SELECT count(*) FROM {SCHEMA}.search_vocabulary") >= 2900


async def test_vocabulary_learns_words_and_forgets_them_on_refresh(
    postgres: PostgresEngine, pool: asyncpg.Pool
) -> None:
    await postgres.upsert(
        [make_document(1, title="Jackhammer saw x4gk 电钻机"), make_document(2, title="Jackhammer")]
    )
    words = f"SELECT word, documents FROM {SCHEMA}.search_vocabulary ORDER BY word"
    learned = dict(await pool.fetch(words))
    await postgres.delete([uid(1)])
    async with pool.acquire() as conn:
        size = await refresh_vocabulary(conn, SCHEMA)
    refreshed = dict(await pool.fetch(words))

    assert learned["jackhammer"] == 2
    assert not {"saw", "x4gk", "电钻"} & set(learned)
    assert refreshed["jackhammer"] == 1
    assert size == len(refreshed)


@pytest.mark.parametrize(
    "asked", ["jackhamer", "jakchammer", "jackhammre demolition", "demolitoin", "jackhaxmxer"]
)
async def test_typos_still_find(postgres: PostgresEngine, asked: str) -> None:
    await postgres.upsert([make_document(1, title="Jackhammer for demolition")])
    assert await found(postgres, asked) == [uid(1)]
    assert await found(postgres, asked, sort="newest") == [uid(1)]


async def test_exact_words_score_above_typos_and_synonyms(postgres: PostgresEngine) -> None:
    await postgres.upsert(
        [
            make_document(1, title="grilx party"),
            make_document(2, title="drilx party"),
            make_document(3, title="Bohrmaschine"),
            make_document(4, title="drill"),
        ]
    )
    assert (await found(postgres, "drilx party"))[0] == uid(2)
    assert await found(postgres, "drill") == [uid(4), uid(3), uid(2)]


async def test_numbers_are_never_mistyped(postgres: PostgresEngine) -> None:
    await postgres.upsert([make_document(1, title="model 123456")])
    assert await found(postgres, "123457") == []
    assert await found(postgres, "123456") == [uid(1)]


async def test_chinese_is_found_by_any_part(postgres: PostgresEngine) -> None:
    await postgres.upsert(
        [
            make_document(1, title="專業修理電腦上門服務"),
            make_document(2, title="电脑维修"),
            make_document(3, title="刷墙壁"),
        ]
    )
    assert await found(postgres, "上門服務") == [uid(1)]
    assert await found(postgres, "刷") == [uid(3)]
    assert set(await found(postgres, "修理电脑")) == {uid(1), uid(2)}
    assert await found(postgres, "墙壁") == [uid(3)]


async def test_or_fills_a_thin_list_but_never_leads(postgres: PostgresEngine) -> None:
    await postgres.upsert(
        [
            make_document(1, title="red kayak"),
            make_document(2, title="kayak"),
            make_document(3, title="red wagon"),
            make_document(4, title="tractor"),
        ]
    )
    assert await found(postgres, "red kayak") == [uid(1), uid(2), uid(3)]
    assert await found(postgres, "red kayak", sort="newest") == [uid(1)]
    newest = await found(postgres, "tractor kayak", sort="newest")
    assert newest == [uid(4), uid(2), uid(1)]


async def test_or_stays_out_of_a_full_list(postgres: PostgresEngine) -> None:
    both = [make_document(n, title="red kayak") for n in range(1, 26)]
    await postgres.upsert([*both, make_document(99, title="kayak")])
    assert len(await found(postgres, "red kayak")) == 25


async def test_the_title_counts_more_than_the_text(postgres: PostgresEngine) -> None:
    await postgres.upsert(
        [
            make_document(1, title="Wagon", description="a kayak fits on it"),
            make_document(2, title="Kayak", description="a wagon carries it"),
        ]
    )
    assert await found(postgres, "kayak") == [uid(2), uid(1)]
    page = await postgres.candidates(SearchQuery(text="kayak"), NOBODY)
    assert all(0 < (c.text_score or 0) <= 1 for c in page.candidates)


async def test_pages_stay_in_their_text_mode(postgres: PostgresEngine) -> None:
    await postgres.upsert([make_document(n, title="jackhammer") for n in range(1, 31)])
    query = SearchQuery(text="jackhamer", sort="newest", page_size=12)
    seen: list[str] = []
    cursor: str | None = None
    for size in (12, 12, 6):
        page = await postgres.candidates(msgspec.structs.replace(query, cursor=cursor), NOBODY)
        assert len(page.candidates) == size
        assert page.total_estimate == 30
        seen += [candidate.id for candidate in page.candidates]
        cursor = page.next_cursor
    assert cursor is None
    assert len(set(seen)) == 30


async def test_a_page_is_stable_when_rows_arrive_in_front(postgres: PostgresEngine) -> None:
    await postgres.upsert([make_document(n, price_minor=n) for n in range(10, 20)])
    query = SearchQuery(currency="GBP", sort="price", page_size=5)
    first = await postgres.candidates(query, NOBODY)
    await postgres.upsert([make_document(n, price_minor=n) for n in range(1, 5)])
    second = await postgres.candidates(
        msgspec.structs.replace(query, cursor=first.next_cursor), NOBODY
    )
    assert [c.price_minor for c in (*first.candidates, *second.candidates)] == list(range(10, 20))


async def test_thousands_on_one_point_page_exactly_by_id(postgres: PostgresEngine) -> None:
    docs = [make_document(n) for n in range(1, 901)]
    await postgres.upsert([*docs, make_document(2000, lat=55.951), make_document(3, lat=55.96)])
    query = SearchQuery(lat=55.9, lon=-3.2, sort="distance", page_size=50)
    page = await postgres.candidates(query, NOBODY)
    seen = [c.id for c in page.candidates]
    for _ in range(2):
        query = msgspec.structs.replace(query, cursor=page.next_cursor)
        page = await postgres.candidates(query, NOBODY)
        seen += [c.id for c in page.candidates]

    assert seen == [uid(n) for n in range(1, 152) if n != 3]


async def test_the_plans_use_the_indexes(postgres: PostgresEngine, pool: asyncpg.Pool) -> None:
    rng = random.Random(5)
    docs = [
        make_document(n, lat=rng.uniform(50, 60), lon=rng.uniform(-8, 2), title=f"w{n % 700}")
        for n in range(1, 2501)
    ]
    async with pool.acquire() as conn:
        await copy_upsert(conn, docs, SCHEMA)
        await conn.execute(f"VACUUM ANALYZE {SCHEMA}.search_documents")
        queries = (
            SearchQuery(lat=55.0, lon=-3.0, radius_m=100_000),
            SearchQuery(lat=55.0, lon=-3.0, radius_m=100_000, kind="thing", sort="distance"),
            SearchQuery(text="w5"),
            SearchQuery(sort="newest"),
            SearchQuery(sort="price", currency="GBP"),
        )
        plans = [await explained(conn, query) for query in queries]
    for plan, index in zip(plans, ("pos", "pos", "doc", "newest", "price"), strict=True):
        assert f"search_documents_{index}" in plan
        assert "Seq Scan" not in plan
    assert "Order By: (pos <->" in plans[0]


async def explained(conn: Any, query: SearchQuery) -> str:
    """The plan of the query's first statement."""
    statements: list[tuple[str, tuple[Any, ...]]] = []

    class Recorder:
        async def fetch(self, sql: str, *args: Any) -> list[Any]:
            statements.append((sql, args))
            return []

    await PostgresEngine(Recorder(), SCHEMA).candidates(query, NOBODY)
    sql, args = statements[0]
    return "\n".join(row[0] for row in await conn.fetch(f"EXPLAIN {sql}", *args))


async def test_a_lost_connection_is_unavailable(database_url: str) -> None:
    conn = await asyncpg.connect(database_url)
    await conn.close()
    with pytest.raises(EngineUnavailable):
        await PostgresEngine(conn, SCHEMA).candidates(SearchQuery(), NOBODY)


async def test_ddl_comes_and_goes_and_refuses_odd_schemas(pool: asyncpg.Pool) -> None:
    assert ddl("catalog") == DDL
    for schema in ("x; DROP TABLE y", "", "A", "a-b"):
        for make in (ddl, ddl_drop):
            with pytest.raises(ValueError, match="schema"):
                make(schema)
    with pytest.raises(ValueError, match="schema"):
        PostgresEngine(pool, "x y")
    await pool.execute("CREATE SCHEMA passing")
    for statement in (*ddl("passing"), *ddl_drop("passing")):
        await pool.execute(statement)
    assert await pool.fetchval("SELECT count(*) FROM pg_tables WHERE schemaname = 'passing'") == 0
    await pool.execute("DROP SCHEMA passing")
