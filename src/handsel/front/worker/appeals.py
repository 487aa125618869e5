"""What follows from appeals: the scores are made anew, the member is told, the house is urged."""

from collections.abc import Awaitable, Callable
from datetime import datetime
from typing import cast
from uuid import UUID

from handsel.foundation.core.ids import encode
from handsel.foundation.db.uow import Database, Tx
from handsel.foundation.jobs import Handler
from handsel.foundation.outbox import Event
from handsel.money.payments import alerts
from handsel.people.credit import deciding
from handsel.people.credit import service as credit
from handsel.reach.notices import service as notices
from handsel.reach.notices.texts import Kind

Effect = Callable[[Tx, Event], Awaitable[None]]
_WAITS = "appeal_waits"


def handlers(once: Callable[[str, Effect], Handler]) -> dict[str, Handler]:
    """The jobs."""
    return {
        "credit.appeal": once("credit.appeal", _assess_anew),
        "notices.appeal": once("notices.appeal", _tell),
    }


async def sweep(database: Database) -> int:
    """Tell the house of appeals whose time runs out; how many."""
    return await database.run(_urge)


async def _urge(tx: Tx) -> int:
    waiting = await deciding.urge(tx)
    for appeal_id in waiting:
        subject = encode("apl", appeal_id)
        text = f"{subject} has to be decided within {deciding.URGED_BEFORE.days} days."
        alerts.raise_alert(tx, _WAITS, subject, text)
    return len(waiting)


async def _assess_anew(tx: Tx, event: Event) -> None:
    """Without the facts that were taken out."""
    await credit.refresh(tx, UUID(event.payload["member_id"]))


async def _tell(tx: Tx, event: Event) -> None:
    body = event.payload
    kind = cast(Kind, event.topic.replace(".", "_"))
    due_at = body.get("due_at")
    params = {
        "score": body["about"],
        "due_at": f"{datetime.fromisoformat(due_at):%Y-%m-%d}" if due_at else "",
        "answer": body.get("answer", ""),
    }
    member, ref = UUID(body["member_id"]), encode("apl", UUID(body["appeal_id"]))
    await notices.deliver(tx, member, kind, ref, params, dedupe_key=str(event.id))
    if event.topic != "appeal.filed":
        await alerts.close(tx, _WAITS, ref)
