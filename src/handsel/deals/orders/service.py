"""The verbs of orders: open one, move one, and let time move those that are due."""

from collections.abc import Sequence
from dataclasses import replace
from datetime import datetime, timedelta
from uuid import UUID

import asyncpg
import msgspec

from handsel.catalog.listings import service as listings
from handsel.catalog.listings.service import ListingForOrder
from handsel.deals.orders import queries, terms
from handsel.deals.orders.errors import ListingNeedsQuote, ListingNotOrderable, OwnListing
from handsel.deals.orders.guards import GUARDS, Move
from handsel.deals.orders.money_actions import ACTIONS
from handsel.deals.orders.processes import CURRENT, processes
from handsel.deals.orders.queries import Order
from handsel.deals.orders.schemas import MoneyLine, OrderInput, OrderView, TransitionInput
from handsel.deals.orders.views import view_of
from handsel.deals.process import engine
from handsel.deals.process.definition import Process, Role, Transition
from handsel.foundation.core.errors import NotFound
from handsel.foundation.core.ids import encode
from handsel.foundation.db.uow import Tx
from handsel.foundation.http.principal import Principal
from handsel.foundation.http.work import Answer
from handsel.money.escrow import fees
from handsel.people.members import service as members
from handsel.people.trust import service as trust

_OPEN = (
    "uuid", "text", "int", "text", "uuid", "uuid", "uuid", "bigint", "text", "jsonb", "bytea",
    "timestamptz", "text[]", "timestamptz[]", "timestamptz[]",
)  # fmt: skip
_MOVE = (
    "uuid", "int", "text", "text", "text", "uuid", "text", "text", "jsonb", "interval",
    "timestamptz", "bigint", "text[]", "timestamptz[]", "timestamptz[]",
)  # fmt: skip
#: A reminder comes when half of the time is over, and at the latest a day before its end.
_REMIND_BEFORE = timedelta(hours=24)


async def place(tx: Tx, principal: Principal, data: OrderInput) -> Answer[OrderView]:
    """Open an order: terms are frozen, nothing is paid yet.

    Raises ``OwnListing``, ``ListingNotOrderable``, ``ListingNeedsQuote`` (409), ``InvalidStart``.
    """
    listing = await listings.for_order(tx, listings.decode_id(data.listing_id))
    _check_orderable(listing, principal)
    assert listing.price_minor is not None
    process = processes()[CURRENT]
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
    frozen = terms.freeze(listing, data, principal.member_id, fee, due, name)
    order_id: UUID = await tx.fetchval("SELECT uuidv7()")
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
    view = await _view(tx, order, process, "customer")
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
    chosen = engine.choose(process, order.state, data.name, role)  # type: ignore[arg-type]
    move = Move(order, data)
    for guard in chosen.guards:
        await GUARDS[guard](tx, move)
    _apply(tx, move, process, chosen, principal.member_id, role)  # type: ignore[arg-type]
    view = await _view(tx, order, process, role)
    return Answer(view, version=order.version)


async def run_due(tx: Tx, limit: int = 50) -> int:
    """Make the system's moves whose time has come; returns how many orders were moved.

    Claims with SKIP LOCKED, so any number of workers may sweep; of an order's timers the earliest
    runs, and the state that it leads to ends the others.
    """
    due = await tx.fetch(
        "SELECT order_id FROM deals.timers WHERE due_at <= $1 ORDER BY due_at LIMIT $2"
        " FOR UPDATE SKIP LOCKED",
        tx.now,
        limit,
    )
    moved = 0
    for order_id in sorted({row["order_id"] for row in due}):
        moved += await _run_one(tx, order_id)
    return moved


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
            "member_id": encode("mem", who),
            "due_at": row["due_at"].isoformat(),
        }
        tx.emit("order.deadline_near", order.id, body)
    return len(taken)


async def _run_one(tx: Tx, order_id: UUID) -> int:
    order = await queries.load_for_update(tx, order_id)
    process = processes()[order.process, order.process_version]
    for timer in _timers(order, process):
        if timer.due_at > tx.now:
            break
        chosen = engine.choose(process, order.state, timer.transition, "system")
        move = Move(order, TransitionInput(name=chosen.name))
        for guard in chosen.guards:
            await GUARDS[guard](tx, move)
        _apply(tx, move, process, chosen, None, "system")
        return 1
    return 0


def _apply(
    tx: Tx, move: Move, process: Process, chosen: Transition, actor: UUID | None, role: Role
) -> None:
    """Collect everything that the move writes, and bring ``move.order`` to its new state."""
    order, decision = move.order, move.decision
    lines: list[MoneyLine] = ACTIONS[chosen.money](tx, order) if chosen.money else []
    hold_period = revocable_until = None
    if decision is not None:
        trust.reserve(tx, move.payment(), decision)
        hold_period = decision.hold_period
        revocable_until = tx.now + decision.revoke_window
    before = replace(order)
    order.state = chosen.to
    order.version += 1
    order.entered_at = tx.now
    order.hold_period = hold_period or order.hold_period
    order.revocable_until = revocable_until or order.revocable_until
    names, dues, reminders = _timer_columns(_timers(order, process), order.entered_at)
    tx.call(
        "deals.move_order",
        _MOVE,
        order.id,
        before.version,
        chosen.name,
        before.state,
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
    tx.emit(f"order.{order.state}", order.id, _event(order, chosen.name, role))


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
    if listing.price_minor is None:
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


def _event(order: Order, transition_name: str, role: str) -> dict[str, object]:
    return {
        "order_id": encode("ord", order.id),
        "customer_id": encode("mem", order.customer_id),
        "provider_id": encode("mem", order.provider_id),
        "title": order.terms.title,
        "transition": transition_name,
        "by": role,
        "at": order.entered_at.isoformat(),
        "due_at": order.due_at.isoformat(),
        "amount_minor": order.amount,
        "currency": order.unit,
    }


async def _view(tx: Tx, order: Order, process: Process, role: str) -> OrderView:
    handles = await members.by_ids(tx.conn, [order.customer_id, order.provider_id])
    return view_of(order, process, _timers(order, process), handles, role)


async def read(conn: asyncpg.Connection, principal: Principal, order_id: UUID) -> OrderView:
    """One of one's own orders. Raises ``NotFound`` for everybody else's."""
    order = await queries.load(conn, order_id)
    return (await _views(conn, principal, [order]))[0]


async def _views(
    conn: asyncpg.Connection, principal: Principal, orders: Sequence[Order]
) -> list[OrderView]:
    people = {o.customer_id for o in orders} | {o.provider_id for o in orders}
    handles = await members.by_ids(conn, sorted(people))
    views = []
    for order in orders:
        role = order.role_of(principal.member_id)
        if role is None:
            raise NotFound("there is no such order")
        process = processes()[order.process, order.process_version]
        views.append(view_of(order, process, _timers(order, process), handles, role))
    return views


async def list_own(
    conn: asyncpg.Connection,
    principal: Principal,
    state: str | None,
    before: UUID | None,
    limit: int,
) -> list[OrderView]:
    """One's own orders on either side, newest first."""
    orders = await queries.of_member(conn, principal.member_id, state, before, limit)
    return await _views(conn, principal, orders)
