"""Synonyms, stop words and category names: language data shipped inside the package."""

from __future__ import annotations

import tomllib
from collections.abc import Mapping
from functools import cache
from importlib.resources import files

from handsel_search.text import fold, runs

__all__ = ("Phrase", "category_words", "load_stop_words", "load_synonyms", "synonym_lists")

Phrase = tuple[str, ...]
"""A folded term as its words, e.g. ("spare", "room") or ("电钻",)."""


def _lines(folder: str, suffix: str) -> list[str]:
    root = files("handsel_search").joinpath("data", folder)
    names = sorted(entry.name for entry in root.iterdir() if entry.name.endswith(suffix))
    text = "\n".join(root.joinpath(name).read_text("utf-8") for name in names)
    stripped = (line.partition("#")[0].strip() for line in text.splitlines())
    return [line for line in stripped if line]


@cache
def synonym_lists() -> tuple[tuple[str, ...], ...]:
    """The equivalence lists as written: each line of ``data/synonyms/*.txt``, any languages."""
    return tuple(
        tuple(term.strip() for term in line.split(",") if term.strip())
        for line in _lines("synonyms", ".txt")
    )


@cache
def load_synonyms() -> Mapping[Phrase, tuple[Phrase, ...]]:
    """Folded phrase -> the other phrases that mean the same."""
    found: dict[Phrase, list[Phrase]] = {}
    for line in synonym_lists():
        phrases = [tuple(runs(fold(term))) for term in line]
        for phrase in phrases:
            others = found.setdefault(phrase, [])
            others += [other for other in phrases if other != phrase and other not in others]
    return {phrase: tuple(others) for phrase, others in found.items()}


@cache
def load_stop_words() -> frozenset[str]:
    """Folded words a query may lose when it has others (``data/synonyms/stop.words``)."""
    return frozenset(word for line in _lines("synonyms", ".words") for word in fold(line).split())


@cache
def _categories() -> Mapping[str, tuple[str, ...]]:
    root = files("handsel_search").joinpath("data", "categories")
    names: dict[str, tuple[str, ...]] = {}
    for entry in sorted(root.iterdir(), key=lambda entry: entry.name):
        if entry.name.endswith(".toml"):
            pack = tomllib.loads(entry.read_text("utf-8"))
            for category in pack["category"]:
                names[category["slug"]] = tuple(category["names"].values())
    return names


def category_words(slug: str) -> tuple[str, ...]:
    """The names of a category in every language the shipped packs give, or nothing."""
    return _categories().get(slug, ())
