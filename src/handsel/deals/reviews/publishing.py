"""Publishing: both reviews at once, or what there is when the time is over."""

from collections.abc import Sequence
from datetime import datetime
from uuid import UUID

from handsel.deals.orders import queries as orders
from handsel.deals.orders.queries import Order
from handsel.deals.reviews import queries
from handsel.deals.reviews.queries import Review
from handsel.deals.reviews.states import REPLY_WINDOW, WINDOW, after
from handsel.deals.reviews.weights import Circumstances, weigh
from handsel.foundation.core.money import BPS
from handsel.foundation.db.pool import Connection
from handsel.foundation.db.uow import Tx
from handsel.people.credit import graph
from handsel.people.trust import service as trust


async def due(conn: Connection, limit: int = 200) -> Sequence[UUID]:
    """Orders whose time for reviews is over and whose reviews wait to be published."""
    return await queries.due_orders(conn, limit)


async def publish_due(tx: Tx, order_id: UUID) -> int:
    """Publish an order's reviews when their time has come; how many were. Two workers may try."""
    order = await orders.load_for_update(tx, order_id)
    waiting = await queries.of_order_for_update(tx, order_id)
    return await publish(tx, order, [r for r in waiting if r.closes_at <= tx.now])


async def close_due(tx: Tx) -> int:
    """End the time for replies where it is over; how many."""
    tag = await tx.execute(
        "UPDATE deals.reviews SET state = 'closed', due_at = NULL, version = version + 1"
        " WHERE state = 'published' AND due_at <= $1",
        tx.now,
    )
    return int(tag.split()[-1])


async def publish(tx: Tx, order: Order, reviews: Sequence[Review]) -> int:
    """Show those that are pending to everybody, weigh them, and say so. The caller holds the
    order's lock, under which reviews are written."""
    waiting = [review for review in reviews if after(review.state, "publish")]
    if not waiting:
        return 0
    await _lock_pair(tx, order)
    for review in waiting:
        weight = weigh(await _circumstances(tx, order, review), tx.now)
        await tx.execute(
            "UPDATE deals.reviews SET state = 'published', published_at = $2, due_at = $3,"
            " weight_bps = $4, version = version + 1 WHERE id = $1",
            review.id,
            tx.now,
            tx.now + REPLY_WINDOW,
            weight,
        )
        body = event_of(review, order.terms.title)
        tx.emit("review.published", review.id, body | {"stars": review.stars, "weight_bps": weight})
        again = await tx.fetchval("SELECT deals.would_deal_again($1)", review.id)
        if again is not None:
            tx.emit("review.confided", review.id, body | {"deal_again": again})
    return len(waiting)


def event_of(review: Review, title: str) -> dict[str, object]:
    """What the house is told of every review, published or not: never what it says."""
    return {
        "review_id": review.id,
        "order_id": review.order_id,
        "author_id": review.author_id,
        "subject_id": review.subject_id,
        "role": review.role,
        "title": title,
    }


async def _lock_pair(tx: Tx, order: Order) -> None:
    """One order of these two publishes at a time, until the transaction ends: of two at once, both
    would be the first of their thirty days."""
    pair = "".join(sorted((order.customer_id.hex, order.provider_id.hex)))
    await tx.execute("SELECT pg_advisory_xact_lock(hashtextextended($1, 75))", pair)


async def _circumstances(tx: Tx, order: Order, review: Review) -> Circumstances:
    published, counted = await queries.earlier(tx, review.author_id, review.subject_id)
    rate = trust.current_policy()
    cards = await trust.public_card(tx, [review.author_id])
    settled_at: datetime = review.closes_at - WINDOW
    reliable = await graph.reliability_of(tx, review.author_id, tx.now)
    return Circumstances(
        # What has no rate (hours, say) is weighed like the smallest amount.
        amount_minor=rate.in_reference(order.net_minor or 0, order.unit) or 0,
        earlier=published,
        last_counted_at=counted,
        waited=review.created_at - settled_at,
        author_tier=cards[review.author_id].identity_tier,
        author_reliability_bps=BPS if reliable is None else reliable,
    )
