"""The verbs of orders: open one, move one, read one, and let time move those that are due."""

from uuid import UUID

from handsel.deals.orders import queries
from handsel.deals.orders.moving import as_view, process_of, system_move, transition
from handsel.deals.orders.opening import Draft, open_order, place
from handsel.deals.orders.queries import Order, delivered_on_time, made_at
from handsel.deals.orders.rebook import rebook
from handsel.deals.orders.schemas import OrderPage, OrderView
from handsel.deals.orders.sweeping import due, postpone, remind_due, run_due, run_due_batch
from handsel.foundation.core.errors import NotFound
from handsel.foundation.core.ids import decode
from handsel.foundation.core.paging import IdPages
from handsel.foundation.core.settings import Settings
from handsel.foundation.db.pool import Connection
from handsel.foundation.db.uow import Database
from handsel.foundation.http.principal import Principal

__all__ = [
    "Draft",
    "delivered_on_time",
    "due",
    "list_own",
    "made_at",
    "open_order",
    "own_page",
    "place",
    "postpone",
    "read",
    "rebook",
    "remind_due",
    "run_due",
    "run_due_batch",
    "system_move",
    "transition",
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


async def own_page(
    database: Database,
    settings: Settings,
    principal: Principal,
    *,
    cursor: str | None,
    page_size: int,
    state: str | None = None,
    process: str | None = None,
) -> OrderPage:
    """One's own orders on either side, newest first, of one process or of all."""
    scope = f"orders:{principal.member_id}:{process}:{state}"
    pages = IdPages(settings.secret_bytes(), scope, page_size, _id_of)
    before = pages.before(cursor or None)
    async with database.reading() as conn:
        found = await list_own(conn, principal, state, before, page_size + 1, process)
    items, next_cursor = pages.cut(found)
    return OrderPage(items=list(items), next_cursor=next_cursor)


def _id_of(view: OrderView) -> UUID:
    return decode("ord", view.id)


def _own_view(principal: Principal, order: Order) -> OrderView:
    role = order.role_of(principal.member_id)
    if role is None:
        raise NotFound("there is no such order")
    return as_view(order, process_of(order), role)
