"""The verbs of disputes: open one, show something, move it, read it, and let time move it."""

from datetime import datetime, timedelta
from uuid import UUID

from handsel.deals.disputes import evidence, machine, moving, orders_port, queries, views
from handsel.deals.disputes.errors import DisputeExists, EvidenceMissing
from handsel.deals.disputes.queries import Dispute, due
from handsel.deals.disputes.rulings import check_sum
from handsel.deals.disputes.schemas import (
    DisputeInput,
    DisputeMoveInput,
    DisputeSummary,
    DisputeTimeline,
    DisputeView,
    EvidenceInput,
    EvidenceView,
)
from handsel.deals.orders.queries import Order
from handsel.foundation.db.pool import Connection
from handsel.foundation.db.uow import Tx
from handsel.foundation.http.principal import Principal
from handsel.foundation.http.work import Answer
from handsel.money.escrow.service import Stake

__all__ = [
    "add_evidence", "due", "list_own", "move", "open_dispute", "overtaken", "postpone", "read",
    "remind_due", "run_due", "timeline",
]  # fmt: skip

run_due = moving.run_due
#: Money of a sale waits as long as it must; only a hold has an end.
_SOLD_WAITS = timedelta(days=75)
_BEGIN = ("uuid", "text", "uuid", "text", "text[]", "timestamptz[]", "timestamptz[]")
_INSERT = """
INSERT INTO deals.disputes
    (order_id, process_version, state, claimant_id, respondent_id, claimant_role, reason_code,
     statement, held, unit, sold, undelivered, bonds, request, money_until, opened_at, entered_at)
VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10, $11, $12, $13, $14, $15, $16, $16)
RETURNING id
"""


async def open_dispute(
    tx: Tx, principal: Principal, order_id: UUID, data: DisputeInput
) -> Answer[DisputeView]:
    """Open a dispute: from now on the order's money waits for its end.

    Raises ``NotFound``; ``DeadlinePassed``, ``DisputeExists``, ``NotDisputable``,
    ``DisputeTooLate`` (409);
    ``EvidenceMissing``, ``SplitDoesNotSum`` (422).
    """
    order, role = await orders_port.own(tx, principal, order_id)
    if await queries.disputed_before(tx.conn, order.id):
        raise DisputeExists
    stake = await orders_port.stake(tx, order)
    bonds = await orders_port.bonds_of(tx, order.id)
    check_sum(data.request, stake.gross_minor, bonds)
    if not data.evidence:
        raise EvidenceMissing
    dispute = await _write(tx, order, role, stake, bonds, data)
    timers = moving.columns(moving.timers_of(dispute), tx.now)
    tx.call("deals.begin_dispute", _BEGIN, dispute.id, dispute.state, principal.member_id,
            data.statement, *timers)  # fmt: skip
    for item in data.evidence:
        await evidence.add(tx, dispute, principal.member_id, "claimant", item)
    await orders_port.opened(tx, order.id)
    deadline = timers[1][0] if timers[1] else None
    body = await moving.event_of(tx, dispute) | {"deadline": deadline}
    tx.emit("dispute.opened", dispute.id, body)
    view = await views.view_of(tx.conn, dispute, "claimant", principal.member_id)
    return Answer(view, version=1, location=f"/v1/disputes/{view.id}")


async def _write(
    tx: Tx, order: Order, role: str, stake: Stake, bonds: dict[str, int], data: DisputeInput
) -> Dispute:
    claimant, respondent = order.customer_id, order.provider_id
    if role == "provider":
        claimant, respondent = respondent, claimant
    version = machine.CURRENT
    dispute_id = await tx.fetchval(
        _INSERT,
        order.id,
        version,
        machine.processes()[version].initial,
        claimant,
        respondent,
        role,
        data.reason_code,
        data.statement,
        stake.gross_minor,
        order.unit,
        stake.sold,
        orders_port.undelivered(order),
        bonds,
        data.request,
        tx.now + _SOLD_WAITS if stake.sold else stake.until,
        tx.now,
    )
    return await queries.load_for_update(tx, dispute_id)


async def add_evidence(
    tx: Tx, principal: Principal, dispute_id: UUID, data: EvidenceInput
) -> EvidenceView:
    """Show something more. Raises ``NotFound``, ``EvidenceClosed``, ``EvidenceKnown`` (409)."""
    dispute = await queries.load_for_update(tx, dispute_id)
    role = moving.role_for(dispute, principal, as_staff=False)
    shown = await evidence.add(tx, dispute, principal.member_id, role, data)
    body = await moving.event_of(tx, dispute) | {
        "transition": "show",
        "by": role,
        "tells": ["respondent" if role == "claimant" else "claimant"],
        "deadline": None,
        "default": "",
    }
    tx.emit("dispute.moved", dispute.id, body)
    return shown


async def move(
    tx: Tx, principal: Principal, dispute_id: UUID, data: DisputeMoveInput
) -> Answer[DisputeView]:
    """A party's move; see ``moving.move`` for what it raises."""
    dispute = await moving.move(tx, principal, dispute_id, data, as_staff=False)
    role = moving.role_for(dispute, principal, as_staff=False)
    view = await views.view_of(tx.conn, dispute, role, principal.member_id)
    return Answer(view, version=dispute.version)


async def read(conn: Connection, principal: Principal, dispute_id: UUID) -> DisputeView:
    """One of one's own disputes. Raises ``NotFound`` for everybody else's."""
    dispute = await queries.load(conn, dispute_id)
    role = moving.role_for(dispute, principal, as_staff=False)
    return await views.view_of(conn, dispute, role, principal.member_id)


async def timeline(conn: Connection, principal: Principal, dispute_id: UUID) -> DisputeTimeline:
    """Every line, for the two parties. Raises ``NotFound``."""
    moving.role_for(await queries.load(conn, dispute_id), principal, as_staff=False)
    return DisputeTimeline(items=await queries.timeline(conn, dispute_id))


async def list_own(
    conn: Connection, principal: Principal, before: UUID | None, limit: int
) -> list[DisputeSummary]:
    """One's own disputes on either side, newest first."""
    me = principal.member_id
    found = await queries.of_member(conn, me, before, limit)
    return [views.summary_of(d, d.role_of(me) or "", me) for d in found]


async def overtaken(tx: Tx, order_id: UUID) -> bool:
    """The order's money went another way (its payer's bank, an agreement in the order itself): a
    dispute about it ends; False where there is none."""
    dispute_id = await queries.running_of_order(tx.conn, order_id)
    if dispute_id is None:
        return False
    dispute = await queries.load_for_update(tx, dispute_id)
    return await moving.follow(tx, dispute, moving.OVERTAKEN)


async def postpone(tx: Tx, dispute_id: UUID) -> int:
    """A due move has failed: it is tried again, each time a little later, for ever; how often."""
    attempts: int = await tx.fetchval("SELECT deals.postpone_dispute($1)", dispute_id)
    return attempts


async def remind_due(tx: Tx, limit: int = 200) -> int:
    """Tell whose move it is that a deadline is near; each deadline once."""
    taken = await tx.fetch("SELECT * FROM deals.take_dispute_reminders($1)", limit)
    for row in taken:
        await _remind(tx, row["dispute_id"], row["transition"], row["due_at"])
    return len(taken)


async def _remind(tx: Tx, dispute_id: UUID, transition: str, due_at: datetime) -> None:
    dispute = await queries.load(tx.conn, dispute_id)
    process = moving.process_of(dispute)
    chosen = next(t for t in process.transitions if t.name == transition)
    waits_for = process.states[dispute.state].waits_for
    if chosen.stays or waits_for == moving.STAFF:
        return
    body = await moving.event_of(tx, dispute) | {
        "transition": "remind",
        "by": "system",
        "tells": [waits_for] if waits_for else ["claimant", "respondent"],
        "deadline": due_at,
        "default": chosen.default,
    }
    tx.emit("dispute.deadline_near", dispute.id, body)
