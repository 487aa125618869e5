"""One search: candidates from the engine, rows from the listings, an answer for everybody."""

from collections.abc import Sequence

from handsel.catalog.search import instead
from handsel.catalog.search.errors import InvalidSearchQuery
from handsel.catalog.search.hits import Placed, read_hits
from handsel.catalog.search.schemas import SearchPage, Why
from handsel.foundation.core.errors import Busy
from handsel.foundation.core.paging import InvalidCursor
from handsel.foundation.db.uow import Database
from handsel_search.engine import Candidate, SearchEngine
from handsel_search.errors import EngineError, InvalidSearch
from handsel_search.query import SearchQuery, ViewerRules
from handsel_search.ranking import Reason, best_page, rank_best

_CURSOR_CODES = ("cursor_invalid", "cursor_mismatch")


async def search(
    engine: SearchEngine, database: Database, query: SearchQuery, viewer: ViewerRules
) -> SearchPage:
    """Answer a search. Raises ``InvalidSearchQuery``, ``InvalidCursor``, ``Busy``."""
    try:
        found = await engine.candidates(query, viewer)
        placed, cursor = _place(query, found.candidates, found.next_cursor)
        async with database.reading() as conn:
            hits, as_of = await read_hits(conn, query, placed)
        offered = None
        if not (hits or cursor or query.cursor):
            offered = await instead.offer(engine, database, query, viewer)
    except InvalidSearch as error:
        raise refusal(error) from None
    except EngineError as error:
        raise Busy("search does not answer just now") from error
    return SearchPage(
        hits=hits,
        total_estimate=found.total_estimate,
        facets={name: dict(counts) for name, counts in found.facets.items()},
        as_of=as_of,
        degraded=found.degraded,
        next_cursor=cursor,
        instead=offered,
        request_draft=instead.draft(query) if offered else None,
    )


def refusal(error: InvalidSearch) -> InvalidSearchQuery | InvalidCursor:
    """The problem for what the library refuses; pointers are names of query parameters."""
    if error.code in _CURSOR_CODES:
        return InvalidCursor()
    name = _PARAMETERS.get(error.pointer.strip("/"), error.pointer.strip("/"))
    items = [{"pointer": f"query:{name}", "detail": error.detail}]
    return InvalidSearchQuery(error.detail, reason=error.code, errors=items)


_PARAMETERS = {
    "text": "q",
    "categories": "category",
    "price_min_minor": "price_min",
    "price_max_minor": "price_max",
    "identity_tier_min": "min_identity_tier",
}


def _place(
    query: SearchQuery, candidates: Sequence[Candidate], cursor: str | None
) -> tuple[list[Placed], str | None]:
    """The candidates of this page in their order, each with why it stands there."""
    if query.sort == "best":
        ranked, cursor = best_page(query, rank_best(query, candidates))
        return [(hit.candidate, [_why(reason) for reason in hit.why]) for hit in ranked], cursor
    return [(candidate, [_sorted_by(query, candidate)]) for candidate in candidates], cursor


def _why(reason: Reason) -> Why:
    """As told by the ranking, but for the metres, which are whole everywhere."""
    value = reason.value
    if reason.code == "distance_m" and value is not None:
        value = round(value)
    return Why(code=reason.code, value=value, share=reason.share)


def _sorted_by(query: SearchQuery, candidate: Candidate) -> Why:
    if query.sort == "distance":
        return _why(Reason("distance_m", candidate.distance_m, 1.0))
    if query.sort == "price":
        return Why(code="price", value=candidate.price_minor, share=1.0)
    return Why(code="newest", value=round(candidate.created_at.timestamp()), share=1.0)
