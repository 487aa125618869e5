"""Identifiers: UUIDv7 inside, prefixed on the wire (``ord_0199…``): a pasted id says what it is.

An id is never a secret: secrets are 256 random bits, stored hashed.
"""

import hashlib
import secrets
from uuid import UUID

from handsel.foundation.core import clock
from handsel.foundation.core.errors import NotFound


def encode(prefix: str, value: UUID) -> str:
    """``encode("ord", id)`` is ``"ord_" + 32 hex digits``."""
    return f"{prefix}_{value.hex}"


def decode(prefix: str, text: str) -> UUID:
    """The UUID behind a prefixed id. Raises ``NotFound``: a malformed id names nothing."""
    head, _, tail = text.partition("_")
    if head != prefix or len(tail) != 32:
        raise NotFound(f"no {prefix}_… has this id")
    try:
        return UUID(hex=tail)
    except ValueError:
        raise NotFound(f"no {prefix}_… has this id") from None


def uuid7() -> UUID:
    """A UUIDv7 (RFC 9562) made here, for a row whose id something else of the same write needs;
    elsewhere the database makes them."""
    bits = clock.unix_ms() << 80 | 0x7 << 76 | secrets.randbits(12) << 64
    return UUID(int=bits | 0b10 << 62 | secrets.randbits(62))


def new_secret() -> str:
    """256 random bits for tokens, URL-safe."""
    return secrets.token_urlsafe(32)


def digest(secret: str) -> bytes:
    """What is stored of a token: SHA-256 is enough for 256 random bits."""
    return hashlib.sha256(secret.encode()).digest()
