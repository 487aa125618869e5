"""What escrow refuses."""

from handsel.foundation.core.errors import Conflict


class NothingReserved(Conflict):
    """No chargeback has taken as much from this reserve"""

    code = "nothing_reserved"
