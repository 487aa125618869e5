"""The public answer."""

from datetime import datetime
from typing import Literal

from handsel.catalog.listings.schemas import Point
from handsel.foundation.core.money import Money
from handsel.foundation.core.schema import View
from handsel_search.documents import Fulfilment, Kind, Unit


class Why(View):
    """One reason for a hit's place: a fact, and its share of the score (the shares sum to it).

    Codes: text, distance_m, conduct_band, identity_tier, price_vs_typical, response_rate,
    newcomer_place; under the other sorts the one that it is sorted by: distance_m, price, newest.
    """

    code: str
    value: float | int | None
    share: float


class SearchHit(View):
    """A live listing. ``distance_m`` is geodesic to the published point, in whole metres."""

    listing: str
    title: str
    storefront: str
    category: str
    kind: Kind
    price: Money | None
    unit: Unit
    fulfilment: list[Fulfilment]
    published_point: Point | None
    distance_m: int | None
    why: list[Why]


class RequestDraft(View):
    """The search as a need: a body for posting a request."""

    text: str
    place: Point | Literal["remote"]
    radius_m: int | None
    category: str | None
    budget: Money | None


class Instead(View):
    """What an empty search offers: who comes to you, or works from anywhere."""

    travelling: list[SearchHit]
    remote: list[SearchHit]


class SearchPage(View):
    """A page of hits.

    ``total_estimate`` and ``facets`` (name -> value -> hits; on the first page only) may count
    listings that have just changed. ``degraded``: the main engine did not answer, another one did.
    ``instead`` and ``request_draft`` come with an empty first page.
    """

    hits: list[SearchHit]
    total_estimate: int
    facets: dict[str, dict[str, int]]
    as_of: datetime
    degraded: bool
    next_cursor: str | None
    instead: Instead | None = None
    request_draft: RequestDraft | None = None
