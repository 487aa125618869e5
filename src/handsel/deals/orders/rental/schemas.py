"""Bodies of rentals; the answers are those of orders."""

from datetime import datetime
from typing import Annotated

import msgspec

from handsel.deals.orders.schemas import Note
from handsel.foundation.core.schema import Input


class RentalInput(Input):
    """Rent one or more of what a listing offers by the hour or the day. A started unit of time is
    a whole one."""

    listing_id: Annotated[str, msgspec.Meta(max_length=64)]
    starts_at: datetime
    ends_at: datetime
    quantity: Annotated[int, msgspec.Meta(ge=1, le=100)] = 1
    note: Note = ""
