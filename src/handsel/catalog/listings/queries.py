"""Reads of listings and storefronts. Only ``OWN`` brings the true point out of the database."""

from collections.abc import Sequence
from datetime import datetime
from uuid import UUID

import asyncpg
import msgspec

from handsel.catalog.listings.states import State
from handsel_search.documents import Fulfilment, Kind, Unit

Conn = asyncpg.Connection

PUBLIC = """
    l.id, l.storefront_id, s.handle, l.seller_id, l.state, l.version, l.category, l.kind, l.title,
    l.description, l.tags, l.unit, l.price_minor, l.currency, l.fulfilment, l.lat, l.lon,
    l.neighbourhood, l.service_radius_m, l.time_zone, l.inspection_period, l.free_until,
    l.late_share_bps, l.deposit_minor, l.response_rate, l.published_at, l.created_at, l.updated_at
    FROM catalog.listings l JOIN catalog.storefronts s ON s.id = l.storefront_id
"""
OWN = "l.true_lat, l.true_lon, " + PUBLIC


class Listing(msgspec.Struct, frozen=True, kw_only=True):
    """A row. ``true_lat``/``true_lon`` are there only for its owner."""

    id: UUID
    storefront_id: UUID
    handle: str
    seller_id: UUID
    state: State
    version: int
    category: str
    kind: Kind
    title: str
    description: str
    tags: list[str]
    unit: Unit
    price_minor: int | None
    currency: str | None
    fulfilment: list[Fulfilment]
    lat: float | None
    lon: float | None
    neighbourhood: str | None
    service_radius_m: int | None
    time_zone: str | None
    inspection_period: str
    free_until: str
    late_share_bps: int
    deposit_minor: int
    response_rate: float | None
    published_at: datetime | None
    created_at: datetime
    updated_at: datetime
    true_lat: float | None = None
    true_lon: float | None = None

    @property
    def live(self) -> bool:
        """Whether everybody may see it."""
        return self.state == "live"


class Storefront(msgspec.Struct, frozen=True, kw_only=True):
    """A row."""

    id: UUID
    member_id: UUID
    handle: str
    title: str
    about: str


async def own(
    conn: Conn, seller_id: UUID, listing_id: UUID, *, lock: bool = False
) -> Listing | None:
    """A listing of this seller, with its true point; None where it is somebody else's."""
    tail = " FOR UPDATE OF l" if lock else ""
    sql = f"SELECT {OWN} WHERE l.id = $1 AND l.seller_id = $2{tail}"
    return _one(await conn.fetchrow(sql, listing_id, seller_id))


async def live(conn: Conn, listing_id: UUID) -> Listing | None:
    """A listing that everybody may see."""
    sql = f"SELECT {PUBLIC} WHERE l.id = $1 AND l.state = 'live'"
    return _one(await conn.fetchrow(sql, listing_id))


async def for_share(conn: Conn, listing_id: UUID) -> Listing | None:
    """A listing whatever its state, which cannot change until the caller's transaction ends."""
    sql = f"SELECT {PUBLIC} WHERE l.id = $1 FOR SHARE OF l"
    return _one(await conn.fetchrow(sql, listing_id))


async def by_ids(conn: Conn, ids: Sequence[UUID]) -> list[Listing]:
    """These listings, whatever their state, in no order."""
    return _all(await conn.fetch(f"SELECT {PUBLIC} WHERE l.id = ANY($1)", ids))


async def public_of_seller(conn: Conn, seller_id: UUID) -> list[Listing]:
    """What a seller has published, also if it is paused or ended; locked as by ``for_share``."""
    sql = f"""SELECT {PUBLIC} WHERE l.seller_id = $1 AND l.published_at IS NOT NULL
              ORDER BY l.id FOR SHARE OF l"""
    return _all(await conn.fetch(sql, seller_id))


async def after_id(conn: Conn, after: UUID, limit: int) -> list[Listing]:
    """Listings that are or were public, in the order of their ids, after one."""
    sql = f"SELECT {PUBLIC} WHERE l.id > $1 AND l.published_at IS NOT NULL ORDER BY l.id LIMIT $2"
    return _all(await conn.fetch(sql, after, limit))


async def of_seller(conn: Conn, seller_id: UUID, before: UUID | None, limit: int) -> list[Listing]:
    """Listings of a seller with their true points, newest first, before an id."""
    sql = f"""SELECT {OWN} WHERE l.seller_id = $1 AND ($2::uuid IS NULL OR l.id < $2)
              ORDER BY l.id DESC LIMIT $3"""
    return _all(await conn.fetch(sql, seller_id, before, limit))


async def live_in(
    conn: Conn, storefront_id: UUID, before: UUID | None, limit: int
) -> list[Listing]:
    """Live listings of a storefront, newest first, before an id."""
    sql = f"""SELECT {PUBLIC} WHERE l.storefront_id = $1 AND l.state = 'live'
              AND ($2::uuid IS NULL OR l.id < $2) ORDER BY l.id DESC LIMIT $3"""
    return _all(await conn.fetch(sql, storefront_id, before, limit))


async def storefront(conn: Conn, handle: str) -> Storefront | None:
    """A storefront by its handle."""
    return _storefront(await conn.fetchrow(f"{_STOREFRONT} WHERE handle = $1", handle))


async def storefront_of(conn: Conn, member_id: UUID) -> Storefront | None:
    """A member's storefront."""
    return _storefront(await conn.fetchrow(f"{_STOREFRONT} WHERE member_id = $1", member_id))


_STOREFRONT = "SELECT id, member_id, handle, title, about FROM catalog.storefronts"


def _storefront(record: asyncpg.Record | None) -> Storefront | None:
    return None if record is None else Storefront(**record)


def _one(record: asyncpg.Record | None) -> Listing | None:
    return None if record is None else Listing(**record)


def _all(records: Sequence[asyncpg.Record]) -> list[Listing]:
    return [Listing(**record) for record in records]
