"""The route of the public search."""

from typing import Annotated, Any

from litestar import Controller, Request, get
from litestar.datastructures import State
from litestar.di import Provide
from litestar.params import QueryParameter

from handsel.catalog.search import service
from handsel.catalog.search.engines import make_engine
from handsel.catalog.search.errors import InvalidSearchQuery
from handsel.catalog.search.schemas import SearchPage
from handsel.foundation.db.uow import Database
from handsel.foundation.http.problems import documented
from handsel_search.documents import Fulfilment, Kind, Unit
from handsel_search.engine import SearchEngine
from handsel_search.errors import InvalidSearch
from handsel_search.query import SearchQuery, Sort, ViewerRules

_Text = Annotated[str | None, QueryParameter(description="What is sought, in any language.")]
_Radius = Annotated[int | None, QueryParameter(description="100 to 200,000; 10,000 by default.")]
_Minor = Annotated[int | None, QueryParameter(description="Minor units of `currency`.")]
_Sort = Annotated[Sort, QueryParameter(description="`distance` needs a point, `price` a currency.")]

_NAMES = frozenset(
    (
        *("q", "lat", "lon", "radius_m", "category", "kind", "unit", "price_min", "price_max"),
        *("currency", "fulfilment", "min_identity_tier", "sort", "page_size", "cursor"),
    )
)


async def provide_query(
    request: Request[Any, Any, State],
    q: _Text = None,
    lat: float | None = None,
    lon: float | None = None,
    radius_m: _Radius = None,
    category: list[str] | None = None,
    kind: Kind | None = None,
    unit: Unit | None = None,
    price_min: _Minor = None,
    price_max: _Minor = None,
    currency: str | None = None,
    fulfilment: list[Fulfilment] | None = None,
    min_identity_tier: int | None = None,
    sort: _Sort = "best",
    page_size: int = 20,
    cursor: str | None = None,
) -> SearchQuery:
    """The query parameters as one checked value; a misspelled one is refused, not ignored."""
    _refuse_unknown(request)
    try:
        return SearchQuery(
            text=q,
            lat=lat,
            lon=lon,
            radius_m=radius_m,
            categories=frozenset(category or ()),
            kind=kind,
            unit=unit,
            price_min_minor=price_min,
            price_max_minor=price_max,
            currency=currency,
            fulfilment=frozenset(fulfilment or ()),
            identity_tier_min=min_identity_tier,
            sort=sort,
            page_size=page_size,
            cursor=cursor,
        )
    except InvalidSearch as error:
        raise service.refusal(error) from None


def _refuse_unknown(request: Request[Any, Any, State]) -> None:
    for name in request.query_params:
        if name not in _NAMES:
            raise InvalidSearchQuery(f"there is no parameter {name}", reason="unknown_parameter")


async def provide_engine(request: Request[Any, Any, State]) -> SearchEngine:
    """The process's engine, made with the first search."""
    state = request.app.state
    if "search_engine" not in state:
        state.search_engine = make_engine(state.settings, state.database)
    engine: SearchEngine = state.search_engine
    return engine


class SearchController(Controller):
    path = "/v1/search"
    tags = ("search",)

    @get(
        "/",
        responses=documented(400, 422, 503),
        dependencies={"asked": Provide(provide_query), "engine": Provide(provide_engine)},
    )
    async def search(
        self, asked: SearchQuery, engine: SearchEngine, database: Database
    ) -> SearchPage:
        """Find live listings by text, place and filters. No account is needed."""
        return await service.search(engine, database, asked, ViewerRules())
