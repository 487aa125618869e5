"""What goes in and out: a listing for everybody, for its owner, and for an order."""

from datetime import datetime
from typing import Annotated, Literal
from uuid import UUID

import msgspec
from msgspec import UNSET, Meta, UnsetType

from handsel.catalog.listings.categories import Cancellation, CancellationPolicy, Names
from handsel.catalog.listings.states import State
from handsel.foundation.core.money import Currency, Money
from handsel.foundation.core.schema import Input, View
from handsel.people.trust.schemas import TrustCard
from handsel_search.documents import Fulfilment, Kind, Unit

Title = Annotated[str, Meta(max_length=200, examples=["Maths tutor, school years 5 to 10"])]
Description = Annotated[str, Meta(max_length=5000)]
Tag = Annotated[str, Meta(min_length=1, max_length=40)]
Tags = Annotated[list[Tag], Meta(max_length=12)]
Radius = Annotated[int, Meta(ge=100, le=200_000)]
Ways = Annotated[list[Fulfilment], Meta(min_length=1, max_length=3)]
TimeZone = Annotated[str, Meta(max_length=64, examples=["Europe/London"])]


class Point(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """WGS84 degrees."""

    lat: Annotated[float, Meta(ge=-90, le=90, examples=[55.9486])]
    lon: Annotated[float, Meta(ge=-180, le=180, examples=[-3.1999])]


class Price(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """What one unit costs, in minor units of a currency."""

    amount_minor: int
    currency: Currency


#: What a renter leaves as security, in minor units of the price's currency; 0 for none.
Deposit = Annotated[int, Meta(ge=0, le=10**15, examples=[5000])]


class ListingCreate(Input):
    """Four fields; the category fills in the rest. A price of null asks buyers for a quote.
    ``deposit_minor`` is what a renter leaves as security, in the price's currency;
    ``cancellation_policy`` names other terms than the category's."""

    title: Title
    category: Annotated[str, Meta(max_length=64, examples=["school-tutoring"])]
    price: Price | None
    place: Point | Literal["remote"]
    description: Description = ""
    tags: Tags = msgspec.field(default_factory=list)
    unit: Unit | None = None
    fulfilment: Ways | None = None
    service_radius_m: Radius | None = None
    time_zone: TimeZone | None = None
    deposit_minor: Deposit = 0
    cancellation_policy: CancellationPolicy | None = None


class ListingPatch(Input):
    """Only what is given changes. The category stays: another trade is another listing."""

    title: Title | UnsetType = UNSET
    price: Price | UnsetType | None = UNSET
    place: Point | Literal["remote"] | UnsetType = UNSET
    description: Description | UnsetType = UNSET
    tags: Tags | UnsetType = UNSET
    unit: Unit | UnsetType = UNSET
    fulfilment: Ways | UnsetType = UNSET
    service_radius_m: Radius | UnsetType = UNSET
    time_zone: TimeZone | UnsetType | None = UNSET
    deposit_minor: Deposit | UnsetType = UNSET
    cancellation_policy: CancellationPolicy | UnsetType | None = UNSET


class Reason(View):
    """One thing that stands in the way of publishing."""

    code: str
    detail: str


class ListingView(View):
    """A listing as everybody sees it: ``published_point`` lies on a grid of about 250 m."""

    id: str
    storefront: str
    title: str
    description: str
    category: str
    kind: Kind
    tags: list[str]
    price: Money | None
    unit: Unit
    fulfilment: list[Fulfilment]
    published_point: Point | None
    service_radius_m: int | None
    time_zone: str | None
    deposit_minor: int
    inspection_period: str
    cancellation: Cancellation
    state: State
    version: int
    published_at: datetime | None
    created_at: datetime
    updated_at: datetime


class OwnListingView(ListingView):
    """A listing as its owner sees it: with the true place, and what bars it from being public."""

    place: Point | Literal["remote"]
    blockers: list[Reason]


class OwnListingPage(View):
    """Listings of the caller, newest first."""

    items: list[OwnListingView]
    next_cursor: str | None


class CategoryView(View):
    """A category and the terms that a listing in it starts from."""

    slug: str
    pack: str
    names: Names
    kind: Kind
    risk: str
    rule: str
    sample_only: bool
    processes: list[str]
    units: list[Unit]
    fulfilment: list[Fulfilment]
    service_radius_m: int
    inspection_period: str
    cancellation: Cancellation
    largest_amount: list[Money]
    questions: list[Names]
    synonyms: dict[str, list[str]]


class CategoryList(View):
    """Every category of every pack; ``versions`` tells when one has changed."""

    versions: dict[str, int]
    items: list[CategoryView]


class StorefrontView(View):
    """A member's shop: who it is, what they offer, how far they can be trusted."""

    handle: str
    title: str
    about: str
    trust_card: TrustCard
    listings: list[ListingView]
    next_cursor: str | None


class ListingForOrder(msgspec.Struct, frozen=True, kw_only=True):
    """What an order freezes of a listing, read under a shared lock."""

    id: UUID
    seller_id: UUID
    #: The storefront's handle: how others name the seller.
    seller: str
    title: str
    category: str
    kind: Kind
    unit: Unit
    fulfilment: list[Fulfilment]
    price_minor: int | None
    currency: str | None
    deposit_minor: int
    time_zone: str | None
    inspection_period: str
    cancellation: Cancellation
    processes: list[str]
    live: bool
    version: int


class ListingCard(msgspec.Struct, frozen=True, kw_only=True):
    """The short form of a listing for lists, whatever its state; the true point is not in it."""

    id: UUID
    seller_id: UUID
    storefront: str
    title: str
    category: str
    kind: Kind
    unit: Unit
    fulfilment: list[Fulfilment]
    price_minor: int | None
    currency: str | None
    lat: float | None
    lon: float | None
    service_radius_m: int | None
    state: State
    version: int
