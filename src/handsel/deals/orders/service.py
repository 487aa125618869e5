"""The verbs of orders: open one, move one, read one, and let time move those that are due."""

from uuid import UUID

from handsel.deals.orders import queries
from handsel.deals.orders.moving import as_view, process_of, system_move, transition
from handsel.deals.orders.opening import Draft, open_order, place
from handsel.deals.orders.queries import Order, delivered_on_time
from handsel.deals.orders.rebook import rebook
from handsel.deals.orders.schemas import OrderView
from handsel.deals.orders.sweeping import due, postpone, remind_due, run_due, run_due_batch
from handsel.foundation.core.errors import NotFound
from handsel.foundation.db.pool import Connection
from handsel.foundation.http.principal import Principal

__all__ = [
    "Draft", "delivered_on_time", "due", "list_own", "open_order", "place", "postpone", "read",
    "rebook", "remind_due", "run_due", "run_due_batch", "system_move", "transition",
]  # fmt: skip


async def read(conn: Connection, principal: Principal, order_id: UUID) -> OrderView:
    """One of one's own orders. Raises ``NotFound`` for everybody else's."""
    return _own_view(principal, await queries.load(conn, order_id))


async def list_own(
    conn: Connection, principal: Principal, state: str | None, before: UUID | None, limit: int,
    process: str | None = None,
) -> list[OrderView]:  # fmt: skip
    """One's own orders on either side, newest first; ``process``: of this one alone."""
    orders = await queries.of_member(conn, principal.member_id, state, before, limit, process)
    return [_own_view(principal, order) for order in orders]


def _own_view(principal: Principal, order: Order) -> OrderView:
    role = order.role_of(principal.member_id)
    if role is None:
        raise NotFound("there is no such order")
    return as_view(order, process_of(order), role)
