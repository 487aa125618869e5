"""Search over Edinburgh's real listings: true order of distance, whole pages, no true place."""

import random
import re
from typing import Any
from urllib.parse import urlencode

import asyncpg
import httpx
import pytest
from geopy.distance import geodesic

from handsel.catalog.listings.importing import import_listings
from handsel.foundation.core.ids import decode, encode
from handsel.foundation.core.settings import Settings
from handsel.foundation.db.uow import Database
from tests.conftest import real_data

CENTRE = (55.9486, -3.1999)  # the Old Town
RADIUS_M = 900


@pytest.fixture(scope="module", autouse=True)
async def _edinburgh(database: Database, settings: Settings) -> None:
    file = real_data("listings", "edinburgh.csv.gz")
    await import_listings(database, settings, file, "inside-airbnb")


async def pages(api: httpx.AsyncClient, **params: Any) -> list[dict[str, Any]]:
    """Every page of a search."""
    found: list[dict[str, Any]] = []
    cursor = None
    while True:
        answer = await api.get("/v1/search", params=params | ({"cursor": cursor} if cursor else {}))
        assert answer.status_code == 200, answer.text
        found.append(answer.json())
        cursor = found[-1]["next_cursor"]
        if cursor is None:
            return found


async def near(owner: asyncpg.Connection) -> list[tuple[float, str]]:
    """By geopy: (metres to the published point, id) of every listing within the radius."""
    rows = await owner.fetch("SELECT id, lat, lon FROM catalog.listings WHERE state = 'live'")
    box = [row for row in rows if abs(row["lat"] - CENTRE[0]) < 0.02]
    box = [row for row in box if abs(row["lon"] - CENTRE[1]) < 0.03]
    measured = [
        (geodesic(CENTRE, (row["lat"], row["lon"])).m, encode("lst", row["id"])) for row in box
    ]
    return sorted((metres, listing) for metres, listing in measured if metres <= RADIUS_M)


async def test_distance_order_is_geopys_through_all_pages(
    api: httpx.AsyncClient, owner: asyncpg.Connection
) -> None:
    oracle = await near(owner)
    place = {"lat": CENTRE[0], "lon": CENTRE[1], "radius_m": RADIUS_M}

    found = await pages(api, **place, sort="distance", page_size=50)

    hits = [hit for page in found for hit in page["hits"]]
    assert len(oracle) > 500
    assert [hit["distance_m"] for hit in hits] == [round(metres) for metres, _ in oracle]
    # pyproj and geopy differ by nanometres, so within one grid point the ids decide.
    assert {hit["listing"] for hit in hits} == {listing for _, listing in oracle}
    assert len({hit["listing"] for hit in hits}) == len(hits)
    by_place: dict[tuple[float, float], list[str]] = {}
    for hit in hits:
        point = hit["published_point"]
        by_place.setdefault((point["lat"], point["lon"]), []).append(hit["listing"])
    assert all(ids == sorted(ids) for ids in by_place.values())
    assert found[0]["total_estimate"] == len(oracle)
    assert found[0]["facets"]["kind"] == {"room": len(oracle)}


@pytest.mark.parametrize(
    "params",
    [
        {"sort": "best", "q": "castle view"},
        {"sort": "price", "q": "castle view", "currency": "GBP"},
        {"sort": "newest", "q": "garden flat"},
    ],
)
async def test_paging_neither_loses_nor_repeats(
    api: httpx.AsyncClient, params: dict[str, str]
) -> None:
    place = {"lat": CENTRE[0], "lon": CENTRE[1], "radius_m": 3000}
    whole = await pages(api, **place, **params, page_size=50)

    small = await pages(api, **place, **params, page_size=7)

    ids = [hit["listing"] for page in whole for hit in page["hits"]]
    assert len(ids) > 50
    assert [hit["listing"] for page in small for hit in page["hits"]] == ids
    assert len(set(ids)) == len(ids)
    if params["sort"] == "price":
        prices = [hit["price"] for page in whole for hit in page["hits"]]
        known = [price["amount_minor"] for price in prices if price]
        assert known == sorted(known)
        assert prices[: len(known)] == [price for price in prices if price]


async def test_no_answer_gives_a_true_place_away(
    api: httpx.AsyncClient, owner: asyncpg.Connection
) -> None:
    place = {"lat": CENTRE[0], "lon": CENTRE[1], "radius_m": 2000}
    answers = [await api.get("/v1/search", params=place | {"page_size": 50, "sort": sort})
               for sort in ("best", "distance")]  # fmt: skip
    hits = [hit for answer in answers for hit in answer.json()["hits"]]
    for hit in random.Random(5).sample(hits, 5):
        answers.append(await api.get(f"/v1/listings/{hit['listing']}"))
        answers.append(await api.get(f"/v1/storefronts/{hit['storefront']}"))
    text = "\n".join(answer.text for answer in answers)
    rows = await owner.fetch("SELECT id, true_lat, true_lon, lat, lon FROM catalog.listings")
    true = {encode("lst", row["id"]): row for row in rows}

    assert all(answer.status_code == 200 for answer in answers)
    assert all((row["true_lat"], row["true_lon"]) != (row["lat"], row["lon"]) for row in rows)
    shown = {listing for listing in true if listing in text}
    numbers = set(re.findall(r"-?\d+\.\d+", text))
    assert len(shown) > 50
    assert str(true[max(shown)]["lat"]) in numbers
    for listing in shown:
        row = true[listing]
        assert not {repr(row["true_lat"]), repr(row["true_lon"])} <= numbers
    assert "true_l" not in text


async def test_filters_hold_for_every_hit(api: httpx.AsyncClient) -> None:
    place = {"lat": CENTRE[0], "lon": CENTRE[1], "radius_m": 1500}

    priced = await pages(api, **place, currency="GBP", price_min=8000, price_max=9000, page_size=50)
    quotes = await pages(api, **place, unit="quote", page_size=50)
    nothing = await pages(api, **place, category="school-tutoring")

    prices = [hit["price"]["amount_minor"] for page in priced for hit in page["hits"]]
    assert len(prices) > 10
    assert all(8000 <= price <= 9000 for price in prices)
    assert {hit["price"] for page in quotes for hit in page["hits"]} == {None}
    assert nothing[0]["hits"] == []
    assert nothing[0]["request_draft"]["category"] == "school-tutoring"


@pytest.mark.parametrize(
    ("params", "status", "code", "reason"),
    [
        ({"lat": 91, "lon": 0}, 422, "invalid_search", "lat_out_of_range"),
        ({"lat": "nan", "lon": 0}, 422, "invalid_search", "lat_out_of_range"),
        ({"lat": "north", "lon": 0}, 422, "invalid", None),
        ({"lat": 55}, 422, "invalid_search", "point_incomplete"),
        ({"radius_m": 500}, 422, "invalid_search", "radius_without_point"),
        ({"lat": 55, "lon": 3, "radius_m": 99}, 422, "invalid_search", "radius_out_of_range"),
        ({"lat": 55, "lon": 3, "radius_m": 200_001}, 422, "invalid_search", "radius_out_of_range"),
        ({"sort": "distance"}, 422, "invalid_search", "distance_needs_point"),
        ({"sort": "price"}, 422, "invalid_search", "price_needs_currency"),
        ({"sort": "random"}, 422, "invalid", None),
        ({"price_max": 100}, 422, "invalid_search", "price_needs_currency"),
        ({"price_max": -1, "currency": "GBP"}, 422, "invalid_search", "price_out_of_range"),
        ({"price_min": 9, "price_max": 8, "currency": "GBP"}, 422, "invalid_search",
         "price_range_empty"),
        ({"price_min": 10**40, "currency": "GBP"}, 422, "invalid_search", "price_out_of_range"),
        ({"currency": "gb"}, 422, "invalid_search", "currency_invalid"),
        ({"kind": "castle"}, 422, "invalid", None),
        ({"unit": "per_week"}, 422, "invalid", None),
        ({"fulfilment": "by_post"}, 422, "invalid", None),
        ({"category": "Not a slug"}, 422, "invalid_search", "slug_invalid"),
        ({"min_identity_tier": 6}, 422, "invalid_search", "tier_out_of_range"),
        ({"page_size": 0}, 422, "invalid_search", "page_size_out_of_range"),
        ({"page_size": 51}, 422, "invalid_search", "page_size_out_of_range"),
        ({"q": "x" * 201}, 422, "invalid_search", "text_too_long"),
        ({"radius": 500}, 422, "invalid_search", "unknown_parameter"),
        ({"cursor": "AAAA"}, 400, "invalid_cursor", None),
        ({"cursor": "x" * 501}, 400, "invalid_cursor", None),
    ],
)  # fmt: skip
async def test_a_wrong_search_says_what_is_wrong(
    api: httpx.AsyncClient, params: dict[str, Any], status: int, code: str, reason: str | None
) -> None:
    answer = await api.get("/v1/search", params=params)

    assert (answer.status_code, answer.json()["code"]) == (status, code), answer.text
    assert answer.json().get("reason") == reason


async def test_a_cursor_serves_only_its_own_search(api: httpx.AsyncClient) -> None:
    first = await api.get("/v1/search", params={"q": "castle", "page_size": 5})
    cursor = first.json()["next_cursor"]

    other = await api.get("/v1/search", params={"q": "garden", "page_size": 5, "cursor": cursor})

    assert (other.status_code, other.json()["code"]) == (400, "invalid_cursor")


@pytest.mark.parametrize("text", ["'; DROP TABLE x --", "a & | ! ( b", "\0", ":*", "👍", "%", "\\"])
async def test_no_text_breaks_the_search(api: httpx.AsyncClient, text: str) -> None:
    place = {"lat": CENTRE[0], "lon": CENTRE[1], "radius_m": 1000}

    answer = await api.get(f"/v1/search?{urlencode(place | {'q': text})}")

    assert answer.status_code == 200, answer.text
    assert all(decode("lst", hit["listing"]) for hit in answer.json()["hits"])
