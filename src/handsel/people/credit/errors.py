"""What credit refuses."""

from handsel.foundation.core.errors import Conflict, Forbidden, Invalid, NotFound
from handsel.foundation.db.errors import on_constraint


class FactRefused(Invalid):
    """A fact does not fit its kind"""

    code = "fact_refused"


class FactContested(Conflict):
    """This fact is in another open appeal of yours"""

    code = "fact_contested"


class FactRetracted(Conflict):
    """This fact has been taken out already"""

    code = "fact_retracted"


class TooManyAppeals(Conflict):
    """You have as many open appeals as there can be"""

    code = "too_many_appeals"


class AppealDecided(Conflict):
    """This appeal has been decided"""

    code = "appeal_decided"


class AppealNotProposed(Conflict):
    """Nobody has proposed what to do about this appeal"""

    code = "appeal_not_proposed"


class AppealNeedsSecond(Conflict):
    """Somebody else of the staff has to confirm this"""

    code = "appeal_needs_second"
    stored = False


class ProposalChanged(Conflict):
    """What is proposed is no longer what you have seen: look again"""

    code = "proposal_changed"
    stored = False


class OwnAppeal(Forbidden):
    """Nobody decides on their own appeal"""

    code = "own_appeal"


class AppealCounterparty(Forbidden):
    """Whoever was the other side of a contested fact does not decide on it"""

    code = "appeal_counterparty"


class AnswerMissing(Invalid):
    """A decision is told in words"""

    code = "answer_missing"


class NothingUpheld(Invalid):
    """What is upheld names the facts that were wrong; what is not is denied"""

    code = "nothing_upheld"


on_constraint("appeal_facts_once", FactContested)


class ModelUnknown(NotFound):
    """There is no such model in the register"""

    code = "model_unknown"


class ModelSeated(Conflict):
    """The seat is taken, or the model has it already"""

    code = "model_seated"


class ShadowFull(Conflict):
    """There are enough challengers in shadow"""

    code = "shadow_full"


class GatesNotPassed(Conflict):
    """The model has not passed its gates against the champion of now"""

    code = "gates_not_passed"


class ShadowTooShort(Conflict):
    """The model has not been in shadow for long enough"""

    code = "shadow_too_short"


class SecondApproverNeeded(Conflict):
    """Two different members of staff have to approve a model"""

    code = "second_approver_needed"


class ChallengerOlder(Conflict):
    """The model was trained no later than its champion"""

    code = "challenger_older"


class NothingToRollBack(Conflict):
    """There is nothing to go back to"""

    code = "nothing_to_roll_back"


class BundleTampered(Conflict):
    """A file of the model is not the one that was registered"""

    code = "bundle_tampered"


class BundleUnusable(Invalid):
    """The files of the model cannot be used"""

    code = "bundle_unusable"


class ShareInvalid(Invalid):
    """The share of a canary is out of range"""

    code = "share_invalid"


class ModelNotStaff(Forbidden):
    """Only members of staff approve a model"""

    code = "model_approver_not_staff"


class SeedOneself(Forbidden):
    """Nobody vouches for themselves"""

    code = "seed_oneself"


class SeedEnded(Conflict):
    """This member was a seed of trust and is none again"""

    code = "seed_ended"


class SeedNeedsSecond(Conflict):
    """Somebody else of the staff has to approve a seed of trust"""

    code = "seed_needs_second"


class SeedUnknown(NotFound):
    """This member is no seed of trust"""

    code = "seed_unknown"


class SeedStaffOnly(Forbidden):
    """Only members of staff name seeds of trust"""

    code = "seed_staff_only"


class SnapshotTooNew(Invalid):
    """A snapshot is as of a moment that has passed"""

    code = "snapshot_too_new"
