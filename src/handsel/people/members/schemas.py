"""What goes in and out."""

from datetime import datetime
from typing import Annotated, Literal
from uuid import UUID

import msgspec
from msgspec import UNSET, Meta, UnsetType

from handsel.foundation.core.schema import Input, View
from handsel.people.members import policy

Handle = Annotated[str, Meta(pattern=policy.HANDLE_PATTERN, examples=["ada"])]
Password = Annotated[
    str,
    Meta(
        min_length=policy.PASSWORD_MIN,
        max_length=policy.PASSWORD_MAX,
        description="10 to 128 characters; any of them.",
    ),
]
Email = Annotated[str, Meta(max_length=254, examples=["ada@example.org"])]
Phone = Annotated[
    str, Meta(max_length=40, description="International: +…", examples=["+4915112345678"])
]
Code = Annotated[str, Meta(pattern="^[0-9]{6}$", examples=["123456"])]
Bio = Annotated[str, Meta(max_length=500)]
State = Literal["open", "friends_only", "quiet", "travel", "locked"]
Kind = Literal["email", "phone", "id_document", "bank_account", "address"]
ContactKind = Literal["email", "phone"]
#: What a lock stops: nothing; payouts and changes of contacts; these and payments.
Freeze = Literal["none", "payouts", "account"]


class MemberCreate(Input):
    """A new account: a handle, a password, and exactly one of an e-mail address or a phone number
    with the code that was sent to it."""

    handle: Handle
    password: Password
    email: Email | UnsetType = UNSET
    phone: Phone | UnsetType = UNSET
    code: Code | UnsetType = UNSET

    def __post_init__(self) -> None:
        """Exactly one way to reach the member."""
        if (self.email is UNSET) == (self.phone is UNSET):
            raise ValueError("give exactly one of email and phone")
        if (self.phone is UNSET) != (self.code is UNSET):
            raise ValueError("a phone needs the code that was sent to it; an email needs none")


class PhoneCodeRequest(Input):
    """Where to send a code."""

    phone: Phone


class EmailCodeRequest(Input):
    """Where to send a code."""

    email: Email


class CodeSent(View):
    """A code is on its way; the answer is the same whether or not the recipient has an account."""

    expires_at: datetime


class LogIn(Input):
    """The identifier is an e-mail address, a phone number (+…) or a handle."""

    identifier: Annotated[str, Meta(min_length=1, max_length=254, examples=["ada@example.org"])]
    password: Annotated[str, Meta(min_length=1, max_length=policy.PASSWORD_MAX)]


class RecoveryCodesCreate(Input):
    """The password, because a session alone may be stolen."""

    password: Annotated[str, Meta(min_length=1, max_length=policy.PASSWORD_MAX)]


class LockRequest(Input):
    """The verified phone number of an account and one of its recovery codes."""

    phone: Phone
    recovery_code: Annotated[str, Meta(min_length=1, max_length=40, examples=["K7QXM-2FPDA"])]


class UnlockCodeRequest(Input):
    """To which of one's verified contacts."""

    channel: ContactKind


class Unlock(Input):
    """The password and the code that was sent; a new password where the old one may be stolen."""

    password: Annotated[str, Meta(min_length=1, max_length=policy.PASSWORD_MAX)]
    channel: ContactKind
    code: Code
    new_password: Password | UnsetType = UNSET


class MemberPatch(Input):
    """Only what is given changes. The handle stays."""

    bio: Bio | UnsetType = UNSET


class VerificationCreate(Input):
    """``email`` and ``phone`` need the code that was sent; the other kinds ask a verifier about the
    value. Sandbox values: PASS, FAIL, LATER (passes after a day)."""

    kind: Kind
    value: Annotated[str, Meta(min_length=1, max_length=254, examples=["PASS"])]
    code: Code | UnsetType = UNSET

    def __post_init__(self) -> None:
        """A code goes with the kinds that are proven by one."""
        if (self.kind in ("email", "phone")) != (self.code is not UNSET):
            raise ValueError("a code is needed for the kinds email and phone, and only for them")


class MeView(View):
    """An account as its owner sees it."""

    id: str
    handle: str
    email: str | None
    phone: str | None
    bio: str
    state: State
    verified: list[Kind]
    version: int
    joined_at: datetime


class ProfileView(View):
    """A member as everybody sees them. ``verified`` names kinds of facts, never the facts."""

    id: str
    handle: str
    bio: str
    verified: list[Kind]
    joined_at: datetime


class SessionOpened(View):
    """A new session. The token is shown this once: send it as ``Authorization: Bearer …``."""

    id: str
    token: str
    expires_at: datetime
    member: MeView


class SessionView(View):
    """A device that is logged in."""

    id: str
    label: str
    current: bool
    created_at: datetime
    expires_at: datetime


class SessionList(View):
    """Live sessions, newest first."""

    items: list[SessionView]


class VerificationView(View):
    """A fact about the caller, and whether it is confirmed."""

    id: str
    kind: Kind
    state: Literal["pending", "passed"]
    created_at: datetime
    passed_at: datetime | None


class VerificationList(View):
    """Facts about the caller, oldest first."""

    items: list[VerificationView]


class RecoveryCodes(View):
    """Ten codes, shown this once: keep them where a thief of your devices does not look."""

    codes: list[str]
    created_at: datetime


class RecoveryCodesView(View):
    """How many codes are left."""

    remaining: int
    created_at: datetime | None


class LockRequested(View):
    """The same whatever was asked."""

    detail: str


class LockView(View):
    """Whether the caller's account is frozen, why, and what to do."""

    freeze: Freeze
    causes: list[Literal["code", "claim"]]
    since: datetime | None
    next_step: str


class SandboxMessage(View):
    """What the sandbox's SMS or mail provider would have sent."""

    id: str
    channel: Literal["sms", "mail"]
    to: str
    text: str
    created_at: datetime


class SandboxMessageList(View):
    """The newest messages to one recipient, newest first."""

    items: list[SandboxMessage]


class MemberRef(msgspec.Struct, frozen=True, kw_only=True):
    """A member for other domains."""

    id: UUID
    handle: str
    joined_at: datetime
    is_sandbox: bool
    state: State


class SandboxMember(msgspec.Struct, frozen=True, kw_only=True):
    """A member to be made in bulk: for the sample town and for imported listings.

    Without a ``password_hash`` nobody can log in; one hash may serve many.
    """

    handle: str
    joined_at: datetime
    password_hash: str | None = None
    bio: str = ""
    verifications: tuple[Kind, ...] = ()


class Device(msgspec.Struct, frozen=True, kw_only=True):
    """Where a request comes from, as far as it is to be believed."""

    address: str
    label: str
