"""Why a code is not made, or not paid at. Nothing has moved then."""

from handsel.foundation.core.errors import Conflict, Invalid, NotFound


class UnknownPayCode(NotFound):
    """Nobody is paid by this code"""

    code = "unknown_pay_code"


class PayCodeRevoked(Conflict):
    """This code is no longer in use: ask for another"""

    code = "pay_code_revoked"


class PayCodeExpired(Conflict):
    """The time of this code is over: ask for another"""

    code = "pay_code_expired"


class PayCodeAmountMismatch(Invalid):
    """This is not the amount, or not the currency, that the code asks for"""

    code = "pay_code_amount_mismatch"
    stored = True


class PayCodeAmountMissing(Invalid):
    """The code names no amount: say how much you pay"""

    code = "pay_code_amount_missing"
    stored = True


class PayCodeExpiryPassed(Invalid):
    """A code expires in the future, or not at all"""

    code = "pay_code_expiry_passed"
    stored = True


class TooManyPayCodes(Conflict):
    """There are too many codes in use: revoke some first"""

    code = "too_many_pay_codes"
