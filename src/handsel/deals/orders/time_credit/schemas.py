"""Bodies and answers of hours. An order of hours counts in minutes: its currency is ``MIN``."""

from datetime import datetime
from typing import Annotated

import msgspec

from handsel.deals.orders.schemas import Note
from handsel.deals.orders.transfer.schemas import Who
from handsel.foundation.core.schema import Input, View


class TimeCreditInput(Input):
    """Ask somebody for work, for hours. ``provider`` is their handle or id; ``due_at`` is by when
    it should be done, between two hours and sixty days from now; without it, in 14 days."""

    provider: Who
    minutes: Annotated[int, msgspec.Meta(ge=15, le=600, multiple_of=5)]
    title: Annotated[str, msgspec.Meta(min_length=3, max_length=120, examples=["Mend my bicycle"])]
    due_at: datetime | None = None
    note: Note = ""


class TimeAccountView(View):
    """Your hours, in minutes: given less taken (``balance``), what is set aside for orders, how far
    below zero you may go (``floor``), and so what you may still take."""

    balance: int
    held: int
    floor: int
    available: int
