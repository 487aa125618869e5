"""The policy table as structs, its checks, and the file that is read again when it changes."""

import hashlib
import math
import tomllib
from datetime import timedelta
from decimal import Decimal
from enum import IntEnum
from fractions import Fraction
from functools import cache
from itertools import pairwise
from pathlib import Path
from typing import Annotated, Literal

import msgspec
import structlog

from handsel.foundation.core.errors import UserError
from handsel.foundation.core.money import exponent

_log = structlog.get_logger()

Verification = Literal["email", "phone", "id_document", "bank_account", "address"]
_Count = Annotated[int, msgspec.Meta(ge=0)]
_Minor = Annotated[int, msgspec.Meta(ge=0, le=10**12)]
_Floor = Annotated[int, msgspec.Meta(ge=350, le=950)]


class PolicyInvalid(UserError):
    """The policy file is wrong; one sentence says where."""


class Tier(IntEnum):
    """In order: a higher tier may do all that a lower one may."""

    TX = -1
    T0 = 0
    T1 = 1
    T2 = 2
    T3 = 3
    T4 = 4
    T5 = 5


_LEAST_RATE = Decimal("0.000001")
#: The lowest tier that may pay and be paid.
LEAST_ACTIVE = Tier.T1


class Record(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """A track record: settled orders, different counterparties, days."""

    settled_orders: _Count = 0
    counterparties: _Count = 0
    days_since_joined: _Count = 0
    days_since_first_settled: _Count = 0


class Payments(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """What a tier may do with money, in minor units of the reference currency. ``deposit_free``:
    borrows without leaving a deposit; ``owe_up_to_minor``: all that may be owed at one time for
    work that is paid after it is done."""

    per_order_minor: _Minor
    per_24h_minor: _Minor
    per_30d_minor: _Minor
    hold_period: timedelta
    revoke_window: timedelta
    confirm_above_minor: _Minor
    confirm_new_payee_above_minor: _Minor
    deposit_free: bool = False
    owe_up_to_minor: _Minor = 0


class Rule(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """A tier. ``verified``: of each inner list one kind; ``record_any`` one, ``record_all`` all."""

    title: str
    verified: tuple[tuple[Verification, ...], ...] = ()
    financial_floor: _Floor | None = None
    social_floor: _Floor | None = None
    floor_on: Literal["mean", "low"] = "low"
    record_any: Record | None = None
    record_all: Record | None = None
    payments: Payments | None = None


class FirstOrders(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """The shorter hold of a seller's first small orders."""

    count: _Count
    up_to_minor: _Minor
    hold_period: timedelta


class Raising(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """When two good scores stand in for the orders and days of the next tier's track record: both
    cautious ends at least ``above_floor`` points over that tier's floors, and so many labels. Those
    are counted in the oldest ten thousand ends of deals (``people.count_labels``): the bound."""

    matured_labels: Annotated[int, msgspec.Meta(ge=1000, le=5000)]
    above_floor: Annotated[int, msgspec.Meta(ge=0, le=200)]


class PolicyTable(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """The whole file."""

    version: Annotated[str, msgspec.Meta(min_length=1, max_length=40)]
    raising: Raising
    warn_at_percent: Annotated[int, msgspec.Meta(ge=1, le=100)]
    reference_currency: str
    rates: dict[str, Decimal]
    first_orders: FirstOrders
    tiers: dict[str, Rule]

    def rule(self, tier: Tier) -> Rule:
        """The rule of a tier."""
        return self.tiers[tier.name]

    def payments(self, tier: Tier) -> Payments:
        """What an active tier (T1 and above) may do."""
        payments = self.rule(tier).payments
        if payments is None:
            raise LookupError(f"{tier.name} has no payments")
        return payments

    def in_reference(self, amount_minor: int, currency: str) -> int | None:
        """An amount in minor units of the reference currency, rounded up; None without a rate."""
        rate = self.rates.get(currency)
        return None if rate is None else math.ceil(amount_minor * self._minor_rate(currency, rate))

    def in_currency(self, reference_minor: int, currency: str) -> int:
        """A limit in a currency of the table, rounded down: within it is within the limit."""
        return int(reference_minor / self._minor_rate(currency, self.rates[currency]))

    def _minor_rate(self, currency: str, rate: Decimal) -> Fraction:
        return _shifted(rate, exponent(self.reference_currency) - exponent(currency))


@cache
def _shifted(rate: Decimal, places: int) -> Fraction:
    return Fraction(rate) * Fraction(10) ** places


def parse(content: bytes) -> PolicyTable:
    """Read and check a policy; its version gets the hash of the text. Raises ``PolicyInvalid``."""
    try:
        raw = tomllib.loads(content.decode(), parse_float=Decimal)
        table = msgspec.convert(raw, PolicyTable, strict=False)
    except (UnicodeDecodeError, tomllib.TOMLDecodeError, msgspec.ValidationError) as error:
        raise PolicyInvalid(f"The trust policy is wrong: {error}.") from None
    problems = [*_wrong_basics(table), *_wrong_tiers(table)]
    if problems:
        raise PolicyInvalid(f"The trust policy is wrong: {'; '.join(problems)}.")
    version = f"{table.version}+{hashlib.sha256(content).hexdigest()[:12]}"
    return msgspec.structs.replace(table, version=version)


def _wrong_basics(table: PolicyTable) -> list[str]:
    wrong = []
    if table.rates.get(table.reference_currency) != 1:
        wrong.append("the reference currency's rate must be 1")
    wrong += [
        f"the rate of {currency} must lie between 0.000001 and 1000000"
        for currency, rate in table.rates.items()
        if not (rate.is_finite() and _LEAST_RATE <= rate <= 1 / _LEAST_RATE)
    ]
    if set(table.tiers) != {tier.name for tier in Tier}:
        wrong.append(f"the tiers must be exactly {', '.join(t.name for t in Tier)}")
    return wrong


def _wrong_tiers(table: PolicyTable) -> list[str]:
    """A higher tier never allows less, and only T1 and above move money."""
    if set(table.tiers) != {tier.name for tier in Tier}:
        return []
    wrong = []
    for tier in Tier:
        payments = table.rule(tier).payments
        if (payments is not None) != (tier >= LEAST_ACTIVE):
            wrong.append(f"{tier.name} must {'' if tier >= LEAST_ACTIVE else 'not '}have payments")
        elif payments is not None and not (
            0 < payments.per_order_minor <= payments.per_24h_minor <= payments.per_30d_minor
        ):
            wrong.append(f"{tier.name}: 0 < per_order <= per_24h <= per_30d does not hold")
    if wrong:
        return wrong
    active = [tier for tier in Tier if tier >= LEAST_ACTIVE]
    for lower, higher in pairwise(active):
        wrong += _falls(table, lower, higher)
    return wrong


def _falls(table: PolicyTable, lower: Tier, higher: Tier) -> list[str]:
    low, high = table.payments(lower), table.payments(higher)
    rising = ("per_order_minor", "per_24h_minor", "per_30d_minor", "confirm_above_minor")
    wrong = [
        f"{higher.name}.{name} is below {lower.name}'s"
        for name in rising
        if getattr(high, name) < getattr(low, name)
    ]
    if high.hold_period > low.hold_period:
        wrong.append(f"{higher.name}.hold_period is longer than {lower.name}'s")
    if low.deposit_free and not high.deposit_free:
        wrong.append(f"{higher.name} leaves a deposit where {lower.name} need not")
    for name in ("financial_floor", "social_floor"):
        floors = [getattr(table.rule(tier), name) or 0 for tier in (lower, higher)]
        if floors[1] < floors[0]:
            wrong.append(f"{higher.name}.{name} is below {lower.name}'s")
    return wrong


class PolicyFile:
    """The policy on disk. ``current`` reads it again after a change; a wrong one changes nothing.

    Raises ``PolicyInvalid`` when made of a file that is wrong or missing.
    """

    def __init__(self, path: Path) -> None:
        self.path = path
        self._stamp, self._table, self._content = self._read()

    def current(self) -> PolicyTable:
        """The newest table that passed its checks. One ``stat`` a call."""
        try:
            if _stamp_of(self.path) != self._stamp:
                self._stamp, self._table, self._content = self._read()
        except (OSError, PolicyInvalid) as error:
            self._complain(error)
        return self._table

    def content(self) -> bytes:
        """The text of the table that ``current`` returned last."""
        return self._content

    def _read(self) -> tuple[tuple[int, int], PolicyTable, bytes]:
        try:
            stamp, content = _stamp_of(self.path), self.path.read_bytes()
            return stamp, parse(content), content
        except OSError as error:
            raise PolicyInvalid(
                f"The trust policy {self.path} cannot be read: {error.strerror}."
            ) from None

    def _complain(self, error: Exception) -> None:
        _log.error("trust_policy_ignored", path=str(self.path), reason=str(error),
                   kept=self._table.version)  # fmt: skip
        if self.path.exists():
            self._stamp = _stamp_of(self.path)  # said once for each change


def _stamp_of(path: Path) -> tuple[int, int]:
    status = path.stat()
    return status.st_mtime_ns, status.st_size
