"""Where a listing can go from where it stands."""

from typing import Final, Literal

State = Literal["draft", "live", "paused", "ended"]
Transition = Literal["publish", "pause", "end"]

#: (from, transition) -> to. What is not here is refused; ``ended`` is final.
TRANSITIONS: Final[dict[tuple[State, Transition], State]] = {
    ("draft", "publish"): "live",
    ("paused", "publish"): "live",
    ("live", "pause"): "paused",
    ("draft", "end"): "ended",
    ("live", "end"): "ended",
    ("paused", "end"): "ended",
}


def after(state: State, transition: Transition) -> State | None:
    """The state that a transition leads to, or None where it is not allowed."""
    return TRANSITIONS.get((state, transition))


def allowed(state: State) -> list[Transition]:
    """The transitions out of a state, in the order of the table."""
    return [transition for start, transition in TRANSITIONS if start == state]
