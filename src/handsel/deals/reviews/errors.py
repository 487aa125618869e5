"""Why a review was not written, changed or answered. Nothing has moved then."""

from handsel.foundation.core.errors import Conflict, Invalid
from handsel.foundation.db.errors import on_constraint


class ReviewTooEarly(Conflict):
    """Only settled orders can be reviewed"""

    code = "review_too_early"


class ReviewTooLate(Conflict):
    """The fourteen days for reviews are over"""

    code = "review_too_late"


class NothingPaid(Conflict):
    """An order that paid less than one unit of its currency is not reviewed"""

    code = "review_nothing_paid"


class ReviewedAlready(Conflict):
    """You have reviewed this order already; until it is published you can change your review"""

    code = "reviewed_already"


class ReviewPublished(Conflict):
    """A published review is not changed"""

    code = "review_published"


class ReplyOnce(Conflict):
    """You have replied to this review already"""

    code = "reply_once"


class ReplyTooLate(Conflict):
    """The fourteen days for a reply are over"""

    code = "reply_too_late"


class WrongAspect(Invalid):
    """This aspect is for the other side to judge"""

    code = "wrong_aspect"
    stored = True


on_constraint("reviews_once", ReviewedAlready)
