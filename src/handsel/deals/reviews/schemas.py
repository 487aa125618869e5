"""Bodies and answers of reviews."""

from datetime import datetime
from typing import Annotated, Literal

import msgspec

from handsel.foundation.core.schema import Input, View

Side = Literal["customer", "provider"]
Stars = Annotated[int, msgspec.Meta(ge=1, le=5)]
Text = Annotated[str, msgspec.Meta(max_length=2000)]
#: What each side may judge of the other, by the author's role in the order.
ASPECTS: dict[Side, frozenset[str]] = {
    "customer": frozenset({"quality", "communication", "punctuality", "as_described", "value"}),
    "provider": frozenset({"clarity", "punctuality", "respect", "prompt_release"}),
}


class Aspects(Input):
    """Stars for single aspects, each optional. A customer judges quality, communication,
    punctuality, as_described and value; a provider clarity, punctuality, respect and
    prompt_release."""

    quality: Stars | None = None
    communication: Stars | None = None
    punctuality: Stars | None = None
    as_described: Stars | None = None
    value: Stars | None = None
    clarity: Stars | None = None
    respect: Stars | None = None
    prompt_release: Stars | None = None

    def given(self) -> dict[str, int]:
        """Those that were given, by name."""
        found = {name: getattr(self, name) for name in self.__struct_fields__}
        return {name: stars for name, stars in found.items() if stars is not None}


class Confidence(Input):
    """For the house alone: it is shown to nobody, also not to you again."""

    text: Text = ""
    deal_again: bool | None = None


class ReviewEdit(Input):
    """The whole review. ``stars`` is the overall judgement; without ``confidence``, what you told
    the house before stays."""

    stars: Stars
    text: Text = ""
    aspects: Aspects = Aspects()
    confidence: Confidence | None = None


class ReviewInput(ReviewEdit, kw_only=True):
    """One to five stars and a text, for the other side of a settled order."""

    order_id: Annotated[str, msgspec.Meta(max_length=64)]


class ReplyInput(Input):
    """One public reply, as long as a review."""

    text: Annotated[str, msgspec.Meta(min_length=1, max_length=2000)]


class ReviewView(View):
    """A review; ``role`` is the author's in the order. While it is pending only its author sees
    it, and ``closes_at`` is when it is published at the latest."""

    id: str
    state: Literal["pending", "published", "replied", "closed"]
    version: int
    order_id: str
    author_id: str
    subject_id: str
    role: Side
    stars: int
    aspects: dict[str, int]
    text: str
    created_at: datetime
    closes_at: datetime
    published_at: datetime | None
    reply: str | None
    replied_at: datetime | None


class ReviewPage(View):
    """Newest first."""

    items: list[ReviewView]
    next_cursor: str | None = None


class OrderReviews(View):
    """Both sides of one order. ``theirs`` is absent until it is published; ``they_have_written``
    says that it waits."""

    yours: ReviewView | None
    theirs: ReviewView | None
    they_have_written: bool
