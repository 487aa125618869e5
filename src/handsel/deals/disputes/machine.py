"""The process of disputes, loaded and checked once, and the times that its moments count from."""

from datetime import datetime, timedelta
from functools import cache
from pathlib import Path

from handsel.deals.process import engine
from handsel.deals.process.definition import Process, load

#: What a move may ask before it is made; ``guards`` has them.
GUARDS = frozenset(
    {
        "reason_given",
        "split_given",
        "ruling_given",
        "offer_is_live",
        "offer_named",
        "not_agreed_yet",
        "new_evidence",
        "another_person",
    }
)
#: Which of two outcomes silence has; ``moves.SILENCE`` has them.
SILENCE = frozenset({"silence_grants", "silence_does_not_grant", "delivered", "not_delivered"})
#: How a dispute ends: which split the order is told. ``outcomes`` has them.
OUTCOMES = frozenset(
    {
        "as_requested",
        "as_offered",
        "as_ruled",
        "as_before",
        "against_claimant",
        "by_default",
        "nothing",
    }
)
CURRENT = 1
#: An offer stands as long as its stage does, and at most this long.
OFFER_STANDS = timedelta(days=3)
#: Whoever's move it is hears of it again this long before the deadline.
_REMIND_BEFORE = timedelta(days=1)


@cache
def processes() -> dict[int, Process]:
    """Every version. Raises ``ProcessInvalid``."""
    found = {}
    for file in sorted(Path(__file__).parent.glob("dispute.v*.toml")):
        process = load(file, guards=GUARDS | SILENCE, actions=OUTCOMES, terms=())
        found[process.version] = process
    return found


def timers(
    version: int, state: str, entered: datetime, opened: datetime, money_until: datetime
) -> list[engine.Timer]:
    """The timers of a state; ``due`` is when the money can wait no longer."""
    clock = engine.Clock(entered=entered, due=money_until, start=opened, opened=opened)
    return engine.timers(processes()[version], state, clock, {})


def remind_at(timer: engine.Timer, entered: datetime) -> datetime:
    """A day before; for what is shorter, when half of it is over."""
    return max(timer.due_at - _REMIND_BEFORE, entered + (timer.due_at - entered) / 2)
