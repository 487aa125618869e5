"""Why a series was not proposed, moved or charged. Nothing has moved then."""

from handsel.foundation.core.errors import Conflict, Invalid
from handsel.foundation.db.errors import on_constraint


class SeriesLength(Invalid):
    """A series has 2 to 52 dates within a year: say occurrences or until, and not both"""

    code = "series_length"
    stored = True


class CapTooSmall(Invalid):
    """The cap must pay for one occurrence at least, and be no more than all of them cost"""

    code = "cap_too_small"
    stored = True


class OutsideMandate(Conflict):
    """The mandate does not cover this charge"""

    code = "outside_mandate"
    stored = False


class NotPlanned(Conflict):
    """There is nothing on this date that could still be left out: give its start as due_at"""

    code = "not_planned"


on_constraint("mandates_kept", OutsideMandate)
