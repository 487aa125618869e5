"""Bodies and answers of claims."""

from datetime import datetime
from typing import Annotated, Literal

import msgspec
from msgspec import UNSET, Meta, UnsetType

from handsel.foundation.core.money import Money
from handsel.foundation.core.schema import Input, View
from handsel.money.payments.schemas import PositiveMoney
from handsel.money.protection.policy import ReasonCode, State
from handsel.people.members.policy import PASSWORD_MAX

Ids = Annotated[list[Annotated[str, Meta(max_length=60)]], Meta(max_length=50)]
_Password = Annotated[str, Meta(min_length=1, max_length=PASSWORD_MAX)]
Text = Annotated[str, Meta(min_length=1, max_length=2000)]


class ClaimInput(Input):
    """What was lost. Name own orders, withdrawals, or transfers of the wallet's statement. Every
    session ends; with the right password this one goes on."""

    what_happened: Text
    since: Annotated[datetime, Meta(tz=True)]
    amount: PositiveMoney
    orders: Ids = msgspec.field(default_factory=list)
    withdrawals: Ids = msgspec.field(default_factory=list)
    transfers: Ids = msgspec.field(default_factory=list)
    password: _Password | UnsetType = UNSET

    def __post_init__(self) -> None:
        """Something must have been lost."""
        if not (self.orders or self.withdrawals or self.transfers):
            raise ValueError("name at least one order, withdrawal or transfer")


class WithdrawInput(Input):
    """The password: a session alone may be stolen."""

    password: _Password


class ClaimItem(View):
    """Where money was lost, and how much when the claim was filed."""

    id: str
    kind: Literal["order", "withdrawal"]
    amount: Money


class ClaimLine(View):
    """A transfer of the claim, as the member's wallet sees it: positive when money came in. `owed`
    became a debt instead."""

    code: Literal["provisional_credit", "provisional_reversed", "claim_paid", "owed"]
    amount_minor: int


class ClaimStep(View):
    """Something that happened to a claim."""

    step: str
    by: Literal["member", "staff", "system"]
    at: datetime
    note: str
    money: list[ClaimLine]


class ClaimSummary(View):
    """A claim. `credited` is provisional until it is decided; `paid` is then yours for good, `owed`
    is what of a credit could not be taken back. `promise` says what happens next and by when."""

    id: str
    state: State
    amount: Money
    credited: Money
    paid: Money
    owed: Money
    filed_at: datetime
    deadline_at: datetime
    promise: str


class ClaimView(ClaimSummary):
    """A claim with everything that its member may know."""

    what_happened: str
    since: datetime
    credit_reasons: list[str]
    decided_at: datetime | None
    decided_by: Literal["staff", "time", "member"] | None
    reasons: list[ReasonCode]
    note: str
    items: list[ClaimItem]
    timeline: list[ClaimStep]


class ClaimPage(View):
    """Newest first."""

    items: list[ClaimSummary]
    next_cursor: str | None = None


class FundRatio(View):
    """The protection fund of one currency. `exposure` is the sum of all open claims, of which
    `provisional` has been lent already. `ratio_bps` is absent where nothing is claimed."""

    balance_minor: int
    currency: str
    exposure_minor: int
    provisional_minor: int
    ratio_bps: int | None
    at: datetime


class FundView(View):
    """The fund by currency; below `alert_below_bps` the house is told."""

    items: list[FundRatio]
    alert_below_bps: int
    policy_version: str
