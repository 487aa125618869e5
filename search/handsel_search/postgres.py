"""The embedded engine: full text, typos and geography in PostgreSQL alone.

Measured recipe: a stored ``cube`` with GiST (never a distance computed per row from latitude and
longitude), AND before OR and OR only to fill a thin list, kNN where no text is given, trigrams
only on the small vocabulary. Exact distances are taken afterwards, on the hits.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, Final, Protocol

import asyncpg

from handsel_search.cursor import Mode, decode_cursor
from handsel_search.ddl import ddl
from handsel_search.documents import ListingDocument
from handsel_search.engine import (
    FACET_NAMES,
    Candidate,
    CandidatePage,
    Facets,
    count_facets,
    make_page,
    page_limit,
    within,
)
from handsel_search.errors import EngineRefused, EngineUnavailable
from handsel_search.paging import After, sorted_page
from handsel_search.postgres_sql import Filters, is_selective
from handsel_search.postgres_write import columns_of, copy_upsert, refresh_vocabulary, upsert_sql
from handsel_search.query import SearchQuery, ViewerRules
from handsel_search.reading import Group, read, with_typos
from handsel_search.typos import nearest_words, typos_allowed

__all__ = ("Database", "PostgresEngine", "copy_upsert", "refresh_vocabulary")

FILL_BELOW: Final = 20
KNOWN_FROM: Final = 3  # a word found in so many documents is not a typo
SPHERE_SLACK_M: Final = 0.01
NEAR_WORDS: Final = 40


class Database(Protocol):
    """What the engine needs of an asyncpg pool or connection."""

    async def fetch(self, query: str, *args: Any) -> list[Any]:
        """Rows of a statement."""
        ...

    async def fetchval(self, query: str, *args: Any) -> Any:
        """The first value of the first row."""
        ...

    async def execute(self, query: str, *args: Any) -> str:
        """The status of a statement."""
        ...


class PostgresEngine:
    """Search over ``<schema>.search_documents`` through a given pool or connection.

    Each call is one to five short statements outside any transaction of its own.
    """

    name = "postgres"

    def __init__(self, database: Database, schema: str = "catalog") -> None:
        ddl(schema)  # refuses anything but a plain schema name
        self._db = database
        self._schema = schema
        self._table = f"{schema}.search_documents"

    async def candidates(
        self, query: SearchQuery, viewer: ViewerRules, limit: int | None = None
    ) -> CandidatePage:
        """See :class:`handsel_search.engine.SearchEngine`."""
        count = page_limit(query, limit)
        groups = read(query.text)
        try:
            if query.sort == "best":
                return await self._best(query, viewer, groups, count)
            return await self._sorted(query, viewer, groups, count)
        except (asyncpg.PostgresConnectionError, asyncpg.InterfaceError, OSError) as error:
            raise EngineUnavailable(str(error)) from error
        except (asyncpg.QueryCanceledError, TimeoutError) as error:
            raise EngineUnavailable(f"search took too long: {error}") from error
        except asyncpg.ProgramLimitExceededError as error:
            raise EngineRefused(str(error)) from error

    async def upsert(self, documents: Sequence[ListingDocument]) -> int:
        """See :class:`handsel_search.engine.SearchEngine`; one statement, all or nothing."""
        if not documents:
            return 0
        return int(await self._db.fetchval(upsert_sql(self._schema), *columns_of(documents)))

    async def delete(self, ids: Sequence[str]) -> None:
        """See :class:`handsel_search.engine.SearchEngine`."""
        if ids:
            await self._db.execute(
                f"DELETE FROM {self._table} WHERE id = ANY($1::uuid[])", list(ids)
            )

    async def _best(
        self, query: SearchQuery, viewer: ViewerRules, groups: tuple[Group, ...], count: int
    ) -> CandidatePage:
        decode_cursor(query)
        found: dict[str, Candidate] = {}
        mode: Mode = "all"
        full = False
        for mode in _modes(groups):
            if mode == "typo":
                wider = await self._typos(groups)
                if wider == groups:
                    continue
                groups = wider
            bounded = is_selective(query, groups)
            filters = Filters(query, viewer, groups, mode, bounded=bounded)
            sql = (
                filters.best(self._table, groups, count)
                if groups
                else filters.nearest(self._table, count)
            )
            rows = await self._rows(sql, filters.args)
            near = within(query, rows)
            full = len(rows) == count and (bounded or len(near) == count)
            for row in near:
                found.setdefault(row.id, row)
            if full or len(found) >= FILL_BELOW:
                break
        hits = list(found.values())[:count]
        total, facets = len(hits), count_facets(hits)
        if full:
            total, facets = await self._facets(Filters(query, viewer, groups, mode))
        return make_page(
            query, hits, more=False, mode=mode, total=total, facets=facets, engine=self.name
        )

    async def _sorted(
        self, query: SearchQuery, viewer: ViewerRules, groups: tuple[Group, ...], count: int
    ) -> CandidatePage:
        position = decode_cursor(query)
        modes = _modes(groups) if position is None else (position.mode,)
        after: After | None = None if position is None else (position.key, position.id)
        mode: Mode = "all"
        hits: list[Candidate] = []
        more = False
        for mode in modes:
            if mode == "typo" or (position is not None and mode == "any"):
                wider = await self._typos(groups)
                if wider == groups and mode == "typo" and position is None:
                    continue
                groups = wider
            source = _Rows(self, query, viewer, groups, mode)
            hits, more = await sorted_page(query, after, count, source)
            if hits:
                break
        facets: Facets = {}
        if position is not None:
            total = position.total
        elif more:
            total, facets = await self._facets(Filters(query, viewer, groups, mode))
        else:
            total, facets = len(hits), count_facets(hits)
        return make_page(
            query, hits, more=more, mode=mode, total=total, facets=facets, engine=self.name
        )

    async def _rows(self, sql: str, args: Sequence[object]) -> list[Candidate]:
        return [_candidate(record) for record in await self._db.fetch(sql, *args)]

    async def _facets(self, filters: Filters) -> tuple[int, Facets]:
        total = 0
        facets: dict[str, dict[str, int]] = {name: {} for name in FACET_NAMES}
        for record in await self._db.fetch(filters.facets(self._table), *filters.args):
            for name in ("category", "kind", "unit"):
                if record[name] is not None:
                    facets[name][record[name]] = record["hits"]
            for name in record["fulfilment"] or ():
                ways = facets["fulfilment"]
                ways[name] = ways.get(name, 0) + record["hits"]
            if all(record[name] is None for name in facets):
                total = record["hits"]
        return total, facets

    async def _typos(self, groups: tuple[Group, ...]) -> tuple[Group, ...]:
        """The groups widened by vocabulary words near those the vocabulary hardly knows."""
        words = [group.word for group in groups if typos_allowed(group.word)]
        if not words:
            return groups
        records = await self._db.fetch(
            f"""
            SELECT asked.word AS asked, near.word, near.documents
            FROM unnest($1::text[]) AS asked (word) CROSS JOIN LATERAL (
                SELECT word, documents FROM {self._schema}.search_vocabulary
                ORDER BY word <-> asked.word LIMIT {NEAR_WORDS}
            ) AS near""",
            words,
        )
        near: dict[str, list[tuple[str, int]]] = {}
        for record in records:
            near.setdefault(record["asked"], []).append((record["word"], record["documents"]))
        unknown = {
            word: nearest_words(word, found)
            for word, found in near.items()
            if dict(found).get(word, 0) < KNOWN_FROM
        }
        return with_typos(groups, unknown)


class _Rows:
    """Rows of one query in one text mode: a :class:`handsel_search.paging.RowSource`."""

    slack_m = SPHERE_SLACK_M
    batch_max = 4000

    def __init__(
        self,
        engine: PostgresEngine,
        query: SearchQuery,
        viewer: ViewerRules,
        groups: tuple[Group, ...],
        mode: Mode,
    ) -> None:
        self._engine = engine
        self._query = query
        self._viewer = viewer
        self._groups = groups
        self._mode: Mode = mode
        self._chord = 0.0

    def _filters(self, *, bounded: bool = True) -> Filters:
        return Filters(self._query, self._viewer, self._groups, self._mode, bounded=bounded)

    async def by_key(self, after: After | None, size: int) -> Sequence[Candidate]:
        filters = self._filters()
        return await self._engine._rows(
            filters.by_key(self._engine._table, after, size), filters.args
        )

    async def remote_by_id(self, after: After | None, size: int) -> Sequence[Candidate]:
        filters = self._filters()
        after_id = None if after is None else after[1]
        sql = filters.remote_by_id(self._engine._table, after_id, size)
        return await self._engine._rows(sql, filters.args)

    async def by_sphere(
        self, floor_m: float, seen: Sequence[Candidate], size: int
    ) -> Sequence[Candidate]:
        bounded = is_selective(self._query, self._groups)
        filters = self._filters(bounded=bounded)
        last = (self._chord, seen[-1].id) if seen else None
        sql = filters.by_sphere(self._engine._table, floor_m, last, size)
        records = await self._engine._db.fetch(sql, *filters.args)
        if records:
            self._chord = float(records[-1]["chord"])
        return [_candidate(record) for record in records]


def _modes(groups: tuple[Group, ...]) -> tuple[Mode, ...]:
    return ("all", "typo", "any") if groups else ("all",)


def _candidate(record: Any) -> Candidate:
    values = dict(record)
    values.pop("chord", None)
    values["id"] = str(values["id"])
    values["fulfilment"] = frozenset(values["fulfilment"])
    return Candidate(**values)
