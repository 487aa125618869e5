"""The one shape in which a listing reaches an index.

A document holds only what may be public: the published point (never the true one), the public
conduct band, never a financial score, money tier or limit.
"""

from __future__ import annotations

import re
from datetime import datetime
from typing import Final, Literal, get_args
from uuid import UUID

import msgspec

__all__ = (
    "FULFILMENTS",
    "KINDS",
    "SLUG",
    "UNITS",
    "Fulfilment",
    "Kind",
    "ListingDocument",
    "Unit",
)

Kind = Literal["skill", "knowledge", "time", "thing", "room", "vehicle", "errand"]
Unit = Literal["per_job", "per_hour", "per_day", "per_item", "quote"]
Fulfilment = Literal["at_yours", "at_mine", "remote"]

KINDS: Final[tuple[str, ...]] = get_args(Kind)
UNITS: Final[tuple[str, ...]] = get_args(Unit)
FULFILMENTS: Final[tuple[str, ...]] = get_args(Fulfilment)

SLUG: Final = re.compile(r"[a-z0-9][a-z0-9_.-]{0,63}")
KEY: Final = re.compile(r"[A-Za-z0-9_.:-]{1,64}")
CURRENCY: Final = re.compile(r"[A-Z][A-Z0-9_]{2,11}")
MINOR_MAX: Final = 2**53 - 1  # Meilisearch's numbers are doubles; both engines share the bound


class ListingDocument(msgspec.Struct, frozen=True, kw_only=True):
    """One listing as the engines see it.

    ``version`` is the listing's row version: an older one never overwrites a newer one, an equal
    one may (pushed facts such as the response rate change without it). ``lat``/``lon`` are the
    published point in WGS84 degrees, both None for a listing without a place. ``price_minor`` is
    in minor units of ``currency``, None for a quote. ``service_radius_m`` is how far the seller
    travels. ``conduct_band`` 0..4 and ``response_rate`` 0..1 are None while unknown.
    ``created_at`` is aware.

    Raises:
        ValueError: a value outside its range; an index never holds a half-valid document.
    """

    id: str
    version: int
    seller_id: str
    storefront_id: str
    kind: Kind
    category: str
    title: str
    unit: Unit
    currency: str
    created_at: datetime
    handle: str = ""
    pack: str = ""
    description: str = ""
    tags: tuple[str, ...] = ()
    lang: str | None = None
    price_minor: int | None = None
    fulfilment: frozenset[Fulfilment] = frozenset({"at_mine"})
    lat: float | None = None
    lon: float | None = None
    service_radius_m: int | None = None
    live: bool = True
    conduct_band: int | None = None
    identity_tier: int = 0
    verified_facts: frozenset[str] = frozenset()
    response_rate: float | None = None
    settled_count: int = 0
    neighbourhood: str | None = None
    place: str | None = None

    def __post_init__(self) -> None:
        _check_names(self)
        _check_numbers(self)


def _check_names(doc: ListingDocument) -> None:
    if str(UUID(doc.id)) != doc.id:
        raise ValueError("id must be a lower-case hyphenated uuid")
    for name in ("seller_id", "storefront_id"):
        if not KEY.fullmatch(getattr(doc, name)):
            raise ValueError(f"{name} must be 1 to 64 of A-Z a-z 0-9 _ . : -")
    if doc.kind not in KINDS or doc.unit not in UNITS or not doc.fulfilment <= set(FULFILMENTS):
        raise ValueError("unknown kind, unit or fulfilment")
    if not all(SLUG.fullmatch(slug) for slug in (doc.category, *doc.verified_facts)):
        raise ValueError("category and verified facts must be slugs")
    if not CURRENCY.fullmatch(doc.currency):
        raise ValueError("currency must be a code such as EUR")
    if not doc.fulfilment:
        raise ValueError("a listing is fulfilled at yours, at mine or remotely")


def _check_numbers(doc: ListingDocument) -> None:
    if (doc.lat is None) != (doc.lon is None):
        raise ValueError("lat and lon come together")
    if doc.lat is not None and not -90.0 <= doc.lat <= 90.0:
        raise ValueError("lat out of range")
    if doc.lon is not None and not -180.0 <= doc.lon <= 180.0:
        raise ValueError("lon out of range")
    if doc.price_minor is not None and not 0 <= doc.price_minor <= MINOR_MAX:
        raise ValueError("price_minor out of range")
    if doc.conduct_band is not None and not 0 <= doc.conduct_band <= 4:
        raise ValueError("conduct_band out of range")
    if not 0 <= doc.identity_tier <= 5 or doc.settled_count < 0 or doc.version < 0:
        raise ValueError("identity_tier, settled_count or version out of range")
    if doc.response_rate is not None and not 0.0 <= doc.response_rate <= 1.0:
        raise ValueError("response_rate out of range")
    if doc.created_at.tzinfo is None:
        raise ValueError("created_at must be aware")
