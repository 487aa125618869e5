"""Bodies of transfers. What is answered is an order."""

from typing import Annotated

import msgspec

from handsel.deals.orders.schemas import Note
from handsel.foundation.core.schema import Input
from handsel.money.payments.schemas import PositiveMoney

#: A handle, or an id that begins with ``mem_``.
Who = Annotated[str, msgspec.Meta(min_length=1, max_length=64, examples=["ada"])]


class TransferInput(Input):
    """Send money to somebody. ``to`` is their handle or id."""

    to: Who
    amount: PositiveMoney
    note: Note = ""
