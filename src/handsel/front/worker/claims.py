"""What follows from locks and claims: locks are judged, those concerned told, deadlines kept."""

from collections.abc import Awaitable, Callable
from datetime import datetime
from typing import Any, cast
from uuid import UUID

from handsel.foundation.core.ids import encode
from handsel.foundation.core.money import display
from handsel.foundation.core.settings import Settings
from handsel.foundation.db.uow import Database, Tx
from handsel.foundation.jobs import Handler
from handsel.foundation.outbox import Event
from handsel.money.payments import payouts
from handsel.money.protection import deciding, fund, queries
from handsel.people.members import service as members
from handsel.reach.notices import service as notices
from handsel.reach.notices import texts
from handsel.reach.notices.texts import Kind

Effect = Callable[[Tx, Event], Awaitable[None]]
_WHY = {"claim": "because a claim was filed", "code": "with one of your recovery codes"}


def handlers(once: Callable[[str, Effect], Handler], settings: Settings) -> dict[str, Handler]:
    """The jobs."""

    async def of_account(tx: Tx, event: Event) -> None:
        await _of_account(tx, settings, event)

    return {
        "members.lock": once("members.lock", _judge),
        "notices.account": once("notices.account", of_account),
        "notices.claim": once("notices.claim", _of_claim),
    }


async def sweep(database: Database) -> int:
    """Claims whose time is up, each in a transaction of its own; how many."""
    async with database.reading() as conn:
        waiting = await queries.due(conn)
    return sum([await database.run(_run_due(claim)) for claim in waiting])


async def measure_fund(database: Database) -> int:
    """The fund's ratios as everybody may see them; how many currencies."""
    return await database.run(fund.refresh)


def _run_due(claim_id: UUID) -> Callable[[Tx], Awaitable[bool]]:
    return lambda tx: deciding.run_due(tx, claim_id)


async def _judge(tx: Tx, event: Event) -> None:
    body = event.payload
    member = UUID(body["member_id"]) if body["member_id"] else None
    if await members.judge_lock_request(tx, member, body["code_hmac"]):
        assert member is not None  # only a member can be locked
        await payouts.stop_pending(tx, member, None, "payouts_frozen")


async def _of_account(tx: Tx, settings: Settings, event: Event) -> None:
    """In the app and by every verified contact: whoever took an account over holds one of them."""
    member = UUID(event.payload["member_id"])
    kind: Kind = "account_locked" if event.topic == "member.locked" else "account_secured"
    params = {"why": _WHY.get(event.payload.get("cause", ""), "")}
    ref = encode("mem", member)
    told = await notices.deliver(tx, member, kind, ref, params, dedupe_key=str(event.id))
    if told and settings.sandbox:  # elsewhere there is nobody yet who could send it
        title, body = texts.words(kind, params)
        await members.tell_contacts(tx, settings, member, f"{title}. {body}")


async def _of_claim(tx: Tx, event: Event) -> None:
    body = event.payload
    kind = cast(Kind, event.topic.replace(".", "_"))
    member, ref = UUID(body["member_id"]), encode("clm", UUID(body["claim_id"]))
    await notices.deliver(tx, member, kind, ref, _params(body), dedupe_key=str(event.id))


def _params(body: dict[str, Any]) -> dict[str, str]:
    """Every name that a claim's texts may use."""
    currency, credited = body["currency"], body["credited_minor"]
    owed = body.get("owed_minor", 0)
    back = ""
    if credited:
        back = f" The provisional credit of {display(credited, currency)} was taken back."
    if owed:
        back += f" {display(owed, currency)} of it you owe; your next sales pay it."
    return {
        "amount": display(body["amount_minor"], currency),
        "paid": display(body["paid_minor"], currency),
        "credit": f" {display(credited, currency)} are in your wallet until then."
        if credited
        else "",
        "due_at": f"{datetime.fromisoformat(body['deadline_at']):%Y-%m-%d %H:%M} UTC",
        "why": body.get("note") or " ".join(body.get("reasons", ())),
        "back": back,
    }
