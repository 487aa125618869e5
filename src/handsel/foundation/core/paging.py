"""Opaque cursors: a keyset position, bound by HMAC to the list and the filters it was made for."""

import base64
import binascii
import hashlib
import hmac
from typing import Any

import msgspec

from handsel.foundation.core.errors import Malformed

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


def _tag(secret: bytes, scope: str, body: bytes) -> bytes:
    return hmac.digest(secret, scope.encode() + b"\0" + body, hashlib.sha256)[:_TAG_BYTES]
