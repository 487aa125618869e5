"""What credit refuses."""

from handsel.foundation.core.errors import Invalid


class FactRefused(Invalid):
    """A fact does not fit its kind"""

    code = "fact_refused"
