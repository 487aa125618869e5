"""How a query text is read: groups of alternatives, and the tsquery made of them.

One group is one thing the searcher asked for: a word with its German spellings (as typed), its
synonyms, typo neighbours and, for the last word, everything it begins. Groups are joined with
AND, and with OR only to fill a thin page. Every lexeme is quoted: no text can break the syntax.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping, Sequence
from typing import Final

import msgspec

from handsel_search.synonyms import Phrase, load_stop_words, load_synonyms
from handsel_search.text import cjk_bigrams, fold, is_cjk, runs

__all__ = ("Group", "all_of", "any_of", "read", "with_typos")

GROUPS_MAX: Final = 12
PREFIX_FROM: Final = 3
_UMLAUTS: Final = str.maketrans({"ä": "ae", "ö": "oe", "ü": "ue"})
_DIGRAPH: Final = re.compile("([aou])e")


class Group(msgspec.Struct, frozen=True, kw_only=True):
    """Alternatives for one asked word.

    ``exact`` holds the word as typed and its German spellings; ``wide`` phrases that mean or
    nearly spell the same (each a conjunction of terms); ``prefix`` a term that may continue.
    """

    exact: tuple[Phrase, ...]
    wide: tuple[Phrase, ...] = ()
    prefix: str | None = None

    @property
    def word(self) -> str:
        """The term as typed, folded; phrases are joined by a space."""
        return " ".join(self.exact[0])

    def exact_query(self) -> str:
        """tsquery text of the word as typed."""
        return _either([_phrase(phrase) for phrase in self.exact])

    def query(self) -> str:
        """tsquery text of the word and everything that may stand for it."""
        parts = [_phrase(phrase) for phrase in (*self.exact, *self.wide)]
        if self.prefix is not None:
            parts.append(f"{_quote(self.prefix)}:*")
        return _either(list(dict.fromkeys(parts)))


def _quote(term: str) -> str:
    return "'" + term.replace("\\", "\\\\").replace("'", "''") + "'"


def _phrase(phrase: Phrase) -> str:
    terms = [term for run in phrase for term in (cjk_bigrams(run) if is_cjk(run) else [run])]
    if len(terms) == 1:
        return _quote(terms[0])
    return "(" + " & ".join(_quote(term) for term in terms) + ")"


def _either(parts: Sequence[str]) -> str:
    return parts[0] if len(parts) == 1 else "(" + " | ".join(parts) + ")"


def all_of(groups: Sequence[Group]) -> str:
    """tsquery text that asks for every group."""
    return " & ".join(group.query() for group in groups)


def any_of(groups: Sequence[Group]) -> str:
    """tsquery text that asks for at least one group."""
    return " | ".join(group.query() for group in groups)


def with_typos(groups: Sequence[Group], near: Mapping[str, Sequence[str]]) -> tuple[Group, ...]:
    """The groups with vocabulary words near their typed word added to the alternatives."""
    return tuple(
        msgspec.structs.replace(
            group, wide=group.wide + tuple((word,) for word in near.get(group.word, ()))
        )
        for group in groups
    )


def read(text: str | None) -> tuple[Group, ...]:
    """The groups of a raw query text, at most twelve; empty when it holds no word."""
    if not text:
        return ()
    words = _words(text)
    kept = [pair for pair in words if pair[0] not in load_stop_words()] or words
    groups = list(_groups(kept))[:GROUPS_MAX]
    if groups:
        groups[-1] = _open_ended(groups[-1])
    return tuple(groups)


def _words(text: str) -> list[tuple[str, str]]:
    """(folded, folded with umlauts spelled out) for each run of the text."""
    spelled = text.casefold().translate(_UMLAUTS)
    plain, long = list(runs(fold(text))), list(runs(fold(spelled)))
    if len(plain) != len(long):  # a combining diaeresis: no second spelling
        long = plain
    return list(zip(plain, long, strict=True))


def _groups(words: Sequence[tuple[str, str]]) -> Iterator[Group]:
    synonyms = load_synonyms()
    i = 0
    while i < len(words):
        if is_cjk(words[i][0]):
            yield from _cjk_groups(words[i][0])
            i += 1
            continue
        for length in (3, 2, 1):
            phrase = tuple(word for word, _ in words[i : i + length])
            if len(phrase) == length and (length == 1 or phrase in synonyms):
                break
        exact = [phrase] if length > 1 else [(term,) for term in _spellings(*words[i])]
        wide = [other for phrase in exact for other in synonyms.get(phrase, ())]
        yield Group(exact=tuple(exact), wide=tuple(dict.fromkeys(wide)))
        i += length


def _spellings(word: str, spelled: str) -> list[str]:
    collapsed = _DIGRAPH.sub(r"\1", word)
    return list(dict.fromkeys((word, spelled, collapsed)))


def _cjk_groups(run: str) -> Iterator[Group]:
    """Bigrams of a run; a known term inside it is cut out and becomes a group of its own."""
    synonyms = load_synonyms()
    start = rest = 0
    while start < len(run):
        for end in range(min(len(run), start + 6), start + 1, -1):
            others = synonyms.get((run[start:end],))
            if others is not None:
                yield from _bigram_groups(run[rest:start])
                yield Group(exact=((run[start:end],),), wide=others)
                start = rest = end
                break
        else:
            start += 1
    yield from _bigram_groups(run[rest:])


def _bigram_groups(run: str) -> Iterator[Group]:
    if run:
        for bigram in cjk_bigrams(run):
            yield Group(exact=((bigram,),))


def _open_ended(group: Group) -> Group:
    word = group.exact[0]
    if len(word) != 1 or is_cjk(word[0]) or len(word[0]) < PREFIX_FROM:
        return group
    return msgspec.structs.replace(group, prefix=word[0])
