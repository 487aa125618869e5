"""The jobs by name. Each effect happens once: it is noted with the event in its transaction."""

from collections.abc import Awaitable, Callable, Sequence
from datetime import datetime, timedelta
from uuid import UUID

from handsel.catalog.search import jobs as search
from handsel.deals.orders import service as orders
from handsel.deals.orders.pay_after.collecting import collect
from handsel.foundation.core.ids import encode
from handsel.foundation.core.money import MINUTE, display
from handsel.foundation.core.settings import Settings
from handsel.foundation.db.uow import Database, Tx
from handsel.foundation.jobs import Handler, Job, handled
from handsel.foundation.outbox import Event, event_of
from handsel.front.worker import (
    agreements,
    appeals,
    chargebacks,
    claims,
    disputes,
    facts,
    notices,
    provider_events,
    reviews,
    safety,
    wallet,
)
from handsel.money.payments.gateway import Gateway
from handsel.people.credit import service as credit
from handsel.people.credit.schemas import Fact
from handsel.people.messaging import service as messaging
from handsel.people.trust import service as trust

Effect = Callable[[Tx, Event], Awaitable[None]]


def handlers(database: Database, settings: Settings, gateway: Gateway) -> dict[str, Handler]:
    """Every job that the worker runs."""
    indexing = search.handlers(settings)

    def once(name: str, effect: Effect) -> Handler:
        return _once(database, name, effect)

    async def index_listing(job: Job) -> None:
        await indexing["index_listing"](database, event_of(job).payload)

    async def index_seller(job: Job) -> None:
        body = event_of(job).payload
        member = body.get("provider_id") or body.get("subject_id") or body["member_id"]
        await indexing["index_seller"](database, {"member_id": member})

    async def reindex(job: Job) -> None:
        await indexing["reindex"](database, event_of(job).payload)

    return {
        "notices.order": once("notices.order", notices.of_order),
        "notices.deadline": once("notices.deadline", notices.of_deadline),
        "notices.message": once("notices.message", notices.of_message),
        "messaging.card": once("messaging.card", _attach_card),
        "credit.order": once("credit.order", _credit_of_order),
        "credit.review": once("credit.review", _credit_of_review),
        "credit.message": once("credit.message", _credit_of_message),
        "credit.member": once("credit.member", _credit_of_member),
        "credit.top_up": once("credit.top_up", _credit_of_top_up),
        "trust.settled": once("trust.settled", _note_settled),
        "debts.collect": once("debts.collect", _collect_debts),
        "search.listing": index_listing,
        "search.seller": index_seller,
        "search.reviewed": index_seller,
        "search.imported": reindex,
        **provider_events.handlers(database, gateway, once),
        **agreements.handlers(once),
        **appeals.handlers(once),
        **chargebacks.handlers(database, gateway, once),
        **claims.handlers(once, settings),
        **disputes.handlers(once),
        **reviews.handlers(once),
        **safety.handlers(once),
        **wallet.handlers(database, gateway, once, settings),
    }


def _once(database: Database, name: str, effect: Effect) -> Handler:
    async def run(job: Job) -> None:
        event = event_of(job)

        async def in_transaction(tx: Tx) -> None:
            if await handled(tx.conn, event.id, name):
                await effect(tx, event)

        await database.run(in_transaction)

    return run


def _id(job: Job, field: str) -> UUID:
    return UUID(event_of(job).payload[field])


async def _attach_card(tx: Tx, event: Event) -> None:
    body = event.payload
    amount = display(body["amount_minor"], body["currency"])
    await messaging.attach_card(
        tx,
        UUID(body["customer_id"]),
        UUID(body["provider_id"]),
        "order",
        encode("ord", UUID(body["order_id"])),
        f"Order funded: {body['title']}, {amount}",
    )


async def _note_settled(tx: Tx, event: Event) -> None:
    body = event.payload
    if body["currency"] == MINUTE:
        return  # what costs nothing raises nobody's limits
    order_id = UUID(body["order_id"])
    on_time = await orders.delivered_on_time(tx.conn, order_id)
    customer, provider = UUID(body["customer_id"]), UUID(body["provider_id"])
    await trust.note_settled(tx, order_id, customer, provider, on_time, event.occurred_at)


async def _collect_debts(tx: Tx, event: Event) -> None:
    body = event.payload
    if body["net_minor"]:
        await collect(tx, UUID(body["provider_id"]), body["net_minor"], body["currency"])


async def _credit_of_order(tx: Tx, event: Event) -> None:
    body = event.payload
    if body["currency"] == MINUTE:
        return  # hours are no money, and say nothing of who pays back
    amount = trust.in_reference(body["amount_minor"], body["currency"])
    await _record(tx, facts.of_order(event, amount, await _lateness(tx, event)))


async def _lateness(tx: Tx, event: Event) -> timedelta | None:
    """How much too late a payment or a return came, if it did. What the renter declared, and the
    owner let be, was back when it was declared."""
    late_by, order_id = facts.late_by(event), UUID(event.payload["order_id"])
    since = await orders.made_at(tx.conn, order_id, late_by) if late_by else None
    if since is None:
        return None
    declared = await orders.made_at(tx.conn, order_id, "declare_return")
    return (declared or datetime.fromisoformat(event.payload["at"])) - since


async def _credit_of_review(tx: Tx, event: Event) -> None:
    # What weighs nothing says nothing: one review of a pair in thirty days counts.
    body = event.payload
    await _record(tx, [facts.of_review(event, body["role"])] if body["weight_bps"] else [])


async def _credit_of_message(tx: Tx, event: Event) -> None:
    body = event.payload
    if body["kind"] != "text":
        return  # cards come by themselves
    waited = await messaging.answered_after(tx.conn, UUID(body["conversation_id"]), body["seq"])
    fact = None if waited is None else facts.of_answer(event, waited)
    if fact is not None and not await credit.knows(tx, fact):
        await _record(tx, [fact])


async def _credit_of_member(tx: Tx, event: Event) -> None:
    fact = facts.of_member(event)
    await _record(tx, [fact] if fact else [])


async def _credit_of_top_up(tx: Tx, event: Event) -> None:
    body = event.payload
    amount = trust.in_reference(body["amount_minor"], body["currency"])
    await _record(tx, [facts.of_top_up(event, amount)])


async def _record(tx: Tx, found: Sequence[Fact]) -> None:
    """Store the facts and refresh the scores of those whom they are about."""
    credit.record(tx, found)
    # In a fixed order: two jobs about the same two people must not wait for each other in a ring.
    for member_id in sorted({fact.member_id for fact in found}):
        await credit.refresh(tx, member_id)
