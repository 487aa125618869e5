"""What must hold for every way through a process, whoever moves and whoever says nothing.

``definition.check`` looks at each line of a file; this looks at all ways, by searching every state
that an order can be in. Durations are bounded by what their owners declare.
"""

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import timedelta

from handsel.deals.process.definition import Moment, Process, Transition, reachable

_NOW = timedelta(0)


@dataclass(frozen=True, kw_only=True)
class Bounds:
    """``hold``: how long money may be held. ``due``: how far off the agreed time may be when the
    money is held. ``terms``: the longest that each may be. ``paying``: actions that give the
    provider the price. ``proofs``: guards that only somebody who was there can pass, or the payer's
    own word. ``unproved``: processes that pay without. ``rounds``: how often a guard lets a move of
    its own happen. ``once``: a timer that leads nowhere is not set again by whoever owns it."""

    hold: timedelta
    due: timedelta
    terms: Mapping[str, timedelta]
    paying: frozenset[str] = frozenset()
    proofs: frozenset[str] = frozenset()
    unproved: frozenset[str] = frozenset()
    rounds: Mapping[str, int] = field(default_factory=dict)
    once: bool = False


def faults(process: Process, bounds: Bounds) -> list[str]:
    """What does not hold, in words; none means that silence ends well everywhere."""
    unbounded = sorted(_terms_of(process) - set(bounds.terms))
    if unbounded:
        return [f"nobody says how long {name} may be" for name in unbounded]
    return [
        *_silence(process, bounds),
        *_circles(process),
        *_effects(process),
        *_too_long(process, bounds),
        *_paid_by_silence(process, bounds),
    ]


def timed(process: Process, state: str) -> list[Transition]:
    """How the clock ends a state."""
    return [t for t in process.leaving(state) if t.at and not t.stays]


def _terms_of(process: Process) -> set[str]:
    moments = [moment for t in process.transitions for moment in t.moments()]
    return {m.duration for m in moments if isinstance(m.duration, str)}


def _silence(process: Process, bounds: Bounds) -> list[str]:
    """Where nobody says anything, the clock alone comes to an end."""
    found = []
    for name, state in process.states.items():
        stays = [t for t in process.leaving(name) if t.at and t.stays]
        if not bounds.once:
            found += [f"{t.name}: a timer that leads nowhere fires for ever" for t in stays]
        if not state.terminal and not timed(process, name):
            found.append(f"state {name}: silence never ends it")
    return found


def _circles(process: Process) -> list[str]:
    """The clock alone never comes back to where it was."""
    steps = {name: {t.target(name) for t in timed(process, name)} for name in process.states}
    ended: set[str] = set()
    while more := {name for name, after in steps.items() if after <= ended} - ended:
        ended |= more
    return [f"state {name}: timers go round in a circle" for name in steps if name not in ended]


def _effects(process: Process) -> list[str]:
    """An action does one thing to what is held: it fills it, empties it, or leaves it."""
    effects: dict[str, set[tuple[bool, bool]]] = {}
    for t in process.transitions:
        for source in t.source:
            if t.money:
                after = process.states[t.target(source)].funded
                effects.setdefault(t.money, set()).add((process.states[source].funded, after))
    return [
        f"{action} empties what is held in one move and leaves it in another"
        for action, ways in effects.items()
        if len({after for before, after in ways if before}) > 1
    ] + [
        f"{action} fills what is held in one move and does not in another"
        for action, ways in effects.items()
        if len({after for before, after in ways if not before}) > 1
    ]


def latest(process: Process, bounds: Bounds) -> dict[str, timedelta]:
    """For each state that holds money: how long after it was first held an order may still be
    there, whoever moves. Stops beyond ``bounds.hold``: a circle of moves has no longest way."""
    limited = sorted({g for t in process.transitions for g in t.guards if g in bounds.rounds})
    entered = dict.fromkeys(((s, (0,) * len(limited)) for s in _first_held(process)), _NOW)
    todo = list(entered)
    while todo:
        state, used = todo.pop()
        until = _until(process, state, entered[state, used], bounds)
        for t in process.leaving(state) if until <= bounds.hold else ():
            count = tuple(n + (g in t.guards) for n, g in zip(used, limited, strict=True))
            within = all(n <= bounds.rounds[g] for n, g in zip(count, limited, strict=True))
            held = not t.stays and process.states[t.to].funded
            if held and within and until > entered.get((t.to, count), timedelta(-1)):
                entered[t.to, count] = until
                todo.append((t.to, count))
    longest: dict[str, timedelta] = {}
    for (state, _), since in entered.items():
        until = _until(process, state, since, bounds)
        longest[state] = max(until, longest.get(state, _NOW))
    return longest


def _first_held(process: Process) -> list[str]:
    """The states in which money begins to be held."""
    found = [process.initial] if process.states[process.initial].funded else []
    for t in process.transitions:
        unheld = any(not process.states[s].funded for s in t.source)
        if not t.stays and unheld and process.states[t.to].funded:
            found.append(t.to)
    return found


def _until(process: Process, state: str, entered: timedelta, bounds: Bounds) -> timedelta:
    """When the clock ends a state that was entered then, at the latest."""
    ends = [
        min(_when(moment, entered, bounds) for moment in t.moments()) for t in timed(process, state)
    ]
    return max(entered, min(ends, default=timedelta.max))


def _when(moment: Moment, entered: timedelta, bounds: Bounds) -> timedelta:
    duration = moment.duration
    if isinstance(duration, str):
        # What is subtracted brings a moment forward: at the latest, it is nothing.
        duration = bounds.terms[duration] if moment.sign == 1 else _NOW
    # The order was opened before its money was held, so at the latest just then.
    anchor = {"entered": entered, "opened": _NOW}.get(moment.anchor, bounds.due)
    return anchor + moment.sign * duration


def _too_long(process: Process, bounds: Bounds) -> list[str]:
    return [
        f"state {state}: money can be held longer than {bounds.hold.days} days"
        for state, until in latest(process, bounds).items()
        if until > bounds.hold
    ]


def _paid_by_silence(process: Process, bounds: Bounds) -> list[str]:
    """The clock pays nobody of whom nobody has said, or proved, that they were there."""
    if process.name in bounds.unproved:
        return []
    proved = [t for t in process.transitions if not set(t.guards) & bounds.proofs]
    unproved = reachable(
        Process(
            name=process.name,
            version=process.version,
            initial=process.initial,
            states=process.states,
            transitions=proved,
        ),
        process.initial,
    )
    return [
        f"{t.name}: silence pays in {state}, where nothing is proved"
        for state in process.states
        for t in timed(process, state)
        if t.money in bounds.paying and (state in unproved or state.startswith("no_show"))
    ]
