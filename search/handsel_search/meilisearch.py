"""The Meilisearch engine: same filters and sorts as PostgreSQL's, Meilisearch's own relevance.

Writes wait for their task; a failed task raises. Needs Meilisearch 1.51 or later.
"""

from __future__ import annotations

import math
from collections.abc import Iterable, Sequence
from itertools import islice
from typing import Any, Final

import msgspec
from meilisearch.models.task import TaskInfo

from handsel_search.cursor import Mode, decode_cursor
from handsel_search.documents import ListingDocument
from handsel_search.engine import (
    Candidate,
    CandidatePage,
    Facets,
    count_facets,
    make_page,
    page_limit,
    within,
)
from handsel_search.errors import EngineRefused, EngineUnavailable
from handsel_search.meilisearch_client import ThreadedClient
from handsel_search.meilisearch_query import (
    FACETS,
    FIELDS,
    HITS_MAX,
    Answer,
    Filter,
    after_key,
    beyond,
    filters,
    geo_sort,
    index_document,
    index_settings,
    plain_text,
)
from handsel_search.paging import After, sorted_page
from handsel_search.query import SearchQuery, ViewerRules

__all__ = ("MeilisearchEngine",)

BATCH: Final = 1000
TIE_SLACK_M: Final = 3.0  # Meilisearch lets points within a metre tie
BOX_SHARE: Final = math.pi / 4  # of a box's hits lie within its circle


class MeilisearchEngine:
    """Search over one Meilisearch index; ``setup`` once, ``rebuild`` without downtime.

    Timeouts are seconds per HTTP request; a task is polled every ``poll_s`` until it succeeds,
    for at most ``task_timeout_s``.
    """

    name = "meilisearch"

    def __init__(
        self,
        url: str,
        api_key: str | None = None,
        *,
        index: str = "listings",
        search_timeout_s: int = 2,
        index_timeout_s: int = 10,
        task_timeout_s: float = 60.0,
        poll_s: float = 0.05,
    ) -> None:
        self._index = index
        self._client = ThreadedClient(
            url,
            api_key,
            search_timeout_s=search_timeout_s,
            index_timeout_s=index_timeout_s,
            task_timeout_s=task_timeout_s,
            poll_s=poll_s,
        )

    async def candidates(
        self, query: SearchQuery, viewer: ViewerRules, limit: int | None = None
    ) -> CandidatePage:
        """See :class:`handsel_search.engine.SearchEngine`."""
        count = page_limit(query, limit)
        if query.sort == "best":
            return await self._best(query, viewer, count)
        return await self._sorted(query, viewer, count)

    async def upsert(self, documents: Sequence[ListingDocument]) -> int:
        """See :class:`handsel_search.engine.SearchEngine`.

        Meilisearch cannot compare versions, so they are read first: two writers at one time may
        still cross. The index feed is one worker.
        """
        newest: dict[str, ListingDocument] = {}
        for doc in documents:
            if doc.id not in newest or newest[doc.id].version < doc.version:
                newest[doc.id] = doc
        rest = iter(newest.values())
        written = 0
        while batch := list(islice(rest, BATCH)):
            known = await self._versions([doc.id for doc in batch])
            fresh = [doc for doc in batch if known.get(doc.id, -1) <= doc.version]
            if fresh:
                await self._add(self._index, fresh)
            written += len(fresh)
        return written

    async def delete(self, ids: Sequence[str]) -> None:
        """See :class:`handsel_search.engine.SearchEngine`."""
        if ids:
            # The client's delete_documents(ids=…) warns that it will go; deleting by filter is
            # what Meilisearch advises against. So the documented route itself.
            path = f"indexes/{self._index}/documents/delete-batch"
            await self._client.task(lambda c: TaskInfo(**c.http.post(path, list(ids))))

    async def setup(self) -> None:
        """Create the index if it is missing and apply all settings."""
        await self._create(self._index)

    async def rebuild(self, documents: Iterable[ListingDocument]) -> int:
        """Build a new index beside the old one, then swap; the number of documents.

        Searches are answered by the old index until the swap. What is written to it meanwhile is
        lost with it: reconcile afterwards. On failure the old index stays as it was.
        """
        fresh = f"{self._index}_rebuild"
        await self._client.task(lambda c: c.delete_index(fresh), ignore=("index_not_found",))
        await self._create(fresh)
        source = iter(documents)
        count = 0
        while batch := list(islice(source, BATCH)):
            await self._add(fresh, batch)
            count += len(batch)
        await self._client.task(
            lambda c: c.create_index(self._index, {"primaryKey": "id"}),
            ignore=("index_already_exists",),
        )
        await self._client.task(lambda c: c.swap_indexes([{"indexes": [self._index, fresh]}]))
        await self._client.task(lambda c: c.delete_index(fresh))
        return count

    # searching

    async def _best(self, query: SearchQuery, viewer: ViewerRules, count: int) -> CandidatePage:
        decode_cursor(query)
        body: dict[str, Any] = {"limit": count, "facets": FACETS, "matchingStrategy": "last"}
        if not plain_text(query):
            body["sort"] = ["created_us:desc", "id:asc"] if query.point is None else geo_sort(query)
        answer = await self._search(query, filters(query, viewer), body)
        rows = _candidates(query, answer)
        hits = within(query, rows)
        total, facets = len(hits), count_facets(hits)
        if len(rows) == count:
            total = max(total, round(answer.estimated_total_hits * len(hits) / len(rows)))
            facets = _facets(answer)
        return make_page(
            query, hits, more=False, mode="all", total=total, facets=facets, engine=self.name
        )

    async def _sorted(self, query: SearchQuery, viewer: ViewerRules, count: int) -> CandidatePage:
        position = decode_cursor(query)
        after: After | None = None if position is None else (position.key, position.id)
        modes: tuple[Mode, ...] = ("all", "any") if plain_text(query) else ("all",)
        if position is not None:
            modes = ("any",) if position.mode == "any" else ("all",)
        mode: Mode = "all"
        hits: list[Candidate] = []
        more = False
        for mode in modes:
            source = _Rows(self, query, viewer, mode)
            hits, more = await sorted_page(query, after, count, source)
            if hits:
                break
        total, facets = len(hits), count_facets(hits)
        if position is not None:
            total, facets = position.total, {}
        elif more:
            body = {"limit": 0, "facets": FACETS, "matchingStrategy": _strategy(mode)}
            answer = await self._search(query, filters(query, viewer), body)
            share = 1.0 if query.point is None or query.remote else BOX_SHARE
            total = max(len(hits) + 1, round(answer.estimated_total_hits * share))
            facets = _facets(answer)
        return make_page(
            query, hits, more=more, mode=mode, total=total, facets=facets, engine=self.name
        )

    async def _search(self, query: SearchQuery, chosen: Filter, body: dict[str, Any]) -> Answer:
        options = {
            "filter": chosen,
            "attributesToRetrieve": FIELDS,
            "showRankingScore": True,
            **body,
        }
        text = plain_text(query)
        raw = await self._client.call(
            lambda c: c.index(self._index).search(text, options), purpose="search"
        )
        try:
            return msgspec.convert(raw, Answer)
        except msgspec.MsgspecError as error:
            raise EngineUnavailable(f"unreadable answer: {error}") from error

    # writing

    async def _versions(self, ids: list[str]) -> dict[str, int]:
        chosen = "id IN [" + ", ".join(f"'{row_id}'" for row_id in ids) + "]"
        fields = {"filter": chosen, "fields": ["id", "version"], "limit": len(ids)}
        found = await self._client.call(
            lambda c: c.index(self._index).get_documents(dict(fields)), purpose="index"
        )
        return {document.id: int(document.version) for document in found.results}

    async def _add(self, index: str, documents: Sequence[ListingDocument]) -> None:
        rows = [index_document(doc) for doc in documents]
        await self._client.task(lambda c: c.index(index).add_documents(rows, "id"))

    async def _create(self, index: str) -> None:
        await self._client.task(
            lambda c: c.create_index(index, {"primaryKey": "id"}),
            ignore=("index_already_exists",),
        )
        await self._client.task(lambda c: c.index(index).update_settings(index_settings()))


class _Rows:
    """Rows of one query in one text mode: a :class:`handsel_search.paging.RowSource`."""

    slack_m = TIE_SLACK_M
    batch_max = HITS_MAX

    def __init__(
        self, engine: MeilisearchEngine, query: SearchQuery, viewer: ViewerRules, mode: Mode
    ) -> None:
        self._engine = engine
        self._query = query
        self._viewer = viewer
        self._strategy = _strategy(mode)

    async def by_key(self, after: After | None, size: int) -> Sequence[Candidate]:
        sort = ["price_key:asc" if self._query.sort == "price" else "created_us:desc", "id:asc"]
        chosen = filters(self._query, self._viewer) + after_key(self._query, after)
        return await self._rows(chosen, sort, 0, size)

    async def remote_by_id(self, after: After | None, size: int) -> Sequence[Candidate]:
        chosen = filters(self._query, self._viewer, "remote")
        if after is not None:
            chosen.append(f"id > '{after[1]}'")
        return await self._rows(chosen, ["id:asc"], 0, size)

    async def by_sphere(
        self, floor_m: float, seen: Sequence[Candidate], size: int
    ) -> Sequence[Candidate]:
        chosen = filters(self._query, self._viewer, "near") + beyond(self._query, floor_m)
        room = min(size, HITS_MAX - len(seen))
        rows = await self._rows(chosen, geo_sort(self._query), len(seen), room) if room else []
        if len(rows) == room < size:
            raise EngineRefused(f"more than {HITS_MAX} listings at about one distance")
        return rows

    async def _rows(
        self, chosen: Filter, sort: list[str], offset: int, size: int
    ) -> list[Candidate]:
        body = {
            "sort": sort,
            "offset": offset,
            "limit": size,
            "matchingStrategy": self._strategy,
        }
        answer = await self._engine._search(self._query, chosen, body)
        return _candidates(self._query, answer)


def _strategy(mode: Mode) -> str:
    return "last" if mode == "any" else "all"


def _candidates(query: SearchQuery, answer: Answer) -> list[Candidate]:
    with_text = query.sort == "best" and bool(plain_text(query))
    return [hit.candidate(with_text=with_text) for hit in answer.hits]


def _facets(answer: Answer) -> Facets:
    return {name: answer.facet_distribution.get(name, {}) for name in FACETS}
