"""What each event of a payment provider brings about: the one table to look at.

An event is acted on in one transaction together with the note that it was. One that speaks of
something that we do not know (yet) is tried again, for ever: its own cause may be on the way.
"""

from collections.abc import Awaitable, Callable
from datetime import datetime

import structlog

from handsel.foundation.core.settings import Settings
from handsel.foundation.db.uow import Database, Tx
from handsel.foundation.jobs import Handler, Job, Periodic
from handsel.foundation.outbox import Event, event_of
from handsel.money.escrow.chargebacks import service as chargebacks
from handsel.money.payments import alerts, card_returns, inbox, payouts, sandbox_desk, top_ups
from handsel.money.payments.disputes import Dispute
from handsel.money.payments.gateway import ChargeAnswer, Gateway, ProviderEvent, ProviderUnavailable
from handsel.money.payments.reconciliation import service as reconciliation
from handsel.money.payments.sandbox import SandboxGateway
from handsel.money.payments.service import gateway_of, sandbox_secret

_HAND_ON_S, _HEAR_S, _COMPARE_S = 300.0, 1.0, 3600.0
log = structlog.get_logger(__name__)
Act = Callable[[Tx, ProviderEvent], Awaitable[str]]
Effect = Callable[[Tx, Event], Awaitable[None]]


class NotKnownYet(Exception):
    """The event is about something of which we have not heard: ask again later."""


def handlers(
    database: Database, gateway: Gateway, once: Callable[[str, Effect], Handler]
) -> dict[str, Handler]:
    """The jobs."""

    async def act(job: Job) -> None:
        body = event_of(job).payload
        source, event_id = body["source"], body["event_id"]
        async with database.reading() as conn:
            returned = await inbox.returned_payout(conn, source, event_id)
        if returned is not None and source == gateway.name:
            await gateway.take_back(returned)
        await database.run(lambda tx: _act(tx, source, event_id))

    return {"payments.provider_event": act, "alerts.record": once("alerts.record", _record_alert)}


def periodics(database: Database, settings: Settings) -> list[Periodic]:
    """What is done again and again about providers."""

    async def hand_on() -> int:
        return await database.run(inbox.hand_on_again)

    async def hear_sandbox() -> int:
        secret = sandbox_secret(settings)
        return await sandbox_desk.deliver(database, SandboxGateway(database, secret), secret)

    async def compare_books() -> int:
        gateway = gateway_of(settings, database)
        found = 0
        try:
            found = await reconciliation.catch_up(database, gateway)
        except ProviderUnavailable:
            log.warning("reconciliation_waits", provider=gateway.name)
        finally:
            await gateway.close()
        overdue = await database.run(reconciliation.check_clearing)
        if found or overdue:
            log.warning("books_differ", differences=found, clearing_overdue=overdue)
        return found + overdue

    found = [
        Periodic("provider_events", _HAND_ON_S, hand_on),
        Periodic("reconcile", _COMPARE_S, compare_books),
    ]
    return (
        [*found, Periodic("sandbox_provider", _HEAR_S, hear_sandbox)] if settings.sandbox else found
    )


async def _act(tx: Tx, source: str, event_id: str) -> None:
    stored = await inbox.take(tx, source, event_id)
    if stored is None:
        return
    event = stored.event
    act = _ACTS.get(event.kind)
    if act is None:
        await inbox.close(tx, event, "nothing follows from this kind", ignored=True)
    elif stored.overtaken and event.kind in _STATES:
        await inbox.close(tx, event, "stale_webhook", ignored=True)
    else:
        await inbox.close(tx, event, await act(tx, event))


async def _charge(tx: Tx, event: ProviderEvent) -> str:
    top_up = await top_ups.find(tx.conn, event.key, event.reference)
    if top_up is None:
        raise NotKnownYet(event.reference)
    if event.kind == "charge.succeeded":
        answer = ChargeAnswer("succeeded", event.reference)
    else:
        answer = ChargeAnswer("declined", event.reference, event.data.get("failure"))
    return await top_ups.book(tx, top_up, answer)


async def _refund(tx: Tx, event: ProviderEvent) -> str:
    refund = await card_returns.find(tx.conn, event.key, event.reference)
    if refund is None:
        raise NotKnownYet(event.reference)
    if event.kind == "refund.succeeded":
        await card_returns.book_succeeded(tx, refund, event.reference)
    else:
        failure = event.data.get("failure") or "failed"
        await card_returns.book_failed(tx, refund, failure, event.reference)
    return event.kind


async def _payout(tx: Tx, event: ProviderEvent) -> str:
    withdrawal = await payouts.find(tx.conn, event.key, event.reference)
    if withdrawal is None:
        raise NotKnownYet(event.reference)
    if event.kind == "payout.paid":
        await payouts.book_paid(tx, withdrawal, event.reference)
    else:
        failure = event.data.get("failure") or "returned"
        await payouts.book_returned(tx, withdrawal, failure, event.reference)
    return event.kind


async def _dispute(tx: Tx, event: ProviderEvent) -> str:
    verbs = {
        "dispute.opened": chargebacks.opened,
        # An inquiry that has become a dispute is told by its money alone.
        "dispute.funds_withdrawn": chargebacks.opened,
        "dispute.won": chargebacks.won,
        "dispute.lost": chargebacks.lost,
    }
    await verbs[event.kind](tx, _said(event))
    return event.kind


def _said(event: ProviderEvent) -> Dispute:
    due = event.data.get("evidence_due_at")
    return Dispute(
        reference=event.reference,
        charge_reference=event.charge_reference or "",
        amount_minor=event.amount_minor,
        currency=event.currency,
        said_at=event.occurred_at,
        reason=event.data.get("reason") or "unknown",
        fee_minor=event.data.get("fee_minor") or 0,
        evidence_due_at=datetime.fromisoformat(due) if due else None,
    )


async def _record_alert(tx: Tx, event: Event) -> None:
    body = event.payload
    await alerts.record(tx, body["kind"], body["subject"], body["text"])


_ACTS: dict[str, Act] = {
    "charge.succeeded": _charge,
    "charge.failed": _charge,
    "refund.succeeded": _refund,
    "refund.failed": _refund,
    "payout.paid": _payout,
    "payout.returned": _payout,
    "dispute.opened": _dispute,
    "dispute.funds_withdrawn": _dispute,
    "dispute.won": _dispute,
    "dispute.lost": _dispute,
}
#: Kinds that tell a state, of which only the newest counts. A success and a return are facts: each
#: is booked whenever it comes. The chargebacks order their events themselves.
_STATES = {"charge.failed"}
