"""The wallet's jobs, sweeps and notices: what enters and leaves it, comes back, or is kept of a
sale."""

from collections.abc import Awaitable, Callable
from datetime import datetime
from typing import Any
from uuid import UUID

from handsel.foundation.core.ids import encode
from handsel.foundation.core.money import display
from handsel.foundation.core.settings import Settings
from handsel.foundation.db.uow import Database, Tx
from handsel.foundation.jobs import Handler, Job
from handsel.foundation.outbox import Event, event_of
from handsel.money.escrow import reserve
from handsel.money.payments import jobs as payments
from handsel.money.payments.gateway import Gateway, ProviderUnavailable
from handsel.people.members import service as members
from handsel.reach.notices import service as notices
from handsel.reach.notices.texts import Kind

Effect = Callable[[Tx, Event], Awaitable[None]]

#: What happened -> (kind of notice, the prefix of what it is about, the field of its id).
_TOLD: dict[str, tuple[Kind, str, str]] = {
    "withdrawal.paid": ("withdrawal_paid", "wdr", "withdrawal_id"),
    "withdrawal.returned": ("withdrawal_returned", "wdr", "withdrawal_id"),
    "withdrawal.stopped": ("withdrawal_stopped", "wdr", "withdrawal_id"),
    "withdrawal.late": ("withdrawal_late", "wdr", "withdrawal_id"),
    "card_refund.failed": ("card_refund_failed", "crf", "card_refund_id"),
    "card_refund.late": ("card_refund_late", "crf", "card_refund_id"),
}
_REASONS = {
    "payment_disputed": "a payment to you is disputed by the payer's bank",
    "debt_first": "you owe it",
    "payout_method_removed": "the bank account was removed",
    "payouts_frozen": "your account is locked",
}


def handlers(
    database: Database, gateway: Gateway, once: Callable[[str, Effect], Handler], settings: Settings
) -> dict[str, Handler]:
    """The jobs. The first asking is tried again by the queue; the later ones are the sweep's, who
    asks for ever, so silence does not fail them."""

    async def charge(job: Job) -> None:
        await payments.charge_top_up(database, gateway, _id(job, "top_up_id"))

    async def pay_out(job: Job) -> None:
        await payments.pay_out_withdrawal(database, gateway, _id(job, "withdrawal_id"))

    async def refund_card(job: Job) -> None:
        await payments.send_card_refund(database, gateway, _id(job, "card_refund_id"))

    def patiently(handler: Handler) -> Handler:
        async def run(job: Job) -> None:
            try:
                await handler(job)
            except ProviderUnavailable:
                return

        return run

    async def of_method(tx: Tx, event: Event) -> None:
        await _of_method(tx, settings, event)

    return {
        "payments.charge": charge,
        "payments.charge_again": patiently(charge),
        "payments.pay_out": pay_out,
        "payments.pay_out_again": patiently(pay_out),
        "payments.refund_card": refund_card,
        "payments.refund_card_again": patiently(refund_card),
        "notices.wallet": once("notices.wallet", _of_wallet),
        "notices.sale_kept": once("notices.sale_kept", _of_sale),
        "notices.payout_method": once("notices.payout_method", of_method),
    }


async def sweep(database: Database) -> int:
    """What time brings to wallets: scheduled payouts, reserves that end, askings that are due."""
    async with database.reading() as conn:
        released = await reserve.release_due(conn)
    paid = await payments.run_schedules(database)
    return released + paid + await payments.ask_again(database)


def _id(job: Job, field: str) -> UUID:
    return UUID(event_of(job).payload[field])


async def _of_wallet(tx: Tx, event: Event) -> None:
    body = event.payload
    kind, prefix, field = _TOLD[event.topic]
    failure = body.get("failure") or ""
    params = {
        "amount": display(body["amount_minor"], body["currency"]),
        "reason": _REASONS.get(failure, failure.replace("_", " ")),
    }
    ref = encode(prefix, UUID(body[field]))
    await notices.deliver(tx, UUID(body["member_id"]), kind, ref, params, dedupe_key=str(event.id))


async def _of_sale(tx: Tx, event: Event) -> None:
    body = event.payload
    ref = encode("ord", UUID(body["order_id"]))
    params = {"what": _kept(body), "rest": display(body["paid_minor"], body["currency"])}
    member = UUID(body["member_id"])
    await notices.deliver(tx, member, "sale_kept_back", ref, params, dedupe_key=str(event.id))


def _kept(body: dict[str, Any]) -> str:
    """Both parts in words."""
    parts = []
    if body["netted_minor"]:
        parts.append(f"{display(body['netted_minor'], body['currency'])} paid what you owed")
    if body["reserved_minor"]:
        until = datetime.fromisoformat(body["release_at"])
        amount = display(body["reserved_minor"], body["currency"])
        parts.append(f"{amount} is kept as a reserve until {until:%Y-%m-%d}")
    return " and ".join(parts)


async def _of_method(tx: Tx, settings: Settings, event: Event) -> None:
    """In the app and by every verified contact: whoever took an account over holds one of them."""
    body = event.payload
    member, usable = UUID(body["member_id"]), body["usable_from"]
    since = "at once"
    if usable is not None:
        since = f"from {datetime.fromisoformat(usable):%Y-%m-%d %H:%M} UTC on"
    params = {"label": body["label"], "since": since}
    ref = encode("pay", UUID(body["payout_method_id"]))
    told = await notices.deliver(
        tx, member, "payout_method_added", ref, params, dedupe_key=str(event.id)
    )
    if told and settings.sandbox:  # elsewhere there is nobody yet who could send it
        text = (
            f'The bank account "{body["label"]}" was added to your payout methods and can be'
            f" used {since}. Was it not you? Log in, remove it, and end your other sessions."
        )
        await members.tell_contacts(tx, settings, member, text)
