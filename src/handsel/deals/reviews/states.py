"""The life of a review. Pure.

pending → published → replied, or closed when the time for a reply is over. Time publishes and
closes; a pending review is also published by the other side's.
"""

from datetime import timedelta
from typing import Literal

State = Literal["pending", "published", "replied", "closed"]
Verb = Literal["edit", "publish", "reply", "close"]

#: To write a review, counted from the settlement.
WINDOW = timedelta(days=14)
#: To reply, counted from the publication.
REPLY_WINDOW = timedelta(days=14)

_NEXT: dict[tuple[State, Verb], State] = {
    ("pending", "edit"): "pending",
    ("pending", "publish"): "published",
    ("published", "reply"): "replied",
    ("published", "close"): "closed",
}


def after(state: State, verb: Verb) -> State | None:
    """The state that a verb leads to; None where it is not possible."""
    return _NEXT.get((state, verb))
