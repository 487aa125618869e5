"""What follows from reviews: time publishes and closes them, and those concerned are told.

Before a review is published nobody learns what it says: events carry the stars from then on.
"""

from collections.abc import Awaitable, Callable
from datetime import datetime
from uuid import UUID

import asyncpg
import structlog

from handsel.deals.reviews import service as reviews
from handsel.foundation.core.errors import Problem
from handsel.foundation.core.ids import encode
from handsel.foundation.db.uow import Database, Tx
from handsel.foundation.jobs import Handler
from handsel.foundation.outbox import Event
from handsel.people.members import service as members
from handsel.reach.notices import service as notices

Effect = Callable[[Tx, Event], Awaitable[None]]
log = structlog.get_logger(__name__)


def handlers(once: Callable[[str, Effect], Handler]) -> dict[str, Handler]:
    """The jobs."""
    return {
        "notices.review": once("notices.review", _tell_of_waiting),
        "notices.review_shown": once("notices.review_shown", _tell_of_published),
        "notices.review_reply": once("notices.review_reply", _tell_of_reply),
    }


async def sweep(database: Database) -> int:
    """Publish what is due, each order in a transaction of its own; how many were published. One
    that fails stops nobody else and is tried again."""
    async with database.reading() as conn:
        waiting = await reviews.due(conn)
    published = 0
    for order_id in waiting:
        try:
            published += await database.run(_publish(order_id))
        except (Problem, asyncpg.PostgresError) as error:
            log.error("reviews_not_published", order=str(order_id), error=repr(error))
    await database.run(reviews.close_due)
    return published


def _publish(order_id: UUID) -> Callable[[Tx], Awaitable[int]]:
    return lambda tx: reviews.publish_due(tx, order_id)


async def _tell_of_waiting(tx: Tx, event: Event) -> None:
    body = event.payload
    closes_at = datetime.fromisoformat(body["closes_at"])
    params = await _params(tx, event) | {"closes_at": f"{closes_at:%Y-%m-%d %H:%M} UTC"}
    ref, key = encode("ord", UUID(body["order_id"])), str(event.id)
    await notices.deliver(tx, UUID(body["subject_id"]), "review_received", ref, params, key)


async def _tell_of_published(tx: Tx, event: Event) -> None:
    body = event.payload
    params = await _params(tx, event) | {"stars": str(body["stars"])}
    ref, key = encode("rev", UUID(body["review_id"])), str(event.id)
    await notices.deliver(tx, UUID(body["subject_id"]), "review_published", ref, params, key)


async def _tell_of_reply(tx: Tx, event: Event) -> None:
    body, params = event.payload, await _params(tx, event)
    ref, key = encode("rev", UUID(body["review_id"])), str(event.id)
    await notices.deliver(tx, UUID(body["author_id"]), "review_replied", ref, params, key)


async def _params(tx: Tx, event: Event) -> dict[str, str]:
    body = event.payload
    author, subject = UUID(body["author_id"]), UUID(body["subject_id"])
    people = await members.by_ids(tx.conn, [author, subject])
    return {
        "reviewer": people[author].handle,
        "subject": people[subject].handle,
        "title": body["title"],
    }
