"""The verbs of orders: open one, move one, and let time move those that are due."""

from collections.abc import Sequence
from datetime import datetime, timedelta
from uuid import UUID

import msgspec

from handsel.catalog.listings import service as listings
from handsel.catalog.listings.schemas import ListingForOrder
from handsel.deals.orders import queries, terms
from handsel.deals.orders.errors import (
    DeadlinePassed,
    ListingNeedsQuote,
    ListingNotOrderable,
    OwnListing,
)
from handsel.deals.orders.guards import GUARDS, Move
from handsel.deals.orders.money_actions import ACTIONS, BATCHES
from handsel.deals.orders.processes import CURRENT, processes
from handsel.deals.orders.queries import Order
from handsel.deals.orders.schemas import MoneyLine, OrderInput, OrderView, TransitionInput
from handsel.deals.orders.views import view_of
from handsel.deals.process import engine
from handsel.deals.process.definition import Process, Role, Transition
from handsel.foundation.core.errors import NotFound
from handsel.foundation.core.ids import decode, uuid7
from handsel.foundation.db.pool import Connection
from handsel.foundation.db.uow import Tx
from handsel.foundation.http.principal import Principal
from handsel.foundation.http.work import Answer
from handsel.money.escrow import fees
from handsel.people.trust import service as trust

_OPEN = (
    "uuid", "text", "int", "text", "uuid", "uuid", "uuid", "bigint", "text", "jsonb", "bytea",
    "timestamptz", "text[]", "timestamptz[]", "timestamptz[]",
)  # fmt: skip
_MOVE = (
    "uuid", "int", "text", "text", "text", "uuid", "text", "text", "jsonb", "interval",
    "timestamptz", "bigint", "text[]", "timestamptz[]", "timestamptz[]",
)  # fmt: skip
_NOTE = ("uuid", "int", "text", "text", "uuid", "text", "text", "jsonb", "bigint")
_MOVES = (
    "uuid[]", "int[]", "text[]", "text[]", "text[]", "text[]", "bigint[]", "uuid[]", "text[]",
    "timestamptz[]", "timestamptz[]",
)  # fmt: skip
#: A reminder comes when half of the time is over, and at the latest a day before its end.
_REMIND_BEFORE = timedelta(hours=24)


async def place(tx: Tx, principal: Principal, data: OrderInput) -> Answer[OrderView]:
    """Open an order: terms are frozen, nothing is paid yet.

    Raises ``OwnListing``, ``ListingNotOrderable``, ``ListingNeedsQuote`` (409), ``InvalidStart``.
    """
    listing = await listings.for_order(tx, decode("lst", data.listing_id))
    _check_orderable(listing, principal)
    assert listing.price_minor is not None
    assert listing.currency is not None
    process = processes()[CURRENT]
    sold, with_pair = await queries.sales(tx, listing.seller_id, principal.member_id)
    if sold < fees.current().free_first_orders:
        # Of many orders that are placed at once, no more than the first few are free.
        await queries.lock_sales(tx, listing.seller_id)
        sold, with_pair = await queries.sales(tx, listing.seller_id, principal.member_id)
    fee = fees.at_sale(
        listing.price_minor,
        listing.currency,
        seller_orders=sold,
        pair_settled=with_pair,
        table=fees.current(),
    )
    due = terms.due_at(data.starts_at, tx.now)
    name = f"{process.name}@{process.version}"
    frozen = terms.freeze(listing, data, principal, fee, due, name)
    order_id = uuid7()
    order = Order(
        id=order_id,
        process=process.name,
        process_version=process.version,
        state=process.initial,
        version=1,
        customer_id=principal.member_id,
        provider_id=listing.seller_id,
        listing_id=listing.id,
        amount=listing.price_minor,
        unit=listing.currency,
        terms=frozen,
        terms_hash=terms.hash_of(order_id, frozen),
        due_at=due,
        created_at=tx.now,
        entered_at=tx.now,
    )
    _write_open(tx, order, process)
    view = _view(order, process, "customer")
    payment = Move(order, TransitionInput(name="fund")).payment()
    needs = await trust.decide(tx, payment)
    view = msgspec.structs.replace(view, confirmation_required=needs.confirmation_required)
    return Answer(view, version=1, location=f"/v1/orders/{view.id}")


async def transition(
    tx: Tx, principal: Principal, order_id: UUID, data: TransitionInput
) -> Answer[OrderView]:
    """Move an order. Raises ``TransitionNotAllowed`` (409), ``NotYourMove`` (403), what a guard
    refuses, and what the ledger refuses when the work is sent."""
    order = await queries.load_for_update(tx, order_id)
    role = order.role_of(principal.member_id)
    if role is None:
        raise NotFound("there is no such order")
    process = processes()[order.process, order.process_version]
    timers = _timers(order, process)
    if timers and timers[0].due_at <= tx.now:
        raise DeadlinePassed(transition=timers[0].transition)
    chosen = engine.choose(process, order.state, data.name, role)  # type: ignore[arg-type]
    move = Move(order, data)
    for guard in chosen.guards:
        await GUARDS[guard](tx, move)
    apply(tx, move, process, chosen, principal.member_id, role)  # type: ignore[arg-type]
    view = _view(order, process, role)
    return Answer(view, version=order.version)


async def due(conn: Connection, limit: int = 200) -> list[UUID]:
    """Orders for which a time has come, the longest overdue first; those that failed, later."""
    rows = await conn.fetch("SELECT order_id FROM deals.due_orders($1)", limit)
    return [row["order_id"] for row in rows]


async def run_due(tx: Tx, order_id: UUID) -> bool:
    """Make the system's move whose time has come; False when there is none (any more).

    Two workers may try the same order: the second waits for the first, and then finds nothing due.
    """
    order = await queries.load_for_update(tx, order_id)
    process = processes()[order.process, order.process_version]
    timers = _timers(order, process)
    if not timers or timers[0].due_at > tx.now:
        return False
    chosen = engine.choose(process, order.state, timers[0].transition, "system")
    move = Move(order, TransitionInput(name=chosen.name))
    for guard in chosen.guards:
        await GUARDS[guard](tx, move)
    apply(tx, move, process, chosen, None, "system")
    return True


async def run_due_batch(tx: Tx, order_ids: Sequence[UUID]) -> int:
    """Make those of the due moves that many orders can make in one go: releases and settlements.

    How many were made; the others are for ``run_due``. All of them or, when one is refused, none.
    """
    by_action: dict[str, list[tuple[Order, Process, Transition]]] = {}
    for order in await queries.load_many(tx, order_ids):
        process = processes()[order.process, order.process_version]
        timers = _timers(order, process)
        if timers and timers[0].due_at <= tx.now:
            chosen = engine.choose(process, order.state, timers[0].transition, "system")
            if chosen.money in BATCHES and not chosen.guards and not chosen.stays:
                by_action.setdefault(chosen.money, []).append((order, process, chosen))
    for name, moving in by_action.items():
        _apply_many(tx, moving, BATCHES[name](tx, [order for order, _, _ in moving]))
    return sum(len(moving) for moving in by_action.values())


def _apply_many(
    tx: Tx,
    moving: Sequence[tuple[Order, Process, Transition]],
    lines: Sequence[Sequence[MoneyLine]],
) -> None:
    """``apply`` for moves of the system without guards."""
    moves: list[tuple[object, ...]] = []
    timers: list[tuple[object, ...]] = []
    for (order, process, chosen), paid in zip(moving, lines, strict=True):
        before, order.state = order.state, chosen.to
        # As text: the driver takes a list of lists for an array of two dimensions.
        money = msgspec.json.encode(paid).decode()
        moves.append(
            (order.id, order.version, chosen.name, before, order.state, money, order.net_minor)
        )
        order.version += 1
        order.entered_at = tx.now
        columns = _timer_columns(_timers(order, process), order.entered_at)
        timers += [(order.id, *timer) for timer in zip(*columns, strict=True)]
        tx.emit(f"order.{order.state}", order.id, _event(order, chosen.name, "system", paid))
    tx.call("deals.move_orders", _MOVES, *_columns(moves, 7), *_columns(timers, 4))


def _columns(rows: Sequence[tuple[object, ...]], width: int) -> list[list[object]]:
    """Rows as the arrays that a set-based function takes."""
    return [list(column) for column in zip(*rows, strict=True)] or [[] for _ in range(width)]


async def postpone(tx: Tx, order_id: UUID) -> int:
    """An order's due move has failed: the sweep tries it again, each time a little later, for
    ever; returns how often it has failed."""
    attempts: int = await tx.fetchval("SELECT deals.postpone_timers($1)", order_id)
    return attempts


async def delivered_on_time(conn: Connection, order_id: UUID) -> bool:
    """Whether the seller's delivery came by the agreed time."""
    on_time: bool = await conn.fetchval(
        "SELECT m.at <= o.due_at FROM deals.moves m JOIN deals.orders o ON o.id = m.order_id"
        " WHERE m.order_id = $1 AND m.transition = 'deliver' ORDER BY m.seq DESC LIMIT 1",
        order_id,
    )
    return on_time


async def remind_due(tx: Tx, limit: int = 200) -> int:
    """Tell whose move it is that a deadline is near; each deadline once."""
    taken = await tx.fetch("SELECT * FROM deals.take_reminders($1)", limit)
    for row in taken:
        order = await queries.load(tx.conn, row["order_id"])
        state = processes()[order.process, order.process_version].states[order.state]
        if state.waits_for is None:
            continue
        who = order.customer_id if state.waits_for == "customer" else order.provider_id
        body = _event(order, row["transition"], "system") | {
            "member_id": who,
            "waits_for": state.waits_for,
            "deadline": row["due_at"],
        }
        tx.emit("order.deadline_near", order.id, body)
    return len(taken)


def apply(
    tx: Tx, move: Move, process: Process, chosen: Transition, actor: UUID | None, role: Role
) -> None:
    """Collect everything that the move writes, and bring ``move.order`` to its new state."""
    order, decision = move.order, move.decision
    given = move.data.amount_minor
    lines: list[MoneyLine] = ACTIONS[chosen.money](tx, order, given) if chosen.money else []
    if chosen.stays:
        _note(tx, move, chosen, actor, role, lines)
        return
    hold_period = revocable_until = None
    if decision is not None:
        trust.reserve(tx, move.payment(), decision)
        hold_period = decision.hold_period
        revocable_until = tx.now + decision.revoke_window
    before, version = order.state, order.version
    order.state = chosen.target(order.state)
    order.version += 1
    order.entered_at = tx.now
    order.hold_period = hold_period or order.hold_period
    order.revocable_until = revocable_until or order.revocable_until
    timers = _timers(order, process)
    names, dues, reminders = _timer_columns(timers, order.entered_at)
    tx.call(
        "deals.move_order",
        _MOVE,
        order.id,
        version,
        chosen.name,
        before,
        order.state,
        actor,
        role,
        move.data.note or None,
        lines,
        hold_period,
        revocable_until,
        order.net_minor,
        names,
        dues,
        reminders,
    )
    tx.emit(f"order.{order.state}", order.id, _event(order, chosen.name, role, lines, timers))


def _note(
    tx: Tx,
    move: Move,
    chosen: Transition,
    actor: UUID | None,
    role: Role,
    lines: Sequence[MoneyLine],
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
        actor,
        role,
        move.data.note or None,
        lines,
        order.refunded_minor,
    )
    order.version += 1
    event = _event(order, chosen.name, role, lines) | {"at": tx.now}
    tx.emit(f"order.{chosen.name}", order.id, event)


def _write_open(tx: Tx, order: Order, process: Process) -> None:
    names, dues, reminders = _timer_columns(_timers(order, process), order.entered_at)
    tx.call(
        "deals.open_order",
        _OPEN,
        order.id,
        order.process,
        order.process_version,
        order.state,
        order.customer_id,
        order.provider_id,
        order.listing_id,
        order.amount,
        order.unit,
        order.terms,
        order.terms_hash,
        order.due_at,
        names,
        dues,
        reminders,
    )


def _check_orderable(listing: ListingForOrder, principal: Principal) -> None:
    if not listing.live:
        raise ListingNotOrderable
    if listing.seller_id == principal.member_id:
        raise OwnListing
    if listing.price_minor is None or listing.currency is None:
        raise ListingNeedsQuote


def _timers(order: Order, process: Process) -> list[engine.Timer]:
    durations = {"inspection_period": timedelta(seconds=order.terms.inspection_period_s)}
    if order.hold_period is not None:
        durations["hold_period"] = order.hold_period
    return engine.timers(process, order.state, order.entered_at, order.due_at, durations)


def _timer_columns(
    timers: Sequence[engine.Timer], entered: datetime
) -> tuple[list[str], list[datetime], list[datetime]]:
    reminders = [max(t.due_at - _REMIND_BEFORE, entered + (t.due_at - entered) / 2) for t in timers]
    return [t.transition for t in timers], [t.due_at for t in timers], reminders


def _event(
    order: Order,
    transition_name: str,
    role: str,
    lines: Sequence[MoneyLine] = (),
    timers: Sequence[engine.Timer] | None = None,
) -> dict[str, object]:
    """What the house is told of a move. Ids are plain: events never leave the house."""
    if timers is None:
        timers = _timers(order, processes()[order.process, order.process_version])
    return {
        "order_id": order.id,
        "customer_id": order.customer_id,
        "provider_id": order.provider_id,
        "title": order.terms.title,
        "state": order.state,
        "transition": transition_name,
        "by": role,
        "at": order.entered_at,
        "due_at": order.due_at,
        "deadline": timers[0].due_at if timers else None,
        "amount_minor": order.amount,
        "net_minor": order.net_minor,
        "refunded_minor": sum(line.amount_minor for line in lines if line.to == "customer"),
        "currency": order.unit,
    }


def _view(order: Order, process: Process, role: str) -> OrderView:
    return view_of(order, process, _timers(order, process), role)


async def read(conn: Connection, principal: Principal, order_id: UUID) -> OrderView:
    """One of one's own orders. Raises ``NotFound`` for everybody else's."""
    return _own_view(principal, await queries.load(conn, order_id))


async def list_own(
    conn: Connection, principal: Principal, state: str | None, before: UUID | None, limit: int
) -> list[OrderView]:
    """One's own orders on either side, newest first."""
    orders = await queries.of_member(conn, principal.member_id, state, before, limit)
    return [_own_view(principal, order) for order in orders]


def _own_view(principal: Principal, order: Order) -> OrderView:
    role = order.role_of(principal.member_id)
    if role is None:
        raise NotFound("there is no such order")
    return _view(order, processes()[order.process, order.process_version], role)
