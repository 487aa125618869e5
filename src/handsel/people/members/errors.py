"""What can be refused here."""

from datetime import timedelta

from handsel.foundation.core.errors import (
    Conflict,
    Forbidden,
    Invalid,
    Problem,
    TooManyRequests,
    Unauthenticated,
)
from handsel.foundation.db.errors import on_constraint


class HandleTaken(Conflict):
    """This handle belongs to somebody else"""

    code = "handle_taken"


class ContactUnavailable(Conflict):
    """These contact details cannot be used here"""

    code = "contact_unavailable"

    def __init__(self, detail: str = "") -> None:
        super().__init__(detail or "if they are yours, log in to the account that has them")


class ContactFixed(Conflict):
    """A verified address or number cannot be replaced yet"""

    code = "contact_fixed"


class VerificationFailed(Conflict):
    """The verifier could not confirm this"""

    code = "verification_failed"


class WeakPassword(Invalid):
    """This password is too easy to guess"""

    code = "weak_password"


class CodeRefused(Invalid):
    """This code is wrong, used or expired"""

    code = "code_refused"


class WrongCredentials(Unauthenticated):
    """No account has this log-in and password"""

    code = "wrong_credentials"


class WrongPassword(Forbidden):
    """This is not your password"""

    code = "wrong_password"
    stored = False  # says nothing of the request's merits


class AccountLocked(Forbidden):
    """Your account is locked"""

    code = "account_locked"
    stored = False  # the lock can be lifted


class PayoutsFrozen(Forbidden):
    """Nothing is paid out of your account at the moment"""

    code = "payouts_frozen"
    stored = False


class NotLocked(Conflict):
    """Your account is not locked"""

    code = "not_locked"


class ContactMissing(Conflict):
    """Your account has no verified contact for this"""

    code = "contact_missing"


class NewPasswordRequired(Invalid):
    """The old password may be stolen: choose a new one"""

    code = "new_password_required"


class ProviderAbsent(Problem):
    """This installation has no provider for this"""

    code = "provider_absent"
    status = 503


def slow_down(what: str, wait: timedelta) -> TooManyRequests:
    """429 with the time to wait, in the header and as a member."""
    seconds = max(1, -(-wait // timedelta(seconds=1)))
    return TooManyRequests(
        f"too many {what}; try again in {seconds} s",
        headers={"Retry-After": str(seconds)},
        retry_after_s=seconds,
    )


on_constraint("members_handle_key", HandleTaken)
on_constraint("members_email_key", ContactUnavailable)
on_constraint("members_phone_key", ContactUnavailable)
