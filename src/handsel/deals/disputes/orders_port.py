"""What disputes ask of orders: a thin function for each thing that happens to their money."""

from datetime import timedelta
from uuid import UUID

from handsel.deals.disputes.errors import DisputeChanged, DisputeTooLate, NotDisputable
from handsel.deals.disputes.rulings import Split
from handsel.deals.orders import bonds, moving, queries
from handsel.deals.orders import service as orders
from handsel.deals.orders.moves import Move
from handsel.deals.orders.queries import Order
from handsel.deals.orders.schemas import TransitionInput
from handsel.deals.orders.timing import timers_of
from handsel.deals.process import engine
from handsel.deals.process.definition import SYSTEM, Process, Role
from handsel.foundation.db.pool import Connection
from handsel.foundation.db.uow import Tx
from handsel.foundation.http.principal import Principal
from handsel.money.escrow import service as escrow
from handsel.money.escrow.service import Stake

#: How long after its release a sale can still be disputed.
AFTER_SALE = timedelta(days=14)
_OPENED, _RESOLVED = "dispute.opened", "dispute.resolved"
#: The customer gave a claim up, or the provider did: nobody is paid for giving up.
_WITHDRAWN, _DROPPED = "dispute.withdrawn", "dispute.dropped"
#: What an order's process does with money for which nothing was delivered.
_ALL_BACK = frozenset({"refund_expired", "refund_all_expired"})


async def lock(tx: Tx, order_id: UUID) -> Order:
    """The order, locked. Raises ``NotFound``."""
    return await queries.load_for_update(tx, order_id)


async def own(tx: Tx, principal: Principal, order_id: UUID) -> tuple[Order, Role]:
    """One's own order, locked, and one's role in it. Raises ``NotFound``, ``DeadlinePassed``."""
    return await moving.own_order(tx, principal, order_id)


def undelivered(order: Order) -> bool:
    """Whether the order, disputed as it is now and left alone, would give everything back."""
    process = moving.process_of(order)
    chosen = engine.follow(process, order.state, _OPENED)
    return chosen is not None and gives_all_back(process, chosen.target(order.state))


def gives_all_back(process: Process, state: str) -> bool:
    """What time does in a state: whether it gives the customer everything back."""
    return any(t.at and t.money in _ALL_BACK for t in process.leaving(state))


async def stake(tx: Tx, order: Order) -> Stake:
    """What of the order can be disputed now. Raises ``DisputeTooLate``, ``NotDisputable``."""
    process = moving.process_of(order)
    found = await escrow.stake(tx, order.id)
    over = process.states[order.state].terminal and bool(order.net_minor)
    late = found is not None and found.sold and tx.now > order.entered_at + AFTER_SALE
    if over or late:
        raise DisputeTooLate(f"a sale can be disputed until it is settled, {AFTER_SALE.days} days")
    if found is None or engine.follow(process, order.state, _OPENED) is None:
        raise NotDisputable(state=order.state)
    if found.touched:
        raise NotDisputable("the payer's bank has taken a part of it back")
    starts_at = order.terms.starts_at
    if not found.sold and starts_at is not None and tx.now < starts_at:
        raise NotDisputable("the agreed time has not come; cancel the order instead")
    return found


async def bonds_of(tx: Tx, order_id: UUID) -> dict[str, int]:
    """The bonds that are held for the order, by prefixed id, with their amounts."""
    return await bonds.amounts(tx.conn, order_id)


async def opened(tx: Tx, order_id: UUID) -> None:
    """The order waits for the dispute. Raises ``NotDisputable``."""
    if not await orders.system_move(tx, order_id, on=_OPENED):
        raise NotDisputable


async def resolved(tx: Tx, order_id: UUID, split: Split) -> Split:
    """The order's money is shared: as ``split`` says, without the bonds that are not held any more.
    Raises ``DisputeChanged`` where the money does not wait any more, and what the ledger refuses
    when the work is sent."""
    await lock(tx, order_id)
    split = split.among(await bonds_of(tx, order_id))
    if split.bonds:
        bonds.rule(tx, {share.bond_id: share.other_minor for share in split.bonds})
        await tx.flush()  # the order's own move looks for what was ruled
    data = TransitionInput(name="resolve_dispute", customer_minor=split.customer_minor)
    if not await orders.system_move(tx, order_id, on=_RESOLVED, data=data):
        raise DisputeChanged("the order's money does not wait any more")
    return split


async def waits(tx: Tx, order_id: UUID) -> bool:
    """Whether the order's money still waits for the dispute's end; the order is locked."""
    order = await lock(tx, order_id)
    return engine.follow(moving.process_of(order), order.state, _RESOLVED) is not None


async def default(tx: Tx, order_id: UUID) -> None:
    """What the order's own process does with a dispute that nobody decides: now, not a day later.
    The order waits (``waits``), so it has a time at which it would."""
    order = await lock(tx, order_id)
    process = moving.process_of(order)
    first = timers_of(order, process)[0]
    chosen = engine.choose(process, order.state, first.transition, SYSTEM)
    await moving.make(tx, Move(order, TransitionInput(name=chosen.name)), process, chosen)


async def given_up(tx: Tx, order_id: UUID, claimant_role: str) -> bool:
    """The order goes on without the claim of one side; False where it is over."""
    event = _WITHDRAWN if claimant_role == "customer" else _DROPPED
    return await orders.system_move(tx, order_id, on=event)


async def overtaken(tx: Tx, order_id: UUID) -> bool:
    """The order goes on without the dispute, and nobody has given in; False where it is over."""
    return await orders.system_move(tx, order_id, on=_DROPPED)


async def title(conn: Connection, order_id: UUID) -> str:
    """What the order is called."""
    return (await queries.load(conn, order_id)).terms.title


async def log(conn: Connection, order_id: UUID) -> list[dict[str, object]]:
    """The order's timeline as evidence."""
    return [
        {
            "seq": move.seq,
            "move": move.transition,
            "by": move.by,
            "at": move.at.isoformat(),
            "note": move.note,
            "money": [{"to": line.to, "amount_minor": line.amount_minor} for line in move.money],
        }
        for move in await queries.moves(conn, order_id)
    ]
