"""Why a payment was not taken up."""

from handsel.foundation.core.errors import Conflict, Forbidden, Invalid


class CardNumberRefused(Invalid):
    """Card numbers are never accepted here, only tokens"""

    code = "card_number_refused"


class UnknownPayoutMethod(Conflict):
    """You have no such payout method"""

    code = "unknown_payout_method"


class TopUpTooLarge(Invalid):
    """This is more than one top-up may bring"""

    code = "top_up_too_large"
    stored = True


class PayoutMethodExists(Conflict):
    """You have added this bank account already"""

    code = "payout_method_exists"


class PayoutRefused(Forbidden):
    """Your money cannot be paid out yet"""

    code = "payout_refused"
