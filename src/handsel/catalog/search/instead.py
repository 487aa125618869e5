"""An empty search is never the end: who travels here, who works from anywhere, and a request."""

from collections.abc import Sequence

import msgspec

from handsel.catalog.listings.schemas import Point
from handsel.catalog.search.hits import read_hits
from handsel.catalog.search.schemas import Instead, RequestDraft, SearchHit, Why
from handsel.foundation.core.money import Money
from handsel.foundation.db.uow import Database
from handsel_search.documents import Fulfilment
from handsel_search.engine import Candidate, SearchEngine
from handsel_search.query import RADIUS_MAX_M, SearchQuery, ViewerRules

_MOST = 5
_LOOKED_AT = 200


async def offer(
    engine: SearchEngine, database: Database, query: SearchQuery, viewer: ViewerRules
) -> Instead:
    """Up to five sellers who come to this point, and up to five who work remotely, for the same
    text and categories; price, unit and the radius asked for are let go."""
    remote = _wider(query, "remote", lat=None, lon=None, radius_m=None, sort="best")
    found = await engine.candidates(remote, viewer, _MOST)
    return Instead(
        travelling=await _travelling(engine, database, query, viewer),
        remote=(await _read(database, remote, found.candidates))[:_MOST],
    )


async def _travelling(
    engine: SearchEngine, database: Database, query: SearchQuery, viewer: ViewerRules
) -> list[SearchHit]:
    """The nearest sellers whose own radius covers the searcher's point."""
    if query.point is None:
        return []
    far = _wider(query, "at_yours", radius_m=RADIUS_MAX_M, sort="distance")
    found = await engine.candidates(far, viewer, _LOOKED_AT)
    return (await _read(database, far, found.candidates, covering=query.point))[:_MOST]


async def _read(
    database: Database,
    query: SearchQuery,
    candidates: Sequence[Candidate],
    covering: tuple[float, float] | None = None,
) -> list[SearchHit]:
    code = "remote" if covering is None else "comes_to_you"
    placed = [(candidate, [Why(code=code, value=None, share=1.0)]) for candidate in candidates]
    async with database.reading() as conn:
        hits, _ = await read_hits(conn, query, placed, covering=covering)
    return hits


def _wider(query: SearchQuery, way: Fulfilment, **changes: object) -> SearchQuery:
    """The query without what made it narrow."""
    return msgspec.structs.replace(
        query,
        fulfilment=frozenset({way}),
        unit=None,
        price_min_minor=None,
        price_max_minor=None,
        currency=None,
        identity_tier_min=None,
        cursor=None,
        **changes,
    )


def draft(query: SearchQuery) -> RequestDraft:
    """The query as a request to post: what, where, how far, in which trade, for how much."""
    budget = None
    if query.price_max_minor is not None and query.currency is not None:
        budget = Money(amount_minor=query.price_max_minor, currency=query.currency)
    point = query.point
    return RequestDraft(
        text=query.text or "",
        place=Point(lat=point[0], lon=point[1]) if point else "remote",
        radius_m=query.radius_m,
        category=next(iter(query.categories)) if len(query.categories) == 1 else None,
        budget=budget,
    )
