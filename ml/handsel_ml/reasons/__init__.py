"""Reasons in words: why a score is not higher, and what would help; what a fact says.

About twenty groups, each of features that belong together, in English, German and Chinese (a TOML
file a language). What is stored is the code of a group, its points and whether history is lacking;
words are made when somebody reads, in their language, so an old snapshot speaks a new one. Only
groups that are in a model can be reasons, and none of them is a protected attribute.
"""

from __future__ import annotations

from collections.abc import Sequence

import msgspec

from handsel_ml.contract import FactKind, Reason
from handsel_ml.reasons.texts import LANGUAGES, TEXTS, Language, Texts, Words

__all__ = [
    "BUILDING", "DEALS_NEEDED", "LANGUAGES", "MOST_REASONS", "TEXTS", "Adverse", "Language",
    "Texts", "Words", "building_reason", "fact_count", "fact_text", "retracted_count", "said",
    "worded",
]  # fmt: skip

BUILDING = "building_history"
#: Closed deals below which a member has no number.
DEALS_NEEDED = 3
#: The convention of Regulation B's commentary: more than four help nobody.
MOST_REASONS = 4
_LEAST_POINTS = 1
_MINUTE, _HOUR, _DAY = 60, 3_600, 86_400


class Adverse(msgspec.Struct, frozen=True, kw_only=True):
    """A group that costs `points`; `unknown` when it costs them for lack of history."""

    group: str
    points: float
    unknown: bool


def worded(adverse: Sequence[Adverse], language: Language = "en") -> tuple[Reason, ...]:
    """The top four adverse groups in words, dearest first, ties by name; each group once."""
    dearest = sorted(adverse, key=lambda a: (-a.points, a.group))[:MOST_REASONS]
    return tuple(
        said(a.group, round(a.points), a.unknown, language)
        for a in dearest
        if a.points >= _LEAST_POINTS
    )


def said(
    code: str, points: int, unknown: bool, language: Language = "en", missing: int = 1
) -> Reason:
    """A reason in words; `missing`: the deals that a number still needs. Raises `KeyError` for a
    code that has never been a group."""
    words = TEXTS[language].reasons[code]
    return Reason(
        code=code,
        text=words.unknown if unknown else words.text,
        help=words.help.format(missing=missing),
        points=points,
        unknown=unknown,
    )


def building_reason(closed: int, needed: int, language: Language = "en") -> tuple[Reason, ...]:
    """The one reason for having no number yet."""
    return (said(BUILDING, 0, False, language, missing=max(needed - closed, 1)),)


def fact_text(kind: FactKind, value: int | None, language: Language = "en") -> str:
    """A fact as a sentence to the member whom it is about."""
    texts = TEXTS[language]
    number = 0 if value is None else value
    return texts.facts[kind].text.format(
        n=number,
        step=texts.verifications.get(str(number), ""),
        duration=_duration(texts, number),
    )


def fact_count(kind: FactKind, n: int, language: Language = "en") -> str:
    """How many facts of a kind."""
    return TEXTS[language].facts[kind].of(n)


def retracted_count(n: int, language: Language = "en") -> str:
    """How many facts were taken out."""
    return TEXTS[language].retracted.of(n)


def _duration(texts: Texts, seconds: int) -> str:
    """In the largest unit that is reached, in whole ones of it; a minute at least."""
    words = texts.durations
    if seconds >= _DAY:
        one, many, n = words.days_one, words.days_many, seconds // _DAY
    elif seconds >= _HOUR:
        one, many, n = words.hours_one, words.hours_many, seconds // _HOUR
    else:
        one, many, n = words.minutes_one, words.minutes_many, max(seconds // _MINUTE, 1)
    return one if n == 1 else many.format(n=n)
