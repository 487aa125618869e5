"""How much, how often, and what is a handle, an address, a number, a password. Pure."""

import re
import unicodedata
from dataclasses import dataclass
from datetime import timedelta
from importlib.resources import files

import phonenumbers


@dataclass(frozen=True, slots=True)
class Limit:
    """At most so many hits in a window that starts with the first hit."""

    name: str
    most: int
    window: timedelta


SESSION_LIFE = timedelta(days=30)
CODE_LIFE = timedelta(minutes=10)
CODE_ATTEMPTS = 5
PENDING_VERIFICATION = timedelta(days=1)

# Log-in. Who fails at one account from one address waits a quarter of an hour. The account as a
# whole has a limit too, against guesses from many addresses; it does not bind an address from which
# the member has logged in before, so a stranger's hammering cannot lock its owner out.
LOG_IN_PAIR = Limit("log_in_pair", 5, timedelta(minutes=15))
LOG_IN_ACCOUNT = Limit("log_in_account", 30, timedelta(minutes=15))
LOG_IN_ADDRESS = Limit("log_in_address", 100, timedelta(minutes=15))
PASSWORD_PROOF = Limit("password_proof", 5, timedelta(minutes=15))
SIGN_UP_ADDRESS = Limit("sign_up_address", 500, timedelta(hours=1))
CODES_RECIPIENT = Limit("codes_recipient", 5, timedelta(hours=1))
CODES_ADDRESS = Limit("codes_address", 100, timedelta(hours=1))
VERIFICATIONS = Limit("verifications", 20, timedelta(hours=1))
# Locking without a session: by what was typed, by where from, and in the whole house.
LOCK_PHONE = Limit("lock_phone", 5, timedelta(hours=1))
LOCK_ADDRESS = Limit("lock_address", 20, timedelta(hours=1))
LOCK_HOUSE = Limit("lock_house", 1000, timedelta(hours=1))
#: After a lock by code was lifted, no code locks again for so long.
LOCK_REST = timedelta(days=1)
RECOVERY_CODES = 10

PASSWORD_MIN, PASSWORD_MAX = 10, 128
HANDLE_PATTERN = "^[a-z][a-z0-9_-]{1,28}[a-z0-9]$"
#: Words that would read as the house speaking, or that are paths of the API.
RESERVED_HANDLES = frozenset(
    {
        "admin",
        "administrator",
        "anonymous",
        "current",
        "desk",
        "handsel",
        "help",
        "me",
        "moderator",
        "official",
        "phone-codes",
        "root",
        "security",
        "staff",
        "support",
        "system",
    }
)
_EMAIL = re.compile(r"[^\s@\x00-\x1f\x7f]{1,64}@[^\s@.\x00-\x1f\x7f]+(\.[^\s@.\x00-\x1f\x7f]+)+")

# A small list made by hand: common ones of at least ten characters (shorter ones are out anyway).
# Compared in lower case.
_COMMONEST = frozenset(
    files(__package__).joinpath("common_passwords.txt").read_text("utf-8").split()
)


def normal_email(text: str) -> str | None:
    """Trimmed and lower case, or None where it cannot be an address."""
    email = unicodedata.normalize("NFC", text).strip().lower()
    return email if len(email) <= 254 and _EMAIL.fullmatch(email) else None


def normal_phone(text: str) -> str | None:
    """E.164 of an international number (it must begin with +), or None."""
    if not text.strip().startswith("+"):
        return None
    try:
        number = phonenumbers.parse(text)
    except phonenumbers.NumberParseException:
        return None
    if not phonenumbers.is_valid_number(number):
        return None
    return phonenumbers.format_number(number, phonenumbers.PhoneNumberFormat.E164)


def normal_identifier(text: str) -> tuple[str, str]:
    """Which column a log-in names, and its value there. What is none of them matches nobody."""
    text = text.strip()
    if "@" in text:
        return "email", normal_email(text) or text.lower()
    if text.startswith("+"):
        return "phone", normal_phone(text) or text
    return "handle", text.lower()


def normal_password(text: str) -> str:
    """The same password typed on another keyboard: composed Unicode, nothing trimmed."""
    return unicodedata.normalize("NFC", text)


def weakness(password: str, handle: str, contact: str) -> str | None:
    """Why this password is refused, or None. No rule on kinds of characters (NIST 800-63B)."""
    plain = password.lower()
    if plain in _COMMONEST or len(set(plain)) == 1:
        return "it is among the commonest passwords"
    if plain in (handle, contact, contact.partition("@")[0]):
        return "it is your handle or your address"
    return None
