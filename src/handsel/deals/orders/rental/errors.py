"""Why a thing was not rented, or nothing was taken of its deposit. Nothing has moved then."""

from handsel.foundation.core.errors import Conflict, Invalid
from handsel.foundation.db.errors import on_constraint


class NotRentable(Conflict):
    """This listing is not for rent"""

    code = "not_rentable"


class RentalTooLong(Invalid):
    """A rental ends within 45 days from now"""

    code = "rental_too_long"
    stored = True


class NoDeposit(Conflict):
    """No deposit is held, so nothing can be claimed of it"""

    code = "no_deposit"


class ClaimTooLarge(Conflict):
    """A claim cannot be more than the deposit"""

    code = "claim_too_large"


class BondEnded(Conflict):
    """The deposit is not held any more"""

    code = "bond_ended"


on_constraint("bonds_claim_fits", ClaimTooLarge)
