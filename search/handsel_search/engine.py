"""The port every search engine fills, and what an engine answers.

An engine selects and filters; it does not rank by anything but text and distance. Rows are
re-read from the listing tables before anybody sees them.
"""

from __future__ import annotations

from calendar import timegm
from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from datetime import datetime
from typing import Final, Protocol, runtime_checkable

import msgspec

from handsel_search.cursor import Mode, Position, encode_cursor
from handsel_search.documents import FULFILMENTS, Fulfilment, Kind, ListingDocument, Unit
from handsel_search.geo import distances_m
from handsel_search.query import SearchQuery, ViewerRules

__all__ = (
    "BEST_MAX",
    "FACET_NAMES",
    "Candidate",
    "CandidatePage",
    "Facets",
    "SearchEngine",
    "count_facets",
    "make_page",
    "page_limit",
    "within",
)

BEST_MAX: Final = 200
FACET_NAMES: Final = ("category", "kind", "unit", "fulfilment")

Facets = Mapping[str, Mapping[str, int]]


class Candidate(msgspec.Struct, frozen=True, kw_only=True):
    """One hit with the public facts that ranking needs.

    ``text_score`` 0..1 is None without a text and under every sort but "best". ``distance_m`` is
    geodesic to the published point ``lat``/``lon``; None without a searcher's point, or where a
    remote offer is found outside the radius.
    """

    id: str
    seller_id: str
    storefront_id: str
    kind: Kind
    category: str
    unit: Unit
    currency: str
    fulfilment: frozenset[Fulfilment]
    identity_tier: int
    settled_count: int
    created_at: datetime
    price_minor: int | None = None
    lat: float | None = None
    lon: float | None = None
    conduct_band: int | None = None
    response_rate: float | None = None
    text_score: float | None = None
    distance_m: float | None = None


class CandidatePage(msgspec.Struct, frozen=True, kw_only=True):
    """An engine's answer.

    ``total_estimate`` is exact where everything fitted into the answer. ``facets`` (category,
    kind, unit, fulfilment -> value -> hits) are counted on the first page only and empty later.
    ``next_cursor`` is None on the last page, and always for "best", whose pages are cut from the
    ranked candidates (:func:`handsel_search.ranking.best_page`).
    """

    candidates: tuple[Candidate, ...]
    total_estimate: int
    facets: Facets
    next_cursor: str | None
    engine: str
    degraded: bool = False


@runtime_checkable
class SearchEngine(Protocol):
    """Both engines give the same filters the same meaning; text relevance may differ."""

    name: str

    async def candidates(
        self, query: SearchQuery, viewer: ViewerRules, limit: int | None = None
    ) -> CandidatePage:
        """The hits of one page.

        ``limit`` defaults to 200 for "best" (also its most) and to ``query.page_size`` otherwise.
        "best" gives the candidates to rank, by text and nearness; the other sorts page by
        (key, id): exact geodesic distance, price with quotes last, or newest first.

        Raises:
            InvalidSearch: a cursor that is not this query's.
            EngineUnavailable: no answer. EngineRefused: not this query.
        """
        ...

    async def upsert(self, documents: Sequence[ListingDocument]) -> int:
        """Index documents; an older version never overwrites a newer one.

        Returns how many were new or not older. Raises EngineUnavailable, IndexingFailed.
        """
        ...

    async def delete(self, ids: Sequence[str]) -> None:
        """Forget documents by id; unknown ids are fine."""
        ...


def page_limit(query: SearchQuery, limit: int | None) -> int:
    """How many hits to answer with."""
    if query.sort == "best":
        return BEST_MAX if limit is None else max(1, min(limit, BEST_MAX))
    return query.page_size if limit is None else max(1, min(limit, BEST_MAX))


def within(query: SearchQuery, rows: Sequence[Candidate]) -> list[Candidate]:
    """The rows that truly lie within the radius, with their geodesic distance, in given order.

    Rows outside stay, without a distance, only when the query asks for remote offers and the row
    is one. Without a point everything stays.
    """
    if query.point is None or query.radius_m is None:
        return list(rows)
    placed = [row for row in rows if row.lat is not None]
    metres = distances_m(
        *query.point, [row.lat or 0.0 for row in placed], [row.lon or 0.0 for row in placed]
    )
    near = {row.id: float(d) for row, d in zip(placed, metres, strict=True) if d <= query.radius_m}
    return [
        msgspec.structs.replace(row, distance_m=near.get(row.id))
        for row in rows
        if row.id in near or (query.remote and "remote" in row.fulfilment)
    ]


def count_facets(rows: Iterable[Candidate]) -> Facets:
    """Exact facet counts of a complete list of hits."""
    listed = list(rows)
    return {
        "category": dict(Counter(row.category for row in listed)),
        "kind": dict(Counter(row.kind for row in listed)),
        "unit": dict(Counter(row.unit for row in listed)),
        "fulfilment": {
            name: count
            for name in FULFILMENTS
            if (count := sum(name in row.fulfilment for row in listed))
        },
    }


def sort_key(query: SearchQuery, row: Candidate) -> float | int | None:
    """The keyset key of a hit under the query's sort; None sorts last."""
    if query.sort == "distance":
        return row.distance_m
    if query.sort == "price":
        return row.price_minor
    return microseconds(row.created_at)


def microseconds(moment: datetime) -> int:
    """Whole microseconds since 1970, exactly (a float timestamp is not)."""
    return timegm(moment.utctimetuple()) * 1_000_000 + moment.microsecond


def make_page(
    query: SearchQuery,
    hits: Sequence[Candidate],
    *,
    more: bool,
    mode: Mode,
    total: int,
    facets: Facets,
    engine: str,
) -> CandidatePage:
    """A page of a keyset sort, with the cursor of the next one when there is more."""
    cursor = None
    if more and hits and query.sort != "best":
        last = hits[-1]
        position = Position(mode=mode, key=sort_key(query, last), id=last.id, total=total)
        cursor = encode_cursor(query, position)
    return CandidatePage(
        candidates=tuple(hits),
        total_estimate=total,
        facets=facets,
        next_cursor=cursor,
        engine=engine,
    )
