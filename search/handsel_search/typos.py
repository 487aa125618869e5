"""Typo tolerance: which words of the vocabulary a mistyped word may stand for."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Final

from handsel_search.text import is_cjk

__all__ = ("nearest_words", "osa_distance", "typos_allowed")

EXPANSIONS_MAX: Final = 8


def typos_allowed(word: str) -> int:
    """0, 1 (from 5 characters) or 2 (from 9); none for words with a digit and for CJK."""
    if len(word) < 5 or any(c.isdigit() for c in word) or is_cjk(word):
        return 0
    return 2 if len(word) >= 9 else 1


def osa_distance(a: str, b: str, limit: int) -> int:
    """Optimal string alignment distance (insert, delete, replace, swap neighbours).

    Any answer above ``limit`` is ``limit + 1``.
    """
    if abs(len(a) - len(b)) > limit:
        return limit + 1
    before: list[int] = []
    previous = list(range(len(b) + 1))
    for i, ca in enumerate(a, 1):
        current = [i]
        for j, cb in enumerate(b, 1):
            cost = min(previous[j] + 1, current[j - 1] + 1, previous[j - 1] + (ca != cb))
            if i > 1 and j > 1 and ca == b[j - 2] and a[i - 2] == cb:
                cost = min(cost, before[j - 2] + 1)
            current.append(cost)
        if min(current) > limit:
            return limit + 1
        before, previous = previous, current
    return min(previous[-1], limit + 1)


def nearest_words(word: str, candidates: Iterable[tuple[str, int]]) -> list[str]:
    """At most eight vocabulary words within the allowed typos of ``word``.

    ``candidates`` are (word, number of documents); nearest first, then most used.
    """
    limit = typos_allowed(word)
    if limit == 0:
        return []
    found = [
        (distance, -documents, candidate)
        for candidate, documents in candidates
        if candidate != word and (distance := osa_distance(word, candidate, limit)) <= limit
    ]
    return [candidate for _, _, candidate in sorted(found)[:EXPANSIONS_MAX]]
