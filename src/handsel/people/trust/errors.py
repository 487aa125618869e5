"""What trust refuses. ``Refused`` and its kinds carry ``reasons`` and ``path``."""

from handsel.foundation.core.errors import Conflict, Forbidden, NotFound
from handsel.foundation.db.errors import on_constraint


class Refused(Forbidden):
    """Your trust tier does not allow this"""

    code = "refused"


class OverLimit(Refused):
    """This is over your limit"""

    code = "over_limit"


class PayerNotVerified(Refused):
    """You have to verify yourself before you can pay"""

    code = "payer_not_verified"


class PayerRestricted(Refused):
    """Your account cannot pay at the moment"""

    code = "payer_restricted"


class PayerLocked(Refused):
    """Your account is locked and cannot pay"""

    code = "payer_locked"


class PayeeNotVerified(Refused):
    """The other side is not verified and cannot be paid yet"""

    code = "payee_not_verified"


class PayeeRestricted(Refused):
    """The other side cannot receive money at the moment"""

    code = "payee_restricted"


class SelfPayment(Refused):
    """You cannot pay yourself"""

    code = "self_payment"


class CurrencyNotSupported(Refused):
    """The policy has no rate for this currency"""

    code = "currency_not_supported"


class ConfirmationRequired(Forbidden):
    """Confirm payee, amount and terms first"""

    code = "confirmation_required"
    stored = False  # the same request, with a token, is the next try


class ConfirmationMismatch(Forbidden):
    """The confirmation was given for something else"""

    code = "confirmation_mismatch"
    stored = False


class ConfirmationExpired(Forbidden):
    """The confirmation is too old"""

    code = "confirmation_expired"
    stored = False


class ConfirmationUsed(Conflict):
    """The confirmation has been used"""

    code = "confirmation_used"
    stored = False


class ExposureNotReserved(Conflict):
    """This payment is not reserved"""

    code = "exposure_not_reserved"


class ExposureExists(Conflict):
    """A payment of this order is reserved already"""

    code = "exposure_exists"


on_constraint("exposures_once", ExposureExists)
on_constraint("confirmations_payee", NotFound)
on_constraint("confirmations_not_self", SelfPayment)
