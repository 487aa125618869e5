"""What crosses the border of this library: facts in, scores out.

A `Fact` is append-only and bitemporal: `happened_at` says when it happened, `known_at` when the
platform learnt of it. Features use `known_at` alone, so a chargeback that a bank reports forty
days late stays invisible for those forty days. A fact that proved wrong is not erased but
retracted at a moment: what was decided before that moment can still be replayed. One order gives
facts to both parties, each about one member. Which columns a kind must carry is `SCHEMA`;
`check_fact` enforces it.
"""

from __future__ import annotations

from datetime import UTC, datetime
from enum import IntEnum, StrEnum
from typing import Literal

import msgspec

from handsel_ml.errors import FactInvalid

ScoreKind = Literal["financial", "social"]
Role = Literal["buyer", "seller"]
State = Literal["scored", "building_history"]
SCORE_KINDS: tuple[ScoreKind, ScoreKind] = ("financial", "social")
ROLES: tuple[Role, Role] = ("buyer", "seller")


class FactKind(StrEnum):
    """The closed list of facts. The member is always the one the fact speaks about."""

    MEMBER_JOINED = "member_joined"
    VERIFICATION_PASSED = "verification_passed"
    TOP_UP_SUCCEEDED = "top_up_succeeded"
    TOP_UP_FAILED = "top_up_failed"
    ORDER_FUNDED = "order_funded"
    ORDER_UNFUNDED = "order_unfunded"
    ORDER_SETTLED = "order_settled"
    ORDER_REFUNDED = "order_refunded"
    ORDER_CANCELLED_BY_SELF = "order_cancelled_by_self"
    ORDER_CANCELLED_BY_OTHER = "order_cancelled_by_other"
    ORDER_DECLINED = "order_declined"
    ORDER_EXPIRED_UNANSWERED = "order_expired_unanswered"
    AUTO_APPROVED = "auto_approved"
    DELIVERED_ON_TIME = "delivered_on_time"
    DELIVERED_LATE = "delivered_late"
    NO_SHOW = "no_show"
    REVIEW_RECEIVED = "review_received"
    MESSAGE_ANSWERED = "message_answered"
    DISPUTE_OPENED_AGAINST = "dispute_opened_against"
    DISPUTE_LOST = "dispute_lost"
    REPORT_UPHELD = "report_upheld"
    LISTING_REMOVED = "listing_removed"
    CHARGEBACK = "chargeback"
    CHARGEBACK_LOST = "chargeback_lost"
    NEGATIVE_BALANCE = "negative_balance"
    PAY_AFTER_PAID = "pay_after_paid"
    PAY_AFTER_LATE = "pay_after_late"
    PAY_AFTER_DEFAULT = "pay_after_default"
    ITEM_RETURNED = "item_returned"
    ITEM_RETURNED_LATE = "item_returned_late"
    ITEM_UNRETURNED = "item_unreturned"
    PAY_AFTER_PROMISED = "pay_after_promised"


class Verification(IntEnum):
    """Which step of the verification ladder a `verification_passed` fact reports (its value)."""

    EMAIL = 1
    PHONE = 2
    IDENTITY = 3
    BANK_ACCOUNT = 4
    ADDRESS = 5
    BUSINESS = 6


FULL_WEIGHT_BPS = 10_000


class Fact(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """One thing known about one member. `source_id` names the row or event it came from.

    `amount_minor`: minor units of the reference unit, ≥ 0, 0 where money plays no part.
    `value`: seconds late, stars 1 to 5, seconds to answer, `Verification`; by kind, else None.
    `weight_bps`: how much it counts, in ten-thousandths: a review's weight, the member's share of
    the fault in a dispute; 10,000 for everything else. `retracted_at`: from then on it is no
    longer seen. A member has at most one fact per (kind, source_id).
    """

    member_id: str
    kind: FactKind
    happened_at: datetime
    known_at: datetime
    source_id: str
    order_id: str | None = None
    counterparty_id: str | None = None
    role: Role | None = None
    amount_minor: int = 0
    value: int | None = None
    weight_bps: int = FULL_WEIGHT_BPS
    retracted_at: datetime | None = None


class FactSchema(msgspec.Struct, frozen=True, kw_only=True):
    """What a kind must carry. `roles` empty: no role, and no order is needed.

    `weighed`: it may count for less than one whole fact.
    """

    meaning: str
    roles: tuple[Role, ...] = ()
    money: bool = False
    value_range: tuple[int, int] | None = None
    weighed: bool = False


_YEAR_S = 366 * 86_400
_BOTH = ROLES


def _of(
    meaning: str,
    *roles: Role,
    money: bool = False,
    value: tuple[int, int] | None = None,
    weighed: bool = False,
) -> FactSchema:
    return FactSchema(meaning=meaning, roles=roles, money=money, value_range=value, weighed=weighed)


SCHEMA: dict[FactKind, FactSchema] = {
    FactKind.MEMBER_JOINED: _of("signed up"),
    FactKind.VERIFICATION_PASSED: _of("passed a step of the ladder", value=(1, 6)),
    FactKind.TOP_UP_SUCCEEDED: _of("a top-up was paid", money=True),
    FactKind.TOP_UP_FAILED: _of("a top-up was declined by the provider", money=True),
    FactKind.ORDER_FUNDED: _of("the order's money was held", *_BOTH, money=True),
    FactKind.ORDER_UNFUNDED: _of("accepted, never paid within 72 h", "buyer", money=True),
    FactKind.ORDER_SETTLED: _of("the hold was released to the seller", *_BOTH, money=True),
    FactKind.ORDER_REFUNDED: _of("refunded because not delivered", *_BOTH, money=True),
    FactKind.ORDER_CANCELLED_BY_SELF: _of("cancelled after acceptance", *_BOTH, money=True),
    FactKind.ORDER_CANCELLED_BY_OTHER: _of("the other one cancelled", *_BOTH, money=True),
    FactKind.ORDER_DECLINED: _of("declined a request", "seller"),
    FactKind.ORDER_EXPIRED_UNANSWERED: _of("left a request unanswered", "seller"),
    FactKind.AUTO_APPROVED: _of("settled by the timer, without a word", *_BOTH),
    FactKind.DELIVERED_ON_TIME: _of("delivered by the agreed time", "seller"),
    FactKind.DELIVERED_LATE: _of("delivered; value = seconds late", "seller", value=(1, _YEAR_S)),
    FactKind.NO_SHOW: _of("did not appear; the hold went back", *_BOTH, money=True),
    FactKind.REVIEW_RECEIVED: _of(
        "was reviewed; value = stars", *_BOTH, value=(1, 5), weighed=True
    ),
    FactKind.MESSAGE_ANSWERED: _of("answered; value = seconds", value=(0, _YEAR_S)),
    FactKind.DISPUTE_OPENED_AGAINST: _of(
        "a dispute found them at fault in part; weight = their share", *_BOTH, weighed=True
    ),
    FactKind.DISPUTE_LOST: _of(
        "a dispute was decided against them; weight = their share", *_BOTH, weighed=True
    ),
    FactKind.REPORT_UPHELD: _of("staff upheld a report about them"),
    FactKind.LISTING_REMOVED: _of("staff removed their listing"),
    FactKind.CHARGEBACK: _of("their bank took a payment back", "buyer", money=True),
    FactKind.CHARGEBACK_LOST: _of("the chargeback stood", "buyer", money=True),
    FactKind.NEGATIVE_BALANCE: _of("balance below zero for 30 days", money=True),
    FactKind.PAY_AFTER_PAID: _of("paid afterwards, in time", "buyer", money=True),
    FactKind.PAY_AFTER_LATE: _of(
        "paid afterwards; value = seconds late", "buyer", money=True, value=(1, _YEAR_S)
    ),
    FactKind.PAY_AFTER_DEFAULT: _of("did not pay afterwards", "buyer", money=True),
    FactKind.ITEM_RETURNED: _of("brought back in time what was lent", "buyer"),
    FactKind.ITEM_RETURNED_LATE: _of(
        "brought it back; value = seconds late", "buyer", value=(1, _YEAR_S)
    ),
    FactKind.ITEM_UNRETURNED: _of("never brought back what was lent", "buyer", money=True),
    FactKind.PAY_AFTER_PROMISED: _of(
        "an order they will pay afterwards was taken", "buyer", money=True
    ),
}


def check_fact(fact: Fact) -> None:
    """Refuse a fact that does not fit its kind. Raises `FactInvalid`."""
    schema = SCHEMA[fact.kind]
    for code, wrong in (
        ("time_without_zone", fact.happened_at.tzinfo is None or fact.known_at.tzinfo is None),
        ("source_missing", not fact.source_id or not fact.member_id),
        ("amount_invalid", fact.amount_minor < 0 or (fact.amount_minor > 0 and not schema.money)),
    ):
        if wrong:
            raise FactInvalid(code, f"{fact.kind} {fact.source_id!r}")
    if fact.known_at < fact.happened_at:
        raise FactInvalid("dates_out_of_order", f"{fact.kind} known before it happened")
    _check_parties(fact, schema)
    _check_value(fact, schema)
    _check_weight(fact, schema)
    if fact.retracted_at is not None and micros(fact.retracted_at) < micros(fact.known_at):
        raise FactInvalid("dates_out_of_order", f"{fact.kind} retracted before it was known")


def _check_parties(fact: Fact, schema: FactSchema) -> None:
    """An order fact names the order, the other party and a role its kind allows."""
    if not schema.roles:
        if fact.role is not None:
            raise FactInvalid("role_invalid", f"{fact.kind} carries no role")
        return
    if fact.role not in schema.roles:
        raise FactInvalid("role_invalid", f"{fact.kind} as {fact.role}")
    if fact.order_id is None or fact.counterparty_id is None:
        raise FactInvalid("order_missing", f"{fact.kind} needs order and counterparty")
    if fact.counterparty_id == fact.member_id:
        raise FactInvalid("self_dealing", f"{fact.kind} with oneself")


def _check_value(fact: Fact, schema: FactSchema) -> None:
    """The value is there exactly when the kind has one, and inside its range."""
    if schema.value_range is None:
        if fact.value is not None:
            raise FactInvalid("value_invalid", f"{fact.kind} carries no value")
        return
    low, high = schema.value_range
    if fact.value is None or not low <= fact.value <= high:
        raise FactInvalid("value_invalid", f"{fact.kind} needs {low}..{high}, got {fact.value}")


def _check_weight(fact: Fact, schema: FactSchema) -> None:
    """A part of a fact, and only where a kind is weighed."""
    least = 0 if schema.weighed else FULL_WEIGHT_BPS
    if not least <= fact.weight_bps <= FULL_WEIGHT_BPS:
        raise FactInvalid("weight_invalid", f"{fact.kind} weighs {fact.weight_bps}")


class Reason(msgspec.Struct, frozen=True, kw_only=True):
    """Why the score is not higher: one reason group, in words, and what would help.

    `points`: about how many points the group costs against the bundle's reference member.
    `unknown`: it costs them because there is no history, not because of one.
    """

    code: str
    text: str
    help: str
    points: int
    unknown: bool = False


class Score(msgspec.Struct, frozen=True, kw_only=True):
    """One score of one member as of a moment; serialisable, stored as a snapshot.

    `pd` is the probability of a bad outcome in the next deal (mean; for decisions), always
    present. `points` (350..950) is None while building history. `low`, `high`: the points at
    the cautious and the kind end of the 80 % interval (use `low` for limits); None likewise.
    """

    kind: ScoreKind
    state: State
    points: int | None
    band: str | None
    pd: float
    low: int | None
    high: int | None
    reasons: tuple[Reason, ...]
    closed_deals: int
    model_id: str
    as_of: datetime


def micros(moment: datetime) -> int:
    """Whole microseconds since 1970 in UTC; exact. Raises `FactInvalid` without a zone."""
    if moment.tzinfo is None:
        raise FactInvalid("time_without_zone", str(moment))
    delta = moment - EPOCH
    return (delta.days * 86_400 + delta.seconds) * 1_000_000 + delta.microseconds


EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
