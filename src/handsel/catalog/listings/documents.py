"""What search may know of a listing: public facts only, the published point, the trust card."""

from collections.abc import Sequence
from uuid import UUID

import asyncpg

from handsel.catalog.listings import categories, queries
from handsel.catalog.listings.queries import Listing
from handsel.foundation.db.uow import Tx
from handsel.people.trust import service as trust
from handsel.people.trust.schemas import TrustCard
from handsel_search.documents import ListingDocument

#: ISO 4217 for "no currency": a quote without one.
NO_CURRENCY = "XXX"


async def document_for_index(tx: Tx, listing_id: UUID) -> ListingDocument | None:
    """The document of a listing's present row, which stays as it is until the transaction ends;
    None where it never was public. One that is live no more is marked so, that an older version
    which arrives late cannot bring it back."""
    row = await queries.for_share(tx.conn, listing_id)
    if row is None or row.published_at is None:
        return None
    return (await _documents(tx.conn, [row]))[0]


async def documents_of_seller(tx: Tx, seller_id: UUID) -> list[ListingDocument]:
    """The documents of everything a seller has published, locked like one."""
    return await _documents(tx.conn, await queries.public_of_seller(tx.conn, seller_id))


async def documents_after(
    conn: asyncpg.Connection, after: UUID, limit: int
) -> list[ListingDocument]:
    """Documents in the order of their listings' ids, after one; empty at the end."""
    return await _documents(conn, await queries.after_id(conn, after, limit))


async def documents_of(conn: asyncpg.Connection, ids: Sequence[UUID]) -> list[ListingDocument]:
    """The documents of these listings, in no order."""
    return await _documents(conn, await queries.by_ids(conn, ids))


async def _documents(conn: asyncpg.Connection, rows: Sequence[Listing]) -> list[ListingDocument]:
    sellers = list({row.seller_id for row in rows})
    cards = await trust.public_card(conn, sellers) if sellers else {}
    return [document(row, cards.get(row.seller_id)) for row in rows]


#: The public bands of conduct, worst first, as search counts them: 0 to 4.
_BANDS = ("poor", "fair", "good", "very_good", "excellent")


def document(row: Listing, card: TrustCard | None) -> ListingDocument:
    """One document. ``newest`` in search means newly published."""
    return ListingDocument(
        id=str(row.id),
        version=row.version,
        seller_id=str(row.seller_id),
        storefront_id=str(row.storefront_id),
        handle=row.handle,
        kind=row.kind,
        category=row.category,
        pack=categories.pack_of(row.category),
        title=row.title,
        description=row.description,
        tags=tuple(row.tags),
        unit=row.unit,
        price_minor=row.price_minor,
        currency=row.currency or NO_CURRENCY,
        fulfilment=frozenset(row.fulfilment),
        lat=row.lat,
        lon=row.lon,
        service_radius_m=row.service_radius_m,
        live=row.live,
        response_rate=row.response_rate,
        neighbourhood=row.neighbourhood,
        created_at=row.published_at or row.created_at,
        conduct_band=_BANDS.index(card.conduct_band) if card and card.conduct_band else None,
        identity_tier=int(card.identity_tier[1:]) if card else 0,
        verified_facts=frozenset(card.verified) if card else frozenset(),
        settled_count=card.settled_orders if card else 0,
    )
