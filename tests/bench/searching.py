"""The search endpoint against the bare candidate query, on the real listings."""

import os
import random
import time
from pathlib import Path
from statistics import quantiles
from urllib.parse import urlencode

import asyncpg
import uvloop

from handsel.catalog.listings.importing import import_listings
from handsel.foundation.core.settings import Settings
from handsel.foundation.db.pool import open_pool
from handsel.foundation.db.uow import Database
from handsel_search.geo import chord_length
from handsel_search.reading import read
from tests.bench.http import api
from tests.bench.load import Client, request
from tests.bench.rounds import Effort, Line, compare
from tests.bench.server import BASELINE, Bench

_RADIUS_M = 5000
_TOWNS = ("edinburgh", "munich", "hongkong")
_FILL = """
INSERT INTO baseline_search.listing (id, doc, pos, price_minor, available)
SELECT row_number() OVER (ORDER BY id), doc, pos, price_minor, live
  FROM catalog.search_documents WHERE pos IS NOT NULL
"""


def real_listings() -> list[Path]:
    """The three files of real listings, or none where there is no real data."""
    root = Path(os.environ.get("HANDSEL_DATA") or "../shared/data") / "listings"
    files = [root / f"{town}.csv.gz" for town in _TOWNS]
    return files if all(file.exists() for file in files) else []


def search_p95_vs_query(bench: Bench, effort: Effort) -> Line | None:
    """p95 of the endpoint over p95 of the bare query; None, and says so, without real data."""
    files = real_listings()
    if not files:
        print('{"name": "search_p95_vs_query", "skipped": "real data absent (HANDSEL_DATA)"}')
        return None
    queries = uvloop.run(_prepare(bench.url, files, effort))
    with api(bench.url) as port:
        return compare(
            "search_p95_vs_query",
            "ms p95",
            "search_query.sql, the bare candidate query",
            lambda: uvloop.run(_endpoint_p95(port, queries)),
            lambda: uvloop.run(_query_p95(bench.url, queries)),
            effort,
        )


async def _prepare(url: str, files: list[Path], effort: Effort) -> list[tuple[str, float, float]]:
    """Import, fill the baseline with the same rows and tokens, and draw two-word queries."""
    pool = await open_pool(url)
    settings = Settings(secret="b" * 48)
    for file in files:
        began = time.monotonic()
        report = await import_listings(
            Database(pool), settings, file, "inside-airbnb", strict=False, progress=lambda *_: None
        )
        took = time.monotonic() - began
        print(f'{{"name": "import", "file": "{file.name}", "rows": {report.read},'
              f' "rows_per_s": {report.read / took:.0f}}}', flush=True)  # fmt: skip
    await pool.close()
    conn = await asyncpg.connect(url)
    for statement in (BASELINE / "search_schema.sql").read_text().split(";\n"):
        if statement.strip():
            await conn.execute(statement)
    await conn.execute(_FILL)
    await conn.execute("VACUUM ANALYZE baseline_search.listing")
    await conn.execute("VACUUM ANALYZE catalog.search_documents")
    rows = await conn.fetch(
        "SELECT title, lat, lon FROM catalog.listings WHERE lat IS NOT NULL ORDER BY md5(id::text)"
        " LIMIT $1",
        400 if effort.rounds > 1 else 40,
    )
    await conn.close()
    return [_query(row) for row in rows]


def _query(row: asyncpg.Record) -> tuple[str, float, float]:
    rng = random.Random(row["title"])
    words = [w for w in row["title"].split() if w.isalnum()] or [row["title"]]
    picked = rng.sample(words, min(2, len(words)))
    shift = rng.uniform(-0.01, 0.01)
    return " ".join(picked), row["lat"] + shift, row["lon"] + shift


async def _endpoint_p95(port: int, queries: list[tuple[str, float, float]]) -> float:
    client = await Client.connect(port)
    taken = []
    for text, lat, lon in queries:
        given = {"q": text, "lat": f"{lat:.5f}", "lon": f"{lon:.5f}", "radius_m": _RADIUS_M}
        began = time.perf_counter()
        await client.send(request("GET", f"/v1/search?{urlencode(given)}", None, None))
        taken.append((time.perf_counter() - began) * 1000)
    client.close()
    return quantiles(taken, n=20)[18]


async def _query_p95(url: str, queries: list[tuple[str, float, float]]) -> float:
    conn = await asyncpg.connect(url)
    sql = (BASELINE / "search_query.sql").read_text()
    for mark, kind in (("$1", "tsquery"), ("$2", "cube")):
        sql = sql.replace(mark, f"({mark}::text)::{kind}")
    statement = await conn.prepare(sql)
    taken = []
    for text, lat, lon in queries:
        centre = await conn.fetchval("SELECT ll_to_earth($1, $2)::text", lat, lon)
        words = " & ".join(group.exact_query() for group in read(text))
        began = time.perf_counter()
        await statement.fetch(words, centre, chord_length(_RADIUS_M), 0, 10**12)
        taken.append((time.perf_counter() - began) * 1000)
    await conn.close()
    return quantiles(taken, n=20)[18]
