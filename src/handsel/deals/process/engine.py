"""What may happen now, and when the system will act: pure functions over a process."""

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime, timedelta

from handsel.deals.process.definition import Moment, Process, Role, Transition
from handsel.foundation.core.errors import Conflict, Forbidden

Terms = Mapping[str, timedelta]


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
    return [t.name for t in process.leaving(state) if t.actor == role]


def choose(process: Process, state: str, name: str, role: Role) -> Transition:
    """The transition ``name`` from ``state`` for ``role``.

    Raises ``TransitionNotAllowed`` (409, with what is allowed), ``NotYourMove`` (403).
    """
    for transition in process.leaving(state):
        if transition.name == name:
            if transition.actor != role:
                raise NotYourMove(f"{name} is for the {transition.actor}")
            return transition
    options = allowed(process, state, role)
    raise TransitionNotAllowed(
        f"from {state}, {name} is not possible", state=state, allowed_transitions=options
    )


def timers(
    process: Process, state: str, entered: datetime, due: datetime, terms: Terms
) -> list[Timer]:
    """The timers that run while an order is in ``state``, soonest first, then by priority."""
    running = [
        (min(_when(moment, entered, due, terms) for moment in t.moments()), -t.priority, t.name)
        for t in process.leaving(state)
        if t.at
    ]
    # A moment that has already passed when the state is entered is due at once, not in the past.
    return [Timer(name, max(when, entered)) for when, _, name in sorted(running)]


def _when(moment: Moment, entered: datetime, due: datetime, terms: Terms) -> datetime:
    duration = moment.duration if isinstance(moment.duration, timedelta) else terms[moment.duration]
    return (entered if moment.anchor == "entered" else due) + moment.sign * duration
