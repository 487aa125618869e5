"""Real listings from a file: what is loaded, what is refused, and that twice is once."""

import csv
import gzip
from pathlib import Path
from uuid import UUID

import asyncpg
import pytest

from handsel.catalog.listings import importing
from handsel.catalog.listings.imported_storefronts import handle_of
from handsel.catalog.listings.importing import ImportReport, import_listings
from handsel.foundation.core.errors import UserError
from handsel.foundation.core.settings import Settings
from handsel.foundation.db.uow import Database
from tests.conftest import real_data

HEADING = (
    "listing,title,neighbourhood,latitude,longitude,property_type,room_type,price_per_night,"
    "currency,response_rate"
)
ROWS = (
    "1,Loft by the castle,Old Town,55.9486,-3.1999,Loft,Entire home/apt,145.5,GBP,0.9",
    "2,Garden room,Old Town,55.95,-3.19,Home,Private room,,GBP,",
    "3,Altbau am Park,Maxvorstadt,48.15,11.57,Flat,Entire home/apt,90,EUR,1.0",
)
Count = "SELECT count(*) FROM catalog.listings"


@pytest.fixture(autouse=True)
async def _empty(owner: asyncpg.Connection) -> None:
    for table in (
        *("catalog.search_documents", "catalog.search_vocabulary", "catalog.imported_listings"),
        *("catalog.listings", "catalog.imported_storefronts", "catalog.storefronts"),
        *("people.verifications", "people.members", "foundation.outbox"),
    ):
        await owner.execute(f"DELETE FROM {table}")


def write(folder: Path, *rows: str, name: str = "town.csv", heading: str = HEADING) -> Path:
    file = folder / name
    file.write_text("\n".join((heading, *rows, "")))
    return file


def outcome(report: ImportReport) -> tuple[int, int, int, int, list[tuple[int, str]]]:
    skipped = [(bad.line, bad.code) for bad in report.skipped]
    return report.read, report.imported, report.updated, report.unchanged, skipped


async def snapshot(owner: asyncpg.Connection) -> list[asyncpg.Record]:
    return await owner.fetch(
        "SELECT l.*, d.version AS indexed, d.doc::text, s.handle FROM catalog.listings l"
        " JOIN catalog.search_documents d USING (id) JOIN catalog.storefronts s"
        " ON s.id = l.storefront_id ORDER BY l.title"
    )


async def test_rows_become_live_listings_of_one_shop_per_neighbourhood_and_currency(
    database: Database, settings: Settings, owner: asyncpg.Connection, tmp_path: Path
) -> None:
    seen: list[int] = []

    report = await import_listings(
        database, settings, write(tmp_path, *ROWS), "inside-airbnb", progress=seen.append
    )

    assert outcome(report) == (3, 3, 0, 0, [])
    assert seen == [3]
    flat, room, loft = await snapshot(owner)
    assert {row["state"] for row in (flat, room, loft)} == {"live"}
    assert (loft["unit"], loft["price_minor"], loft["currency"]) == ("per_day", 14550, "GBP")
    assert (room["unit"], room["price_minor"], room["currency"]) == ("quote", None, "GBP")
    assert (loft["response_rate"], room["response_rate"]) == (0.9, None)
    assert loft["storefront_id"] == room["storefront_id"] != flat["storefront_id"]
    assert (loft["handle"], flat["handle"]) == ("old-town-gbp", "maxvorstadt-eur")
    assert (loft["true_lat"], loft["true_lon"]) == (55.9486, -3.1999)
    assert (loft["lat"], loft["lon"]) != (55.9486, -3.1999)
    member = await owner.fetchrow("SELECT * FROM people.members WHERE id = $1", loft["seller_id"])
    assert member is not None
    assert (member["is_sandbox"], member["password_hash"]) == (True, None)
    told = await owner.fetch("SELECT topic, payload->>'count' AS n FROM foundation.outbox")
    assert [(row["topic"], row["n"]) for row in told] == [("listings.imported", "3")]


async def test_a_second_import_changes_nothing_and_a_changed_row_updates(
    database: Database, settings: Settings, owner: asyncpg.Connection, tmp_path: Path
) -> None:
    await import_listings(database, settings, write(tmp_path, *ROWS), "inside-airbnb")
    before = await snapshot(owner)

    again = await import_listings(
        database, settings, write(tmp_path, *reversed(ROWS)), "inside-airbnb"
    )
    assert outcome(again) == (3, 0, 0, 3, [])
    assert await snapshot(owner) == before
    cheaper = (ROWS[0].replace("145.5", "99").replace("castle", "abbey"), *ROWS[1:])
    changed = await import_listings(database, settings, write(tmp_path, *cheaper), "inside-airbnb")

    assert outcome(changed) == (3, 0, 1, 2, [])
    flat, room, loft = await snapshot(owner)
    assert [flat, room] == before[:2]
    assert (loft["id"], loft["version"], loft["indexed"]) == (before[2]["id"], 2, 2)
    assert (loft["title"], loft["price_minor"]) == ("Loft by the abbey", 9900)
    assert "'abbey'" in loft["doc"]


async def test_ids_restart_in_each_file(
    database: Database, settings: Settings, owner: asyncpg.Connection, tmp_path: Path
) -> None:
    await import_listings(database, settings, write(tmp_path, *ROWS), "inside-airbnb")

    other = write(tmp_path, *ROWS, name="village.csv")
    report = await import_listings(database, settings, other, "inside-airbnb")

    assert outcome(report) == (3, 3, 0, 0, [])
    assert await owner.fetchval(Count) == 6
    assert await owner.fetchval("SELECT count(*) FROM catalog.storefronts") == 2


BAD = (
    "4,,Old Town,55.95,-3.19,Home,Private room,50,GBP,",
    f"5,{'x' * 121},Old Town,55.95,-3.19,Home,Private room,50,GBP,",
    "6,North of north,Old Town,91,-3.19,Home,Private room,50,GBP,",
    "7,Free of charge,Old Town,55.95,-3.19,Home,Private room,0,GBP,",
    "8,Below nothing,Old Town,55.95,-3.19,Home,Private room,-5,GBP,",
    "9,Half a penny,Old Town,55.95,-3.19,Home,Private room,5.005,GBP,",
    "10,Strange money,Old Town,55.95,-3.19,Home,Private room,5,QQQ,",
    "11,Money not taken here,Old Town,55.95,-3.19,Home,Private room,5,THB,",
    "1,The same id again,Old Town,55.95,-3.19,Home,Private room,5,GBP,",
    "12,Too few fields",
)
REFUSED = [
    (5, "title_empty"), (6, "title_length"), (7, "latitude"), (8, "price_not_positive"),
    (9, "price_negative"), (10, "price_decimals"), (11, "currency"), (12, "currency_not_taken"),
    (13, "row_id_twice"), (14, "fields"),
]  # fmt: skip


async def test_bad_rows_are_told_with_their_line_and_the_rest_is_loaded(
    database: Database, settings: Settings, owner: asyncpg.Connection, tmp_path: Path
) -> None:
    report = await import_listings(
        database, settings, write(tmp_path, *ROWS, *BAD), "inside-airbnb"
    )

    assert outcome(report) == (13, 3, 0, 0, REFUSED)
    assert all(bad.reason for bad in report.skipped)
    assert await owner.fetchval(Count) == 3


@pytest.mark.parametrize("batch", [2, 2000])
async def test_strict_loads_nothing_when_one_row_is_bad(
    database: Database,
    settings: Settings,
    owner: asyncpg.Connection,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    batch: int,
) -> None:
    # With batches of two the bad row comes when two good ones have already been written.
    monkeypatch.setattr(importing, "_BATCH", batch)
    people = await owner.fetchval("SELECT count(*) FROM people.members")
    file = write(tmp_path, *ROWS, BAD[0])

    report = await import_listings(database, settings, file, "inside-airbnb", strict=True)
    fine = write(tmp_path, *ROWS, name="fine.csv")

    assert outcome(report) == (4, 0, 0, 0, [(5, "title_empty")])
    assert await owner.fetchval(Count) == 0
    assert await owner.fetchval("SELECT count(*) FROM people.members") == people
    assert await owner.fetchval("SELECT count(*) FROM catalog.search_documents") == 0
    assert await owner.fetchval("SELECT count(*) FROM foundation.outbox") == 0
    loaded = await import_listings(database, settings, fine, "inside-airbnb", strict=True)
    assert outcome(loaded) == (3, 3, 0, 0, [])


@pytest.mark.parametrize(
    ("name", "mapping", "heading", "says"),
    [
        ("absent.csv", "inside-airbnb", None, "cannot be read"),
        ("town.csv", "no-such-mapping", HEADING, "no mapping is called"),
        ("town.csv", "inside-airbnb", "listing,title", "no column"),
        ("town.csv", "inside-airbnb", "", "no column"),
        ("town.csv.gz", "inside-airbnb", HEADING, "cannot be read"),
    ],
)
async def test_a_file_that_cannot_be_used_is_one_sentence(
    database: Database,
    settings: Settings,
    tmp_path: Path,
    name: str,
    mapping: str,
    heading: str | None,
    says: str,
) -> None:
    if heading is not None:
        write(tmp_path, name=name, heading=heading)

    with pytest.raises(UserError, match=says) as refused:
        await import_listings(database, settings, tmp_path / name, mapping)

    assert str(refused.value).endswith(".")


@pytest.mark.parametrize(
    ("key", "handle"),
    [
        (("Old Town", "GBP"), "old-town-gbp"),
        (("Ludwigsvorstadt-Isarvorstadt", "EUR"), "ludwigsvorstadt-isa-d53589-eur"),
        (("Schwabing–Freimann", "EUR"), "schwabingfreimann-eur"),
        (("中西區", "HKD"), "s-1b6598-hkd"),
        (("", "EUR"), "s-5d3d51-eur"),
        (("9 Elms", "GBP"), "s-9-elms-gbp"),
    ],
)
def test_a_handle_is_readable_and_stable(key: tuple[str, ...], handle: str) -> None:
    made = handle_of(key)

    assert 3 <= len(made) <= 30
    assert made == handle


async def test_two_keys_with_one_slug_get_two_handles(
    database: Database, settings: Settings, owner: asyncpg.Connection, tmp_path: Path
) -> None:
    twin = ROWS[1].replace("Old Town", "Old-Town")

    await import_listings(database, settings, write(tmp_path, ROWS[0], twin), "inside-airbnb")

    handles = {row["handle"] for row in await snapshot(owner)}
    assert len(handles) == 2
    assert all(handle.startswith("old-town-") for handle in handles)


async def test_a_real_town_is_loaded_whole(
    database: Database, settings: Settings, owner: asyncpg.Connection
) -> None:
    file = real_data("listings", "edinburgh.csv.gz")
    with gzip.open(file, "rt", encoding="utf-8", newline="") as text:
        rows = list(csv.DictReader(text))
    good = [row for row in rows if row["title"].strip()]

    report = await import_listings(database, settings, file, "inside-airbnb")

    assert (report.read, report.imported) == (len(rows), len(good)) == (5780, 5773)
    assert {bad.code for bad in report.skipped} == {"title_empty"}
    stored: list[tuple[UUID, int | None]] = [
        (row["storefront_id"], row["price_minor"])
        for row in await owner.fetch("SELECT storefront_id, price_minor FROM catalog.listings")
    ]
    assert len({shop for shop, _ in stored}) == len({row["neighbourhood"] for row in good})
    assert sum(price is None for _, price in stored) == sum(
        not row["price_per_night"] for row in good
    )
    assert await owner.fetchval("SELECT count(*) FROM catalog.search_documents WHERE live") == 5773
