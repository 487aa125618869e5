"""Opaque cursors: where a page ended, bound to the query that produced it.

A cursor holds only what its reader has seen (a key and an id), so it is not signed; it is checked
against a fingerprint of the query, and a forged one can at worst start a page elsewhere.
"""

from __future__ import annotations

import base64
import binascii
import hashlib
import math
from typing import Final, Literal
from uuid import UUID

import msgspec

from handsel_search.errors import InvalidSearch
from handsel_search.query import SearchQuery

__all__ = ("Mode", "Position", "decode_cursor", "encode_cursor", "fingerprint")

Mode = Literal["all", "typo", "any"]
OFFSET_MAX: Final = 200


class Position(msgspec.Struct, frozen=True, array_like=True):
    """Where the page before ended.

    For keyset sorts: the last hit's sort key (metres, minor units or microseconds; None stands for
    "no distance" or "quote", which come last) and its id, how the text was matched, and the total
    told on the first page. For "best": ``offset`` into the ranked candidates.
    """

    mode: Mode = "all"
    key: float | int | None = None
    id: str = ""
    total: int = 0
    offset: int = 0


class _Envelope(msgspec.Struct, frozen=True, array_like=True):
    query: str
    position: Position


def fingerprint(query: SearchQuery) -> str:
    """Twelve hex digits of everything in the query but its cursor and page size."""
    plain = msgspec.structs.asdict(query)
    del plain["cursor"], plain["page_size"]
    raw = msgspec.json.encode(plain, order="deterministic")
    return hashlib.blake2b(raw, digest_size=6).hexdigest()


def encode_cursor(query: SearchQuery, position: Position) -> str:
    """The cursor of the page after ``position``."""
    raw = msgspec.json.encode(_Envelope(fingerprint(query), position))
    return base64.urlsafe_b64encode(raw).rstrip(b"=").decode()


def decode_cursor(query: SearchQuery) -> Position | None:
    """The position in ``query.cursor``, or None on a first page.

    Raises:
        InvalidSearch: ``cursor_invalid`` or, for another query's cursor, ``cursor_mismatch``.
    """
    if query.cursor is None:
        return None
    try:
        padded = query.cursor.encode("ascii") + b"=" * (-len(query.cursor) % 4)
        raw = base64.b64decode(padded, altchars=b"-_", validate=True)
        envelope = msgspec.json.decode(raw, type=_Envelope)
        _check(envelope.position, keyset=query.sort != "best")
    except (ValueError, binascii.Error) as error:
        raise InvalidSearch(
            "cursor_invalid", "/cursor", "This is not one of our cursors."
        ) from error
    if envelope.query != fingerprint(query):
        raise InvalidSearch("cursor_mismatch", "/cursor", "This cursor belongs to another search.")
    return envelope.position


def _check(position: Position, *, keyset: bool) -> None:
    if not 0 <= position.offset <= OFFSET_MAX or position.total < 0:
        raise ValueError("offset out of range")
    if keyset and str(UUID(position.id)) != position.id:
        raise ValueError("not an id")
    if position.key is not None and not (math.isfinite(position.key) and abs(position.key) < 2**53):
        raise ValueError("not a key")
