"""Why a quote, an offer or an agreement was refused. Nothing has moved then."""

from handsel.foundation.core.errors import Conflict, Invalid


class ListingHasPrice(Conflict):
    """This listing has a price: order it instead"""

    code = "listing_has_price"


class OfferMissing(Invalid):
    """This move needs an offer: POST /v1/orders/{order}/offers"""

    code = "offer_missing"
    stored = True


class AgreementMissing(Invalid):
    """To accept, name what you accept: POST /v1/orders/{order}/agreement"""

    code = "agreement_missing"
    stored = True


class TermsHashMismatch(Conflict):
    """What you name is not the offer that is on the table"""

    code = "terms_hash_mismatch"


class MilestonesDoNotSum(Invalid):
    """The milestones must add up to the price exactly"""

    code = "milestones_do_not_sum"
    stored = True


class InvalidDates(Invalid):
    """A milestone is due between two hours and a year from now, each after the one before it"""

    code = "invalid_dates"
    stored = True


class InvalidValidity(Invalid):
    """An offer must be valid for some time, at most 30 days, and not beyond its first milestone"""

    code = "invalid_validity"
    stored = True


class TooEarlyToFund(Conflict):
    """A milestone is paid for at most 30 days before it is due"""

    code = "too_early_to_fund"


class AgreementStopped(Conflict):
    """The rest of this job was stopped: nothing more of it is paid for"""

    code = "agreement_stopped"
