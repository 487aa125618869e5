"""What follows from shared appointments, check-ins and alarms: who is told, and who is not."""

from collections.abc import Awaitable, Callable
from datetime import datetime
from uuid import UUID

from handsel.deals.safety import service as safety
from handsel.foundation.core.ids import encode
from handsel.foundation.db.uow import Tx
from handsel.foundation.jobs import Handler
from handsel.foundation.outbox import Event
from handsel.people.members import service as members
from handsel.reach.notices import service as notices

Effect = Callable[[Tx, Event], Awaitable[None]]
_WHAT = {"arrived": "has arrived", "left": "has left"}


def handlers(once: Callable[[str, Effect], Handler]) -> dict[str, Handler]:
    """The jobs."""
    return {
        "notices.arrival": once("notices.arrival", _tell_of_arrival),
        "notices.shared_with": once("notices.shared_with", _tell_contact),
        "alerts.alarm": once("alerts.alarm", _alarm),
    }


async def _tell_of_arrival(tx: Tx, event: Event) -> None:
    """The other party, and those contacts of whoever came or went that are members."""
    body, key = event.payload, str(event.id)
    order, member = UUID(body["order_id"]), UUID(body["member_id"])
    customer, provider = UUID(body["customer_id"]), UUID(body["provider_id"])
    people = await members.by_ids(tx.conn, [member])
    params = {
        "who": people[member].handle,
        "what": _WHAT[body["kind"]],
        "title": body["title"],
    }
    other = provider if member == customer else customer
    await notices.deliver(tx, other, "arrival_noted", encode("ord", order), params, key)
    for share, contact in await safety.contacts_of(tx.conn, order, member):
        await notices.deliver(tx, contact, "arrival_noted", encode("shr", share), params, key)


async def _tell_contact(tx: Tx, event: Event) -> None:
    body = event.payload
    member = UUID(body["member_id"])
    people = await members.by_ids(tx.conn, [member])
    due_at = datetime.fromisoformat(body["due_at"])
    params = {
        "who": people[member].handle,
        "title": body["title"],
        "due_at": f"{due_at:%Y-%m-%d %H:%M} UTC",
    }
    ref = encode("shr", UUID(body["share_id"]))
    contact = UUID(body["contact_id"])
    await notices.deliver(tx, contact, "shared_with_you", ref, params, str(event.id))


async def _alarm(tx: Tx, event: Event) -> None:
    """To the house alone."""
    body = event.payload
    await safety.tell_house(tx, UUID(body["alarm_id"]), UUID(body["order_id"]))
