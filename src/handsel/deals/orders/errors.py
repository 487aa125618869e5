"""Why an order was not opened or moved. Nothing has moved then."""

from handsel.foundation.core.errors import Conflict, Forbidden, Invalid


class OwnListing(Conflict):
    """You cannot order from yourself"""

    code = "own_listing"


class ListingNotOrderable(Conflict):
    """This listing cannot be ordered now"""

    code = "listing_not_orderable"


class ListingNeedsQuote(Conflict):
    """This listing has no fixed price: ask for a quote"""

    code = "listing_needs_quote"


class InvalidStart(Invalid):
    """The start must lie between two hours and sixty days from now"""

    code = "invalid_start"
    stored = True


class OrderChanged(Conflict):
    """Somebody else moved first"""

    code = "order_changed"


class NotRevocable(Conflict):
    """The time to take the payment back is over"""

    code = "not_revocable"


class CancellingCosts(Conflict):
    """Cancelling is no longer free"""

    code = "cancelling_costs"


class CancellingIsFree(Conflict):
    """Cancelling is still free"""

    code = "cancelling_is_free"


class DeadlinePassed(Conflict):
    """The time for this is over"""

    code = "deadline_passed"
    stored = False  # the order moves by itself within moments; then the same request may be judged


class NotStarted(Conflict):
    """The agreed time has not come yet"""

    code = "not_started"


class ProofMissing(Invalid):
    """Say what was done: delivery needs a note as proof"""

    code = "proof_missing"
    stored = True


class ReasonMissing(Invalid):
    """Say why: this move needs a note"""

    code = "reason_missing"
    stored = True


class CannotReceive(Forbidden):
    """You cannot receive money yet"""

    code = "cannot_receive"


class PartTooLarge(Conflict):
    """A part must be less than what is still held; to give all of it back there is give_back"""

    code = "part_too_large"


class AmountMissing(Invalid):
    """Say how much: this move needs amount_minor"""

    code = "amount_missing"
    stored = True
