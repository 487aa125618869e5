"""Orders that consist of other orders: a job of its milestones, a series of its occurrences.

A parent holds no money. It ends with the last of its children: each that comes to its end says so
(``child.ended``), and the worker asks here whether it was the last.
"""

from uuid import UUID

from handsel.deals.orders import queries
from handsel.deals.orders.moving import as_view, process_of, system_move
from handsel.deals.orders.queries import Order
from handsel.deals.orders.schemas import OrderView
from handsel.deals.orders.service import read
from handsel.foundation.db.pool import Connection
from handsel.foundation.db.uow import Tx
from handsel.foundation.http.principal import Principal

#: What a parent's process does once no child is open: somebody earned something, or nobody did.
_DONE, _VOID = "children.done", "children.void"
#: What a child that is not paid for does when the rest of its parent was stopped.
_STOPPED = "parent.stopped"


async def list_children(conn: Connection, principal: Principal, order_id: UUID) -> list[OrderView]:
    """The parts of one of one's own orders, oldest first. Raises ``NotFound``."""
    role = (await read(conn, principal, order_id)).your_role
    children = await queries.children(conn, order_id)
    return [as_view(child, process_of(child), role) for child in children]


async def drop_unpaid(tx: Tx, parent_id: UUID) -> int:
    """The rest was stopped: what nobody has paid for falls away; how many did. They end with this
    transaction, and say so themselves."""
    open_ones = [c for c in await queries.children(tx.conn, parent_id) if not is_over(c)]
    return sum([await system_move(tx, child.id, on=_STOPPED) for child in open_ones])


async def child_ended(tx: Tx, parent_id: UUID) -> bool:
    """Whether the parent came to its end, because no child of it is open any more."""
    await queries.load_for_update(tx, parent_id)  # of two last ones, one looks after the other
    children = await queries.children(tx.conn, parent_id)
    if not all(is_over(child) for child in children):
        return False
    earned = any(child.net_minor for child in children)
    return await system_move(tx, parent_id, on=_DONE if earned else _VOID)


def is_over(order: Order) -> bool:
    """Whether an order is in a terminal state of its process."""
    return process_of(order).states[order.state].terminal
