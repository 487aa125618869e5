"""Let time move the orders whose time has come."""

from collections.abc import Sequence
from uuid import UUID

import msgspec

from handsel.deals.orders import queries
from handsel.deals.orders.moves import Move
from handsel.deals.orders.moving import event_of, make, process_of, tell
from handsel.deals.orders.queries import Order
from handsel.deals.orders.registry import BATCHES
from handsel.deals.orders.schemas import MoneyLine, TransitionInput
from handsel.deals.orders.timing import timer_columns, timers_of
from handsel.deals.process import engine
from handsel.deals.process.definition import SYSTEM, Process, Transition
from handsel.foundation.db.pool import Connection
from handsel.foundation.db.uow import Tx

_MOVES = (
    "uuid[]", "int[]", "text[]", "text[]", "text[]", "text[]", "bigint[]", "uuid[]", "text[]",
    "timestamptz[]", "timestamptz[]",
)  # fmt: skip


async def due(conn: Connection, limit: int = 200) -> list[UUID]:
    """Orders for which a time has come, the longest overdue first; those that failed, later."""
    rows = await conn.fetch("SELECT order_id FROM deals.due_orders($1)", limit)
    return [row["order_id"] for row in rows]


async def run_due(tx: Tx, order_id: UUID) -> bool:
    """Make the system's move whose time has come; False when there is none (any more).

    Two workers may try the same order: the second waits for the first, and then finds nothing due.
    """
    order = await queries.load_for_update(tx, order_id)
    process = process_of(order)
    chosen = _due_move(tx, order, process)
    if chosen is None:
        return False
    await make(tx, Move(order, TransitionInput(name=chosen.name)), process, chosen)
    return True


async def run_due_batch(tx: Tx, order_ids: Sequence[UUID]) -> int:
    """Make those of the due moves that many orders can make in one go: releases and settlements.

    How many were made; the others are for ``run_due``. All of them or, when one is refused, none.
    """
    by_action: dict[str, list[tuple[Order, Process, Transition]]] = {}
    for order in await queries.load_many(tx, order_ids):
        process = process_of(order)
        chosen = _due_move(tx, order, process)
        if chosen is None or chosen.guards or chosen.writes:
            continue
        if chosen.money is not None and chosen.money in BATCHES:
            by_action.setdefault(chosen.money, []).append((order, process, chosen))
    for name, moving in by_action.items():
        _apply_many(tx, moving, BATCHES[name](tx, [order for order, _, _ in moving]))
    return sum(len(moving) for moving in by_action.values())


def _due_move(tx: Tx, order: Order, process: Process) -> Transition | None:
    timers = timers_of(order, process)
    if not timers or timers[0].due_at > tx.now:
        return None
    return engine.choose(process, order.state, timers[0].transition, SYSTEM)


def _apply_many(
    tx: Tx,
    moving: Sequence[tuple[Order, Process, Transition]],
    lines: Sequence[Sequence[MoneyLine]],
) -> None:
    """``moving.apply`` for moves of the system without guards."""
    moves: list[tuple[object, ...]] = []
    timers: list[tuple[object, ...]] = []
    for (order, process, chosen), paid in zip(moving, lines, strict=True):
        before, order.state = order.state, chosen.target(order.state)
        # As text: the driver takes a list of lists for an array of two dimensions.
        money = msgspec.json.encode(paid).decode()
        moves.append(
            (order.id, order.version, chosen.name, before, order.state, money, order.net_minor)
        )
        order.version += 1
        order.entered_at = tx.now
        running = timers_of(order, process)
        columns = timer_columns(running, order.entered_at)
        timers += [(order.id, *timer) for timer in zip(*columns, strict=True)]
        event = event_of(order, process, chosen, SYSTEM, paid, running)
        tell(tx, order, process, event | {"was": before})
    tx.call("deals.move_orders", _MOVES, *_columns(moves, 7), *_columns(timers, 4))


def _columns(rows: Sequence[tuple[object, ...]], width: int) -> list[list[object]]:
    """Rows as the arrays that a set-based function takes."""
    return [list(column) for column in zip(*rows, strict=True)] or [[] for _ in range(width)]


async def postpone(tx: Tx, order_id: UUID) -> int:
    """An order's due move has failed: the sweep tries it again, each time a little later, for
    ever; returns how often it has failed."""
    attempts: int = await tx.fetchval("SELECT deals.postpone_timers($1)", order_id)
    return attempts


async def remind_due(tx: Tx, limit: int = 200) -> int:
    """Tell whose move it is that a deadline is near; each deadline once."""
    taken = await tx.fetch("SELECT * FROM deals.take_reminders($1)", limit)
    for row in taken:
        order = await queries.load(tx.conn, row["order_id"])
        process = process_of(order)
        waits_for = process.states[order.state].waits_for
        if waits_for is None:
            continue
        next_move = next(t for t in process.transitions if t.name == row["transition"])
        body = event_of(order, process, next_move) | {
            "member_id": order.customer_id if waits_for == "customer" else order.provider_id,
            "waits_for": waits_for,
            "deadline": row["due_at"],
        }
        tx.emit("order.deadline_near", order.id, body)
    return len(taken)
