"""The index feed: what the listings are now goes into the engines."""

from collections.abc import Callable
from uuid import UUID

from handsel.catalog.listings import service as listings
from handsel.foundation.db.uow import Database, Tx
from handsel_search.documents import ListingDocument
from handsel_search.meilisearch import MeilisearchEngine
from handsel_search.postgres import PostgresEngine, refresh_vocabulary

_BATCH = 2000
Progress = Callable[[int], None]


async def index(tx: Tx, listing_id: UUID) -> ListingDocument | None:
    """Bring the PostgreSQL index to the listing's present row; None where it never was public.

    The row stays locked until the transaction ends, so of two feeds of one listing the later one
    has the later row.
    """
    document = await listings.document_for_index(tx, listing_id)
    engine = PostgresEngine(tx.conn)
    if document is None:
        await engine.delete([str(listing_id)])
    else:
        await engine.upsert([document])
    return document


async def index_seller(tx: Tx, seller_id: UUID) -> list[ListingDocument]:
    """The same for everything that a seller has published: their trust card has changed."""
    documents = await listings.documents_of_seller(tx, seller_id)
    await PostgresEngine(tx.conn).upsert(documents)
    return documents


async def reindex_all(
    database: Database, progress: Progress, meilisearch: MeilisearchEngine | None = None
) -> int:
    """Write every document afresh, also into Meilisearch (rebuilt beside the old index, then
    swapped); ``progress`` gets the number done so far. Returns the number of documents."""
    done, after = 0, UUID(int=0)
    everything: list[ListingDocument] = []
    while True:
        async with database.transaction() as tx:
            documents = await listings.documents_after(tx.conn, after, _BATCH)
            if not documents:
                break
            await PostgresEngine(tx.conn).upsert(documents)
        done, after = done + len(documents), UUID(documents[-1].id)
        everything += [document for document in documents if meilisearch and document.live]
        progress(done)
    async with database.reading() as conn:
        await refresh_vocabulary(conn)  # in a transaction of its own
    if meilisearch is not None:
        await meilisearch.rebuild(everything)
    return done
