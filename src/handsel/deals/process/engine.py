"""What may happen now, and when the system will act: pure functions over a process."""

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime, timedelta

from handsel.deals.process.definition import Moment, Process, Role, Transition
from handsel.foundation.core.errors import Conflict, Forbidden

Terms = Mapping[str, timedelta]


@dataclass(frozen=True, slots=True)
class Clock:
    """The times that moments are counted from; what has no beginning begins when it is due."""

    entered: datetime
    due: datetime
    start: datetime
    opened: datetime


class TransitionNotAllowed(Conflict):
    """The order's state does not allow this"""

    code = "transition_not_allowed"


class NotYourMove(Forbidden):
    """This is the other side's move"""

    code = "not_your_move"


@dataclass(frozen=True, slots=True)
class Timer:
    """The system will make ``transition`` at ``due_at`` unless somebody moves first."""

    transition: str
    due_at: datetime


def allowed(process: Process, state: str, role: Role) -> list[str]:
    """The names of what ``role`` may try from ``state``; guards may still refuse."""
    return [t.name for t in process.leaving(state) if role in t.actors]


def choose(process: Process, state: str, name: str, role: Role) -> Transition:
    """The transition ``name`` from ``state`` for ``role``.

    Raises ``TransitionNotAllowed`` (409, with what is allowed), ``NotYourMove`` (403).
    """
    for transition in process.leaving(state):
        if transition.name == name:
            if role not in transition.actors:
                raise NotYourMove(f"{name} is for the {' or the '.join(transition.actors)}")
            return transition
    options = allowed(process, state, role)
    raise TransitionNotAllowed(
        f"from {state}, {name} is not possible", state=state, allowed_transitions=options
    )


def follow(process: Process, state: str, event: str) -> Transition | None:
    """What the system does from ``state`` when ``event`` has happened, if anything."""
    return next((t for t in process.leaving(state) if t.on == event), None)


def timers(process: Process, state: str, clock: Clock, terms: Terms) -> list[Timer]:
    """The timers that run while an order is in ``state``, soonest first, then by priority."""
    running = [
        (min(_when(moment, clock, terms) for moment in t.moments()), -t.priority, t.name)
        for t in process.leaving(state)
        if t.at
    ]
    # A moment that has already passed when the state is entered is due at once, not in the past.
    return [Timer(name, max(when, clock.entered)) for when, _, name in sorted(running)]


def _when(moment: Moment, clock: Clock, terms: Terms) -> datetime:
    duration = moment.duration if isinstance(moment.duration, timedelta) else terms[moment.duration]
    anchor: datetime = getattr(clock, moment.anchor)
    return anchor + moment.sign * duration
