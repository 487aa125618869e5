"""What follows from a chargeback: its orders, its evidence, who is told, what the scores learn."""

from collections import Counter
from collections.abc import Awaitable, Callable
from datetime import datetime
from typing import Any
from uuid import UUID

import structlog

from handsel.deals.orders import chargebacks as orders
from handsel.foundation.core.errors import Problem
from handsel.foundation.core.ids import encode
from handsel.foundation.core.money import display
from handsel.foundation.db.uow import Database, Tx
from handsel.foundation.jobs import Handler, Job
from handsel.foundation.outbox import Event, event_of
from handsel.money.escrow.chargebacks import service as chargebacks
from handsel.money.payments.disputes import DisputeDesk
from handsel.people.credit import service as credit
from handsel.people.credit.schemas import Fact
from handsel.people.messaging import service as messaging
from handsel.people.trust import service as trust
from handsel.reach.notices import service as notices
from handsel.reach.notices.texts import Kind
from handsel_ml.contract import FactKind

log = structlog.get_logger(__name__)
Effect = Callable[[Tx, Event], Awaitable[None]]

#: Topic -> (what the payer is told, what the sellers are told).
_TOLD: dict[str, tuple[Kind, Kind]] = {
    "chargeback.opened": ("chargeback_noted", "chargeback_opened"),
    "chargeback.won": ("chargeback_won", "chargeback_won"),
    "chargeback.lost": ("chargeback_lost_payer", "chargeback_lost"),
}
#: Orders a sweep.
_SWEPT = 200
_FACTS = {"chargeback.opened": FactKind.CHARGEBACK, "chargeback.lost": FactKind.CHARGEBACK_LOST}


def handlers(
    database: Database, desk: DisputeDesk, once: Callable[[str, Effect], Handler]
) -> dict[str, Handler]:
    """The jobs."""

    async def submit(job: Job) -> None:
        await chargebacks.submit(database, desk, _id(event_of(job)))

    async def give_up(job: Job) -> None:
        await chargebacks.tell_given_up(database, desk, _id(event_of(job)))

    return {
        "chargebacks.attach": once("chargebacks.attach", _attach),
        "chargebacks.submit": submit,
        "chargebacks.give_up": give_up,
        "orders.rest": once("orders.rest", _rest),
        "orders.wake": once("orders.wake", _wake),
        "orders.charged_back": once("orders.charged_back", _lose),
        "notices.chargeback": once("notices.chargeback", _tell),
        "credit.chargeback": once("credit.chargeback", _learn),
        "credit.written_off": once("credit.written_off", _learn_debt),
    }


async def sweep(database: Database) -> int:
    """What time brings: evidence that has to go, debts that are too old, orders that could not be
    closed when their payment was lost."""
    ready = await database.run(chargebacks.make_ready)
    async with database.transaction() as tx:
        old = await chargebacks.old_debts(tx)
        held = await chargebacks.still_held(tx, _SWEPT)
    for member, unit in old:
        await database.run(_write_off(member, unit))
    for order_id in held:
        try:
            await database.run(_close(order_id))
        except Problem as problem:  # one that cannot be closed yet stops no other
            log.warning("charged_back_order_waits", order_id=str(order_id), code=problem.code)
    return ready + len(old)


def _close(order_id: UUID) -> Callable[[Tx], Awaitable[None]]:
    return lambda tx: orders.lose(tx, order_id)


def _write_off(member: UUID, unit: str) -> Callable[[Tx], Awaitable[int]]:
    return lambda tx: chargebacks.write_off(tx, member, unit)


def _id(event: Event) -> UUID:
    return UUID(event.payload["chargeback_id"])


def _orders(event: Event) -> list[UUID]:
    """Each once: of one order both price and deposit may have been taken."""
    return sorted({UUID(order["order_id"]) for order in event.payload["orders"]})


async def _attach(tx: Tx, event: Event) -> None:
    """What speaks for each seller, frozen when the chargeback came."""
    for order_id in _orders(event):
        order, facts = await orders.facts(tx.conn, order_id)
        talk = await messaging.conversation_of(tx.conn, order.customer_id, order.provider_id)
        facts["conversation"] = encode("cnv", talk) if talk else None
        facts["confirmed"] = await trust.was_confirmed(tx, order_id)
        await chargebacks.attach(tx, _id(event), order_id, order.provider_id, facts)


async def _rest(tx: Tx, event: Event) -> None:
    await orders.rest(tx, _orders(event))


async def _wake(tx: Tx, event: Event) -> None:
    await orders.wake(tx, _orders(event))


async def _lose(tx: Tx, event: Event) -> None:
    for order_id in _orders(event):
        await orders.lose(tx, order_id)


async def _tell(tx: Tx, event: Event) -> None:
    """The payer, and each seller once: what is set aside of theirs, why, until when to speak."""
    body = event.payload
    payer = UUID(body["member_id"])
    titles: dict[UUID, list[str]] = {payer: []}
    for order_id in _orders(event):
        order, _ = await orders.facts(tx.conn, order_id)
        titles.setdefault(order.provider_id, []).append(order.terms.title)
        titles[payer].append(order.terms.title)
    to_payer, to_seller = _TOLD[event.topic]
    ref = encode("cbk", _id(event))
    for member in sorted(titles):
        kind = to_payer if member == payer else to_seller
        params = _params(body, str(member), titles[member])
        await notices.deliver(tx, member, kind, ref, params, dedupe_key=str(event.id))


def _params(body: dict[str, Any], member: str, titles: list[str]) -> dict[str, str]:
    currency = body["currency"]
    aside, owed = body.get("set_aside", {}).get(member, 0), body.get("owed", {}).get(member, 0)
    due = datetime.fromisoformat(body["evidence_due_at"])
    return {
        "amount": display(body["amount_minor"], currency),
        "title": ", ".join(titles) or "a top-up",
        "reason": body["reason"].replace("_", " "),
        "aside": display(aside, currency),
        "owed": f" You owe {display(owed, currency)}, which is paid from your next sales."
        if owed
        else "",
        "due_at": f"{due:%Y-%m-%d %H:%M} UTC",
    }


async def _learn(tx: Tx, event: Event) -> None:
    """A fact about the payer for each order, of all its parts together; money that was in no order
    tells nothing of a deal."""
    body = event.payload
    payer = UUID(body["member_id"])
    found, taken = [], Counter[UUID]()
    for part in body["orders"]:
        taken[UUID(part["order_id"])] += part["amount_minor"]
    for order_id in _orders(event):
        order, _ = await orders.facts(tx.conn, order_id)
        found.append(
            Fact(
                member_id=payer,
                kind=_FACTS[event.topic],
                source_id=f"{event.id}:{order.id}",
                happened_at=event.occurred_at,
                order_id=order.id,
                counterparty_id=order.provider_id,
                role="buyer",
                amount_minor=trust.in_reference(taken[order_id], body["currency"]),
            )
        )
    credit.record(tx, found)
    if found:
        await credit.refresh(tx, payer)


async def _learn_debt(tx: Tx, event: Event) -> None:
    body = event.payload
    member = UUID(body["member_id"])
    fact = Fact(
        member_id=member,
        kind=FactKind.NEGATIVE_BALANCE,
        source_id=str(event.id),
        happened_at=event.occurred_at,
        amount_minor=trust.in_reference(body["amount_minor"], body["currency"]),
    )
    credit.record(tx, [fact])
    await credit.refresh(tx, member)
