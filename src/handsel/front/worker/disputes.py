"""What follows from disputes: time moves them, both sides are told, scores hear of their end.

A score hears of a dispute only when it is resolved, and only of whoever had a part of the fault: a
claim that was withdrawn, settled or left alone counts for nobody.
"""

from collections.abc import Awaitable, Callable
from datetime import datetime
from typing import Any
from uuid import UUID

import asyncpg
import structlog

from handsel.deals.disputes import service as disputes
from handsel.foundation.core.errors import Problem
from handsel.foundation.core.ids import encode
from handsel.foundation.core.money import BPS, display
from handsel.foundation.db.uow import Database, Tx
from handsel.foundation.jobs import Handler
from handsel.foundation.outbox import Event
from handsel.people.credit import service as credit
from handsel.people.credit.schemas import Fact
from handsel.people.members import service as members
from handsel.people.messaging import service as messaging
from handsel.reach.notices import service as notices
from handsel.reach.notices.texts import Kind
from handsel_ml.contract import FactKind, Role

Effect = Callable[[Tx, Event], Awaitable[None]]
log = structlog.get_logger(__name__)
_MAY_FAIL = (Problem, asyncpg.PostgresError, LookupError, ValueError, TypeError, AssertionError)
_SIDES = ("claimant", "respondent")
#: What a move is called in a notice; the others say nothing but where the dispute now is.
_WORDS = {
    "answer": "{by} answered the claim.",
    "concede": "{by} gave in: the claim is granted.",
    "offer": "{by} made an offer.",
    "counter": "{by} made another offer.",
    "decline": "{by} declined the offer.",
    "accept": "{by} accepted the offer; the money is shared as it says.",
    "withdraw": "{by} withdrew the claim; the order goes on.",
    "escalate": "{by} asked for somebody of the staff, who will propose how to share the money.",
    "propose": "The staff propose how to share the money. Agree or reject.",
    "refer": "The staff rule without a proposal.",
    "agree": "{by} agreed to the proposal.",
    "settle": "Both agreed to the proposal; the money is shared as it says.",
    "reject": "{by} rejected the proposal; the staff rule.",
    "rule": "The staff have ruled. An appeal needs new evidence.",
    "appeal": "{by} appealed; somebody else of the staff decides.",
    "rule_on_appeal": "The appeal is decided, and the money is shared as it says.",
    "show": "{by} added evidence.",
    "remind": "It is your move.",
}


def handlers(once: Callable[[str, Effect], Handler]) -> dict[str, Handler]:
    """The jobs."""
    return {
        "notices.dispute": once("notices.dispute", _tell),
        "messaging.dispute_card": once("messaging.dispute_card", _attach_card),
        "credit.dispute": once("credit.dispute", _credit),
        "disputes.overtaken": once("disputes.overtaken", _overtake),
    }


async def sweep(database: Database) -> int:
    """Make the moves whose time has come, each in a transaction of its own, and tell whose deadline
    is near; how many were made. One that fails stops nobody else and is tried again, later each
    time."""
    async with database.reading() as conn:
        waiting = await disputes.due(conn)
    moved = 0
    for dispute_id in waiting:
        try:
            moved += await database.run(_run_due(dispute_id))
        except _MAY_FAIL as error:
            async with database.transaction() as tx:
                attempts = await disputes.postpone(tx, dispute_id)
            dispute = str(dispute_id)
            log.error("due_move_failed", dispute=dispute, error=repr(error), attempts=attempts)
    await database.run(disputes.remind_due)
    return moved


def _run_due(dispute_id: UUID) -> Callable[[Tx], Awaitable[bool]]:
    return lambda tx: disputes.run_due(tx, dispute_id)


async def _overtake(tx: Tx, event: Event) -> None:
    await disputes.overtaken(tx, UUID(event.payload["order_id"]))


async def _attach_card(tx: Tx, event: Event) -> None:
    body = event.payload
    await messaging.attach_card(
        tx,
        UUID(body["claimant_id"]),
        UUID(body["respondent_id"]),
        "dispute",
        encode("dsp", UUID(body["dispute_id"])),
        f"Dispute opened: {body['title']}",
    )


async def _tell(tx: Tx, event: Event) -> None:
    body = event.payload
    kind: Kind = "dispute_opened" if event.topic == "dispute.opened" else "dispute_moved"
    roles = ["respondent"] if kind == "dispute_opened" else body["tells"]
    params = await _params(tx, body)
    ref = encode("dsp", UUID(body["dispute_id"]))
    for role in roles:
        member = UUID(body[f"{role}_id"])
        await notices.deliver(tx, member, kind, ref, params, dedupe_key=str(event.id))


async def _params(tx: Tx, body: dict[str, Any]) -> dict[str, str]:
    sides = {role: UUID(body[f"{role}_id"]) for role in _SIDES}
    people = await members.by_ids(tx.conn, list(sides.values()))
    names = {role: people[member].handle for role, member in sides.items()}
    said = _WORDS.get(body.get("transition", ""), body.get("default", ""))
    due = body["deadline"]
    by = f"{datetime.fromisoformat(due):%Y-%m-%d %H:%M} UTC" if due else ""
    return {
        "title": body["title"],
        "claimant": names["claimant"],
        "amount": display(body["held_minor"], body["currency"]),
        "reason": body["reason_code"].replace("_", " "),
        "what": said.format(by=names.get(body.get("by", ""), "The staff")),
        "deadline": f" The next deadline is {by}." if by else "",
        "due_at": by,
    }


async def _credit(tx: Tx, event: Event) -> None:
    found = facts_of(event)
    credit.record(tx, found)
    for member_id in sorted({fact.member_id for fact in found}):
        await credit.refresh(tx, member_id)


def facts_of(event: Event) -> list[Fact]:
    """What a resolved dispute says: against whom it was, if they had a part of the fault, and who
    lost it, which is whoever had at least half. Each weighs as much as their share of the fault.

    Nothing is told of who had none: winning a dispute is no merit that others could not have."""
    body = event.payload
    lost = [side for side in _SIDES if 2 * body[f"{side}_fault_bps"] >= BPS]
    found = [_fact(event, side, FactKind.DISPUTE_LOST) for side in lost]
    if body["respondent_fault_bps"]:
        found.append(_fact(event, "respondent", FactKind.DISPUTE_OPENED_AGAINST))
    return found


def _fact(event: Event, side: str, kind: FactKind) -> Fact:
    body = event.payload
    other = "respondent" if side == "claimant" else "claimant"
    is_customer = (body["claimant_role"] == "customer") == (side == "claimant")
    role: Role = "buyer" if is_customer else "seller"
    return Fact(
        member_id=UUID(body[f"{side}_id"]),
        kind=kind,
        source_id=str(event.id),
        happened_at=event.occurred_at,
        order_id=UUID(body["order_id"]),
        counterparty_id=UUID(body[f"{other}_id"]),
        role=role,
        weight_bps=body[f"{side}_fault_bps"],
    )
