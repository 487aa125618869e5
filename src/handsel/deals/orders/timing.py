"""The timers of an order: what the system will do, and when somebody is reminded of it."""

from collections.abc import Sequence
from datetime import datetime, timedelta

from handsel.deals.orders.queries import Order
from handsel.deals.process import engine
from handsel.deals.process.definition import Process

#: A reminder comes when half of the time is over, and at the latest a day before its end.
_REMIND_BEFORE = timedelta(hours=24)


def timers_of(order: Order, process: Process) -> list[engine.Timer]:
    """The timers that run now, soonest first."""
    clock = engine.Clock(
        entered=order.entered_at,
        due=order.due_at,
        start=order.terms.starts_at or order.due_at,
        opened=order.created_at,
    )
    durations = {name: timedelta(seconds=s) for name, s in order.terms.durations.items()}
    durations["inspection_period"] = timedelta(seconds=order.terms.inspection_period_s)
    if order.hold_period is not None:
        durations["hold_period"] = order.hold_period
    return engine.timers(process, order.state, clock, durations)


def timer_columns(
    timers: Sequence[engine.Timer], entered: datetime
) -> tuple[list[str], list[datetime], list[datetime]]:
    """As the arrays that the write functions take: transitions, due times, reminders."""
    reminders = [max(t.due_at - _REMIND_BEFORE, entered + (t.due_at - entered) / 2) for t in timers]
    return [t.transition for t in timers], [t.due_at for t in timers], reminders
