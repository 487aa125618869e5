"""What goes out."""

from datetime import datetime

from handsel.foundation.core.schema import View
from handsel.reach.notices.texts import Kind


class NoticeView(View):
    """Something that the caller should hear of. ``ref`` is the id of what it is about."""

    id: str
    kind: Kind
    title: str
    body: str
    ref: str
    created_at: datetime
    read_at: datetime | None


class NoticePage(View):
    """Notices of the caller, newest first; ``unread`` counts all of them, not only this page."""

    items: list[NoticeView]
    next_cursor: str | None
    unread: int


class ReadAllView(View):
    """How many became read."""

    read: int
