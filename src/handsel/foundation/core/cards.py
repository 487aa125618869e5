"""Card numbers are never accepted, in no field: what has one in it is refused before it is read."""

import re
from collections.abc import Iterator
from typing import Any

import msgspec

_RUN = re.compile(r"\d(?:[ -]?\d){12,}")
_RAW_RUN = re.compile(rb"\d(?:[ -]?\d){12,}")
_SHORTEST, _LONGEST = 13, 19


def holds_card_number(text: str) -> bool:
    """Whether a text has something in it that is a card number by length, first digit and Luhn's
    check digit. What belongs to a word (an IBAN, an id) or begins with + (a phone) is none."""
    for run in _RUN.finditer(text):
        before, after = text[: run.start()][-1:], text[run.end() :][:1]
        digits = run[0].replace(" ", "").replace("-", "")
        if before.isalnum() or before in ("+", "_") or after.isalnum() or after == "_":
            continue
        if _SHORTEST <= len(digits) <= _LONGEST and digits[0] in "23456" and _luhn(digits):
            return True
    return False


def body_holds_card_number(raw: bytes) -> bool:
    """Whether any string of a JSON body, keys included, holds one. Cheap where there is none."""
    if _RAW_RUN.search(raw) is None:
        return False
    try:
        value = msgspec.json.decode(raw)
    except (msgspec.DecodeError, UnicodeDecodeError):
        return False  # refused as what it is
    return any(holds_card_number(text) for text in _strings(value))


def _strings(value: Any) -> Iterator[str]:
    if isinstance(value, str):
        yield value
    elif isinstance(value, dict):
        for key, item in value.items():
            yield key
            yield from _strings(item)
    elif isinstance(value, list):
        for item in value:
            yield from _strings(item)


def _luhn(digits: str) -> bool:
    total = 0
    for place, digit in enumerate(reversed(digits)):
        value = int(digit) * (1 + place % 2)
        total += value - 9 if value > 9 else value
    return total % 10 == 0
