"""Why a member may not owe now. Nothing has moved then."""

from handsel.foundation.core.errors import Forbidden


class OverOwingLimit(Forbidden):
    """Together with what you owe already this is more than your tier may owe"""

    code = "over_owing_limit"


class DebtOpen(Forbidden):
    """Pay what is overdue first"""

    code = "debt_open"
