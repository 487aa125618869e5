"""Statements of our bank: CAMT.053 (ISO 20022), or a plain CSV."""

import csv
import io
from dataclasses import dataclass
from datetime import date
from decimal import Decimal, InvalidOperation
from xml.etree import ElementTree

from handsel.foundation.core.errors import UserError
from handsel.foundation.core.money import exponent, known_currencies

_COLUMNS = ("id", "date", "reference", "amount", "currency")
_LARGEST = 20_000_000


class BankFileInvalid(UserError):
    """The statement cannot be read; the text says where and why."""


@dataclass(frozen=True, slots=True)
class BankLine:
    """One booking on our account; ``amount_minor`` is positive when money came in."""

    id: str
    reference: str
    amount_minor: int
    unit: str
    booked_on: date


def read(raw: bytes) -> list[BankLine]:
    """The lines of a statement. Raises ``BankFileInvalid``; nothing is taken from a broken file."""
    if len(raw) > _LARGEST:
        raise BankFileInvalid("the statement is larger than 20 MB")
    if raw.lstrip()[:1] == b"<":
        return _camt(raw)
    try:
        return _csv(raw.decode("utf-8-sig"))
    except UnicodeDecodeError as error:
        raise BankFileInvalid(f"the statement is not UTF-8: {error}") from None


def _csv(text: str) -> list[BankLine]:
    reader = csv.DictReader(io.StringIO(text))
    missing = [c for c in _COLUMNS if c not in (reader.fieldnames or ())]
    if missing:
        raise BankFileInvalid(f"the columns {', '.join(missing)} are missing")
    return [
        _line(f"line {number}", row["id"], row["reference"], row["amount"], row["currency"],
              row["date"])
        for number, row in enumerate(reader, start=2)
    ]  # fmt: skip


def _camt(raw: bytes) -> list[BankLine]:
    # A statement needs no document type; entities are how XML is made to explode.
    if b"<!DOCTYPE" in raw or b"<!ENTITY" in raw:
        raise BankFileInvalid("the statement has a document type, which is not accepted")
    try:
        root = ElementTree.fromstring(raw)  # noqa: S314 - no document type, so no entities
    except ElementTree.ParseError as error:
        raise BankFileInvalid(f"the statement is not XML: {error}") from None
    space = root.tag.partition("}")[0] + "}" if root.tag.startswith("{") else ""
    found = []
    for number, entry in enumerate(root.iter(f"{space}Ntry"), start=1):
        where = f"entry {number}"
        amount = entry.find(f"{space}Amt")
        if amount is None:
            raise BankFileInvalid(f"{where}: there is no amount")
        sign = "-" if entry.findtext(f"{space}CdtDbtInd") == "DBIT" else ""
        booked = entry.findtext(f"{space}BookgDt/{space}Dt") or ""
        name = entry.findtext(f"{space}AcctSvcrRef") or ""
        reference = (
            entry.findtext(f".//{space}EndToEndId") or entry.findtext(f".//{space}Ustrd") or name
        )
        text = sign + (amount.text or "")
        found.append(_line(where, name, reference, text, amount.get("Ccy", ""), booked))
    return found


def _line(
    where: str, name: str | None, reference: str | None, amount: str | None, unit: str | None,
    booked: str | None,
) -> BankLine:  # fmt: skip
    if not name or not name.strip():
        raise BankFileInvalid(f"{where}: a line needs the bank's own id")
    if unit not in known_currencies():
        raise BankFileInvalid(f"{where}: {unit!r} is no currency")
    try:
        minor = Decimal((amount or "").strip()).scaleb(exponent(unit))
        day = date.fromisoformat((booked or "").strip())
    except InvalidOperation:
        raise BankFileInvalid(f"{where}: {amount!r} is no amount") from None
    except ValueError:
        raise BankFileInvalid(f"{where}: {booked!r} is no date") from None
    if not minor.is_finite() or minor != minor.to_integral_value() or abs(minor) > 10**15:
        raise BankFileInvalid(f"{where}: {amount!r} is no amount in {unit}")
    return BankLine(name.strip(), (reference or "").strip(), int(minor), unit, day)
