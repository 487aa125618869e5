"""Handlers for the worker's subscriptions; each may run twice and come in any order.

=====================  ================================  ==========================================
handler                event                             payload
=====================  ================================  ==========================================
index_listing          ``listing.changed``               ``{"listing_id", "version", "live"}``
index_seller           what changes a trust card         ``{"member_id"}``
reindex                ``listings.imported``             ``{"mapping", "source", "count"}``
refresh_vocabulary     nightly                           ``{}``
=====================  ================================  ==========================================

``handlers(settings)`` gives them by name, with Meilisearch behind them where it is configured.
"""

from collections.abc import Awaitable, Callable, Mapping
from typing import Any
from uuid import UUID

from handsel.catalog.search import indexing
from handsel.catalog.search.engines import make_meilisearch
from handsel.foundation.core.settings import Settings
from handsel.foundation.db.uow import Database
from handsel_search import postgres
from handsel_search.meilisearch import MeilisearchEngine

Payload = Mapping[str, Any]
Handler = Callable[[Database, Payload], Awaitable[None]]


def handlers(settings: Settings) -> dict[str, Handler]:
    """The handlers by name; what they share (the Meilisearch client's threads) is made here."""
    meilisearch = make_meilisearch(settings)

    async def index(database: Database, payload: Payload) -> None:
        await index_listing(database, payload, meilisearch)

    async def seller(database: Database, payload: Payload) -> None:
        await index_seller(database, payload, meilisearch)

    async def again(database: Database, payload: Payload) -> None:
        await reindex(database, payload, meilisearch)

    return {
        "index_listing": index,
        "index_seller": seller,
        "reindex": again,
        "refresh_vocabulary": refresh_vocabulary,
    }


async def index_listing(
    database: Database, payload: Payload, meilisearch: MeilisearchEngine | None = None
) -> None:
    """Bring the index to the listing's present row, whatever version the event told of."""
    listing_id = UUID(payload["listing_id"])
    document = await database.run(lambda tx: indexing.index(tx, listing_id))
    if meilisearch is not None:
        await meilisearch.upsert([document] if document else [])


async def index_seller(
    database: Database, payload: Payload, meilisearch: MeilisearchEngine | None = None
) -> None:
    """Bring the index to a seller's present trust card."""
    member_id = UUID(payload["member_id"])
    documents = await database.run(lambda tx: indexing.index_seller(tx, member_id))
    if meilisearch is not None:
        await meilisearch.upsert(documents)


async def reindex(
    database: Database, payload: Payload, meilisearch: MeilisearchEngine | None = None
) -> None:
    """After an import, whose transaction wrote PostgreSQL's index itself: rebuild Meilisearch's."""
    if meilisearch is not None:
        await indexing.reindex_all(database, lambda done: None, meilisearch)


async def refresh_vocabulary(database: Database, payload: Payload) -> None:
    """Count the words that typo tolerance knows afresh, and forget those that are gone."""
    async with database.reading() as conn:
        await postgres.refresh_vocabulary(conn)  # in a transaction of its own
