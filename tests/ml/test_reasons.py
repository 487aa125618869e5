"""Reasons in words: complete in every language, and only what was said by the model."""

from __future__ import annotations

import re
from collections.abc import Iterator

import msgspec
import pytest

from handsel_ml.contract import SCHEMA, SCORE_KINDS, FactKind, Verification
from handsel_ml.features import FEATURES
from handsel_ml.reasons import (
    BUILDING,
    LANGUAGES,
    MOST_REASONS,
    TEXTS,
    Adverse,
    Language,
    building_reason,
    fact_count,
    fact_text,
    retracted_count,
    said,
    worded,
)

GROUPS = {feature.group for kind in SCORE_KINDS for feature in FEATURES[kind]}


def _leaves(value: object, path: str = "") -> Iterator[tuple[str, str]]:
    if isinstance(value, str):
        yield path, value
    elif isinstance(value, dict):
        for name, inner in value.items():
            yield from _leaves(inner, f"{path}.{name}")


def _plain(language: Language) -> dict[str, str]:
    return dict(_leaves(msgspec.to_builtins(TEXTS[language])))


@pytest.mark.parametrize("language", LANGUAGES)
def test_every_group_and_kind_has_its_words(language: Language) -> None:
    texts = TEXTS[language]

    assert GROUPS | {BUILDING} <= set(texts.reasons)
    assert set(texts.facts) == set(FactKind)
    assert set(texts.verifications) == {str(int(step)) for step in Verification}
    assert all(text.strip() == text and text for text in _plain(language).values())


@pytest.mark.parametrize("language", ["de", "zh"])
def test_languages_say_the_same_things_with_the_same_blanks(language: Language) -> None:
    ours, english = _plain(language), _plain("en")

    assert set(ours) == set(english)
    for path, text in english.items():
        blanks, wanted = (set(re.findall(r"\{\w+\}", t)) for t in (ours[path], text))
        assert blanks == wanted, path


def test_languages_are_not_copies_of_each_other() -> None:
    english, german, chinese = (_plain(language) for language in LANGUAGES)
    words = [path for path in english if not path.startswith((".durations", ".verifications"))]

    assert [path for path in words if english[path] == german[path]] == []
    assert [path for path in chinese if not re.search("[\u4e00-\u9fff]", chinese[path])] == []


def test_four_dearest_once_each_and_dearest_first() -> None:
    found = worded(
        [
            Adverse(group="reviews", points=5.4, unknown=False),
            Adverse(group="answers", points=0.9, unknown=False),
            Adverse(group="tenure", points=30.0, unknown=True),
            Adverse(group="disputes", points=12.0, unknown=False),
            Adverse(group="identity", points=12.0, unknown=False),
            Adverse(group="listings", points=5.0, unknown=False),
        ]
    )

    assert len(found) == MOST_REASONS
    assert [(r.code, r.points, r.unknown) for r in found] == [
        ("tenure", 30, True), ("disputes", 12, False), ("identity", 12, False),
        ("reviews", 5, False),
    ]  # fmt: skip


def test_a_code_says_in_each_language_what_it_is() -> None:
    said_in = {
        language: (
            said("identity", 12, False, language).text,
            said("identity", 12, True, language).text,
            building_reason(1, 3, language)[0].help,
        )
        for language in LANGUAGES
    }

    assert said_in == {
        "en": (
            "Few verification steps are done",
            "No verification step is done",
            "2 more to finish; until then your orders are protected in full",
        ),
        "de": (
            "Bisher sind nur wenige Angaben bestätigt",
            "Bisher ist keine Angabe bestätigt",
            "Bis zum Score noch abzuschließen: 2; bis dahin sind deine Aufträge voll geschützt",
        ),
        "zh": (
            "已完成的认证较少",
            "尚未完成任何认证",
            "再完成 2 笔交易即可；在此之前，您的订单仍受全额保护",
        ),
    }


@pytest.mark.parametrize(
    ("seconds", "english", "german", "chinese"),
    [
        (1, "1 minute", "1 Minute", "1 分钟"),
        (3_599, "59 minutes", "59 Minuten", "59 分钟"),
        (3_600, "1 hour", "1 Stunde", "1 小时"),
        (86_399, "23 hours", "23 Stunden", "23 小时"),
        (2 * 86_400, "2 days", "2 Tage", "2 天"),
    ],
)
def test_lateness_is_said_in_whole_units(
    seconds: int, english: str, german: str, chinese: str
) -> None:
    late = [fact_text(FactKind.DELIVERED_LATE, seconds, language) for language in LANGUAGES]

    assert late == [
        f"You delivered {english} late",
        f"Verspätung deiner Lieferung: {german}",
        f"您比约定时间晚交付 {chinese}",
    ]


def test_facts_are_named_and_counted() -> None:
    assert fact_text(FactKind.REVIEW_RECEIVED, 4) == "You received a review: 4 of 5 stars"
    assert fact_text(FactKind.VERIFICATION_PASSED, 4, "de") == "Bestätigt: Bankkonto"
    assert fact_count(FactKind.ORDER_SETTLED, 1) == "1 order settled"
    assert fact_count(FactKind.ORDER_SETTLED, 12, "zh") == "12 笔订单结算"
    assert retracted_count(2, "de") == "2 Fakten nach einem Einspruch herausgenommen"


@pytest.mark.parametrize("language", LANGUAGES)
def test_no_fact_leaves_a_blank_open(language: Language) -> None:
    for kind, schema in SCHEMA.items():
        value = schema.value_range[0] if schema.value_range else None
        text = fact_text(kind, value, language)

        assert "{" not in text
        assert "0 " not in text, text  # a figure where there is none
