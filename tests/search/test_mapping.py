"""Foreign CSV files: exact money, honest line numbers, nothing lost."""

from __future__ import annotations

import gzip
from collections import Counter
from pathlib import Path

import msgspec
import pytest

from handsel_search.errors import InvalidMapping
from handsel_search.mapping import (
    BadRow,
    CsvMapping,
    MappedRow,
    load_mapping,
    read_rows,
    shipped_mapping,
)

EXPONENTS = {"GBP": 2, "EUR": 2, "HKD": 2, "JPY": 0, "BHD": 3}
MAPPING = """
name = "test"
row_id = "id"
storefront = ["area", "money"]
[constant]
kind = "thing"
category = "power-tools"
unit = "per_day"
[column]
title = "name"
lat = "lat"
lon = "lon"
price = "price"
currency = "money"
neighbourhood = "area"
response_rate = "rate"
tags = ["tag"]
[price.max]
GBP = "1000"
"""
HEAD = "id,name,lat,lon,price,money,area,rate,tag\n"


@pytest.fixture
def mapping(tmp_path: Path) -> CsvMapping:
    path = tmp_path / "test.toml"
    path.write_text(MAPPING)
    return load_mapping(path)


def rows(tmp_path: Path, mapping: CsvMapping, text: str | bytes) -> list[MappedRow | BadRow]:
    path = tmp_path / "rows.csv"
    path.write_bytes(text if isinstance(text, bytes) else text.encode())
    return list(read_rows(path, mapping, EXPONENTS))


def test_a_good_row_is_read_exactly(tmp_path: Path, mapping: CsvMapping) -> None:
    found = rows(tmp_path, mapping, HEAD + '7,"Drill,\n big ",55.9,-3.2,12.5,GBP, Leith ,.5,x\n')

    assert found == [
        MappedRow(
            line=2,
            row_id="7",
            storefront=("Leith", "GBP"),
            title="Drill, big",
            lat=55.9,
            lon=-3.2,
            price_minor=1250,
            currency="GBP",
            kind="thing",
            category="power-tools",
            pack="",
            unit="per_day",
            fulfilment=frozenset({"at_mine"}),
            tags=("x",),
            description="",
            neighbourhood="Leith",
            response_rate=0.5,
            lang=None,
        )
    ]


@pytest.mark.parametrize(
    ("price", "currency", "minor"),
    [
        ("0.29", "GBP", 29),
        ("999.99", "GBP", 99999),
        ("1000", "GBP", 100000),
        ("1E+2", "EUR", 10000),
        ("1200", "JPY", 1200),
        ("1200.0", "JPY", 1200),
        ("0.125", "BHD", 125),
        ("90071992547409.91", "EUR", 2**53 - 1),
        ("", "EUR", None),
        (" ", "EUR", None),
    ],
)
def test_prices_become_minor_units_exactly(
    tmp_path: Path, mapping: CsvMapping, price: str, currency: str, minor: int | None
) -> None:
    (row,) = rows(tmp_path, mapping, HEAD + f"1,Drill,1,1,{price},{currency},a,,\n")
    assert isinstance(row, MappedRow)
    assert row.price_minor == minor


@pytest.mark.parametrize(
    ("line", "code"),
    [
        ("1,Drill,1,1,1,GBP,a,", "fields"),
        ("1,Drill,1,1,1,GBP,a,,x,y", "fields"),
        ("1, ,1,1,1,GBP,a,,", "title_empty"),
        (f"1,{'x' * 201},1,1,1,GBP,a,,", "title_long"),
        (",Drill,1,1,1,GBP,a,,", "row_id_empty"),
        ("1,Drill,north,1,1,GBP,a,,", "number"),
        ("1,Drill,nan,1,1,GBP,a,,", "number"),
        ("1,Drill,,1,1,GBP,a,,", "number"),
        ("1,Drill,90.1,1,1,GBP,a,,", "latitude"),
        ("1,Drill,1,-181,1,GBP,a,,", "longitude"),
        ("1,Drill,1,1,-1,GBP,a,,", "price_negative"),
        ("1,Drill,1,1,1.005,GBP,a,,", "price_decimals"),
        ("1,Drill,1,1,0.5,JPY,a,,", "price_decimals"),
        ("1,Drill,1,1,1000.01,GBP,a,,", "price_absurd"),
        ("1,Drill,1,1,1e30,EUR,a,,", "price_absurd"),
        ("1,Drill,1,1,cheap,GBP,a,,", "price_number"),
        ("1,Drill,1,1,Infinity,GBP,a,,", "price_number"),
        ("1,Drill,1,1,1_000,GBP,a,,", "price_number"),
        ("1,Drill,1,1,1,XXQ,a,,", "currency"),
        ("1,Drill,1,1,1,,a,,", "currency"),
        ("1,Drill,1,1,1,GBP,a,1.1,", "response_rate"),
        ("1,Dr\0ill,1,1,1,GBP,a,,", "nul"),
        ("1,Dr\udcffill,1,1,1,GBP,a,,", "encoding"),
        ("1,Drïll,1,1,1,GBP,\udc80,,", "encoding"),
        (f"1,{'y' * 200_000},1,1,1,GBP,a,,", "csv"),
    ],
)
def test_a_bad_row_is_told_and_the_next_one_read(
    tmp_path: Path, mapping: CsvMapping, line: str, code: str
) -> None:
    text = f"{HEAD}{line}\n2,Saw,1,1,1,GBP,a,,\n"
    bad, good = rows(tmp_path, mapping, text.encode("utf-8", "surrogateescape"))

    assert isinstance(bad, BadRow)
    assert (bad.code, bad.line, bad.last_line) == (code, 2, 2)
    assert isinstance(good, MappedRow)
    assert (good.row_id, good.line) == ("2", 3)


def test_line_numbers_are_those_of_the_file(tmp_path: Path, mapping: CsvMapping) -> None:
    text = (
        "\ufeff"
        + HEAD.replace("\n", "\r\n")
        + '1,"Drill\r\nwith\r\ncase",1,1,1,GBP,a,,\r\n'
        + "\r\n"
        + '2,"Bad\r\none",1,999,1,GBP,a,,\r\n'
        + "3,Saw,1,1,1,GBP,a,,\r\n"
        + "3,Saw,1,1,1,GBP,a,,"
    )
    first, bad, good, twice = rows(tmp_path, mapping, text)

    assert isinstance(first, MappedRow)
    assert (first.line, first.title) == (2, "Drill with case")
    assert isinstance(bad, BadRow)
    assert (bad.line, bad.last_line, bad.code) == (6, 7, "longitude")
    assert isinstance(good, MappedRow)
    assert good.line == 8
    assert isinstance(twice, BadRow)
    assert (twice.code, twice.line) == ("row_id_twice", 9)


def test_a_row_id_refused_once_may_come_again(tmp_path: Path, mapping: CsvMapping) -> None:
    text = HEAD + "1,,1,1,1,GBP,a,,\n1,Drill,1,1,1,GBP,a,,\n"
    assert [type(row) for row in rows(tmp_path, mapping, text)] == [BadRow, MappedRow]


def test_a_truncated_archive_ends_with_a_bad_row(tmp_path: Path, mapping: CsvMapping) -> None:
    path = tmp_path / "rows.csv.gz"
    lines = [f"{n},Drill {n * 7919},1,1,1,GBP,a,,\n" for n in range(3000)]
    whole = gzip.compress((HEAD + "".join(lines)).encode())
    path.write_bytes(whole[: len(whole) // 2])
    found = list(read_rows(path, mapping, EXPONENTS))

    assert isinstance(found[-1], BadRow)
    assert found[-1].code == "truncated"
    assert 100 < len(found) < 3000
    assert all(isinstance(row, MappedRow) for row in found[:-1])


def test_a_missing_price_may_be_bad(tmp_path: Path, mapping: CsvMapping) -> None:
    strict = msgspec.structs.replace(
        mapping, price=msgspec.structs.replace(mapping.price, missing="bad")
    )
    (bad,) = rows(tmp_path, strict, HEAD + "1,Drill,1,1,,GBP,a,,\n")
    assert isinstance(bad, BadRow)
    assert bad.code == "price_missing"


@pytest.mark.parametrize(
    ("old", "new", "match"),
    [
        ('kind = "thing"', 'kind = "spell"', "spell"),
        ('title = "name"', "", "title"),
        ('title = "name"', 'titel = "name"', "titel"),
        ('GBP = "1000"', 'GBP = "much"', "GBP"),
        ('tags = ["tag"]', 'tags = ["nope"]', "nope"),
        ('currency = "money"', "", "currency"),
        ("[column]", "[column", "toml"),
    ],
)
def test_wrong_mappings_are_refused_at_once(tmp_path: Path, old: str, new: str, match: str) -> None:
    path = tmp_path / "wrong.toml"
    path.write_text(MAPPING.replace(old, new))
    with pytest.raises(InvalidMapping, match=match):
        rows(tmp_path, load_mapping(path), HEAD)
    with pytest.raises(InvalidMapping, match="no mapping"):
        shipped_mapping("no-such-site")


def test_the_real_listings_are_read_whole(listings_folder: Path) -> None:
    mapping = shipped_mapping("inside-airbnb")
    found: list[MappedRow | BadRow] = []
    for path in sorted(listings_folder.glob("*.csv.gz")):
        found += read_rows(path, mapping, EXPONENTS)
    good = [row for row in found if isinstance(row, MappedRow)]

    assert len(found) == 18_873
    assert Counter(row.code for row in found if isinstance(row, BadRow)) == {
        "title_empty": 12,
        "price_absurd": 1,
    }
    assert sum(row.price_minor is None for row in good) == 2_354
    assert Counter(row.currency for row in good) == {"GBP": 5773, "EUR": 6554, "HKD": 6533}
    assert len({row.storefront for row in good}) > 100
