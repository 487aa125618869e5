"""The one gate through which a dispute moves: by a party, by the staff, or by the system."""

from collections.abc import Sequence
from datetime import datetime
from uuid import UUID

from handsel.deals.disputes import effects, machine, orders_port, queries
from handsel.deals.disputes.errors import OwnDispute
from handsel.deals.disputes.moves import GUARDS, SILENCE, Move
from handsel.deals.disputes.outcomes import OUTCOMES, Outcome
from handsel.deals.disputes.queries import Dispute
from handsel.deals.disputes.schemas import DisputeMoveInput
from handsel.deals.orders.errors import DeadlinePassed
from handsel.deals.process import engine
from handsel.deals.process.definition import SYSTEM, Process, Role, Transition
from handsel.foundation import audit
from handsel.foundation.core.errors import NotFound
from handsel.foundation.db.uow import Tx
from handsel.foundation.http.principal import Principal

_MOVE = (
    "uuid", "int", "text", "text", "text", "uuid", "text", "text", "jsonb", "text[]",
    "timestamptz[]", "timestamptz[]",
)  # fmt: skip
STAFF: Role = "staff"
#: What both have agreed to, the system makes so.
_AGREED = "dispute.agreed"
OVERTAKEN = "order.decided"


def process_of(dispute: Dispute) -> Process:
    """The version that the dispute has pinned."""
    return machine.processes()[dispute.process_version]


async def move(
    tx: Tx, principal: Principal, dispute_id: UUID, data: DisputeMoveInput, *, as_staff: bool
) -> Dispute:
    """Move a dispute. Raises ``TransitionNotAllowed``, ``DeadlinePassed`` (409), ``NotYourMove``,
    ``OwnDispute`` (403), what a guard refuses, and what the ledger refuses at the end."""
    dispute = await queries.load_for_update(tx, dispute_id)
    role = role_for(dispute, principal, as_staff=as_staff)
    process = process_of(dispute)
    await _check_time(tx, dispute, process)
    chosen = engine.choose(process, dispute.state, data.name, role)
    moving = Move(dispute, data, role, principal.member_id)
    for guard in chosen.guards:
        await GUARDS[guard](tx, moving)
    await apply(tx, moving, process, chosen)
    if chosen.name == "agree" and moving.offer is not None and len(moving.offer.agreed_by) > 1:
        await follow(tx, dispute, _AGREED)
    return dispute


def role_for(dispute: Dispute, principal: Principal, *, as_staff: bool) -> Role:
    """Whose part the principal plays. Raises ``NotFound``, and ``OwnDispute`` for staff."""
    role = dispute.role_of(principal.member_id)
    if as_staff:
        if role is not None:
            raise OwnDispute
        return STAFF
    if role is None:
        raise NotFound("there is no such dispute")
    return role


async def _check_time(tx: Tx, dispute: Dispute, process: Process) -> None:
    """What time has decided is not raced for."""
    leaving = {t.name for t in process.leaving(dispute.state) if not t.stays}
    rows = await tx.fetch(
        "SELECT transition FROM deals.dispute_timers WHERE dispute_id = $1 AND due_at <= $2"
        " ORDER BY due_at",
        dispute.id,
        tx.now,
    )
    for row in rows:
        if row["transition"] in leaving:
            raise DeadlinePassed(transition=row["transition"])


async def follow(tx: Tx, dispute: Dispute, event: str) -> bool:
    """Make the system's move of an event; False where there is none from here."""
    process = process_of(dispute)
    chosen = engine.follow(process, dispute.state, event)
    if chosen is None:
        return False
    await apply(tx, Move(dispute, DisputeMoveInput(name=chosen.name)), process, chosen)
    return True


async def run_due(tx: Tx, dispute_id: UUID) -> bool:
    """Make the system's move whose time has come; False when there is none (any more)."""
    dispute = await queries.load_for_update(tx, dispute_id)
    name = await tx.fetchval(
        "SELECT transition FROM deals.dispute_timers WHERE dispute_id = $1 AND due_at <= $2"
        " ORDER BY due_at, transition LIMIT 1",
        dispute.id,
        tx.now,
    )
    if name is None:
        return False
    process = process_of(dispute)
    chosen = engine.choose(process, dispute.state, name, SYSTEM)
    if chosen.money and not await orders_port.waits(tx, dispute.order_id):
        return await follow(tx, dispute, OVERTAKEN)
    await apply(tx, Move(dispute, DisputeMoveInput(name=name)), process, chosen)
    return True


async def apply(tx: Tx, moving: Move, process: Process, chosen: Transition) -> None:
    """Write everything that the move means, and bring ``moving.dispute`` to its new state."""
    dispute, before = moving.dispute, moving.dispute.state
    outcome = await OUTCOMES[chosen.money](tx, moving) if chosen.money else None
    if chosen.name in effects.EFFECTS:
        await effects.EFFECTS[chosen.name](tx, moving)
    dispute.state = chosen.target(before)
    timers: Sequence[engine.Timer] | None = None
    if not chosen.stays:
        dispute.entered_at = tx.now
        timers = timers_of(dispute)
        if chosen.name not in ("answer", "offer", "propose"):
            await effects.leave(tx, moving)
    tx.call(
        "deals.move_dispute",
        _MOVE,
        dispute.id,
        dispute.version,
        chosen.name,
        before,
        dispute.state,
        moving.actor_id,
        moving.role,
        moving.data.note or None,
        _said(moving),
        *columns(timers, dispute.entered_at),
    )
    dispute.version += 1
    if moving.role == STAFF:
        body = {"move": moving.data, "state": dispute.state}
        audit.record(tx, "disputes", chosen.name, body, subject_id=dispute.id,
                     actor_id=moving.actor_id)  # fmt: skip
    await _tell(tx, moving, chosen, timers)
    if outcome is not None:
        await _end(tx, moving, chosen, outcome)


def timers_of(dispute: Dispute) -> list[engine.Timer]:
    """The timers of the state that the dispute has just entered: of what time may do, what it does
    in this dispute."""
    running = machine.timers(
        dispute.process_version,
        dispute.state,
        dispute.entered_at,
        dispute.opened_at,
        dispute.money_until,
    )
    happening = {
        t.name
        for t in process_of(dispute).leaving(dispute.state)
        if t.at and all(SILENCE[guard](dispute) for guard in t.guards)
    }
    return [timer for timer in running if timer.transition in happening]


def columns(
    timers: Sequence[engine.Timer] | None, entered: datetime
) -> tuple[list[str] | None, list[datetime] | None, list[datetime] | None]:
    """Timers as the arrays that SQL takes; None where those that run go on."""
    if timers is None:
        return None, None, None
    return (
        [t.transition for t in timers],
        [t.due_at for t in timers],
        [machine.remind_at(t, entered) for t in timers],
    )


def _said(moving: Move) -> dict[str, object]:
    """What both parties read in the timeline."""
    said = {"split": moving.data.split, "ruling": moving.data.ruling}
    return {name: value for name, value in said.items() if value is not None}


async def _tell(
    tx: Tx, moving: Move, chosen: Transition, timers: Sequence[engine.Timer] | None
) -> None:
    body = await event_of(tx, moving.dispute) | {
        "transition": chosen.name,
        "by": moving.role,
        "tells": [role for role in chosen.notices if role != moving.role],
        "deadline": _leaving(process_of(moving.dispute), timers or ()),
        "default": chosen.default,
    }
    tx.emit("dispute.moved", moving.dispute.id, body)


def _leaving(process: Process, timers: Sequence[engine.Timer]) -> datetime | None:
    stays = {t.name for t in process.transitions if t.stays}
    return next((t.due_at for t in timers if t.transition not in stays), None)


async def event_of(tx: Tx, dispute: Dispute) -> dict[str, object]:
    """What the house is told of a dispute. Ids are plain: events never leave the house."""
    return {
        "dispute_id": dispute.id,
        "order_id": dispute.order_id,
        "claimant_id": dispute.claimant_id,
        "respondent_id": dispute.respondent_id,
        "claimant_role": dispute.claimant_role,
        "reason_code": dispute.reason_code,
        "title": await orders_port.title(tx.conn, dispute.order_id),
        "state": dispute.state,
        "held_minor": dispute.held,
        "currency": dispute.unit,
    }


async def _end(tx: Tx, moving: Move, chosen: Transition, outcome: Outcome) -> None:
    """What it came to, for ever; only now a score may hear of it."""
    dispute, split = moving.dispute, outcome.split
    dispute.ended_at = tx.now
    dispute.outcome = {
        "by": chosen.name,
        "customer_minor": split.customer_minor if split else None,
        "provider_minor": split.provider_minor if split else None,
        "bonds": split.bonds if split else [],
        "claimant_fault_bps": outcome.fault.claimant_bps,
        "respondent_fault_bps": outcome.fault.respondent_bps,
    }
    await tx.execute(
        "UPDATE deals.disputes SET outcome = $2, ended_at = $3 WHERE id = $1",
        dispute.id,
        dispute.outcome,
        tx.now,
    )
    body = await event_of(tx, dispute) | dispute.outcome | {"shared": split is not None}
    tx.emit("dispute.resolved", dispute.id, body)
