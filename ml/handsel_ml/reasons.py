"""Reason groups in words: why the score is not higher, and what would help.

Texts are keyed by language, then group. English only for now; a language is complete or absent
(tested). Only groups that are in a model can be reasons, and none of them is a protected
attribute.
"""

from __future__ import annotations

from collections.abc import Sequence

import msgspec

from handsel_ml.contract import Reason

BUILDING = "building_history"
MOST_REASONS = 4
_LEAST_POINTS = 1


class Words(msgspec.Struct, frozen=True):
    """What is said of a group: with history, without history, and what would help."""

    text: str
    unknown: str
    help: str


_NO_DEALS = "There are no finished deals to learn from yet"

ENGLISH: dict[str, Words] = {
    BUILDING: Words(
        "There are too few finished deals for a score",
        "There are too few finished deals for a score",
        "Finish {missing} more deals; until then your orders are protected in full",
    ),
    "identity": Words(
        "Few verification steps are done",
        "No verification step is done",
        "Verify your identity document, bank account or address",
    ),
    "tenure": Words(
        "The account is young",
        "The account's age is not known",
        "Time alone helps; nothing else is needed",
    ),
    "track_record": Words(
        "Few settled deals, or in few months",
        _NO_DEALS,
        "Settle deals with different people, over several months",
    ),
    "exposure": Words(
        "Much money is in open or recent orders compared with what was settled before",
        "No order has been paid yet",
        "Let open orders settle before starting larger ones",
    ),
    "chargebacks": Words(
        "Payments were taken back through the bank",
        "No order was paid as a buyer yet",
        "Open a dispute here instead of asking the bank; a year without one helps",
    ),
    "negative_balance": Words(
        "The balance was below zero for a long time",
        "The balance has no history yet",
        "Keep the balance at zero or above",
    ),
    "top_ups": Words(
        "Top-ups were declined by the payment provider",
        "No top-up was made yet",
        "Use a payment method with enough cover; three months without a decline help",
    ),
    "funding": Words(
        "Accepted orders were not paid in time",
        "No order was paid as a buyer yet",
        "Pay within 72 hours, or cancel before the offer is accepted",
    ),
    "not_delivered": Words(
        "Orders had to be refunded because nothing was delivered",
        "No paid order was received as a seller yet",
        "Deliver what is accepted; decline early what is not possible",
    ),
    "counterparties": Words(
        "Most deals are with the same few people",
        _NO_DEALS,
        "Deal with more different people",
    ),
    "completion": Words(
        "A part of the deals did not come to an end",
        _NO_DEALS,
        "Finish the deals that are accepted",
    ),
    "cancellations": Words(
        "Accepted deals were cancelled",
        _NO_DEALS,
        "Accept only what fits; three months without cancelling help",
    ),
    "punctuality": Words(
        "Deliveries were late",
        "Nothing was delivered yet",
        "Agree times that can be kept, or change them together beforehand",
    ),
    "availability": Words(
        "Requests were left unanswered until they expired",
        "No request was received yet",
        "Answer or decline requests; declining does not count against anybody",
    ),
    "answers": Words(
        "Messages waited more than a day for an answer",
        "No message was answered yet",
        "Answer within a day",
    ),
    "no_shows": Words(
        "An appointment was missed",
        "There was no appointment yet",
        "Come, or cancel in time",
    ),
    "disputes": Words(
        "Disputes were opened or lost",
        "There was no dispute yet",
        "Settle differences in the conversation before they become disputes",
    ),
    "reports": Words(
        "Staff upheld a report",
        "There is no report",
        "Keep to the rules; an upheld report can be appealed to a person",
    ),
    "listings": Words(
        "A listing was removed",
        "There is no listing",
        "Keep listings to the rules; a removal can be appealed to a person",
    ),
    "reviews": Words(
        "Reviews are below the usual",
        "There are no reviews yet",
        "Ask for a review when a deal went well",
    ),
}  # fmt: skip

TEXTS: dict[str, dict[str, Words]] = {"en": ENGLISH}


class Adverse(msgspec.Struct, frozen=True, kw_only=True):
    """A group that costs `points`; `unknown` when it costs them for lack of history."""

    group: str
    points: float
    unknown: bool


def worded(adverse: Sequence[Adverse], language: str = "en") -> tuple[Reason, ...]:
    """The top four adverse groups in words, dearest first, ties by name; each group once."""
    words = TEXTS[language]
    dearest = sorted(adverse, key=lambda a: (-a.points, a.group))[:MOST_REASONS]
    return tuple(
        Reason(
            code=a.group,
            text=words[a.group].unknown if a.unknown else words[a.group].text,
            help=words[a.group].help,
            points=round(a.points),
        )
        for a in dearest
        if a.points >= _LEAST_POINTS
    )


def building_reason(closed: int, needed: int, language: str = "en") -> tuple[Reason, ...]:
    """The one reason for having no number yet."""
    words = TEXTS[language][BUILDING]
    help_text = words.help.format(missing=max(needed - closed, 1))
    return (Reason(code=BUILDING, text=words.text, help=help_text, points=0),)
