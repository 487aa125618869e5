"""Storefronts: one per member, made with the first listing."""

from uuid import UUID

import asyncpg

from handsel.catalog.listings import queries, views
from handsel.catalog.listings.queries import Storefront
from handsel.catalog.listings.schemas import OwnListingPage, StorefrontView
from handsel.foundation.core.errors import NotFound
from handsel.foundation.core.paging import IdPages
from handsel.foundation.db.uow import Tx
from handsel.foundation.http.principal import Principal
from handsel.people.trust import service as trust

_INSERT = """
    INSERT INTO catalog.storefronts (member_id, handle, title, created_at)
    VALUES ($1, $2, $2, $3) ON CONFLICT ON CONSTRAINT storefronts_member_key DO NOTHING
"""


async def ensure(tx: Tx, seller: Principal) -> Storefront:
    """The seller's storefront, made now where there is none. Two first listings make one."""
    found = await queries.storefront_of(tx.conn, seller.member_id)
    if found is None:
        await tx.execute(_INSERT, seller.member_id, seller.handle, tx.now)
        found = await queries.storefront_of(tx.conn, seller.member_id)
    if found is None:
        raise NotFound("your storefront is gone")
    return found


async def read(
    conn: asyncpg.Connection, secret: bytes, handle: str, cursor: str | None, page_size: int
) -> StorefrontView:
    """A storefront with its trust card and a page of its live listings, newest first."""
    storefront = await queries.storefront(conn, handle)
    if storefront is None:
        raise NotFound("there is no such storefront")
    pages = IdPages(secret, f"storefront {storefront.id}", page_size, _id_of)
    rows = await queries.live_in(conn, storefront.id, pages.before(cursor), page_size + 1)
    page, next_cursor = pages.cut(rows)
    cards = await trust.public_card(conn, [storefront.member_id])
    return StorefrontView(
        handle=storefront.handle,
        title=storefront.title,
        about=storefront.about,
        trust_card=cards[storefront.member_id],
        listings=[views.public_view(row) for row in page],
        next_cursor=next_cursor,
    )


async def own_listings(
    conn: asyncpg.Connection, secret: bytes, seller: Principal, cursor: str | None, page_size: int
) -> OwnListingPage:
    """A page of the seller's own listings in every state, newest first."""
    pages = IdPages(secret, f"own listings {seller.member_id}", page_size, _id_of)
    rows = await queries.of_seller(conn, seller.member_id, pages.before(cursor), page_size + 1)
    page, next_cursor = pages.cut(rows)
    return OwnListingPage(items=[views.own_view(row) for row in page], next_cursor=next_cursor)


def _id_of(row: queries.Listing) -> UUID:
    return row.id
