"""How long an appointment is looked after, and what of it a stranger may read. Pure."""

from collections.abc import Sequence
from datetime import datetime, timedelta

from handsel.deals.orders.queries import Order
from handsel.deals.process.definition import Process
from handsel.deals.process.engine import Timer

#: After the order is due: shares show it and check-ins are noted until then.
AFTERWARDS = timedelta(days=1)
MOST_SHARES = 10


def ends_at(order: Order) -> datetime:
    """Counted from when it is due now, so that a moved appointment is shared to its new end."""
    return order.due_at + AFTERWARDS


def is_appointed(order: Order, process: Process) -> bool:
    """Whether there is more than an order that nobody has paid."""
    return order.state != process.initial or process.states[order.state].funded


class _WithoutMoney(dict[str, str]):
    def __missing__(self, _: str) -> str:
        return "the money"


def promise_of(order: Order, process: Process, timers: Sequence[Timer]) -> str:
    """The promise as a trusted contact reads it: every sum is just "the money"."""
    words = _WithoutMoney(
        customer=order.terms.customer,
        provider=order.terms.provider,
        by=f"{timers[0].due_at:%Y-%m-%d %H:%M} UTC" if timers else "then",
    )
    text = process.states[order.state].promise.format_map(words)
    return text[:1].upper() + text[1:]
