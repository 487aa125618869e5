"""Who is in a canary: a share of members, the same ones each time."""

from __future__ import annotations

import hashlib

WHOLE_BPS = 10_000


def place_of(model_id: str, member_id: str) -> int:
    """A member's place in the canary of a model, 0 to 9,999, even over members.

    A hash of both: stable for a model, so nobody's score flickers; other members for the next
    model, so nobody is tried on each time. A larger share keeps the members of a smaller one.
    """
    digest = hashlib.sha256(f"{model_id}:{member_id}".encode()).digest()
    return int.from_bytes(digest[:8], "big") % WHOLE_BPS


def in_canary(model_id: str, member_id: str, share_bps: int) -> bool:
    """Whether a member belongs to the share, in hundredths of a percent."""
    return place_of(model_id, member_id) < share_bps
