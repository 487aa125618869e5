"""Words, queries and typos."""

from __future__ import annotations

import random
import string
from typing import Any

import asyncpg
import pytest
from hypothesis import given
from hypothesis import strategies as st

from handsel_search.documents import ListingDocument
from handsel_search.reading import all_of, any_of, read, with_typos
from handsel_search.synonyms import category_words, load_synonyms, synonym_lists
from handsel_search.text import fold, index_terms, runs, tsvector_literal, weighted_terms
from handsel_search.typos import nearest_words, osa_distance, typos_allowed
from tests.search.conftest import make_document, quick

HOSTILE = ["'", "\\", ":*", "&", "|", "!", "(", ")", "<->", "\0", "\ud800", "''", "$1", "--", "%"]
texts = st.one_of(
    st.text(max_size=60),
    st.lists(st.sampled_from([*HOSTILE, "drill", "电钻", "Küche", "a"]), max_size=12).map(" ".join),
    st.lists(st.sampled_from([*HOSTILE, "x", "修"]), max_size=12).map("".join),
)


def literal(doc: ListingDocument) -> str:
    """A document's tsvector in text form."""
    return tsvector_literal(weighted_terms(doc))


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("Schlüssel ÉCOLE Straße", ["schlussel", "ecole", "strasse"]),
        ("o'Neill e-bike 3.5kW", ["o", "neill", "e", "bike", "3", "5kw"]),
        ("ＡＢＣ　ﬁx", ["abc", "fix"]),
        ("借drill电钻", ["借", "drill", "电钻"]),
        ("हिन्दी पाठ", ["हिन्दी", "पाठ"]),
        ("snake_case", ["snake", "case"]),
        ("한국 방", ["한국", "방"]),
        ("İstanbul", ["istanbul"]),
    ],
)
def test_words_are_folded_and_cut(text: str, words: list[str]) -> None:
    assert list(runs(fold(text))) == words


def test_cjk_is_indexed_as_bigrams_and_single_characters() -> None:
    assert index_terms("修电脑 pc") == [
        ("修", 0),
        ("修电", 0),
        ("电", 1),
        ("电脑", 1),
        ("脑", 2),
        ("pc", 3),
    ]


def test_cjk_is_asked_in_bigrams_and_a_single_character_as_itself() -> None:
    assert all_of(read("刷墙壁")) == "'刷墙' & '墙壁'"
    assert all_of(read("刷")) == "'刷'"


@pytest.mark.parametrize(
    ("query", "indexed"),
    [("Gärtnr", "gaertnr"), ("gaertnr", "gartnr"), ("gärtnr", "gartnr"), ("MUEHLX", "muhlx")],
)
def test_german_umlauts_meet_their_spelled_out_forms(query: str, indexed: str) -> None:
    assert (indexed,) in read(query)[0].exact


def test_only_the_last_word_may_continue() -> None:
    assert all_of(read("izxfundo zolxmi")) == "'izxfundo' & ('zolxmi' | 'zolxmi':*)"
    assert all_of(read("zx")) == "'zx'"


def test_synonyms_cross_languages_and_keep_phrases_together() -> None:
    assert "'bohrmaschine'" in all_of(read("drill"))
    assert "'drill'" in all_of(read("借电钻"))
    assert "('guest' & 'room')" in all_of(read("spare room"))
    assert "'ladder'" in all_of(read("isitebhisi"))
    assert len(read("spare room")) == 1


def test_synonym_data_is_sound() -> None:
    for line in synonym_lists():
        assert len(line) == len(set(line)) >= 2, line
        for term in line:
            assert list(runs(fold(term))), term
    symmetric = load_synonyms()
    assert all(a in symmetric[b] for a, others in symmetric.items() for b in others)
    assert "家教" in category_words("school-tutoring")
    assert category_words("no-such-category") == ()


def test_stop_words_leave_unless_nothing_else_is_asked() -> None:
    assert [group.word for group in read("a lxdder for the roof")] == ["lxdder", "roof"]
    assert [group.word for group in read("the")] == ["the"]
    assert read(" ?! ") == ()


def test_fields_carry_their_weights_and_stay_apart() -> None:
    doc = make_document(
        1,
        title="Cordless drill",
        tags=("18v",),
        description="Strong drill",
        neighbourhood="Leith",
        category="x",
        kind="thing",
    )
    assert literal(doc) == (
        "'cordless':1A 'drill':2A,36D 'x':10B 'thing':11B '18v':19B 'leith':27C 'strong':35D"
    )


@quick
@given(st.text(max_size=300), st.text(max_size=300), texts)
def test_any_listing_gives_a_wellformed_literal(title: str, description: str, tag: str) -> None:
    text = literal(make_document(1, title=title, description=description, tags=(tag,)))
    outside = text.split("'")[::2]
    assert all(set(part) <= set(" :,ABCD0123456789") for part in outside)
    text.encode()


async def test_hostile_texts_never_break_postgres(pool: asyncpg.Pool[Any]) -> None:
    rng = random.Random(7)
    parts = [*HOSTILE, *string.punctuation, "drill", "电钻机", "Küche", "\u200b", "ー", "𠮷", "ß"]
    asked = ["".join(rng.choices(parts, k=rng.randint(1, 14)))[:200] for _ in range(1500)]
    groups = [g for text in asked if (g := with_typos(read(text), {"drill": ["gr'ill\\"]}))]
    literals = [literal(make_document(1, title=text)) for text in asked]

    both = [all_of(g) for g in groups] + [any_of(g) for g in groups]
    assert await pool.fetchval("SELECT count(q::tsquery) FROM unnest($1::text[]) q", both) == len(
        both
    )
    assert await pool.fetchval(
        "SELECT count(d::tsvector) FROM unnest($1::text[]) d", literals
    ) == len(literals)


@quick
@given(texts)
def test_every_query_text_is_quoted_lexemes_and_operators(text: str) -> None:
    query = all_of(read(text))
    outside = query.replace("''", "").split("'")[::2]
    assert all(set(part) <= set(" &|():*") for part in outside)
    assert query.count("(") == query.count(")")


async def test_a_listing_is_found_by_its_own_words(pool: asyncpg.Pool[Any]) -> None:
    docs: list[tuple[ListingDocument, str]] = [
        (make_document(1, title="Schlüsseldienst Müller"), "schluesseldienst"),
        (make_document(2, title="Gaertner Muehle"), "Gärtner Mühle"),
        (make_document(3, title="專業修理電腦"), "理電"),
        (make_document(4, title="Ukufundisa izingane"), "ukufundi"),
        (make_document(5, title="akkuschrauber"), "cordless screwdriver"),
    ]
    for doc, asked in docs:
        found = await pool.fetchval(
            "SELECT $1::text::tsvector @@ $2::text::tsquery",
            literal(doc),
            all_of(read(asked)),
        )
        assert found, asked


@pytest.mark.parametrize(
    ("a", "b", "distance"),
    [
        ("drill", "drlil", 1),
        ("drill", "dril", 1),
        ("drill", "grill", 1),
        ("abc", "ca", 3),
        ("", "", 0),
    ],
)
def test_osa_distance(a: str, b: str, distance: int) -> None:
    assert osa_distance(a, b, 5) == distance
    assert osa_distance(b, a, 5) == distance


@quick
@given(st.text("abcd", max_size=8), st.text("abcd", max_size=8))
def test_osa_limit_only_cuts(a: str, b: str) -> None:
    true = osa_distance(a, b, 99)
    assert osa_distance(a, b, 1) == min(true, 2)
    assert (true == 0) == (a == b)


def test_typos_depend_on_length_and_never_on_numbers() -> None:
    assert [
        typos_allowed(w) for w in ("saws", "drill", "jackhammer", "iphone15", "电钻电钻电钻")
    ] == [
        0,
        1,
        2,
        0,
        0,
    ]
    vocabulary = [("drill", 9), ("drills", 4), ("grill", 20), ("thrill", 2)]
    assert nearest_words("drlil", vocabulary) == ["drill"]
    assert nearest_words("drill", vocabulary) == ["grill", "drills"]
    assert nearest_words("saw", vocabulary) == []
