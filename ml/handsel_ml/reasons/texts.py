"""The words of one language, read once from the TOML file of its name. A file lacks nothing and has
nothing too many (msgspec refuses it); that all files name the same things is tested."""

from __future__ import annotations

import tomllib
from importlib.resources import files
from typing import Literal, get_args

import msgspec

Language = Literal["en", "de", "zh"]
LANGUAGES: tuple[Language, ...] = get_args(Language)


class Words(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """What is said of a reason group: with history, without history, and what would help."""

    text: str
    unknown: str
    help: str


class Steps(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """What to do next, in one sentence, where no reason says it."""

    failed: str
    building: str
    clear: str


class Counted(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """One of something, and {n} of it."""

    one: str
    many: str

    def of(self, n: int) -> str:
        """So many of it."""
        return self.one if n == 1 else self.many.format(n=n)


class FactWords(Counted, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """A kind of fact: one of it as a sentence to its member, and how many."""

    text: str


class Durations(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """Lengths of time."""

    minutes_one: str
    minutes_many: str
    hours_one: str
    hours_many: str
    days_one: str
    days_many: str


class Texts(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """Everything that is said in one language. `verifications` by number of the step,
    `reasons` by group, `facts` by kind."""

    steps: Steps
    verifications: dict[str, str]
    reasons: dict[str, Words]
    facts: dict[str, FactWords]
    retracted: Counted
    durations: Durations


def _read(language: Language) -> Texts:
    plain = tomllib.loads(files(__package__).joinpath(f"{language}.toml").read_text("utf-8"))
    return msgspec.convert(plain, Texts)


TEXTS: dict[Language, Texts] = {language: _read(language) for language in LANGUAGES}
