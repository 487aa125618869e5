"""What orders do when the payer's bank takes a payment back: their timers rest until it is decided,
and a lost chargeback closes those that it leaves without money."""

from collections.abc import Sequence
from typing import Any
from uuid import UUID

from handsel.deals.orders import bonds, moving, queries
from handsel.deals.orders.moves import Move
from handsel.deals.orders.queries import Order
from handsel.deals.orders.registry import STOPPED, current, processes
from handsel.deals.orders.schemas import TransitionInput
from handsel.deals.process.definition import Process
from handsel.foundation.core.ids import encode
from handsel.foundation.db.pool import Connection
from handsel.foundation.db.uow import Tx
from handsel.money.escrow import service as escrow

LOST = "chargeback.lost"


async def rest(tx: Tx, order_ids: Sequence[UUID]) -> None:
    """Let the timers rest that would let disputed money go. By now it may be decided: then nobody
    would wake them again, so only those rest whose money is stopped now."""
    stopped = await escrow.disputed(tx, order_ids)
    names = {
        t.name
        for process in processes().values()
        for t in process.transitions
        if t.at and t.money in STOPPED
    }
    types = ("uuid[]", "text[]")
    tx.call("deals.rest_timers", types, stopped, sorted(names))


async def wake(tx: Tx, order_ids: Sequence[UUID]) -> None:
    """It is decided: what has become due meanwhile is done by the next sweep."""
    tx.call("deals.wake_timers", ("uuid[]",), list(order_ids))


async def lose(tx: Tx, order_id: UUID) -> None:
    """A chargeback of this order's payment is lost.

    Money that is still held goes back to the customer, where the bank's part of it is taken at
    once. What was waiting is gone, or less: then the rest is settled in its time. A sale that was
    settled before stays as it is; the bank's decision is no move of it.
    """
    order = await queries.load_for_update(tx, order_id)
    process = _process(order)
    names = {t.name for t in process.leaving(order.state) if t.on == LOST}
    if not names:
        return
    if await bonds.lose(tx, order.id):
        await wake(tx, [order.id])
        return
    if "charge_back" in names:
        name = "charge_back"
    elif process.states[order.state].funded:
        (name,) = names
    else:
        left = await escrow.pending(tx, order.id)
        if left == order.net_minor:
            await wake(tx, [order.id])
            return
        name = "charge_part" if left else "charge_off"
        order.net_minor = left
        tx.call("deals.reduce_net", ("uuid", "bigint"), order.id, left)
    order.process_version = process.version
    chosen = next(t for t in process.leaving(order.state) if t.name == name)
    await tx.execute(
        "UPDATE deals.orders SET process_version = $2 WHERE id = $1 AND process_version <> $2",
        order.id,
        process.version,
    )
    await moving.apply(tx, Move(order, TransitionInput(name=name)), process, chosen)
    await wake(tx, [order.id])


def _process(order: Order) -> Process:
    """An order of a version that does not know what a bank may decide goes on in one that does:
    nobody agreed to the bank's rules, they hold for everybody."""
    pinned = moving.process_of(order)
    return pinned if any(t.on == LOST for t in pinned.transitions) else current(order.process)


async def facts(conn: Connection, order_id: UUID) -> tuple[Order, dict[str, Any]]:
    """An order and what speaks for its seller: terms, timeline, and what was said at delivery."""
    order = await queries.load(conn, order_id)
    moves = await queries.moves(conn, order_id)
    deliveries = [move for move in moves if move.transition == "deliver"]
    return order, {
        "order": encode("ord", order.id),
        "title": order.terms.title,
        "amount_minor": order.amount,
        "currency": order.unit,
        "terms_sha256": order.terms_hash.hex(),
        "ordered_at": order.created_at.isoformat(),
        "delivered": bool(deliveries),
        "delivery_proof": deliveries[-1].note if deliveries else None,
        "approved_by_customer": any(move.transition == "approve" for move in moves),
        "timeline": [
            {"move": move.transition, "by": move.by, "at": move.at.isoformat()} for move in moves
        ],
    }
