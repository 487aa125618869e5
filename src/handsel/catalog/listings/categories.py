"""Categories as data: one TOML file per trade in ``packs/``, loaded and checked at start.

A pack has a ``version`` that grows with every change of its content. The first entry of ``units``
and of ``fulfilment`` is the default of a new listing.
"""

import re
import tomllib
from functools import cache
from importlib.resources import files
from typing import Annotated, Literal

import msgspec

from handsel.foundation.core.money import BPS, MAX_AMOUNT_MINOR, known_currencies
from handsel_search.documents import SLUG, Fulfilment, Kind, Unit

LANGUAGES = ("en", "de", "zh")
_DURATION = re.compile(r"P(?=.)(\d+D)?(T(?=.)(\d+H)?(\d+M)?)?")

Duration = Annotated[str, msgspec.Meta(description="ISO 8601, e.g. P2D", examples=["P2D"])]
Names = dict[str, str]


class Cancellation(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """Free until this long before the start; later the seller keeps this share."""

    free_until: Duration
    late_share_bps: Annotated[int, msgspec.Meta(ge=0, le=BPS)]


CancellationPolicy = Literal["flexible", "moderate", "strict"]


@cache
def cancellation_policies() -> dict[CancellationPolicy, Cancellation]:
    """The policies that a listing may name."""
    text = files(__package__).joinpath("cancellation.toml").read_text("utf-8")
    return msgspec.convert(tomllib.loads(text), dict[CancellationPolicy, Cancellation])


class Category(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """One trade: what may be offered in it, how, for how much, on which terms."""

    slug: str
    names: Names
    kind: Kind
    risk: Literal["low", "medium", "high"]
    rule: Literal["allowed", "licence", "forbidden"]
    #: Only the import publishes here.
    sample_only: bool = False
    processes: list[Literal["service", "rental"]]
    units: list[Unit]
    fulfilment: list[Fulfilment]
    service_radius_m: Annotated[int, msgspec.Meta(ge=100, le=200_000)]
    inspection_period: Duration
    cancellation: Cancellation
    #: Minor units by currency; a currency that is not here is not taken.
    largest_amount: dict[str, Annotated[int, msgspec.Meta(ge=1, le=MAX_AMOUNT_MINOR)]]
    questions: list[Names]
    synonyms: dict[str, list[str]]

    @property
    def default_unit(self) -> Unit:
        """The unit of a priced listing that names none."""
        return self.units[0]


class Pack(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """The categories of one trade, versioned together."""

    pack: str
    version: Annotated[int, msgspec.Meta(ge=1)]
    names: Names
    category: list[Category]


class InvalidPack(ValueError):
    """A shipped pack is wrong: the service does not start with it."""


@cache
def load() -> tuple[Pack, ...]:
    """The shipped packs, checked. Raises ``InvalidPack``."""
    folder = files(__package__).joinpath("packs")
    names = sorted(entry.name for entry in folder.iterdir() if entry.name.endswith(".toml"))
    packs = tuple(parse(folder.joinpath(name).read_text("utf-8"), name) for name in names)
    slugs = [category.slug for pack in packs for category in pack.category]
    if len(set(slugs)) != len(slugs):
        raise InvalidPack("two categories have one slug")
    return packs


def parse(text: str, name: str) -> Pack:
    """One pack out of its TOML text. Raises ``InvalidPack`` with the place of the mistake."""
    try:
        pack = msgspec.convert(tomllib.loads(text), Pack)
    except (tomllib.TOMLDecodeError, msgspec.ValidationError) as error:
        raise InvalidPack(f"{name}: {error}") from None
    for category in pack.category:
        wrong = _mistake(category)
        if wrong:
            raise InvalidPack(f"{name}: {category.slug}: {wrong}")
    return pack


def _mistake(category: Category) -> str | None:
    texts = [category.names, *category.questions]
    checks = (
        (SLUG.fullmatch(category.slug), "the slug is not a slug"),
        (all(set(LANGUAGES) <= set(text) for text in texts), "a name or question lacks a language"),
        (set(category.synonyms) <= set(LANGUAGES), "synonyms in an unknown language"),
        ("quote" in category.units and category.units[0] != "quote", "units: a priced one, quote"),
        (category.fulfilment, "no way of fulfilment"),
        (set(category.largest_amount) <= known_currencies(), "an unknown currency"),
        (category.largest_amount, "no currency"),
        (category.processes or category.rule == "forbidden", "no process"),
        (_DURATION.fullmatch(category.inspection_period), "inspection_period is no duration"),
        (_DURATION.fullmatch(category.cancellation.free_until), "free_until is no duration"),
    )
    return next((mistake for fine, mistake in checks if not fine), None)


@cache
def _by_slug() -> dict[str, tuple[Pack, Category]]:
    return {category.slug: (pack, category) for pack in load() for category in pack.category}


def find(slug: str) -> Category | None:
    """The category of a slug, or None."""
    found = _by_slug().get(slug)
    return found[1] if found else None


def pack_of(slug: str) -> str:
    """The name of the pack that holds a category; empty for one that is gone."""
    found = _by_slug().get(slug)
    return found[0].pack if found else ""
