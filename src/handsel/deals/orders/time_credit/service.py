"""Ask for work for hours: open the order that does it, and read one's hours."""

from datetime import timedelta

from handsel.deals.orders import parties, terms
from handsel.deals.orders.opening import Draft, open_order
from handsel.deals.orders.registry import current
from handsel.deals.orders.schemas import OrderView
from handsel.deals.orders.time_credit.schemas import TimeAccountView, TimeCreditInput
from handsel.deals.orders.timing import timers_of
from handsel.deals.orders.views import view_of
from handsel.foundation.core.money import MINUTE, Money
from handsel.foundation.db.pool import Connection
from handsel.foundation.db.uow import Tx
from handsel.foundation.http.principal import Principal
from handsel.foundation.http.work import Answer
from handsel.money.escrow import direct

PROCESS = "time_credit"
_INSPECTION = timedelta(days=3)


async def ask(tx: Tx, principal: Principal, data: TimeCreditInput) -> Answer[OrderView]:
    """Open an order of hours; none are set aside until it is funded.

    Raises ``NotFound``, ``WithOneself`` (409), ``InvalidStart`` (422).
    """
    provider = await parties.other(tx, principal, data.provider)
    process, due = current(PROCESS), terms.due_at(data.due_at, tx.now)
    frozen = parties.freeze(
        process,
        principal,
        provider,
        Money(amount_minor=data.minutes, currency=MINUTE),
        title=data.title,
        category="time-credit",
        due_at=due,
        note=data.note,
        inspection=_INSPECTION,
    )
    order = open_order(
        tx,
        Draft(
            process=process,
            customer_id=principal.member_id,
            provider_id=provider.id,
            amount=data.minutes,
            unit=MINUTE,
            terms=frozen,
            due_at=due,
        ),
    )
    view = view_of(order, process, timers_of(order, process), "customer", confirm=False)
    return Answer(view, version=1, location=f"/v1/orders/{view.id}")


async def account(conn: Connection, principal: Principal) -> TimeAccountView:
    """One's own hours."""
    found = await direct.time_account(conn, principal.member_id)
    return TimeAccountView(
        balance=found.balance,
        held=found.held,
        floor=found.floor,
        available=max(found.available, 0),
    )
