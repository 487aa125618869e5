"""Bodies and answers of shared appointments, check-ins and alarms."""

from datetime import datetime
from typing import Annotated, Literal

import msgspec

from handsel.foundation.core.schema import Input, View

Arrival = Literal["arrived", "left"]


class ShareInput(Input):
    """Share with a member by ``contact`` (a handle), who is told; or without one, to send the link
    to whom you trust yourself: we send nothing to people who are not here."""

    contact: Annotated[str, msgspec.Meta(max_length=64)] | None = None


class ShareView(View):
    """Who may see an order of yours. ``link`` is given once, when it is made: only a hash of its
    secret is kept."""

    id: str
    order_id: str
    contact: str | None
    created_at: datetime
    expires_at: datetime
    revoked_at: datetime | None
    link: str | None = None


class ShareList(View):
    """All that you ever made of an order, oldest first."""

    items: list[ShareView]


class CheckInInput(Input):
    """``arrived`` or ``left``; each counts once."""

    kind: Arrival


class Noted(View):
    """It is noted, since when."""

    order_id: str
    noted_at: datetime


class CheckIn(View):
    """Somebody came or went; ``who`` is a handle."""

    who: str
    kind: Arrival
    at: datetime


class CheckIns(View):
    """Oldest first."""

    items: list[CheckIn]


class SharedOrder(View):
    """What a trusted contact sees of an order: who, what, when, how it stands. No money."""

    title: str
    shared_by: str
    customer: str
    provider: str
    starts_at: datetime | None
    due_at: datetime
    state: str
    promise: str
    check_ins: list[CheckIn]
    expires_at: datetime


class Alarm(msgspec.Struct, frozen=True, kw_only=True):
    """An alarm in the queue, for staff."""

    id: str
    order_id: str
    member_id: str
    state: Literal["open", "taken"]
    raised_at: datetime
    taken_at: datetime | None
