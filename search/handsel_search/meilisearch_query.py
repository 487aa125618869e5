"""Meilisearch request bodies and documents, built from typed values only.

Filters mean exactly what the PostgreSQL engine's clauses mean. Place is a bounding box (two
numeric ranges; the R-tree filter reads one large blob per query) and the geodesic recheck.
"""

from __future__ import annotations

import json
import math
from datetime import UTC, datetime, timedelta
from importlib.resources import files
from typing import Any, Final, Literal

import msgspec

from handsel_search.documents import MINOR_MAX, Fulfilment, Kind, ListingDocument, Unit
from handsel_search.engine import Candidate, microseconds
from handsel_search.geo import EARTH_RADIUS_M, bounding_box
from handsel_search.paging import After
from handsel_search.query import SearchQuery, ViewerRules
from handsel_search.reading import read
from handsel_search.synonyms import category_words, load_stop_words, synonym_lists

__all__ = ("HITS_MAX", "Answer", "Hit", "filters", "index_document", "index_settings")

HITS_MAX: Final = 1000  # pagination.maxTotalHits in the settings
MEILISEARCH_RADIUS_M: Final = 6371000.0
FIELDS: Final = [
    "id",
    "seller_id",
    "storefront_id",
    "kind",
    "category",
    "unit",
    "currency",
    "fulfilment",
    "identity_tier",
    "settled_count",
    "created_us",
    "price_minor",
    "_geo",
    "conduct_band",
    "response_rate",
]
FACETS: Final = ["category", "kind", "unit", "fulfilment"]

Filter = list[str | list[str]]


def index_settings() -> dict[str, Any]:
    """All settings of the index, for one ``update_settings`` call."""
    path = files("handsel_search").joinpath("data", "settings", "meilisearch.json")
    settings: dict[str, Any] = json.loads(path.read_text("utf-8"))
    settings["stopWords"] = sorted(load_stop_words())
    synonyms: dict[str, list[str]] = {}
    for line in synonym_lists():
        for term in line:
            others = synonyms.setdefault(term, [])
            others += [other for other in line if other != term and other not in others]
    settings["synonyms"] = synonyms
    return settings


def index_document(doc: ListingDocument) -> dict[str, Any]:
    """A listing as Meilisearch stores it; ``_geo`` is two floats or null, never one of them."""
    return {
        "id": doc.id,
        "version": doc.version,
        "seller_id": doc.seller_id,
        "storefront_id": doc.storefront_id,
        "handle": doc.handle,
        "kind": doc.kind,
        "category": doc.category,
        "category_names": list(category_words(doc.category)),
        "pack": doc.pack,
        "title": doc.title,
        "description": doc.description,
        "tags": list(doc.tags),
        "lang": doc.lang,
        "unit": doc.unit,
        "price_minor": doc.price_minor,
        "price_key": MINOR_MAX if doc.price_minor is None else doc.price_minor,
        "currency": doc.currency,
        "fulfilment": sorted(doc.fulfilment),
        "_geo": None if doc.lat is None else {"lat": doc.lat, "lng": doc.lon},
        "service_radius_m": doc.service_radius_m,
        "live": doc.live,
        "conduct_band": doc.conduct_band,
        "identity_tier": doc.identity_tier,
        "verified_facts": sorted(doc.verified_facts),
        "response_rate": doc.response_rate,
        "settled_count": doc.settled_count,
        "created_us": microseconds(doc.created_at),
        "neighbourhood": doc.neighbourhood,
        "place": doc.place,
    }


class _Geo(msgspec.Struct, frozen=True):
    lat: float
    lng: float


class Hit(msgspec.Struct, frozen=True, kw_only=True):
    """One hit as Meilisearch answers it."""

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
    created_us: int
    price_minor: int | None = None
    conduct_band: int | None = None
    response_rate: float | None = None
    geo: _Geo | None = msgspec.field(default=None, name="_geo")
    score: float | None = msgspec.field(default=None, name="_rankingScore")

    def candidate(self, *, with_text: bool) -> Candidate:
        """The hit in the shape both engines answer with."""
        return Candidate(
            id=self.id,
            seller_id=self.seller_id,
            storefront_id=self.storefront_id,
            kind=self.kind,
            category=self.category,
            unit=self.unit,
            currency=self.currency,
            fulfilment=self.fulfilment,
            identity_tier=self.identity_tier,
            settled_count=self.settled_count,
            created_at=datetime(1970, 1, 1, tzinfo=UTC) + timedelta(microseconds=self.created_us),
            price_minor=self.price_minor,
            lat=None if self.geo is None else self.geo.lat,
            lon=None if self.geo is None else self.geo.lng,
            conduct_band=self.conduct_band,
            response_rate=self.response_rate,
            text_score=self.score if with_text else None,
        )


class Answer(msgspec.Struct, frozen=True, kw_only=True, rename="camel"):
    """A search answer."""

    hits: list[Hit]
    estimated_total_hits: int = 0
    facet_distribution: dict[str, dict[str, int]] = {}


def plain_text(query: SearchQuery) -> str:
    """The query text without Meilisearch's operators (quotes and minus), "" without a word."""
    if not read(query.text):
        return ""
    return (query.text or "").replace('"', " ").replace("-", " ").replace("\0", " ")


def filters(
    query: SearchQuery,
    viewer: ViewerRules,
    place: Literal["any", "near", "remote"] = "any",
) -> Filter:
    """The filter of a query: a list joined by AND, inner lists by OR.

    ``place``: "any" is near or, where asked for, remote; "near" only within the box; "remote"
    only remote offers.
    """
    clauses: Filter = ["live = true"]
    clauses += [
        f"{name} = {_quoted(value)}"
        for name, value in (
            ("kind", query.kind),
            ("unit", query.unit),
            ("currency", query.currency),
        )
        if value is not None
    ]
    if query.categories:
        clauses.append(f"category IN [{_list(query.categories)}]")
    if query.fulfilment:
        clauses.append(f"fulfilment IN [{_list(query.fulfilment)}]")
    clauses += [f"verified_facts = {_quoted(fact)}" for fact in sorted(query.verified_facts)]
    if query.identity_tier_min is not None:
        clauses.append(f"identity_tier >= {query.identity_tier_min}")
    if query.price_min_minor is not None:
        clauses.append(f"price_minor >= {query.price_min_minor}")
    if query.price_max_minor is not None:
        clauses.append(f"price_minor <= {query.price_max_minor}")
    if viewer.excluded_seller_ids:
        clauses.append(f"seller_id NOT IN [{_list(viewer.excluded_seller_ids)}]")
    return clauses + _place(query, place)


def _place(query: SearchQuery, place: str) -> Filter:
    remote = "fulfilment = 'remote'"
    if place == "remote":
        return [remote]
    if query.point is None or query.radius_m is None:
        return []
    box = bounding_box(*query.point, query.radius_m)
    near = f"_geoBoundingBox([{box.north:.9f}, {box.east:.9f}], [{box.south:.9f}, {box.west:.9f}])"
    return [[near, remote]] if place == "any" and query.remote else [near]


def _quoted(value: str) -> str:
    """A string literal; our slugs, codes and keys hold neither quotes nor backslashes."""
    if "'" in value or "\\" in value:
        raise ValueError("not a filter value")
    return f"'{value}'"


def _list(values: frozenset[str] | frozenset[Fulfilment]) -> str:
    return ", ".join(_quoted(value) for value in sorted(values))


def geo_sort(query: SearchQuery) -> list[str]:
    """Nearest first, ties by id."""
    lat, lon = query.point or (0.0, 0.0)
    return [f"_geoPoint({lat:.9f}, {lon:.9f}):asc", "id:asc"]


def beyond(query: SearchQuery, floor_m: float) -> Filter:
    """Leaves out what is surely nearer than ``floor_m`` on earthdistance's sphere."""
    radius_m = math.floor(floor_m * MEILISEARCH_RADIUS_M / EARTH_RADIUS_M) - 1
    if radius_m <= 0:
        return []
    lat, lon = query.point or (0.0, 0.0)
    return [f"NOT _geoRadius({lat:.9f}, {lon:.9f}, {radius_m})"]


def after_key(query: SearchQuery, after: After | None) -> Filter:
    """Leaves out everything up to a (key, id) of the sorts price and newest."""
    if after is None:
        return []
    row_id = _quoted(after[1])
    if query.sort == "price":
        key = MINOR_MAX if after[0] is None else int(after[0])
        return [[f"price_key > {key}", f"price_key = {key} AND id > {row_id}"]]
    key = int(after[0] or 0)
    return [[f"created_us < {key}", f"created_us = {key} AND id > {row_id}"]]
