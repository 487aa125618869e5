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


class TimeMissing(Invalid):
    """This listing is booked by time: say when it starts and ends"""

    code = "time_missing"
    stored = True


class DurationDiffers(Invalid):
    """The booked time is not as long as what is bought"""

    code = "duration_differs"
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


class CodeMissing(Invalid):
    """This move needs the code that the other side shows"""

    code = "code_missing"
    stored = True


class CodeWrong(Conflict):
    """This is not the code"""

    code = "code_wrong"
    stored = False  # the same request may be right once the other side has a code


class CodeLocked(Conflict):
    """Too many wrong codes: this order goes on without one"""

    code = "code_locked"


class TooEarlyToMeet(Conflict):
    """The two meet no earlier than an hour before the agreed time"""

    code = "too_early_to_meet"
    stored = False


class NothingMissed(Conflict):
    """A no-show is reported from a quarter of an hour to a day after the agreed start"""

    code = "nothing_missed"
    stored = False


class TooManyRounds(Conflict):
    """There were as many rounds as the process allows"""

    code = "too_many_rounds"


class AgreedBefore(Conflict):
    """This is a part of an agreement: it is funded by fund_agreed"""

    code = "agreed_before"


class NotAgreedBefore(Conflict):
    """This is no part of an agreement: it is funded by fund"""

    code = "not_agreed_before"


class SplitMissing(Invalid):
    """Say what the customer gets: this move needs customer_minor"""

    code = "split_missing"
    stored = True


class SplitTooLarge(Conflict):
    """There is not as much to share"""

    code = "split_too_large"


class ChangeMissing(Invalid):
    """Say what should change: amount_minor, due_at, or both"""

    code = "change_missing"
    stored = True


class PriceIsTheProviders(Conflict):
    """A higher price is for the provider to propose: who pays it accepts it"""

    code = "price_is_the_providers"


class DueTooLate(Invalid):
    """The new time must lie ahead, and before the hold of the money ends"""

    code = "due_too_late"
    stored = True


class NothingProposed(Conflict):
    """The other side has proposed nothing that you could accept now"""

    code = "nothing_proposed"
    stored = False


class RulingDoesNotSum(Conflict):
    """What is ruled is not what is held"""

    code = "ruling_does_not_sum"


class WithOneself(Conflict):
    """This needs somebody else"""

    code = "with_oneself"


class ProposalMissing(Invalid):
    """Say which proposal you accept: this move needs proposal"""

    code = "proposal_missing"
    stored = True


class ListingIsRented(Conflict):
    """This is lent against a deposit: rent it by POST /v1/rentals"""

    code = "listing_is_rented"
