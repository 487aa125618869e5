"""Write and read reviews."""

from datetime import datetime
from typing import Annotated, Literal
from uuid import UUID

import asyncpg
import msgspec

from handsel.deals.orders import queries as orders
from handsel.foundation.core.errors import Conflict, NotFound
from handsel.foundation.core.ids import decode, encode
from handsel.foundation.core.schema import Input, View
from handsel.foundation.db.errors import on_constraint
from handsel.foundation.db.pool import Connection
from handsel.foundation.db.uow import Tx
from handsel.foundation.http.principal import Principal
from handsel.foundation.http.work import Answer


class ReviewTooEarly(Conflict):
    """Only settled orders can be reviewed"""

    code = "review_too_early"


class ReviewedAlready(Conflict):
    """You have reviewed this order already"""

    code = "reviewed_already"


on_constraint("reviews_once", ReviewedAlready)


class ReviewInput(Input):
    """One to five stars and a text."""

    order_id: Annotated[str, msgspec.Meta(max_length=64)]
    stars: Annotated[int, msgspec.Meta(ge=1, le=5)]
    text: Annotated[str, msgspec.Meta(max_length=2000)] = ""


class ReviewView(View):
    """A review; ``role`` is the author's in the order."""

    id: str
    order_id: str
    author_id: str
    subject_id: str
    role: Literal["customer", "provider"]
    stars: int
    text: str
    created_at: datetime


class ReviewPage(View):
    """Newest first."""

    items: list[ReviewView]
    next_cursor: str | None = None


async def write(tx: Tx, principal: Principal, data: ReviewInput) -> Answer[ReviewView]:
    """Review the other side of a settled order. Raises ``ReviewTooEarly``, ``ReviewedAlready``."""
    order = await orders.load_for_update(tx, decode("ord", data.order_id))
    role = order.role_of(principal.member_id)
    if role is None:
        raise NotFound("there is no such order")
    if order.state != "settled":
        raise ReviewTooEarly(state=order.state)
    subject = order.provider_id if role == "customer" else order.customer_id
    row = await tx.fetchrow(
        "INSERT INTO deals.reviews (order_id, author_id, subject_id, role, stars, text, created_at)"
        " VALUES ($1, $2, $3, $4, $5, $6, $7) RETURNING *",
        order.id,
        principal.member_id,
        subject,
        role,
        data.stars,
        data.text,
        tx.now,
    )
    assert row is not None
    view = _view(row)
    tx.emit(
        "review.written",
        row["id"],
        {
            "review_id": row["id"],
            "order_id": order.id,
            "author_id": principal.member_id,
            "subject_id": subject,
            "role": role,
            "stars": data.stars,
            "title": order.terms.title,
        },
    )
    return Answer(view)


async def of_member(
    conn: Connection, member_id: UUID, before: UUID | None, limit: int
) -> list[ReviewView]:
    """Reviews of a member, newest first."""
    rows = await conn.fetch(
        "SELECT * FROM deals.reviews WHERE subject_id = $1 AND ($2::uuid IS NULL OR id < $2)"
        " ORDER BY id DESC LIMIT $3",
        member_id,
        before,
        limit,
    )
    return [_view(row) for row in rows]


def _view(row: asyncpg.Record) -> ReviewView:
    return ReviewView(
        id=encode("rev", row["id"]),
        order_id=encode("ord", row["order_id"]),
        author_id=encode("mem", row["author_id"]),
        subject_id=encode("mem", row["subject_id"]),
        role=row["role"],
        stars=row["stars"],
        text=row["text"],
        created_at=row["created_at"],
    )
