"""E-mail addresses and phone numbers as they are stored, or a 422 that says where."""

from handsel.foundation.core.errors import Invalid
from handsel.people.members import policy


def require_phone(text: str, pointer: str = "/phone") -> str:
    """E.164. Raises ``Invalid``."""
    phone = policy.normal_phone(text)
    if phone is None:
        detail = "this is no international phone number (+ and the country code first)"
        raise Invalid(detail, errors=[{"pointer": pointer, "detail": detail}])
    return phone


def require_email(text: str, pointer: str = "/email") -> str:
    """Trimmed, lower case. Raises ``Invalid``."""
    email = policy.normal_email(text)
    if email is None:
        detail = "this is no e-mail address"
        raise Invalid(detail, errors=[{"pointer": pointer, "detail": detail}])
    return email
