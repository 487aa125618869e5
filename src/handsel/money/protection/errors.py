"""Why a claim was not taken up or not decided. Whenever one is raised, nothing has moved."""

from handsel.foundation.core.errors import Conflict, Forbidden, Invalid
from handsel.foundation.db.errors import on_constraint
from handsel.money.ledger.errors import UnknownUnit


class ClaimOpen(Conflict):
    """You have an open claim already"""

    code = "claim_open"


class AlreadyClaimed(Conflict):
    """This loss is in another claim of yours"""

    code = "already_claimed"


class NothingLost(Conflict):
    """No money of yours has gone there"""

    code = "nothing_lost"


class ClaimAboveLoss(Conflict):
    """This is more than you have lost there"""

    code = "claim_above_loss"


class ClaimTooLate(Conflict):
    """This happened too long ago"""

    code = "claim_too_late"


class ClaimClosed(Conflict):
    """This claim has been decided"""

    code = "claim_closed"


class AwardInvalid(Invalid):
    """An upheld claim needs an amount, within what was claimed and is still lost"""

    code = "award_invalid"


class ReasonsMissing(Invalid):
    """A decision needs its reasons"""

    code = "reasons_missing"


class AlreadyExtended(Conflict):
    """The time of a claim is extended once"""

    code = "claim_already_extended"


class OwnClaim(Forbidden):
    """Nobody decides on their own claim"""

    code = "own_claim"


class SecondStaffNeeded(Conflict):
    """Somebody else of the staff has to say the same"""

    code = "second_staff_needed"
    stored = False


class NothingToRecover(Conflict):
    """There is nothing that could be recovered"""

    code = "nothing_to_recover"


on_constraint("claims_one_open", ClaimOpen)
on_constraint("claim_items_once", AlreadyClaimed)
on_constraint("claims_unit_fkey", UnknownUnit)
