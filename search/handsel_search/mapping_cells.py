"""Reading single cells of a foreign CSV file strictly: exact money, finite numbers, clean text."""

from __future__ import annotations

import math
from collections.abc import Mapping
from decimal import Decimal, InvalidOperation
from typing import Final, Literal

import msgspec

from handsel_search.documents import CURRENCY, MINOR_MAX
from handsel_search.errors import InvalidMapping

__all__ = (
    "BadCell",
    "PriceReader",
    "PriceRule",
    "check_cells",
    "coordinate",
    "identity",
    "rate",
    "title",
)

TITLE_MAX: Final = 200


class BadCell(Exception):
    """A cell that cannot be read: a stable code and one sentence."""

    def __init__(self, code: str, reason: str) -> None:
        super().__init__(reason)
        self.code = code
        self.reason = reason


class PriceRule(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """What an empty price means and, by currency, the most a price may be (major units)."""

    missing: Literal["quote", "bad"] = "quote"
    max: dict[str, str] = {}


def check_cells(cells: list[str], width: int) -> None:
    """The right number of fields, UTF-8 throughout, no NUL."""
    if len(cells) != width:
        raise BadCell("fields", f"{len(cells)} fields instead of {width}")
    whole = "".join(cells)
    if whole.isascii():
        if "\0" in whole:
            raise BadCell("nul", "a NUL byte")
        return
    if "\0" in whole:
        raise BadCell("nul", "a NUL byte")
    try:
        whole.encode()
    except UnicodeEncodeError:
        raise BadCell("encoding", "not UTF-8") from None


def identity(cell: str, seen: set[str]) -> str:
    """The row id, not empty and not met before."""
    found = cell.strip()
    if not found:
        raise BadCell("row_id_empty", "no row id")
    if found in seen:
        raise BadCell("row_id_twice", f"row id {found[:40]!r} was there before")
    return found


def title(cell: str) -> str:
    """A title of one line, 1 to 200 characters."""
    found = " ".join(cell.split())
    if not found:
        raise BadCell("title_empty", "no title")
    if len(found) > TITLE_MAX:
        raise BadCell("title_long", f"a title of more than {TITLE_MAX} characters")
    return found


def _number(cell: str, code: str, what: str) -> float:
    try:
        number = float(cell)
    except ValueError:
        raise BadCell(code, f"{what} {cell[:40]!r} is not a number") from None
    if not math.isfinite(number):
        raise BadCell(code, f"{what} {cell[:40]!r} is not a number")
    return number


def coordinate(cell: str, what: str, bound: float) -> float:
    """Degrees between -bound and bound."""
    degrees = _number(cell, "number", what)
    if not -bound <= degrees <= bound:
        raise BadCell(what, f"{what} {cell[:40]} is not between -{bound:g} and {bound:g}")
    return degrees


def rate(cell: str) -> float | None:
    """A share of 0..1; None for an empty cell."""
    if not cell.strip():
        return None
    found = _number(cell, "number", "response rate")
    if not 0.0 <= found <= 1.0:
        raise BadCell("response_rate", f"response rate {cell[:40]} is not between 0 and 1")
    return found


class PriceReader:
    """Decimal major units to minor units, exactly."""

    def __init__(self, place: int, rule: PriceRule, exponents: Mapping[str, int]) -> None:
        self._place = place
        self._rule = rule
        self._scales = {
            currency: Decimal(1).scaleb(exponent) for currency, exponent in exponents.items()
        }
        self._max: dict[str, Decimal] = {}
        for currency, most in rule.max.items():
            try:
                self._max[currency] = Decimal(most)
            except InvalidOperation:
                raise InvalidMapping(f"price.max.{currency} is not a number") from None

    def minor(self, cells: list[str], currency: str) -> int | None:
        """The price in minor units, None for a quote."""
        scale = self._scales.get(currency)
        if scale is None or not CURRENCY.fullmatch(currency):
            raise BadCell("currency", f"currency {currency[:12]!r} is unknown")
        cell = cells[self._place].strip()
        if not cell:
            if self._rule.missing == "bad":
                raise BadCell("price_missing", "no price")
            return None
        try:
            major = Decimal(cell)
        except InvalidOperation:
            raise BadCell("price_number", f"price {cell[:40]!r} is not a number") from None
        return self._exact(major, cell[:40], scale, currency)

    def _exact(self, major: Decimal, cell: str, scale: Decimal, currency: str) -> int:
        if not major.is_finite() or "_" in cell:
            raise BadCell("price_number", f"price {cell!r} is not a number")
        if major < 0:
            raise BadCell("price_negative", f"price {cell} is negative")
        most = self._max.get(currency, self._max.get("default", Decimal(MINOR_MAX) / scale))
        if major > most:
            raise BadCell("price_absurd", f"price {cell} is above {most} {currency}")
        minor = major * scale
        if minor != minor.to_integral_value():
            raise BadCell("price_decimals", f"price {cell} has more decimals than {currency}")
        return int(minor)
