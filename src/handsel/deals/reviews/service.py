"""Write, change, answer and read reviews."""

from datetime import datetime
from uuid import UUID

from handsel.deals.orders import queries as orders
from handsel.deals.orders.queries import Order
from handsel.deals.reviews import queries
from handsel.deals.reviews.errors import (
    NothingPaid,
    ReplyOnce,
    ReplyTooLate,
    ReviewPublished,
    ReviewTooEarly,
    ReviewTooLate,
    WrongAspect,
)
from handsel.deals.reviews.publishing import close_due, due, event_of, publish, publish_due
from handsel.deals.reviews.queries import Review, of_member, one, view_of
from handsel.deals.reviews.schemas import (
    ASPECTS,
    OrderReviews,
    ReplyInput,
    ReviewEdit,
    ReviewInput,
    ReviewView,
    Side,
)
from handsel.deals.reviews.states import WINDOW, after
from handsel.foundation.core.errors import Forbidden, NotFound, Stale
from handsel.foundation.core.ids import decode
from handsel.foundation.core.money import exponent
from handsel.foundation.db.pool import Connection
from handsel.foundation.db.uow import Tx
from handsel.foundation.http.principal import Principal
from handsel.foundation.http.work import Answer

__all__ = ["close_due", "due", "edit", "of_member", "of_order", "one", "publish_due", "reply",
           "write"]  # fmt: skip

#: The ends of an order that paid somebody, by whole or in part. A later refund deletes no review.
_PAID_ENDS = frozenset({"settled", "closed"})


async def write(tx: Tx, principal: Principal, data: ReviewInput) -> Answer[ReviewView]:
    """Review the other side of a settled order. The second of the two publishes both.

    Raises ``ReviewTooEarly``, ``ReviewTooLate``, ``NothingPaid``, ``ReviewedAlready`` (409),
    ``WrongAspect`` (422).
    """
    order = await orders.load_for_update(tx, decode("ord", data.order_id))
    role = _side(order, principal.member_id)
    closes_at = _still_open(tx, order)
    aspects = _aspects(data, role)
    row = await tx.fetchrow(
        "INSERT INTO deals.reviews (order_id, author_id, subject_id, role, state, stars, text,"
        " aspects, created_at, closes_at, due_at)"
        f" VALUES ($1, $2, $3, $4, 'pending', $5, $6, $7, $8, $9, $9) RETURNING {queries.COLUMNS}",
        order.id,
        principal.member_id,
        order.provider_id if role == "customer" else order.customer_id,
        role,
        data.stars,
        data.text,
        aspects,
        tx.now,
        closes_at,
    )
    assert row is not None
    written = queries.review_of(row)
    await _confide(tx, written.id, data)
    both = await queries.of_order_for_update(tx, order.id)
    if len(both) == 2:
        await publish(tx, order, both)
        written = await queries.load_for_update(tx, written.id)
    else:
        body = event_of(written, order.terms.title) | {"closes_at": closes_at}
        tx.emit("review.written", written.id, body)
    view = view_of(written)
    return Answer(view, version=view.version, location=f"/v1/reviews/{view.id}")


async def edit(
    tx: Tx, principal: Principal, review_id: UUID, expected: int, data: ReviewEdit
) -> Answer[ReviewView]:
    """Replace one's own review while nobody has seen it. Raises ``ReviewPublished``,
    ``ReviewTooLate`` (409), ``Stale`` (412), ``WrongAspect`` (422)."""
    review = await queries.load_for_update(tx, review_id)
    if review.author_id != principal.member_id:
        raise NotFound("there is no such review")
    if after(review.state, "edit") is None:
        raise ReviewPublished
    if review.closes_at <= tx.now:
        raise ReviewTooLate
    if review.version != expected:
        raise Stale
    row = await tx.fetchrow(
        "UPDATE deals.reviews SET stars = $2, text = $3, aspects = $4, version = version + 1"
        f" WHERE id = $1 RETURNING {queries.COLUMNS}",
        review.id,
        data.stars,
        data.text,
        _aspects(data, review.role),
    )
    assert row is not None
    await _confide(tx, review.id, data)
    view = view_of(queries.review_of(row))
    return Answer(view, version=view.version)


async def reply(
    tx: Tx, principal: Principal, review_id: UUID, data: ReplyInput
) -> Answer[ReviewView]:
    """The subject's one public reply. Raises ``ReplyOnce``, ``ReplyTooLate`` (409), ``Forbidden``
    for anybody else, ``NotFound`` while the review is pending."""
    review = await queries.load_for_update(tx, review_id)
    if review.state == "pending":
        raise NotFound("there is no such review")
    if review.subject_id != principal.member_id:
        raise Forbidden("only whom a review is about replies to it")
    if review.state == "replied":
        raise ReplyOnce
    if after(review.state, "reply") is None or (review.due_at and review.due_at <= tx.now):
        raise ReplyTooLate
    row = await tx.fetchrow(
        "UPDATE deals.reviews SET state = 'replied', reply = $2, replied_at = $3, due_at = NULL,"
        f" version = version + 1 WHERE id = $1 RETURNING {queries.COLUMNS}",
        review.id,
        data.text,
        tx.now,
    )
    assert row is not None
    order = await orders.load(tx.conn, review.order_id)
    tx.emit("review.replied", review.id, event_of(review, order.terms.title))
    view = view_of(queries.review_of(row))
    return Answer(view, version=view.version)


async def of_order(conn: Connection, principal: Principal, order_id: UUID) -> OrderReviews:
    """Both sides of one of one's own orders. Raises ``NotFound`` for everybody else's."""
    order = await orders.load(conn, order_id)
    _side(order, principal.member_id)
    found = {review.author_id: review for review in await queries.of_order(conn, order_id)}
    mine = found.pop(principal.member_id, None)
    theirs: Review | None = next(iter(found.values()), None)
    shown = theirs is not None and theirs.state != "pending"
    return OrderReviews(
        yours=view_of(mine) if mine else None,
        theirs=view_of(theirs) if theirs and shown else None,
        they_have_written=theirs is not None,
    )


def _side(order: Order, member_id: UUID) -> Side:
    if member_id == order.customer_id:
        return "customer"
    if member_id == order.provider_id:
        return "provider"
    raise NotFound("there is no such order")


def _still_open(tx: Tx, order: Order) -> datetime:
    """Until when this order may be reviewed; an order that ended rests in its state."""
    if order.state not in _PAID_ENDS:
        raise ReviewTooEarly(state=order.state)
    if (order.net_minor or 0) < 10 ** exponent(order.unit):
        raise NothingPaid
    closes_at = order.entered_at + WINDOW
    if closes_at <= tx.now:
        raise ReviewTooLate
    return closes_at


def _aspects(data: ReviewEdit, role: Side) -> dict[str, int]:
    given = data.aspects.given()
    wrong = sorted(given.keys() - ASPECTS[role])
    if wrong:
        errors = [{"pointer": f"/aspects/{name}", "detail": "not for you"} for name in wrong]
        raise WrongAspect(f"a {role} does not judge {', '.join(wrong)}", errors=errors)
    return given


async def _confide(tx: Tx, review_id: UUID, data: ReviewEdit) -> None:
    told = data.confidence
    if told is not None:
        # At once: where this review publishes both, what was said is read in this transaction.
        await tx.execute("SELECT deals.confide($1, $2, $3)", review_id, told.text, told.deal_again)
