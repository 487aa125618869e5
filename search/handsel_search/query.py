"""What a searcher asks, checked once, and what the viewer must not see."""

from __future__ import annotations

import math
from typing import Final, Literal, get_args

import msgspec

from handsel_search.documents import (
    CURRENCY,
    FULFILMENTS,
    KEY,
    KINDS,
    MINOR_MAX,
    SLUG,
    UNITS,
    Fulfilment,
    Kind,
    Unit,
)
from handsel_search.errors import InvalidSearch

__all__ = ("DEFAULT_RADIUS_M", "SORTS", "SearchQuery", "Sort", "ViewerRules")

Sort = Literal["best", "distance", "price", "newest"]
SORTS: Final[tuple[str, ...]] = get_args(Sort)

TEXT_MAX: Final = 200
PAGE_MAX: Final = 50
LIST_MAX: Final = 50
RADIUS_MIN_M: Final = 100
RADIUS_MAX_M: Final = 200_000
DEFAULT_RADIUS_M: Final = 10_000


class ViewerRules(msgspec.Struct, frozen=True, kw_only=True):
    """Sellers this viewer must not see (blocked, quiet, friends only), already resolved to ids.

    Raises:
        ValueError: an id that is not 1 to 64 of A-Z a-z 0-9 _ . : -
    """

    excluded_seller_ids: frozenset[str] = frozenset()

    def __post_init__(self) -> None:
        if not all(KEY.fullmatch(seller_id) for seller_id in self.excluded_seller_ids):
            raise ValueError("seller ids are 1 to 64 of A-Z a-z 0-9 _ . : -")


class SearchQuery(msgspec.Struct, frozen=True, kw_only=True):
    """One search.

    ``text`` up to 200 characters; blank means none. ``lat``/``lon`` in degrees, ``radius_m``
    100..200,000 (10,000 when only a point is given). Prices are minor units of ``currency``.
    ``categories`` and ``fulfilment`` match any of their members, ``verified_facts`` all of them.
    With a point, listings outside the radius are left out, except that asking for ``remote``
    also finds every listing that is offered remotely; such a hit has no distance.
    ``cursor`` comes from the page before and is bound to the query.

    Raises:
        InvalidSearch: with code and pointer; see the checks below.
    """

    text: str | None = None
    lat: float | None = None
    lon: float | None = None
    radius_m: int | None = None
    categories: frozenset[str] = frozenset()
    kind: Kind | None = None
    unit: Unit | None = None
    price_min_minor: int | None = None
    price_max_minor: int | None = None
    currency: str | None = None
    fulfilment: frozenset[Fulfilment] = frozenset()
    identity_tier_min: int | None = None
    verified_facts: frozenset[str] = frozenset()
    sort: Sort = "best"
    page_size: int = 20
    cursor: str | None = None

    def __post_init__(self) -> None:
        text = (self.text or "").strip() or None
        msgspec.structs.force_setattr(self, "text", text)
        _check_text(self)
        _check_place(self)
        if self.lat is not None and self.radius_m is None:
            msgspec.structs.force_setattr(self, "radius_m", DEFAULT_RADIUS_M)
        _check_choices(self)
        _check_price(self)
        _check_sort(self)

    @property
    def point(self) -> tuple[float, float] | None:
        """The searcher's (lat, lon), or None."""
        return None if self.lat is None or self.lon is None else (self.lat, self.lon)

    @property
    def remote(self) -> bool:
        """Whether remote offers count wherever they are."""
        return "remote" in self.fulfilment


def _check_text(query: SearchQuery) -> None:
    if query.text is not None and len(query.text) > TEXT_MAX:
        raise InvalidSearch("text_too_long", "/text", f"At most {TEXT_MAX} characters.")
    if query.cursor is not None and len(query.cursor) > 500:
        raise InvalidSearch("cursor_invalid", "/cursor", "This is not one of our cursors.")


def _check_place(query: SearchQuery) -> None:
    if (query.lat is None) != (query.lon is None):
        missing = "/lat" if query.lat is None else "/lon"
        raise InvalidSearch("point_incomplete", missing, "A point needs both lat and lon.")
    for name, value, bound in (("lat", query.lat, 90.0), ("lon", query.lon, 180.0)):
        if value is not None and not (math.isfinite(value) and -bound <= value <= bound):
            raise InvalidSearch(
                f"{name}_out_of_range", f"/{name}", f"Between -{bound:g} and {bound:g} degrees."
            )
    if query.radius_m is None:
        return
    if query.lat is None:
        raise InvalidSearch("radius_without_point", "/radius_m", "A radius needs lat and lon.")
    if not RADIUS_MIN_M <= query.radius_m <= RADIUS_MAX_M:
        raise InvalidSearch(
            "radius_out_of_range", "/radius_m", f"{RADIUS_MIN_M} to {RADIUS_MAX_M} metres."
        )


def _check_choices(query: SearchQuery) -> None:
    for name, value, known in (
        ("kind", query.kind, KINDS),
        ("unit", query.unit, UNITS),
        ("sort", query.sort, SORTS),
    ):
        if value is not None and value not in known:
            raise InvalidSearch(f"unknown_{name}", f"/{name}", f"One of {', '.join(known)}.")
    if not query.fulfilment <= set(FULFILMENTS):
        raise InvalidSearch(
            "unknown_fulfilment", "/fulfilment", f"Any of {', '.join(FULFILMENTS)}."
        )
    for pointer, slugs in (
        ("/categories", query.categories),
        ("/verified_facts", query.verified_facts),
    ):
        if len(slugs) > LIST_MAX or not all(SLUG.fullmatch(slug) for slug in slugs):
            raise InvalidSearch("slug_invalid", pointer, f"At most {LIST_MAX} slugs.")
    if query.identity_tier_min is not None and not 0 <= query.identity_tier_min <= 5:
        raise InvalidSearch("tier_out_of_range", "/identity_tier_min", "Between 0 and 5.")
    if not 1 <= query.page_size <= PAGE_MAX:
        raise InvalidSearch("page_size_out_of_range", "/page_size", f"1 to {PAGE_MAX}.")


def _check_price(query: SearchQuery) -> None:
    if query.currency is not None and not CURRENCY.fullmatch(query.currency):
        raise InvalidSearch("currency_invalid", "/currency", "A code such as EUR.")
    low, high = query.price_min_minor, query.price_max_minor
    for pointer, price in (("/price_min_minor", low), ("/price_max_minor", high)):
        if price is None:
            continue
        if not 0 <= price <= MINOR_MAX:
            raise InvalidSearch("price_out_of_range", pointer, "Not negative, below 2^53.")
        if query.currency is None:
            raise InvalidSearch("price_needs_currency", "/currency", "In which currency?")
    if low is not None and high is not None and low > high:
        raise InvalidSearch("price_range_empty", "/price_max_minor", "Below the lowest price.")


def _check_sort(query: SearchQuery) -> None:
    if query.sort == "distance" and query.lat is None:
        raise InvalidSearch("distance_needs_point", "/sort", "Sorting by distance needs a point.")
    if query.sort == "price" and query.currency is None:
        raise InvalidSearch(
            "price_needs_currency", "/currency", "Prices of two currencies have no order."
        )
