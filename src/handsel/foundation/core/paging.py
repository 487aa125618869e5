"""Opaque cursors: a keyset position, bound by HMAC to the list and the filters it was made for."""

import base64
import binascii
import hashlib
import hmac
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any, Generic, TypeVar
from uuid import UUID

import msgspec

from handsel.foundation.core.errors import Malformed

T = TypeVar("T")
_TAG_BYTES = 12


class InvalidCursor(Malformed):
    """This cursor does not belong to this list"""

    code = "invalid_cursor"


def seal(secret: bytes, scope: str, position: list[Any]) -> str:
    """A cursor for ``position`` (JSON values) that opens only with the same ``scope``."""
    body = msgspec.json.encode(position)
    return base64.urlsafe_b64encode(_tag(secret, scope, body) + body).decode().rstrip("=")


def unseal(secret: bytes, scope: str, cursor: str) -> list[Any]:
    """The position inside a cursor. Raises ``InvalidCursor``."""
    try:
        raw = base64.urlsafe_b64decode(cursor + "=" * (-len(cursor) % 4))
    except (binascii.Error, ValueError):
        raise InvalidCursor from None
    tag, body = raw[:_TAG_BYTES], raw[_TAG_BYTES:]
    if not hmac.compare_digest(tag, _tag(secret, scope, body)):
        raise InvalidCursor
    position: list[Any] = msgspec.json.decode(body)
    return position


@dataclass(frozen=True, slots=True)
class IdPages(Generic[T]):
    """Pages of a list that is newest first by id. Fetch ``page_size + 1`` below ``before``: the one
    too many says whether there is a next page."""

    secret: bytes
    scope: str
    page_size: int
    id_of: Callable[[T], UUID]

    def before(self, cursor: str | None) -> UUID | None:
        """The id below which the page begins; None for the first. Raises ``InvalidCursor``."""
        return None if cursor is None else UUID(unseal(self.secret, self.scope, cursor)[0])

    def cut(self, found: Sequence[T]) -> tuple[Sequence[T], str | None]:
        """The page among what was found, and the cursor of the next one if there is one."""
        page = found[: self.page_size]
        if len(found) <= self.page_size:
            return page, None
        return page, seal(self.secret, self.scope, [self.id_of(page[-1]).hex])


def _tag(secret: bytes, scope: str, body: bytes) -> bytes:
    return hmac.digest(secret, scope.encode() + b"\0" + body, hashlib.sha256)[:_TAG_BYTES]
