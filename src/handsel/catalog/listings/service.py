"""The verbs on listings; the only writer of their tables but the import.

``secret`` keys the published grid. Somebody else's listing is ``NotFound``. What higher floors
use: ``for_order``, ``by_ids``, and search the documents.
"""

from collections.abc import Sequence
from typing import Literal
from uuid import UUID

import asyncpg
import msgspec
from msgspec import UNSET

from handsel.catalog.listings import errors, policy, queries, states, storefronts, views
from handsel.catalog.listings.categories import Category
from handsel.catalog.listings.documents import document_for_index as document_for_index
from handsel.catalog.listings.documents import documents_after as documents_after
from handsel.catalog.listings.documents import documents_of_seller as documents_of_seller
from handsel.catalog.listings.policy import check_time_zone as check_time_zone
from handsel.catalog.listings.queries import Listing
from handsel.catalog.listings.schemas import (
    ListingCard,
    ListingCreate,
    ListingForOrder,
    ListingPatch,
    ListingView,
    OwnListingView,
    Point,
    Price,
)
from handsel.catalog.listings.states import Transition
from handsel.foundation.core.errors import NotFound, Stale
from handsel.foundation.db.uow import Tx
from handsel.foundation.http.principal import Principal
from handsel_search.geo import published_point

Place = Point | Literal["remote"]

_INSERT = """
    INSERT INTO catalog.listings (storefront_id, seller_id, state, category, kind, title,
        description, tags, unit, price_minor, currency, fulfilment, true_lat, true_lon, lat, lon,
        service_radius_m, time_zone, inspection_period, free_until, late_share_bps, deposit_minor,
        created_at, updated_at)
    VALUES ($1, $2, 'draft', $3, $4, $5, $6, $7, $8, $9, $10, $11, $12, $13, $14, $15, $16, $17,
            $18, $19, $20, $21, $22, $22)
    RETURNING id
"""
_UPDATE = """
    UPDATE catalog.listings SET version = version + 1, title = $2, description = $3, tags = $4,
        unit = $5, price_minor = $6, currency = $7, fulfilment = $8, true_lat = $9, true_lon = $10,
        lat = $11, lon = $12, service_radius_m = $13, time_zone = $14, deposit_minor = $15,
        free_until = $16, late_share_bps = $17, updated_at = $18
    WHERE id = $1
"""
_MOVE = """
    UPDATE catalog.listings SET version = version + 1, state = $2, updated_at = $3,
        published_at = CASE WHEN $2 = 'live' THEN coalesce(published_at, $3) ELSE published_at END
    WHERE id = $1
"""


async def create(tx: Tx, secret: bytes, seller: Principal, data: ListingCreate) -> OwnListingView:
    """A draft of this seller, in their storefront (made with the first listing).

    Raises the refusals of ``policy``: unknown category, currency, unit, fulfilment, time zone.
    """
    category = policy.known_category(data.category)
    policy.check_price(data.price)
    policy.check_time_zone(data.time_zone)
    ways = policy.choose_fulfilment(category, data.place, data.fulfilment)
    radius_m = data.service_radius_m or (category.service_radius_m if "at_yours" in ways else None)
    cancellation = policy.choose_cancellation(category, data.cancellation_policy)
    storefront = await storefronts.ensure(tx, seller)
    listing_id: UUID = await tx.fetchval(
        _INSERT,
        storefront.id,
        seller.member_id,
        category.slug,
        category.kind,
        policy.clean_title(data.title),
        data.description.strip(),
        data.tags,
        policy.choose_unit(category, data.price is not None, data.unit),
        *_price(data.price),
        ways,
        *_points(data.place, secret),
        radius_m,
        data.time_zone,
        category.inspection_period,
        cancellation.free_until,
        cancellation.late_share_bps,
        data.deposit_minor,
        tx.now,
    )
    return views.own_view(await _own(tx, seller, listing_id))


async def edit(
    tx: Tx, secret: bytes, seller: Principal, listing_id: UUID, expected: int, patch: ListingPatch
) -> OwnListingView:
    """Change what the patch gives; the rest, also the terms of the category, stays.

    Raises ``Stale`` for another version than ``expected``, ``ListingWrongState`` once ended,
    ``PublishRefused`` where a live listing would no longer be allowed to be live.
    """
    row = await _own(tx, seller, listing_id, lock=True)
    if row.version != expected:
        raise Stale(f"the listing is at version {row.version}")
    if row.state == "ended":
        raise _wrong_state(row)
    new = _patched(row, patch)
    if row.live:
        _refuse_blocked(new)
    await tx.execute(
        _UPDATE,
        row.id,
        new.title,
        new.description,
        new.tags,
        new.unit,
        new.price_minor,
        new.currency,
        new.fulfilment,
        *_points(_place(new), secret),
        new.service_radius_m,
        new.time_zone,
        new.deposit_minor,
        new.free_until,
        new.late_share_bps,
        tx.now,
    )
    return await _changed(tx, seller, row)


async def move(
    tx: Tx, seller: Principal, listing_id: UUID, transition: Transition
) -> OwnListingView:
    """Publish, pause or end. Raises ``ListingWrongState``, ``PublishRefused``."""
    row = await _own(tx, seller, listing_id, lock=True)
    state = states.after(row.state, transition)
    if state is None:
        raise _wrong_state(row)
    if state == "live":
        _refuse_blocked(row)
    await tx.execute(_MOVE, row.id, state, tx.now)
    return await _changed(tx, seller, row)


async def read(
    conn: asyncpg.Connection, viewer: Principal | None, listing_id: UUID
) -> ListingView | OwnListingView:
    """A listing: the owner sees all of theirs, everybody else the live ones."""
    own = await queries.own(conn, viewer.member_id, listing_id) if viewer else None
    if own is not None:
        return views.own_view(own)
    row = await queries.live(conn, listing_id)
    if row is None:
        raise NotFound
    return views.public_view(row)


async def for_order(tx: Tx, listing_id: UUID) -> ListingForOrder:
    """What an order freezes, locked FOR SHARE: it cannot change before the order commits.

    Raises ``NotFound``. A listing that is not live is returned with ``live`` false.
    """
    row = await queries.for_share(tx.conn, listing_id)
    if row is None:
        raise NotFound("there is no such listing")
    return views.for_order(row)


async def by_ids(conn: asyncpg.Connection, ids: Sequence[UUID]) -> list[ListingCard]:
    """The short form of these listings, whatever their state, in no order."""
    return [views.card(row) for row in await queries.by_ids(conn, ids)]


async def _own(tx: Tx, seller: Principal, listing_id: UUID, *, lock: bool = False) -> Listing:
    row = await queries.own(tx.conn, seller.member_id, listing_id, lock=lock)
    if row is None:
        raise NotFound("you have no such listing")
    return row


async def _changed(tx: Tx, seller: Principal, before: Listing) -> OwnListingView:
    """The row after a change, told to search where search knows it or shall."""
    row = await _own(tx, seller, before.id)
    if before.live or row.live:
        payload = {"listing_id": str(row.id), "version": row.version, "live": row.live}
        tx.emit("listing.changed", row.id, payload)
    return views.own_view(row)


def _patched(row: Listing, patch: ListingPatch) -> Listing:
    """The row with the patch applied and checked. A changed kind of price or place chooses the
    category's default unit or fulfilment again, unless the patch names one."""
    category = policy.known_category(row.category)
    new = msgspec.structs.replace(row, **_plain(category, patch))
    price = _price_of(row) if patch.price is UNSET else patch.price
    place = _place(row) if patch.place is UNSET else patch.place
    policy.check_price(price if patch.price is not UNSET else None)
    unit = row.unit if (price is None) == (row.price_minor is None) else None
    ways = row.fulfilment if (place == "remote") == (row.true_lat is None) else None
    amount_minor, currency = _price(price)
    lat, lon = (place.lat, place.lon) if isinstance(place, Point) else (None, None)
    return msgspec.structs.replace(
        new,
        price_minor=amount_minor,
        currency=currency if price is not None else row.currency,
        unit=policy.choose_unit(category, price is not None, patch.unit or unit),
        fulfilment=policy.choose_fulfilment(category, place, patch.fulfilment or ways),
        true_lat=lat,
        true_lon=lon,
    )


def _plain(category: Category, patch: ListingPatch) -> dict[str, object]:
    """The fields that need no look at another field."""
    given: dict[str, object] = {}
    if patch.title is not UNSET:
        given["title"] = policy.clean_title(patch.title)
    if patch.description is not UNSET:
        given["description"] = patch.description.strip()
    if patch.time_zone is not UNSET:
        policy.check_time_zone(patch.time_zone)
        given["time_zone"] = patch.time_zone
    if patch.cancellation_policy is not UNSET:
        terms = policy.choose_cancellation(category, patch.cancellation_policy)
        given |= {"free_until": terms.free_until, "late_share_bps": terms.late_share_bps}
    for name in ("tags", "service_radius_m", "deposit_minor"):
        if getattr(patch, name) is not UNSET:
            given[name] = getattr(patch, name)
    return given


def _price(price: Price | None) -> tuple[int | None, str | None]:
    return (price.amount_minor, price.currency) if price else (None, None)


def _price_of(row: Listing) -> Price | None:
    if row.price_minor is None or row.currency is None:
        return None
    return Price(amount_minor=row.price_minor, currency=row.currency)


def _place(row: Listing) -> Place:
    if row.true_lat is None or row.true_lon is None:
        return "remote"
    return Point(lat=row.true_lat, lon=row.true_lon)


def _points(place: Place, secret: bytes) -> tuple[float | None, ...]:
    """True lat, true lon, published lat, published lon."""
    if not isinstance(place, Point):
        return (None, None, None, None)
    return (place.lat, place.lon, *published_point(place.lat, place.lon, secret))


def _refuse_blocked(row: Listing) -> None:
    reasons = policy.blockers(row.category, _price_of(row))
    if reasons:
        raise errors.PublishRefused(reasons[0].detail, reasons=msgspec.to_builtins(reasons))


def _wrong_state(row: Listing) -> errors.ListingWrongState:
    detail = f"the listing is {row.state}"
    return errors.ListingWrongState(detail, state=row.state, allowed=states.allowed(row.state))
