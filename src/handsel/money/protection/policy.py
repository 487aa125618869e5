"""What the fund lends, what is promised, when two must agree: pure, over ``protection.toml``."""

import tomllib
from datetime import datetime, timedelta
from functools import cache
from pathlib import Path
from typing import Annotated, Literal, NamedTuple

import msgspec

from handsel.foundation.core.money import BPS, display
from handsel.people.trust.table import PolicyTable, Verification

_Bps = Annotated[int, msgspec.Meta(ge=0, le=BPS * 10)]
_Minor = Annotated[int, msgspec.Meta(ge=0)]

State = Literal["investigating", "upheld", "denied", "withdrawn", "recovered"]
#: Why a decision fell as it did.
ReasonCode = Literal[
    "account_was_stolen",
    "not_authorised",
    "partly_authorised",
    "own_payment",
    "shared_access",
    "not_established",
    "loss_came_back",
    "credit_stands",
    "not_decided_in_time",
    "withdrawn_by_member",
]
REASONS: dict[ReasonCode, str] = {
    "account_was_stolen": "Somebody else had access to the account.",
    "not_authorised": "The payments were not made by you.",
    "partly_authorised": "A part of the payments was made by you.",
    "own_payment": "You made the payment yourself.",
    "shared_access": "You gave somebody else access to the account.",
    "not_established": "What happened could not be established.",
    "loss_came_back": "The money has come back to you otherwise.",
    "credit_stands": "Nobody decided in time, so what was credited is yours.",
    "not_decided_in_time": "Nobody decided in time; you may file it anew.",
    "withdrawn_by_member": "You have withdrawn the claim.",
}


class Filing(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """How long after a loss it may be claimed."""

    within: timedelta


class Provisional(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """When the fund lends, and how much."""

    share_bps: Annotated[int, msgspec.Meta(ge=0, le=BPS)]
    cap_minor: _Minor
    least_fund_bps: _Bps
    not_after_denial: timedelta
    verified: tuple[tuple[Verification, ...], ...]


class Investigation(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """How long a decision may take, from the day of filing."""

    decide_within: timedelta
    extended_to: timedelta


class DecisionRule(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """From where on two must agree."""

    two_staff_above_minor: _Minor


class Fund(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """When somebody has to look at the fund."""

    alert_below_bps: _Bps


class Policy(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """``protection.toml``."""

    version: str
    filing: Filing
    provisional: Provisional
    investigation: Investigation
    decision: DecisionRule
    fund: Fund


class Asked(NamedTuple):
    """What decides about a provisional credit, in minor units of the claim's currency.

    ``unconfirmed_minor``: the part of the loss that the member did not confirm by password and that
    is really gone. ``exposure_minor``: all open claims, this one too.
    """

    amount_minor: int
    unconfirmed_minor: int
    currency: str
    verified: frozenset[str]
    denied_lately: bool
    fund_minor: int
    exposure_minor: int


class Credit(NamedTuple):
    """What is lent, and why not more."""

    amount_minor: int
    reasons: tuple[str, ...]


@cache
def policy() -> Policy:
    """The policy of this release."""
    text = Path(__file__).with_name("protection.toml").read_text()
    return msgspec.convert(tomllib.loads(text), Policy)


def credit(rules: Provisional, table: PolicyTable, asked: Asked) -> Credit:
    """The provisional credit: the least of what each rule allows, with the rules that bound it.

    Monotone in the fund; never above the share of what was claimed, nor below zero.
    """
    if table.in_reference(1, asked.currency) is None:
        return Credit(0, ("currency_without_cap",))
    refusals = [
        code
        for code, refused in (
            ("not_verified", not _is_verified(rules, asked.verified)),
            ("denied_lately", asked.denied_lately),
            ("confirmed_by_password", asked.unconfirmed_minor == 0),
        )
        if refused
    ]
    if refusals:
        return Credit(0, tuple(refusals))
    # The fund may not fall below its ratio to all that is claimed.
    spare = asked.fund_minor - asked.exposure_minor * rules.least_fund_bps // BPS
    bounds = {
        "share": min(asked.amount_minor, asked.unconfirmed_minor) * rules.share_bps // BPS,
        "cap": table.in_currency(rules.cap_minor, asked.currency),
        "fund": max(spare, 0),
    }
    least = min(bounds.values())
    return Credit(least, tuple(code for code, most in bounds.items() if most == least))


def needs_two(rule: DecisionRule, table: PolicyTable, amount_minor: int, currency: str) -> bool:
    """Whether one member of staff alone may not decide on so much."""
    amount = table.in_reference(amount_minor, currency)
    return amount is None or amount > rule.two_staff_above_minor


def ratio_bps(balance_minor: int, exposure_minor: int) -> int | None:
    """The fund to what may be asked of it, in ten-thousandths; None where nothing is."""
    return balance_minor * BPS // exposure_minor if exposure_minor else None


def promise(
    state: State, credited: int, paid: int, owed: int, currency: str, deadline: datetime,
    *, extended: bool,
) -> str:  # fmt: skip
    """What happens next and by when, in one sentence or two."""
    by = f"{deadline:%Y-%m-%d %H:%M} UTC"
    if state == "investigating":
        if credited:
            return f"We decide by {by}. If we do not, {display(credited, currency)} stay yours."
        if extended:
            return f"We decide by {by}. If we do not, the claim ends and you may file it anew."
        return f"We decide by {by}, or tell you by then why it takes longer."
    if state in ("upheld", "recovered"):
        return f"Decided for you: {display(paid, currency)} are yours."
    if owed:
        return (
            f"It is over. {display(owed, currency)} of the credit could not be taken back;"
            " your next sales pay it."
        )
    return "It is over; nothing more happens."


def _is_verified(rules: Provisional, verified: frozenset[str]) -> bool:
    return all(verified & set(one_of) for one_of in rules.verified)
