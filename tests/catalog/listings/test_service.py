"""What other rooms rely on: events, the lock of an order, short forms."""

from datetime import UTC, datetime
from typing import Any
from uuid import UUID, uuid4

import asyncpg
import pytest

from handsel.catalog.listings import service
from handsel.catalog.listings.categories import Cancellation
from handsel.catalog.listings.schemas import ListingPatch, Price
from handsel.foundation.core.errors import NotFound
from handsel.foundation.core.ids import decode
from handsel.foundation.db.pool import connect
from handsel.foundation.db.uow import Database, Tx
from tests.factories import listings


async def events(owner: asyncpg.Connection, listing_id: UUID) -> list[tuple[str, Any]]:
    rows = await owner.fetch(
        "SELECT topic, payload::text FROM foundation.outbox WHERE aggregate_id = $1 ORDER BY id",
        listing_id,
    )
    return [(row["topic"], row["payload"]) for row in rows]


async def test_only_what_search_must_see_is_told(
    database: Database, owner: asyncpg.Connection
) -> None:
    async with database.transaction() as tx:
        ann = await listings.seller(tx, "ann")
        made = await listings.draft(tx, ann)
    key = decode("lst", made.id)
    patch = ListingPatch(title="Physics tutor")

    await database.run(lambda tx: service.edit(tx, listings.SECRET, ann, key, 1, patch))
    assert await events(owner, key) == []
    await database.run(lambda tx: service.move(tx, ann, key, "publish"))
    await database.run(lambda tx: service.edit(tx, listings.SECRET, ann, key, 3, patch))
    await database.run(lambda tx: service.move(tx, ann, key, "pause"))
    await database.run(lambda tx: service.move(tx, ann, key, "end"))

    told = await events(owner, key)
    assert [topic for topic, _ in told] == ["listing.changed"] * 3
    assert [payload for _, payload in told] == [
        f'{{"live": {live}, "version": {version}, "listing_id": "{key}"}}'
        for live, version in (("true", 3), ("true", 4), ("false", 5))
    ]


async def test_publishing_again_keeps_the_first_moment(tx: Tx) -> None:
    ann = await listings.seller(tx, "ann")
    made = await listings.live(tx, ann)
    key = decode("lst", made.id)
    tx.now = datetime(2100, 1, 1, tzinfo=UTC)

    await service.move(tx, ann, key, "pause")
    again = await service.move(tx, ann, key, "publish")

    assert again.published_at == made.published_at
    assert again.updated_at == tx.now


async def test_an_order_freezes_a_listing_that_cannot_change_meanwhile(
    database: Database, database_url: str
) -> None:
    async with database.transaction() as tx:
        bob = await listings.seller(tx, "bob")
        made = await listings.live(tx, bob)
    key = decode("lst", made.id)

    async with database.transaction() as tx:
        frozen = await service.for_order(tx, key)
        other = await connect(database_url)
        with pytest.raises(asyncpg.LockNotAvailableError):
            await other.execute(
                "SELECT FROM catalog.listings WHERE id = $1 FOR NO KEY UPDATE NOWAIT", key
            )
        await other.close()

    assert (frozen.seller_id, frozen.title, frozen.category) == (
        bob.member_id, "Maths tutor", "school-tutoring",
    )  # fmt: skip
    assert (frozen.unit, frozen.price_minor, frozen.currency) == ("per_hour", 2500, "GBP")
    assert (frozen.live, frozen.version, frozen.kind) == (True, 2, "knowledge")
    assert frozen.inspection_period == "P2D"
    assert frozen.cancellation == Cancellation(free_until="PT24H", late_share_bps=5000)
    assert frozen.processes == ["service"]


async def test_an_order_sees_that_a_listing_is_not_live_or_not_there(tx: Tx) -> None:
    ann = await listings.seller(tx, "ann")
    made = await listings.draft(tx, ann)

    assert (await service.for_order(tx, decode("lst", made.id))).live is False
    with pytest.raises(NotFound):
        await service.for_order(tx, uuid4())


async def test_by_ids_gives_every_state_and_leaves_out_the_unknown(tx: Tx) -> None:
    ann = await listings.seller(tx, "ann")
    draft = await listings.draft(tx, ann)
    live = await listings.live(tx, ann, price=Price(amount_minor=100, currency="EUR"))
    ids = [decode("lst", listing.id) for listing in (draft, live)]

    cards = await service.by_ids(tx.conn, [*ids, uuid4()])

    assert {(card.id, card.state, card.price_minor) for card in cards} == {
        (ids[0], "draft", 2500),
        (ids[1], "live", 100),
    }
    assert {(card.lat, card.lon) for card in cards} != {listings.OLD_TOWN}


async def test_two_listings_share_one_storefront(tx: Tx) -> None:
    ann = await listings.seller(tx, "ann")

    await listings.draft(tx, ann)
    await listings.draft(tx, ann)

    assert await tx.fetchval("SELECT count(*) FROM catalog.storefronts") == 1
