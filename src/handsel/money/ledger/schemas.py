"""What the ledger says of itself."""

from datetime import datetime

from handsel.foundation.core.schema import View


class StatementLine(View):
    """One transfer as one account sees it: ``amount_minor`` is positive when money came in."""

    id: str
    booked_at: datetime
    code: str
    reference: str
    amount_minor: int
    balance_minor: int


class StatementPage(View):
    """Newest first, with the balance after each line."""

    items: list[StatementLine]
    currency: str
    next_cursor: str | None = None
