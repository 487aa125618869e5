"""Why a payment was not taken up."""

from handsel.foundation.core.errors import Conflict, Invalid


class CardNumberRefused(Invalid):
    """Card numbers are never accepted here, only tokens"""

    code = "card_number_refused"


class UnknownPayoutMethod(Conflict):
    """You have no such payout method"""

    code = "unknown_payout_method"
