"""Listings over HTTP: a seller's whole way, and everything that must be refused."""

from typing import Any
from uuid import uuid4

import asyncpg
import httpx
import pytest

from handsel.foundation.db.uow import Database
from tests.factories import listings

Headers = dict[str, str]


@pytest.fixture(scope="module")
async def ann(database: Database) -> Headers:
    """A seller."""
    return await listings.log_in(database, "ann")


@pytest.fixture(scope="module")
async def bob(database: Database) -> Headers:
    """Somebody else."""
    return await listings.log_in(database, "bob")


def keyed(who: Headers) -> Headers:
    return who | {"Idempotency-Key": uuid4().hex}


async def create(api: httpx.AsyncClient, who: Headers, **changes: Any) -> dict[str, Any]:
    answer = await api.post("/v1/listings", json=listings.body(**changes), headers=keyed(who))
    assert answer.status_code == 201, answer.text
    made: dict[str, Any] = answer.json()
    return made


async def move(api: httpx.AsyncClient, who: Headers, listing: str, verb: str) -> httpx.Response:
    return await api.post(f"/v1/listings/{listing}/{verb}", headers=keyed(who))


def point_is_hidden(text: str) -> bool:
    lat, lon = listings.OLD_TOWN
    return str(lat)[:8] not in text and str(lon)[:7] not in text


async def test_four_fields_make_a_draft_with_the_categorys_terms(
    api: httpx.AsyncClient, ann: Headers
) -> None:
    answer = await api.post("/v1/listings", json=listings.body(), headers=keyed(ann))

    assert answer.status_code == 201
    made = answer.json()
    assert answer.headers["ETag"] == '"1"'
    assert answer.headers["Location"] == f"/v1/listings/{made['id']}"
    assert made["id"].startswith("lst_")
    assert made["place"] == {"lat": listings.OLD_TOWN[0], "lon": listings.OLD_TOWN[1]}
    assert made["published_point"] != made["place"]
    fixed = (
        "state", "version", "storefront", "unit", "fulfilment", "kind", "service_radius_m",
        "inspection_period", "cancellation", "description", "tags", "time_zone", "blockers",
        "published_at", "price",
    )  # fmt: skip
    assert {name: made[name] for name in fixed} == {
        "state": "draft",
        "version": 1,
        "storefront": "ann",
        "unit": "per_hour",
        "fulfilment": ["at_yours"],
        "kind": "knowledge",
        "service_radius_m": 10_000,
        "inspection_period": "P2D",
        "cancellation": {"free_until": "PT24H", "late_share_bps": 5000},
        "description": "",
        "tags": [],
        "time_zone": None,
        "blockers": [],
        "published_at": None,
        "price": {"amount_minor": 2500, "currency": "GBP"},
    }


async def test_no_price_is_a_quote_and_remote_has_no_point(
    api: httpx.AsyncClient, ann: Headers
) -> None:
    made = await create(api, ann, price=None, place="remote", category="language-lessons")

    assert made["price"] is None
    assert made["unit"] == "quote"
    assert made["fulfilment"] == ["remote"]
    assert made["place"] == "remote"
    assert made["published_point"] is None
    assert made["service_radius_m"] is None


WRONG: list[tuple[dict[str, Any], str]] = [
    ({"colour": "red"}, "invalid"),
    ({"title": "ab"}, "title_length"),
    ({"title": "x" * 121}, "title_length"),
    ({"title": "  a  b "[:3]}, "title_length"),
    ({"title": "x" * 201}, "invalid"),
    ({"title": 7}, "invalid"),
    ({"title": "nul\0nul"}, "invalid_text"),
    ({"category": "no-such"}, "unknown_category"),
    ({"category": "nul\0"}, "unknown_category"),
    ({"price": {"amount_minor": 0, "currency": "GBP"}}, "price_not_positive"),
    ({"price": {"amount_minor": -1, "currency": "GBP"}}, "price_not_positive"),
    ({"price": {"amount_minor": 10**15 + 1, "currency": "GBP"}}, "price_not_positive"),
    ({"price": {"amount_minor": 10**30, "currency": "GBP"}}, "price_not_positive"),
    ({"price": {"amount_minor": 12.5, "currency": "GBP"}}, "invalid_amount"),
    ({"price": {"amount_minor": "12x", "currency": "GBP"}}, "invalid_amount"),
    ({"price": {"amount_minor": 1200, "currency": "QQQ"}}, "unknown_currency"),
    ({"price": {"amount_minor": 1200, "currency": "gbp"}}, "invalid"),
    ({"price": {"amount_minor": 1200}}, "invalid"),
    ({"price": 1200}, "invalid"),
    ({"place": {"lat": 91, "lon": 0}}, "invalid"),
    ({"place": {"lat": 0, "lon": -180.5}}, "invalid"),
    ({"place": {"lat": "north", "lon": 0}}, "invalid"),
    ({"place": {"lat": 55}}, "invalid"),
    ({"place": "nowhere"}, "invalid"),
    ({"place": None}, "invalid"),
    ({"unit": "per_week"}, "invalid"),
    ({"unit": "per_day"}, "unit_not_offered"),
    ({"unit": "quote"}, "unit_not_offered"),
    ({"price": None, "unit": "per_hour"}, "unit_not_offered"),
    ({"fulfilment": []}, "invalid"),
    ({"fulfilment": ["remote"]}, "fulfilment_not_offered"),
    ({"place": "remote", "fulfilment": ["at_mine"]}, "fulfilment_not_offered"),
    ({"category": "power-tools", "place": "remote"}, "fulfilment_not_offered"),
    ({"service_radius_m": 99}, "invalid"),
    ({"time_zone": "Europe/Atlantis"}, "unknown_time_zone"),
    ({"tags": ["x"] * 13}, "invalid"),
    ({"tags": ["nul\0"]}, "invalid_text"),
    ({"description": "x" * 5001}, "invalid"),
]


@pytest.mark.parametrize(("changes", "code"), WRONG)
async def test_a_wrong_listing_is_refused_and_nothing_is_stored(
    api: httpx.AsyncClient,
    bob: Headers,
    owner: asyncpg.Connection,
    changes: dict[str, Any],
    code: str,
) -> None:
    before = await owner.fetchval("SELECT count(*) FROM catalog.listings")

    answer = await api.post("/v1/listings", json=listings.body(**changes), headers=keyed(bob))

    assert (answer.status_code, answer.json()["code"]) == (422, code), answer.text
    assert await owner.fetchval("SELECT count(*) FROM catalog.listings") == before


@pytest.mark.parametrize(
    ("content", "status"),
    [
        (b'{"title": ', 400),
        (b'{"title": "\xff\xfe"}', 400),
        (b"[]", 422),
        (b'{"title": "' + b"x" * 1_000_001 + b'"}', 413),
    ],
)
async def test_a_body_that_is_no_listing(
    api: httpx.AsyncClient, ann: Headers, content: bytes, status: int
) -> None:
    headers = keyed(ann) | {"Content-Type": "application/json"}

    answer = await api.post("/v1/listings", content=content, headers=headers)

    assert answer.status_code == status, answer.text


async def test_who_has_no_session_or_no_key_makes_nothing(
    api: httpx.AsyncClient, ann: Headers
) -> None:
    stranger = await api.post("/v1/listings", json=listings.body(), headers=keyed({}))
    keyless = await api.post("/v1/listings", json=listings.body(), headers=ann)

    assert (stranger.status_code, stranger.json()["code"]) == (401, "unauthenticated")
    assert (keyless.status_code, keyless.json()["code"]) == (400, "idempotency_key_missing")


async def test_the_same_key_makes_one_listing(
    api: httpx.AsyncClient, ann: Headers, owner: asyncpg.Connection
) -> None:
    headers = keyed(ann)
    before = await owner.fetchval("SELECT count(*) FROM catalog.listings")

    first = await api.post("/v1/listings", json=listings.body(), headers=headers)
    again = await api.post("/v1/listings", json=listings.body(), headers=headers)

    assert again.content == first.content
    assert again.headers["Idempotent-Replayed"] == "true"
    assert await owner.fetchval("SELECT count(*) FROM catalog.listings") == before + 1


async def test_everybody_sees_what_is_live_but_never_the_true_place(
    api: httpx.AsyncClient, ann: Headers, bob: Headers
) -> None:
    made = await create(api, ann)
    path = f"/v1/listings/{made['id']}"
    assert (await api.get(path)).status_code == 404
    assert (await api.get(path, headers=bob)).status_code == 404

    published = await move(api, ann, made["id"], "publish")

    assert published.status_code == 200
    assert published.headers["ETag"] == '"2"'
    assert published.json()["state"] == "live"
    for headers in ({}, bob):
        seen = await api.get(path, headers=headers)
        assert seen.status_code == 200
        assert seen.json()["published_point"] == made["published_point"]
        assert "place" not in seen.json()
        assert "blockers" not in seen.json()
        assert point_is_hidden(seen.text)
    mine = await api.get(path, headers=ann)
    assert mine.json()["place"] == made["place"]
    assert not point_is_hidden(mine.text)


async def test_a_second_publish_says_what_is_allowed(api: httpx.AsyncClient, ann: Headers) -> None:
    made = await create(api, ann)
    await move(api, ann, made["id"], "publish")

    again = await move(api, ann, made["id"], "publish")
    ended = await move(api, ann, made["id"], "end")
    after_end = await move(api, ann, made["id"], "publish")

    assert again.status_code == 409
    problem = again.json()
    assert (problem["code"], problem["state"]) == ("listing_wrong_state", "live")
    assert problem["allowed"] == ["pause", "end"]
    assert ended.json()["state"] == "ended"
    assert after_end.json()["allowed"] == []


async def test_an_unknown_transition_is_refused(api: httpx.AsyncClient, ann: Headers) -> None:
    made = await create(api, ann)

    answer = await move(api, ann, made["id"], "explode")

    assert answer.status_code == 422, answer.text


@pytest.mark.parametrize(
    ("changes", "code"),
    [
        ({"price": {"amount_minor": 26_001, "currency": "GBP"}}, "price_too_large"),
        ({"price": {"amount_minor": 100, "currency": "THB"}}, "currency_not_taken"),
        ({"category": "weapons", "price": None}, "category_forbidden"),
        ({"category": "chainsaws"}, "licence_needed"),
        ({"category": "short-stay"}, "sample_only"),
    ],
)
async def test_what_may_not_be_public_stays_a_draft(
    api: httpx.AsyncClient, ann: Headers, changes: dict[str, Any], code: str
) -> None:
    made = await create(api, ann, **changes)
    assert [reason["code"] for reason in made["blockers"]] == [code]

    refused = await move(api, ann, made["id"], "publish")

    assert (refused.status_code, refused.json()["code"]) == (409, "publish_refused")
    assert [reason["code"] for reason in refused.json()["reasons"]] == [code]
    read = await api.get(f"/v1/listings/{made['id']}", headers=ann)
    assert (read.json()["state"], read.json()["version"]) == ("draft", 1)


async def test_an_edit_needs_the_etag_that_was_read(api: httpx.AsyncClient, ann: Headers) -> None:
    made = await create(api, ann)
    path, patch = f"/v1/listings/{made['id']}", {"title": "Physics tutor", "price": None}

    without = await api.patch(path, json=patch, headers=ann)
    first = await api.patch(path, json=patch, headers=ann | {"If-Match": '"1"'})
    stale = await api.patch(path, json={"title": "Other"}, headers=ann | {"If-Match": '"1"'})
    foreign = await api.patch(path, json=patch, headers=ann | {"If-Match": "banana"})

    assert (without.status_code, without.json()["code"]) == (428, "precondition_required")
    assert first.status_code == 200
    assert first.headers["ETag"] == '"2"'
    changed = first.json()
    assert (changed["title"], changed["price"], changed["unit"]) == ("Physics tutor", None, "quote")
    assert changed["place"] == made["place"]
    assert changed["published_point"] == made["published_point"]
    assert (stale.status_code, stale.json()["code"]) == (412, "stale")
    assert foreign.status_code == 412
    assert (await api.get(path, headers=ann)).json() == changed


async def test_an_edit_moves_the_published_point_with_the_place(
    api: httpx.AsyncClient, ann: Headers
) -> None:
    made = await create(api, ann, fulfilment=["at_mine", "remote"])
    path = f"/v1/listings/{made['id']}"
    assert made["fulfilment"] == ["at_mine", "remote"]

    moved = await api.patch(
        path, json={"place": {"lat": 48.137, "lon": 11.575}}, headers=ann | {"If-Match": '"1"'}
    )
    gone = await api.patch(path, json={"place": "remote"}, headers=ann | {"If-Match": '"2"'})

    assert moved.json()["published_point"]["lat"] == pytest.approx(48.137, abs=0.002)
    assert moved.json()["fulfilment"] == ["at_mine", "remote"]
    assert gone.json()["published_point"] is None
    assert gone.json()["fulfilment"] == ["remote"]


async def test_an_edit_cannot_make_a_live_listing_what_may_not_be_live(
    api: httpx.AsyncClient, ann: Headers
) -> None:
    made = await create(api, ann)
    await move(api, ann, made["id"], "publish")
    path = f"/v1/listings/{made['id']}"
    dear = {"price": {"amount_minor": 26_001, "currency": "GBP"}}

    refused = await api.patch(path, json=dear, headers=ann | {"If-Match": '"2"'})

    assert (refused.status_code, refused.json()["code"]) == (409, "publish_refused")
    read = (await api.get(path)).json()
    assert (read["price"]["amount_minor"], read["version"]) == (2500, 2)


@pytest.mark.parametrize(
    ("patch", "code"),
    [
        ({"title": None}, "invalid"),
        ({"title": "ab"}, "title_length"),
        ({"category": "power-tools"}, "invalid"),
        ({"price": {"amount_minor": 0, "currency": "GBP"}}, "price_not_positive"),
        ({"unit": "quote"}, "unit_not_offered"),
        ({"place": {"lat": -91, "lon": 0}}, "invalid"),
        ({"description": "nul\0"}, "invalid_text"),
        ({"state": "live"}, "invalid"),
    ],
)
async def test_a_wrong_edit_changes_nothing(
    api: httpx.AsyncClient, ann: Headers, patch: dict[str, Any], code: str
) -> None:
    made = await create(api, ann)
    path = f"/v1/listings/{made['id']}"

    answer = await api.patch(path, json=patch, headers=ann | {"If-Match": '"1"'})

    assert (answer.status_code, answer.json()["code"]) == (422, code), answer.text
    assert (await api.get(path, headers=ann)).json() == made


async def test_somebody_elses_listing_is_not_there_for_a_change(
    api: httpx.AsyncClient, ann: Headers, bob: Headers
) -> None:
    made = await create(api, ann)
    await move(api, ann, made["id"], "publish")
    path = f"/v1/listings/{made['id']}"

    edited = await api.patch(path, json={"title": "Mine now"}, headers=bob | {"If-Match": '"2"'})
    ended = await move(api, bob, made["id"], "end")
    malformed = await api.get("/v1/listings/lst_nonsense")
    other_kind = await api.get(f"/v1/listings/mem_{made['id'][4:]}")

    assert {a.status_code for a in (edited, ended, malformed, other_kind)} == {404}
    assert (await api.get(path)).json()["title"] == listings.body()["title"]


async def test_own_listings_page_by_page_without_loss(
    api: httpx.AsyncClient, database: Database
) -> None:
    cleo = await listings.log_in(database, "cleo")
    made = [(await create(api, cleo, title=f"Lesson {n}"))["id"] for n in range(7)]
    await move(api, cleo, made[3], "publish")

    seen: list[str] = []
    cursor: str | None = None
    while True:
        params = {"page_size": 3} | ({"cursor": cursor} if cursor else {})
        page = (await api.get("/v1/me/listings", params=params, headers=cleo)).json()
        assert len(page["items"]) <= 3
        seen += [item["id"] for item in page["items"]]
        cursor = page["next_cursor"]
        if cursor is None:
            break

    assert seen == list(reversed(made))


async def test_a_cursor_serves_only_its_own_list(
    api: httpx.AsyncClient, ann: Headers, bob: Headers
) -> None:
    for _ in range(2):
        await create(api, ann)
    cursor = (await api.get("/v1/me/listings?page_size=1", headers=ann)).json()["next_cursor"]

    other = await api.get("/v1/me/listings", params={"cursor": cursor}, headers=bob)
    forged = await api.get("/v1/me/listings", params={"cursor": "AAAA"}, headers=ann)
    size = await api.get("/v1/me/listings?page_size=101", headers=ann)

    assert (other.status_code, other.json()["code"]) == (400, "invalid_cursor")
    assert (forged.status_code, forged.json()["code"]) == (400, "invalid_cursor")
    assert size.status_code == 422, size.text


async def test_a_storefront_shows_live_listings_and_the_trust_card(
    api: httpx.AsyncClient, database: Database
) -> None:
    dora = await listings.log_in(database, "dora")
    made = [(await create(api, dora, title=f"Lesson {n}"))["id"] for n in range(4)]
    for listing in made[:3]:
        await move(api, dora, listing, "publish")

    first = await api.get("/v1/storefronts/dora?page_size=2")
    shop = first.json()
    rest = (await api.get("/v1/storefronts/dora", params={"cursor": shop["next_cursor"]})).json()

    assert (shop["handle"], shop["title"]) == ("dora", "dora")
    assert [item["id"] for item in shop["listings"]] == [made[2], made[1]]
    assert [item["id"] for item in rest["listings"]] == [made[0]]
    assert rest["next_cursor"] is None
    assert shop["trust_card"]["settled_orders"] == 0
    assert "score" not in first.text
    assert point_is_hidden(first.text)
    assert (await api.get("/v1/storefronts/nobody-here")).status_code == 404
    assert (await api.get("/v1/storefronts/nul%00")).status_code == 422
