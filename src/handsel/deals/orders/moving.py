"""Move an order: by one of its parties, or by the system because of an event."""

from collections.abc import Sequence
from uuid import UUID

from handsel.catalog.availability import service as availability
from handsel.deals.orders import queries
from handsel.deals.orders.errors import DeadlinePassed
from handsel.deals.orders.moves import Move
from handsel.deals.orders.queries import Order
from handsel.deals.orders.registry import ACTIONS, GUARDS, WRITES, processes
from handsel.deals.orders.schemas import MoneyLine, OrderView, TransitionInput
from handsel.deals.orders.terms import late_from
from handsel.deals.orders.timing import timer_columns, timers_of
from handsel.deals.orders.views import promise_of, view_of
from handsel.deals.process import engine
from handsel.deals.process.definition import SYSTEM, Process, Role, Transition
from handsel.foundation.core.errors import NotFound
from handsel.foundation.db.uow import Tx
from handsel.foundation.http.principal import Principal
from handsel.foundation.http.work import Answer
from handsel.people.trust import service as trust

_MOVE = (
    "uuid", "int", "text", "text", "text", "uuid", "text", "text", "jsonb", "interval",
    "timestamptz", "bigint", "text[]", "timestamptz[]", "timestamptz[]",
)  # fmt: skip
_NOTE = ("uuid", "int", "text", "text", "uuid", "text", "text", "jsonb", "bigint")


def process_of(order: Order) -> Process:
    """The version that the order has pinned."""
    return processes()[order.process, order.process_version]


async def transition(
    tx: Tx, principal: Principal, order_id: UUID, data: TransitionInput
) -> Answer[OrderView]:
    """Move an order. Raises ``TransitionNotAllowed`` (409), ``NotYourMove`` (403), what a guard
    refuses, and what the ledger refuses when the work is sent."""
    order, role = await own_order(tx, principal, order_id)
    process = process_of(order)
    chosen = engine.choose(process, order.state, data.name, role)
    await make(tx, Move(order, data, role, principal.member_id), process, chosen)
    return Answer(as_view(order, process, role), version=order.version)


async def own_order(tx: Tx, principal: Principal, order_id: UUID) -> tuple[Order, Role]:
    """One's own order, locked, and one's role in it. Raises ``NotFound`` for everybody else's,
    ``DeadlinePassed`` where the system's move is due: it comes first."""
    order = await queries.load_for_update(tx, order_id)
    role = order.role_of(principal.member_id)
    if role is None:
        raise NotFound("there is no such order")
    timers = timers_of(order, process_of(order))
    if timers and timers[0].due_at <= tx.now:
        raise DeadlinePassed(transition=timers[0].transition)
    return order, role


async def system_move(
    tx: Tx, order_id: UUID, *, on: str, data: TransitionInput | None = None
) -> bool:
    """Make the move that the order's process makes of an event; False where it makes none."""
    order = await queries.load_for_update(tx, order_id)
    process = process_of(order)
    chosen = engine.follow(process, order.state, on)
    if chosen is None:
        return False
    await make(tx, Move(order, data or TransitionInput(name=chosen.name)), process, chosen)
    return True


async def make(tx: Tx, move: Move, process: Process, chosen: Transition) -> None:
    """Ask the guards, then collect everything that the move writes."""
    for guard in chosen.guards:
        await GUARDS[guard](tx, move)
    await apply(tx, move, process, chosen)


async def apply(tx: Tx, move: Move, process: Process, chosen: Transition) -> None:
    """Collect everything that the move writes, and bring ``move.order`` to its new state."""
    order, decision = move.order, move.decision
    lines = await ACTIONS[chosen.money](tx, move) if chosen.money else []
    for name in chosen.writes:
        await WRITES[name](tx, move)
    if chosen.stays:
        _note(tx, move, process, chosen, lines)
        return
    hold_period, revocable_until = move.hold_period, None
    # What a proposal adds to the price is reserved with it.
    if decision is not None and move.proposal is None:
        trust.reserve(tx, move.payment(), decision)
        hold_period = decision.hold_period
        revocable_until = tx.now + decision.revoke_window
    before, version = order.state, order.version
    order.state = chosen.target(order.state)
    if order.terms.booked:
        await _keep_or_free(tx, order, process, before)
    order.version += 1
    order.entered_at = tx.now
    order.hold_period = hold_period or order.hold_period
    order.revocable_until = revocable_until or order.revocable_until
    timers = timers_of(order, process)
    names, dues, reminders = timer_columns(timers, order.entered_at)
    tx.call(
        "deals.move_order",
        _MOVE,
        order.id,
        version,
        chosen.name,
        before,
        order.state,
        move.actor_id,
        move.role,
        move.data.note or None,
        lines,
        hold_period,
        revocable_until,
        order.net_minor,
        names,
        dues,
        reminders,
    )
    event = event_of(order, process, chosen, move.role, lines, timers)
    tell(tx, order, process, event | {"was": before})


async def _keep_or_free(tx: Tx, order: Order, process: Process, before: str) -> None:
    """The booked time is sure once money is held, and free again when none is any more."""
    was, now = process.states[before], process.states[order.state]
    if now.funded and not was.funded:
        await availability.confirm(tx, order.id)
    elif now.terminal or (was.funded and not now.funded):
        await availability.release(tx, order.id)


def tell(tx: Tx, order: Order, process: Process, event: dict[str, object]) -> None:
    """Let the house hear where an order has come to, and its parent that it has ended."""
    tx.emit(f"order.{order.state}", order.id, event)
    if order.parent_id is not None and process.states[order.state].terminal:
        tx.emit("child.ended", order.parent_id, event)


def _note(
    tx: Tx, move: Move, process: Process, chosen: Transition, lines: Sequence[MoneyLine]
) -> None:
    """Write down a move that leads nowhere else: the state's timers go on as they are."""
    order = move.order
    tx.call(
        "deals.note_move",
        _NOTE,
        order.id,
        order.version,
        chosen.name,
        order.state,
        move.actor_id,
        move.role,
        move.data.note or None,
        lines,
        order.refunded_minor,
    )
    order.version += 1
    event = event_of(order, process, chosen, move.role, lines) | {"at": tx.now}
    tx.emit(f"order.{chosen.name}", order.id, event)


def event_of(
    order: Order,
    process: Process,
    chosen: Transition,
    role: Role = SYSTEM,
    lines: Sequence[MoneyLine] = (),
    timers: Sequence[engine.Timer] | None = None,
) -> dict[str, object]:
    """What the house is told of a move. Ids are plain: events never leave the house. ``timers``:
    those of the order, where they are known already."""
    if timers is None:
        timers = timers_of(order, process)
    return {
        "order_id": order.id,
        "parent_id": order.parent_id,
        "process": order.process,
        "customer_id": order.customer_id,
        "provider_id": order.provider_id,
        "title": order.terms.title,
        "state": order.state,
        "transition": chosen.name,
        "by": role,
        "tells": chosen.notices,
        "promise": promise_of(order, process, timers),
        "at": order.entered_at,
        "due_at": order.due_at,
        "late_from": late_from(order.terms),
        "deadline": timers[0].due_at if timers else None,
        "amount_minor": order.amount,
        "net_minor": order.net_minor,
        "refunded_minor": sum(line.amount_minor for line in lines if line.to == "customer"),
        "currency": order.unit,
    }


def as_view(order: Order, process: Process, role: Role) -> OrderView:
    """The order as its ``role`` sees it."""
    return view_of(order, process, timers_of(order, process), role)
