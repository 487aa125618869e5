"""Why a dispute was not opened or moved. Nothing has moved then."""

from handsel.foundation.core.errors import Conflict, Forbidden, Invalid, NotFound
from handsel.foundation.db.errors import on_constraint


class DisputeTooLate(Conflict):
    """The time to dispute this order is over"""

    code = "dispute_too_late"


class DisputeExists(Conflict):
    """This order has a dispute already"""

    code = "dispute_exists"


class NotDisputable(Conflict):
    """There is nothing to dispute in this state of the order"""

    code = "not_disputable"


class EvidenceMissing(Invalid):
    """A claim needs at least one piece of evidence"""

    code = "evidence_missing"
    stored = True


class EvidenceKnown(Conflict):
    """This very evidence is there already"""

    code = "evidence_known"


class EvidenceUnknown(NotFound):
    """There is no such evidence"""

    code = "evidence_unknown"


class EvidenceClosed(Conflict):
    """This dispute takes no more evidence"""

    code = "evidence_closed"


class TooMuchEvidence(Conflict):
    """There is as much evidence of yours as anybody can read"""

    code = "too_much_evidence"


class SplitDoesNotSum(Invalid):
    """The parts do not add up to what waits"""

    code = "split_does_not_sum"
    stored = True


class SplitMissing(Invalid):
    """Say how the money is to be shared: this move needs a split"""

    code = "split_missing"
    stored = True


class RulingMissing(Invalid):
    """Say what you rule: this move needs a split, a reason code and whose fault it was"""

    code = "ruling_missing"
    stored = True


class OfferExpired(Conflict):
    """There is no offer of the other side's that still stands"""

    code = "offer_expired"


class OfferMissing(Invalid):
    """Say which offer you accept: its id"""

    code = "offer_missing"
    stored = True


class OfferChanged(Conflict):
    """Another offer stands by now; read it before you accept it"""

    code = "offer_changed"


class AgreedAlready(Conflict):
    """You have agreed to this proposal"""

    code = "agreed_already"


class AppealNeedsNewEvidence(Conflict):
    """An appeal needs evidence that the ruling did not know"""

    code = "appeal_needs_new_evidence"


class SameStaffCannotDecideAppeal(Forbidden):
    """Who has ruled does not decide the appeal"""

    code = "same_staff_cannot_decide_appeal"


class OwnDispute(Forbidden):
    """Nobody judges a dispute of their own"""

    code = "own_dispute"


class DisputeChanged(Conflict):
    """Somebody else moved first"""

    code = "dispute_changed"


on_constraint("disputes_one_at_a_time", DisputeExists)
on_constraint("disputes_once_each", DisputeExists)
on_constraint("dispute_evidence_once", EvidenceKnown)
