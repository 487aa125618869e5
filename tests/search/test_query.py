"""Queries are checked once; cursors belong to their query."""

from typing import Any

import msgspec
import pytest

from handsel_search.cursor import Position, decode_cursor, encode_cursor, fingerprint
from handsel_search.errors import InvalidSearch
from handsel_search.query import SearchQuery, ViewerRules
from tests.search.conftest import uid

HERE: dict[str, Any] = {"lat": 55.95, "lon": -3.19}


@pytest.mark.parametrize(
    ("fields", "code", "pointer"),
    [
        ({"text": "x" * 201}, "text_too_long", "/text"),
        ({"lat": 1.0}, "point_incomplete", "/lon"),
        ({"lon": 1.0}, "point_incomplete", "/lat"),
        ({"lat": 90.5, "lon": 0.0}, "lat_out_of_range", "/lat"),
        ({"lat": float("nan"), "lon": 0.0}, "lat_out_of_range", "/lat"),
        ({"lat": 0.0, "lon": -181.0}, "lon_out_of_range", "/lon"),
        ({"radius_m": 500}, "radius_without_point", "/radius_m"),
        ({**HERE, "radius_m": 99}, "radius_out_of_range", "/radius_m"),
        ({**HERE, "radius_m": 200_001}, "radius_out_of_range", "/radius_m"),
        ({"kind": "spell"}, "unknown_kind", "/kind"),
        ({"unit": "per_moon"}, "unknown_unit", "/unit"),
        ({"sort": "random"}, "unknown_sort", "/sort"),
        ({"fulfilment": frozenset({"by_owl"})}, "unknown_fulfilment", "/fulfilment"),
        ({"categories": frozenset({"Bad Slug"})}, "slug_invalid", "/categories"),
        ({"categories": frozenset(f"c{i}" for i in range(51))}, "slug_invalid", "/categories"),
        ({"verified_facts": frozenset({"x' OR 1"})}, "slug_invalid", "/verified_facts"),
        ({"identity_tier_min": 6}, "tier_out_of_range", "/identity_tier_min"),
        ({"page_size": 0}, "page_size_out_of_range", "/page_size"),
        ({"page_size": 51}, "page_size_out_of_range", "/page_size"),
        ({"currency": "eur"}, "currency_invalid", "/currency"),
        ({"price_min_minor": 5}, "price_needs_currency", "/currency"),
        ({"price_max_minor": -1, "currency": "EUR"}, "price_out_of_range", "/price_max_minor"),
        (
            {"price_min_minor": 9, "price_max_minor": 8, "currency": "EUR"},
            "price_range_empty",
            "/price_max_minor",
        ),
        ({"sort": "distance"}, "distance_needs_point", "/sort"),
        ({"sort": "price"}, "price_needs_currency", "/currency"),
        ({"cursor": "x" * 501}, "cursor_invalid", "/cursor"),
    ],
)
def test_wrong_queries_say_what_is_wrong(fields: dict[str, Any], code: str, pointer: str) -> None:
    with pytest.raises(InvalidSearch) as caught:
        SearchQuery(**fields)
    assert (caught.value.code, caught.value.pointer) == (code, pointer)


def test_edges_are_allowed_and_defaults_filled() -> None:
    query = SearchQuery(
        text="  " + "x" * 200 + " ",
        lat=-90.0,
        lon=180.0,
        radius_m=100,
        price_min_minor=0,
        price_max_minor=0,
        currency="EUR",
        page_size=50,
        sort="distance",
    )
    assert query.text == "x" * 200
    assert SearchQuery(text=" \t ").text is None
    assert SearchQuery(**HERE).radius_m == 10_000
    assert SearchQuery().radius_m is None


def test_a_query_decodes_from_json_with_the_same_checks() -> None:
    query = msgspec.json.decode(b'{"kind":"thing","categories":["a","b"]}', type=SearchQuery)
    assert query.categories == {"a", "b"}
    with pytest.raises(msgspec.ValidationError, match="distance_needs_point"):
        msgspec.json.decode(b'{"sort":"distance"}', type=SearchQuery)


def test_viewer_rules_take_only_plain_ids() -> None:
    assert ViewerRules(excluded_seller_ids=frozenset({"mem_1", uid(1)}))
    for seller_id in ("", "a'b", "a b", "x" * 65):
        with pytest.raises(ValueError, match="seller ids"):
            ViewerRules(excluded_seller_ids=frozenset({seller_id}))


def test_a_cursor_comes_back_for_its_own_query_only() -> None:
    query = SearchQuery(text="drill", sort="distance", **HERE)
    position = Position(mode="typo", key=1234.5678901234, id=uid(7), total=99)
    cursor = encode_cursor(query, position)
    again = msgspec.structs.replace(query, cursor=cursor, page_size=7)
    other = msgspec.structs.replace(query, cursor=cursor, text="saw")

    assert decode_cursor(query) is None
    assert decode_cursor(again) == position
    with pytest.raises(InvalidSearch) as caught:
        decode_cursor(other)
    assert caught.value.code == "cursor_mismatch"


def test_every_field_but_page_and_cursor_changes_the_fingerprint() -> None:
    changes: dict[str, Any] = {
        "text": "x",
        "lat": 1.0,
        "lon": 1.0,
        "radius_m": 200,
        "categories": frozenset({"a"}),
        "kind": "thing",
        "unit": "quote",
        "price_min_minor": 1,
        "price_max_minor": 9,
        "currency": "GBP",
        "fulfilment": frozenset({"remote"}),
        "identity_tier_min": 1,
        "verified_facts": frozenset({"city"}),
        "sort": "newest",
    }
    base = SearchQuery(currency="EUR", lat=0.0, lon=0.0)
    prints = {
        fingerprint(msgspec.structs.replace(base, **{name: value}))
        for name, value in changes.items()
    }
    assert set(SearchQuery.__struct_fields__) - set(changes) == {"page_size", "cursor"}
    assert len(prints | {fingerprint(base)}) == len(changes) + 1


@pytest.mark.parametrize(
    "cursor", ["x", "!!!", "é", "bnVsbA", "W10", "WyJhIixbImFsbCIsbnVsbCwieCIsMCwwXV0", "////"]
)
def test_forged_cursors_are_refused(cursor: str) -> None:
    with pytest.raises(InvalidSearch) as caught:
        decode_cursor(SearchQuery(sort="newest", cursor=cursor))
    assert caught.value.code in ("cursor_invalid", "cursor_mismatch")


def test_a_forged_position_is_refused() -> None:
    query = SearchQuery(sort="newest")
    for position in (
        Position(key=2**60, id=uid(1)),
        Position(key=1, id="1; DROP"),
        Position(key=1, id=uid(1), offset=10_000),
        Position(key=1, id=uid(1), total=-1),
    ):
        forged = SearchQuery(sort="newest", cursor=encode_cursor(query, position))
        with pytest.raises(InvalidSearch) as caught:
            decode_cursor(forged)
        assert caught.value.code == "cursor_invalid"
