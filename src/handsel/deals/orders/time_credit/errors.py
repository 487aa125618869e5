"""Why hours are not exchanged. Nothing has moved then."""

from handsel.foundation.core.errors import Conflict, Forbidden


class TimeNotForYou(Forbidden):
    """Hours are exchanged between verified members whose accounts are open"""

    code = "time_not_for_you"


class TooFewHours(Conflict):
    """You have taken as many hours as may be owed: give some first"""

    code = "too_few_hours"
    stored = False  # hours come back, and are earned
