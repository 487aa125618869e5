"""Imported listings in bulk: COPY for new ones, one UPDATE for changed ones."""

from collections.abc import Sequence
from typing import Any
from uuid import UUID

import msgspec

from handsel.catalog.listings import policy
from handsel.catalog.listings.imported_storefronts import Shop
from handsel.foundation.db.uow import Tx
from handsel_search.geo import published_point
from handsel_search.mapping import MappedRow

#: Column -> type, in the order of ``_values``.
_CONTENT = {
    "id": "uuid",
    "storefront_id": "uuid",
    "seller_id": "uuid",
    "title": "text",
    "description": "text",
    "unit": "text",
    "price_minor": "bigint",
    "currency": "text",
    "true_lat": "float8",
    "true_lon": "float8",
    "lat": "float8",
    "lon": "float8",
    "neighbourhood": "text",
    "response_rate": "float8",
}
_FIXED = (
    "state", "category", "kind", "fulfilment", "inspection_period", "free_until",
    "late_share_bps", "published_at", "created_at", "updated_at", "tags",
)  # fmt: skip


class Imported(msgspec.Struct, frozen=True):
    """A row of a file as it goes into the tables."""

    id: UUID
    row: MappedRow
    sha256: bytes
    content: tuple[Any, ...]

    @classmethod
    def of(
        cls, listing_id: UUID, row: MappedRow, sha256: bytes, shop: Shop, secret: bytes
    ) -> "Imported":
        """The row of a storefront; its place is put on the published grid."""
        content = (
            listing_id,
            shop.storefront_id,
            shop.member_id,
            row.title,
            row.description,
            "quote" if row.price_minor is None else row.unit,
            row.price_minor,
            row.currency,
            row.lat,
            row.lon,
            *published_point(row.lat, row.lon, secret),
            row.neighbourhood,
            row.response_rate,
        )
        return cls(listing_id, row, sha256, content)


async def insert(tx: Tx, mapping: str, source: str, entries: Sequence[Imported]) -> None:
    """New live listings, with the note of where they come from."""
    await tx.conn.copy_records_to_table(
        "listings",
        schema_name="catalog",
        columns=(*_CONTENT, *_FIXED),
        records=[(*entry.content, *_fixed(tx, entry.row)) for entry in entries],
    )
    await tx.conn.copy_records_to_table(
        "imported_listings",
        schema_name="catalog",
        columns=("mapping", "source", "source_id", "listing_id", "content_sha256"),
        records=[(mapping, source, e.row.row_id, e.id, e.sha256) for e in entries],
    )


def _fixed(tx: Tx, row: MappedRow) -> tuple[Any, ...]:
    category = policy.known_category(row.category)
    return (
        "live",
        row.category,
        row.kind,
        sorted(row.fulfilment),
        category.inspection_period,
        category.cancellation.free_until,
        category.cancellation.late_share_bps,
        tx.now,
        tx.now,
        tx.now,
        list(row.tags),
    )


async def update(tx: Tx, mapping: str, source: str, entries: Sequence[Imported]) -> None:
    """What the file now says, into listings that it made before; their state stays."""
    if not entries:
        return
    chosen = ", ".join(f"{name} = new.{name}" for name in _CONTENT if name != "id")
    arrays = ", ".join(f"${i}::{kind}[]" for i, kind in enumerate(_CONTENT.values(), 2))
    await tx.execute(
        f"""UPDATE catalog.listings l SET version = version + 1, updated_at = $1, {chosen}
            FROM unnest({arrays}) AS new ({", ".join(_CONTENT)}) WHERE l.id = new.id""",
        tx.now,
        *map(list, zip(*(entry.content for entry in entries), strict=True)),
    )
    await tx.execute(
        """UPDATE catalog.imported_listings i SET content_sha256 = new.sha256
           FROM unnest($3::text[], $4::bytea[]) AS new (source_id, sha256)
           WHERE i.mapping = $1 AND i.source = $2 AND i.source_id = new.source_id""",
        mapping,
        source,
        [entry.row.row_id for entry in entries],
        [entry.sha256 for entry in entries],
    )
