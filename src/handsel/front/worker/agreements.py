"""Agreements that consist of orders: what their parts' ends, and their own, lead to; and what time
does for series: it opens their occurrences and charges them under their mandates."""

from collections.abc import Awaitable, Callable
from datetime import datetime
from functools import partial
from uuid import UUID

import asyncpg
import structlog

from handsel.catalog.availability.errors import SlotGone, SlotNotOffered
from handsel.deals.orders import family
from handsel.deals.orders.series import queries as planned
from handsel.deals.orders.series import service as series
from handsel.deals.orders.series.queries import Planned
from handsel.foundation.core.errors import Conflict, Forbidden, Problem
from handsel.foundation.core.ids import encode
from handsel.foundation.db.uow import Database, Tx
from handsel.foundation.jobs import Handler
from handsel.foundation.outbox import Event
from handsel.front.worker.notices import params_of
from handsel.reach.notices import service as notices

Effect = Callable[[Tx, Event], Awaitable[None]]
log = structlog.get_logger(__name__)
_BATCH = 200


def handlers(once: Callable[[str, Effect], Handler]) -> dict[str, Handler]:
    """The jobs of agreements."""
    return {
        "agreements.child_ended": once("agreements.child_ended", _child_ended),
        "agreements.stopped": once("agreements.stopped", _stopped),
        "agreements.skipped": once("agreements.skipped", _skipped),
        "notices.left_out": once("notices.left_out", _tell_of_left_out),
        "notices.mandate": once("notices.mandate", _tell_of_refused),
    }


async def sweep(database: Database) -> int:
    """Open what is near, and charge what is nearer; how many dates moved. Each has a transaction of
    its own: one that is refused stops nobody else."""
    async with database.reading() as conn:
        opening = await planned.to_open(conn, series.OPEN_AHEAD, _BATCH)
    moved = 0
    for date in opening:
        try:
            moved += await database.run(partial(series.open_occurrence, planned=date))
        except (SlotNotOffered, SlotGone) as taken:
            why = taken.title()
            moved += await database.run(partial(series.leave_out, planned=date, why=why))
        except (Problem, asyncpg.PostgresError) as error:
            log.error("occurrence_not_opened", series=str(date.series_id), error=repr(error))
    async with database.reading() as conn:
        due = await planned.to_charge(conn, series.CHARGE_AHEAD, series.TRY_AGAIN, _BATCH)
    for date in due:
        moved += await _charge(database, date)
    return moved


async def _charge(database: Database, date: Planned) -> bool:
    try:
        return await database.run(partial(series.charge, planned=date))
    except (Conflict, Forbidden) as problem:
        why = problem.title()
        await database.run(partial(series.note_refused, planned=date, why=why))
        return True
    except (Problem, asyncpg.PostgresError) as error:
        log.error("occurrence_not_charged", order=str(date.child_id), error=repr(error))
        return False


async def _child_ended(tx: Tx, event: Event) -> None:
    parent_id = UUID(event.payload["parent_id"])
    if event.payload["state"] == "payment_expired":
        await series.pause_if_unpaid(tx, parent_id)
    await family.child_ended(tx, parent_id)


async def _stopped(tx: Tx, event: Event) -> None:
    """What is not paid for falls away; where nothing else is open, that was the end."""
    parent_id = UUID(event.payload["order_id"])
    if not await family.drop_unpaid(tx, parent_id):
        await family.child_ended(tx, parent_id)


async def _skipped(tx: Tx, event: Event) -> None:
    await series.drop_skipped(tx, UUID(event.payload["order_id"]))


async def _tell_of_refused(tx: Tx, event: Event) -> None:
    body = event.payload
    params = await params_of(tx, body) | {"reason": body["reason"]}
    ref, member = encode("ord", UUID(body["order_id"])), UUID(body["customer_id"])
    # It is tried again and again, and told once.
    await notices.deliver(tx, member, "mandate_refused", ref, params, dedupe_key=f"mandate {ref}")


async def _tell_of_left_out(tx: Tx, event: Event) -> None:
    body = event.payload
    starts_at = datetime.fromisoformat(body["starts_at"])
    params = {"title": body["title"], "starts_at": f"{starts_at:%Y-%m-%d %H:%M} UTC"}
    ref = encode("ord", UUID(body["order_id"]))
    for role in sorted({"customer", "provider"} - {body["by"]}):
        member, key = UUID(body[f"{role}_id"]), str(event.id)
        await notices.deliver(tx, member, "date_left_out", ref, params, dedupe_key=key)
