"""The one definition of every feature, for training and for serving.

A feature is a quotient of integer tallies (see `tallies`): only +, -, *, / on exact numbers, so
every engine that has the tallies has the feature to the bit. NaN says "no history"; 0 says
"history, and nothing bad in it". Rates are shrunk, (bad + a) / (n + b), so that one late
delivery out of one is not yet a habit. What is weighed (a review, the share of a fault) counts in
ten-thousandths, so a prior of (92000, 20000) is two full reviews of 4.6 stars.

FINANCIAL reads money and identity, never conduct, reviews, who deals with whom or anything that
the trust graph says (weights are moved by it, so FINANCIAL reads no weight either). SOCIAL reads
conduct in deals, listings and messages on this platform, never identity or money. Sex, age,
nationality, marital status, religion, language, name, photo and place are in neither, nor
anything about friends. `tests/ml/test_features_schema.py` holds these lines.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from datetime import datetime

import msgspec
import numpy as np
from numpy.typing import NDArray

from handsel_ml.contract import FULL_WEIGHT_BPS, Fact, ScoreKind, micros
from handsel_ml.errors import FactInvalid
from handsel_ml.facts import FactTable, Ints
from handsel_ml.tallies import Tally, tally_many, tally_member
from handsel_ml.tally_list import TALLIES

Floats = NDArray[np.float64]
Sums = dict[str, Ints]


class Feature(msgspec.Struct, frozen=True, kw_only=True):
    """A named column. `sign` +1: more of it never lowers PD; -1: never raises it; 0: free.

    `group`: the reason group under which it is explained. `reads`: the tallies it needs.
    """

    name: str
    sign: int
    group: str
    reads: tuple[str, ...]
    make: Callable[[Sums], Floats]
    #: The rate that is assumed of somebody without history, where the feature is such a rate.
    prior: float | None = None

    def is_harmless(self, value: float) -> bool:
        """Whether the value is no worse than what is assumed of a newcomer: then nothing of the
        kind has happened, and nobody may be told that it has."""
        return self.prior is not None and self.sign * (value - self.prior) <= 0


def _sum(sums: Sums, names: Sequence[str]) -> Ints:
    total = np.zeros_like(sums["now_s"])
    for name in names:
        total = total + sums[name]
    return total


def _count(name: str, sign: int, group: str, *parts: str) -> Feature:
    """A sum of tallies; 0 where there are none."""

    def make(sums: Sums) -> Floats:
        return _sum(sums, parts).astype(np.float64)

    return Feature(name=name, sign=sign, group=group, reads=parts, make=make)


def _weighed(name: str, sign: int, group: str, *parts: str) -> Feature:
    """A sum of weights in whole facts; 0 where there are none."""

    def make(sums: Sums) -> Floats:
        return np.asarray(_sum(sums, parts) / FULL_WEIGHT_BPS)

    return Feature(name=name, sign=sign, group=group, reads=parts, make=make)


def _share(
    name: str,
    sign: int,
    group: str,
    part: Sequence[str],
    whole: Sequence[str],
    prior: tuple[int, int],
    minus: Sequence[str] = (),
    square: bool = False,
) -> Feature:
    """(part - minus + a) / (whole + b) with prior (a, b); NaN where whole is 0.

    `square` squares the whole (for the Herfindahl index); `minus` never takes part below 0.
    """
    a, b = prior

    def make(sums: Sums) -> Floats:
        top = _sum(sums, part) - _sum(sums, minus)
        bottom = _sum(sums, whole)
        bottom = bottom * bottom if square else bottom
        quotient = (np.maximum(top, 0) + a) / np.maximum(bottom + b, 1)
        return np.where(bottom > 0, quotient, np.nan)

    return Feature(
        name=name,
        sign=sign,
        group=group,
        reads=(*part, *whole, *minus),
        make=make,
        prior=a / b if b else None,
    )


def _age_days(name: str, sign: int, group: str, start: str) -> Feature:
    """Whole days since a tally that holds a moment in seconds; NaN where it is 0."""

    def make(sums: Sums) -> Floats:
        days = (sums["now_s"] - sums[start]) // 86_400
        return np.where(sums[start] > 0, days, np.nan)

    return Feature(name=name, sign=sign, group=group, reads=(start,), make=make)


_CLOSED_MONEY = (
    "settled_minor",
    "refunded_minor",
    "cancelled_minor",
    "other_cancelled_minor",
    "no_show_minor",
    "unreturned_minor",
)

_TIMED = ("on_time", "late", "returned", "returned_late")

FINANCIAL: tuple[Feature, ...] = (
    _count("verification_steps", -1, "identity", "verification_steps"),
    _age_days("account_age_days", -1, "tenure", "joined_s"),
    _count("settled_deals", -1, "track_record", "settled_capped"),
    _count("months_with_deals", -1, "track_record", "settled_months"),
    _share("exposure_30d", 1, "exposure", ["funded_minor_30d"], ["settled_minor_365d"], (0, 20000)),
    _share("open_exposure", 1, "exposure", ["funded_minor"], ["funded_minor"], (0, 20000),
           minus=_CLOSED_MONEY),
    _count("chargebacks_365d", 1, "chargebacks", "chargebacks_365d"),
    _share("chargeback_rate", 1, "chargebacks", ["chargebacks"], ["buyer_funded"], (1, 50)),
    _count("chargebacks_lost", 1, "chargebacks", "chargebacks_lost"),
    _count("negative_balances", 1, "negative_balance", "negative_balances"),
    _count("failed_top_ups_90d", 1, "top_ups", "failed_top_ups_90d"),
    _share("failed_top_up_rate", 1, "top_ups", ["failed_top_ups"], ["top_ups", "failed_top_ups"],
           (1, 20)),
    _share("unfunded_rate", 1, "funding", ["unfunded"], ["buyer_funded", "unfunded"], (1, 50)),
    _share("not_delivered_rate", 1, "not_delivered", ["seller_refunded"], ["seller_funded"],
           (1, 50)),
    _count("not_delivered_365d", 1, "not_delivered", "seller_refunded_365d"),
    _count("promises_30d", 1, "pay_after", "promises_30d"),
    _share("owed_exposure_30d", 1, "exposure", ["promised_minor_30d"], ["settled_minor_365d"],
           (0, 20000)),
    _share("pay_after_on_time_rate", -1, "pay_after", ["paid_after"],
           ["paid_after", "paid_after_late", "pay_after_defaults"], (9, 10)),
    _share("pay_after_late_seconds_mean", 1, "pay_after", ["paid_after_late_s"],
           ["paid_after", "paid_after_late"], (3600, 1)),
    _count("pay_after_defaults", 1, "pay_after", "pay_after_defaults"),
    _count("pay_after_defaults_365d", 1, "pay_after", "pay_after_defaults_365d"),
    _count("unreturned_items", 1, "returns", "unreturned"),
    # Each of these is rare; together they say enough to learn from.
    _count("losses_caused", 1, "losses", "chargebacks_lost", "negative_balances",
           "pay_after_defaults", "unreturned"),
)  # fmt: skip

SOCIAL: tuple[Feature, ...] = (
    _count("settled_deals", -1, "track_record", "settled_capped"),
    _count("months_with_deals", -1, "track_record", "settled_months"),
    _count("distinct_counterparties", -1, "counterparties", "distinct_counterparties"),
    _share("counterparty_concentration", 1, "counterparties", ["counterparty_squares"],
           ["settled"], (0, 0), square=True),
    _share("completion_rate", -1, "completion", ["settled"],
           ["settled", "cancelled", "refunded", "no_shows"], (9, 10)),
    _share("cancel_rate", 1, "cancellations", ["cancelled"], ["settled", "cancelled"], (1, 20)),
    _count("cancelled_90d", 1, "cancellations", "cancelled_90d"),
    _share("late_rate", 1, "punctuality", ["late", "returned_late"], _TIMED, (1, 10)),
    _share("late_seconds_mean", 1, "punctuality", ["late_s"], _TIMED, (3600, 1)),
    _share("unanswered_rate", 1, "availability", ["unanswered"],
           ["unanswered", "declined", "seller_funded"], (1, 20)),
    _share("slow_answer_rate", 1, "answers", ["slow_answers"], ["answers"], (1, 5)),
    _count("no_shows", 1, "no_shows", "no_shows"),
    _weighed("dispute_fault_365d", 1, "disputes", "dispute_fault_365d"),
    _weighed("dispute_fault_lost", 1, "disputes", "dispute_fault_lost"),
    _count("reports_upheld", 1, "reports", "reports_upheld"),
    _count("listings_removed", 1, "listings", "listings_removed"),
    _share("review_mean", -1, "reviews", ["weighted_stars"], ["review_weight"], (92000, 20000)),
    _share("low_review_rate_180d", 1, "reviews", ["low_review_weight_180d"],
           ["review_weight_180d"], (3000, 30000)),
)  # fmt: skip

FEATURES: dict[ScoreKind, tuple[Feature, ...]] = {"financial": FINANCIAL, "social": SOCIAL}
CLOSED_DEALS = "closed_capped"
BADS: dict[ScoreKind, tuple[str, ...]] = {
    "financial": (
        "chargebacks_lost",
        "unfunded",
        "seller_refunded",
        "pay_after_defaults",
        "unreturned",
    ),
    "social": ("cancelled", "no_shows", "disputes_lost", "reports_upheld"),
}


def _needed(kind: ScoreKind) -> tuple[Tally, ...]:
    """The tallies a kind reads, in a fixed order, plus those of closed deals and known bads."""
    names = {CLOSED_DEALS, *BADS[kind]} | {
        name for feature in FEATURES[kind] for name in feature.reads
    }
    return tuple(tally for tally in TALLIES if tally.name in names)


NEEDED: dict[ScoreKind, tuple[Tally, ...]] = {
    "financial": _needed("financial"),
    "social": _needed("social"),
}


class FeatureRows(msgspec.Struct, frozen=True, kw_only=True):
    """`matrix`: float64, shape (rows, features); `closed` deals and known `bads` per row, int64."""

    matrix: Floats
    closed: Ints
    bads: Ints


def features(facts: Sequence[Fact], as_of: datetime, kind: ScoreKind) -> Floats:
    """The vector of one member as of a moment: float64, shape (features,), NaN = no history."""
    vector: Floats = feature_row(facts, as_of, kind).matrix[0]
    return vector


def feature_row(facts: Sequence[Fact], as_of: datetime, kind: ScoreKind) -> FeatureRows:
    """As `features`, with the count of closed deals; one row. Raises `FactInvalid`."""
    if len({fact.member_id for fact in facts}) > 1:
        raise FactInvalid("several_members", "features are built for one member at a time")
    sums = tally_member(facts, as_of, NEEDED[kind]).reshape(1, -1)
    return _finish(sums, np.array([micros(as_of)], dtype=np.int64), kind)


def feature_rows(table: FactTable, member: Ints, as_of_us: Ints, kind: ScoreKind) -> FeatureRows:
    """Rows of (member index, moment in microseconds), bit-equal to `feature_row` of each."""
    return _finish(tally_many(table, member, as_of_us, NEEDED[kind]), as_of_us, kind)


def _finish(sums: Ints, as_of_us: Ints, kind: ScoreKind) -> FeatureRows:
    """Turn tallies into features; the only place where integers become quotients."""
    named = {tally.name: sums[:, i] for i, tally in enumerate(NEEDED[kind])}
    named["now_s"] = as_of_us // 1_000_000
    columns = [feature.make(named) for feature in FEATURES[kind]]
    matrix = np.ascontiguousarray(np.column_stack(columns), dtype=np.float64)
    return FeatureRows(matrix=matrix, closed=named[CLOSED_DEALS], bads=_sum(named, BADS[kind]))
