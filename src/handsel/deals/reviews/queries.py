"""Reads of reviews. What is pending leaves this module only for its author."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from uuid import UUID

import asyncpg

from handsel.deals.reviews.schemas import ReviewView, Side
from handsel.deals.reviews.states import State
from handsel.foundation.core.errors import NotFound
from handsel.foundation.core.ids import encode
from handsel.foundation.db.pool import Connection
from handsel.foundation.db.uow import Tx


@dataclass(frozen=True, slots=True, kw_only=True)
class Review:
    """A review's row."""

    id: UUID
    order_id: UUID
    author_id: UUID
    subject_id: UUID
    role: Side
    state: State
    version: int
    stars: int
    aspects: dict[str, int]
    text: str
    created_at: datetime
    closes_at: datetime
    due_at: datetime | None
    published_at: datetime | None
    weight_bps: int | None
    reply: str | None
    replied_at: datetime | None


COLUMNS = (
    "id, order_id, author_id, subject_id, role, state, version, stars, aspects, text, created_at,"
    " closes_at, due_at, published_at, weight_bps, reply, replied_at"
)
_SELECT = f"SELECT {COLUMNS} FROM deals.reviews"


def review_of(row: asyncpg.Record) -> Review:
    """A row as a struct."""
    return Review(**dict(row))


def view_of(review: Review) -> ReviewView:
    """As its readers see it; whether they may is the caller's question."""
    return ReviewView(
        id=encode("rev", review.id),
        state=review.state,
        version=review.version,
        order_id=encode("ord", review.order_id),
        author_id=encode("mem", review.author_id),
        subject_id=encode("mem", review.subject_id),
        role=review.role,
        stars=review.stars,
        aspects=review.aspects,
        text=review.text,
        created_at=review.created_at,
        closes_at=review.closes_at,
        published_at=review.published_at,
        reply=review.reply,
        replied_at=review.replied_at,
    )


async def load_for_update(tx: Tx, review_id: UUID) -> Review:
    """The review, its row locked. Raises ``NotFound``."""
    row = await tx.fetchrow(f"{_SELECT} WHERE id = $1 FOR UPDATE", review_id)
    if row is None:
        raise NotFound("there is no such review")
    return review_of(row)


async def of_order(conn: Connection, order_id: UUID) -> list[Review]:
    """None, one or both of an order's reviews."""
    rows = await conn.fetch(f"{_SELECT} WHERE order_id = $1 ORDER BY id", order_id)
    return [review_of(row) for row in rows]


async def of_order_for_update(tx: Tx, order_id: UUID) -> list[Review]:
    """The same, their rows locked. The caller holds the order's lock."""
    rows = await tx.fetch(f"{_SELECT} WHERE order_id = $1 ORDER BY id FOR UPDATE", order_id)
    return [review_of(row) for row in rows]


async def one(conn: Connection, review_id: UUID, reader: UUID | None) -> ReviewView:
    """A published review, or one's own. Raises ``NotFound``."""
    row = await conn.fetchrow(
        f"{_SELECT} WHERE id = $1 AND (state <> 'pending' OR author_id = $2)", review_id, reader
    )
    if row is None:
        raise NotFound("there is no such review")
    return view_of(review_of(row))


async def of_member(
    conn: Connection, member_id: UUID, before: UUID | None, limit: int
) -> list[ReviewView]:
    """Published reviews of a member, newest first."""
    rows = await conn.fetch(
        f"{_SELECT} WHERE subject_id = $1 AND state <> 'pending'"
        " AND ($2::uuid IS NULL OR id < $2) ORDER BY id DESC LIMIT $3",
        member_id,
        before,
        limit,
    )
    return [view_of(review_of(row)) for row in rows]


async def due_orders(conn: Connection, limit: int) -> Sequence[UUID]:
    """Orders with reviews that time publishes now, the longest overdue first."""
    rows = await conn.fetch(
        "SELECT order_id FROM deals.reviews"
        " WHERE state = 'pending' AND due_at <= foundation.handsel_now()"
        " GROUP BY order_id ORDER BY min(due_at) LIMIT $1",
        limit,
    )
    return [row["order_id"] for row in rows]


async def earlier(tx: Tx, author_id: UUID, subject_id: UUID) -> tuple[int, datetime | None]:
    """(published reviews of this subject by this author, when the newest that counts was)."""
    row = await tx.fetchrow(
        "SELECT count(*) AS published, max(published_at) FILTER (WHERE weight_bps > 0) AS counted"
        " FROM deals.reviews WHERE author_id = $1 AND subject_id = $2 AND state <> 'pending'",
        author_id,
        subject_id,
    )
    assert row is not None
    return row["published"], row["counted"]
