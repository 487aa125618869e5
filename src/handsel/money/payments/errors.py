"""Why a payment was not taken up."""

from handsel.foundation.core.errors import Conflict, Forbidden, Invalid
from handsel.foundation.db.errors import on_constraint


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


class PayoutMethodCooling(Conflict):
    """This payout method is new and cannot be used yet"""

    code = "payout_method_cooling"
    stored = False  # it will be usable by itself


class PayoutRefused(Forbidden):
    """Your money cannot be paid out yet"""

    code = "payout_refused"


class PayoutStopped(Conflict):
    """What may be charged back to you stays in the wallet"""

    code = "payout_stopped"
    stored = False


class DebtFirst(Conflict):
    """What you owe stays in the wallet"""

    code = "debt_first"
    stored = False


class BelowPayoutMinimum(Invalid):
    """This is less than the least payout"""

    code = "below_payout_minimum"
    stored = True


class VelocityLimit(Forbidden):
    """This is too much or too often at the moment"""

    code = "velocity_limit"


class ClientReferenceUsed(Conflict):
    """You have used this client_reference before"""

    code = "client_reference_used"


on_constraint("payout_methods_once", PayoutMethodExists)
on_constraint("top_ups_client_reference", ClientReferenceUsed)
on_constraint("withdrawals_client_reference", ClientReferenceUsed)


class SignatureInvalid(Invalid):
    """This webhook does not carry the provider's signature"""

    code = "signature_invalid"
    status = 401


class TimestampOutside(Invalid):
    """This webhook was signed more than five minutes from now"""

    code = "timestamp_outside"
    status = 401


class WebhookMalformed(Invalid):
    """This webhook cannot be read"""

    code = "webhook_malformed"


class WebhookBodyDiffers(Conflict):
    """This event came before with another body: it is in quarantine"""

    code = "webhook_body_differs"


class UnknownProviderObject(Conflict):
    """The sandbox provider has no such object, or not in this state"""

    code = "unknown_provider_object"
