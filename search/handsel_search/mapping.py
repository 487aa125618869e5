"""Listings from somebody else's CSV file, by a declarative mapping.

A mapping (TOML) names the column of each field, constants for what the file does not say, the
column that identifies a row and the columns that together make one storefront. Rows stream; a bad
row is reported with its real line in the file and never stops the import.
"""

from __future__ import annotations

import csv
import gzip
import io
import tomllib
from collections.abc import Iterator, Mapping
from importlib.resources import files
from pathlib import Path

import msgspec

from handsel_search.documents import Fulfilment, Kind, Unit
from handsel_search.errors import InvalidMapping
from handsel_search.mapping_cells import (
    BadCell,
    PriceReader,
    PriceRule,
    check_cells,
    coordinate,
    identity,
    rate,
    title,
)

__all__ = ("BadRow", "CsvMapping", "MappedRow", "load_mapping", "read_rows", "shipped_mapping")


class Constants(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """Fields every row of the file shares."""

    kind: Kind
    category: str
    unit: Unit
    pack: str = ""
    fulfilment: frozenset[Fulfilment] = frozenset({"at_mine"})
    currency: str | None = None
    lang: str | None = None


class Columns(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """Field -> column heading."""

    title: str
    lat: str
    lon: str
    price: str
    currency: str | None = None
    description: str | None = None
    neighbourhood: str | None = None
    response_rate: str | None = None
    tags: tuple[str, ...] = ()


class CsvMapping(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """A mapping file; see README.md for the format."""

    name: str
    row_id: str
    storefront: tuple[str, ...]
    constant: Constants
    column: Columns
    price: PriceRule = PriceRule()


class MappedRow(msgspec.Struct, frozen=True, kw_only=True):
    """A good row. ``line`` is where it starts; ``price_minor`` None means a quote."""

    line: int
    row_id: str
    storefront: tuple[str, ...]
    title: str
    lat: float
    lon: float
    price_minor: int | None
    currency: str
    kind: Kind
    category: str
    pack: str
    unit: Unit
    fulfilment: frozenset[Fulfilment]
    tags: tuple[str, ...]
    description: str
    neighbourhood: str | None
    response_rate: float | None
    lang: str | None


class BadRow(msgspec.Struct, frozen=True, kw_only=True):
    """A refused row: first and last line in the file, a stable code, and one sentence.

    Codes: fields, encoding, nul, title_empty, title_long, row_id_empty, row_id_twice, number,
    latitude, longitude, currency, price_number, price_negative, price_decimals, price_absurd,
    price_missing, response_rate, csv, truncated.
    """

    line: int
    last_line: int
    code: str
    reason: str


def load_mapping(path: Path) -> CsvMapping:
    """Read a mapping file.

    Raises:
        InvalidMapping: not TOML, an unknown or a missing key.
    """
    return _parse(path.read_text("utf-8"), path.name)


def shipped_mapping(name: str) -> CsvMapping:
    """A mapping that comes with the package, e.g. "inside-airbnb"."""
    path = files("handsel_search").joinpath("data", "mappings", f"{name}.toml")
    if not path.is_file():
        raise InvalidMapping(f"no mapping is called {name!r}")
    return _parse(path.read_text("utf-8"), f"{name}.toml")


def _parse(text: str, name: str) -> CsvMapping:
    try:
        return msgspec.convert(tomllib.loads(text), CsvMapping)
    except (tomllib.TOMLDecodeError, msgspec.ValidationError) as error:
        raise InvalidMapping(f"{name}: {error}") from error


def read_rows(
    path: Path, mapping: CsvMapping, exponents: Mapping[str, int]
) -> Iterator[MappedRow | BadRow]:
    """Rows of a .csv or .csv.gz file in UTF-8, in file order.

    ``exponents`` is currency -> decimal places of its minor unit (ISO 4217); a currency that is
    not in it is unknown. Prices are converted exactly; nothing is rounded.

    Raises:
        InvalidMapping: the file lacks a column the mapping names.
        OSError: the file cannot be opened.
    """
    opener = gzip.open if path.name.endswith(".gz") else open
    with opener(path, "rb") as raw:
        # Undecodable bytes become lone surrogates, so that one of them costs one row.
        text = io.TextIOWrapper(raw, "utf-8-sig", errors="surrogateescape", newline="")
        yield from _rows(text, mapping, exponents)


def _rows(
    text: io.TextIOWrapper, mapping: CsvMapping, exponents: Mapping[str, int]
) -> Iterator[MappedRow | BadRow]:
    reader = csv.reader(text)
    heading = next(reader, [])
    convert = _RowReader(heading, mapping, exponents).row
    while True:
        line = reader.line_num + 1
        try:
            cells = next(reader)
            if cells:
                yield convert(line, cells)
        except StopIteration:
            return
        except BadCell as bad:
            yield BadRow(line=line, last_line=reader.line_num, code=bad.code, reason=bad.reason)
        except csv.Error as error:
            yield BadRow(line=line, last_line=reader.line_num, code="csv", reason=str(error))
        except (EOFError, gzip.BadGzipFile) as error:
            yield BadRow(line=line, last_line=line, code="truncated", reason=str(error))
            return


class _RowReader:
    """Turns cells into rows; every column is looked up once."""

    def __init__(
        self, heading: list[str], mapping: CsvMapping, exponents: Mapping[str, int]
    ) -> None:
        self._heading = {name: place for place, name in enumerate(heading)}
        column = mapping.column
        self._check(mapping)
        self._constant = mapping.constant
        self._width = len(heading)
        self._row_id = self._heading[mapping.row_id]
        self._title = self._heading[column.title]
        self._lat, self._lon = self._heading[column.lat], self._heading[column.lon]
        self._description = self._at(column.description)
        self._neighbourhood = self._at(column.neighbourhood)
        self._rate = self._at(column.response_rate)
        self._currency = self._at(column.currency)
        self._storefront = [self._heading[name] for name in mapping.storefront]
        self._tags = [self._heading[name] for name in column.tags]
        self._price = PriceReader(self._heading[column.price], mapping.price, exponents)
        self._seen: set[str] = set()

    def _check(self, mapping: CsvMapping) -> None:
        column = msgspec.structs.asdict(mapping.column)
        tags = column.pop("tags")
        named = {mapping.row_id, *mapping.storefront, *tags, *column.values()} - {None}
        missing = sorted(named - set(self._heading))
        if missing:
            raise InvalidMapping(f"{mapping.name}: the file has no column {', '.join(missing)}")
        if mapping.column.currency is None and mapping.constant.currency is None:
            raise InvalidMapping(f"{mapping.name}: neither a currency column nor a constant")

    def _at(self, name: str | None) -> int | None:
        return None if name is None else self._heading[name]

    def row(self, line: int, cells: list[str]) -> MappedRow:
        """One row, or BadCell."""
        check_cells(cells, self._width)
        row_id = identity(cells[self._row_id], self._seen)
        constant = self._constant
        currency = constant.currency or ""
        if self._currency is not None:
            currency = cells[self._currency].strip()
        tags = [cells[place].strip() for place in self._tags]
        row = MappedRow(
            line=line,
            row_id=row_id,
            storefront=tuple([cells[place].strip() for place in self._storefront]),
            title=title(cells[self._title]),
            lat=coordinate(cells[self._lat], "latitude", 90.0),
            lon=coordinate(cells[self._lon], "longitude", 180.0),
            price_minor=self._price.minor(cells, currency),
            currency=currency,
            kind=constant.kind,
            category=constant.category,
            pack=constant.pack,
            unit=constant.unit,
            fulfilment=constant.fulfilment,
            tags=tuple([tag for tag in tags if tag]),
            description=self._text(cells, self._description) or "",
            neighbourhood=self._text(cells, self._neighbourhood),
            response_rate=None if self._rate is None else rate(cells[self._rate]),
            lang=constant.lang,
        )
        self._seen.add(row_id)
        return row

    @staticmethod
    def _text(cells: list[str], place: int | None) -> str | None:
        return None if place is None else cells[place].strip() or None
