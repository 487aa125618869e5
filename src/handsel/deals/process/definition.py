"""The form of a process file, and the checks that it must pass before anything runs on it."""

import re
import tomllib
from collections.abc import Iterable
from datetime import timedelta
from functools import cache
from pathlib import Path
from string import Formatter
from typing import Literal

import msgspec

#: Who moves: one of the process's own roles, or the system.
Role = str
SYSTEM: Role = "system"
Anchor = Literal["entered", "due", "start", "opened"]
_DURATION = re.compile(
    r"P(?:(?P<days>\d+)D)?(?:T(?:(?P<hours>\d+)H)?(?:(?P<minutes>\d+)M)?(?:(?P<seconds>\d+)S)?)?"
)
_MOMENT = re.compile(r"(entered|due|start|opened) ([+-]) (P[0-9DTHMS]+|[a-z_]+)")
_PROMISE = {"customer", "provider", "amount", "by", "deposit"}


class ProcessInvalid(Exception):
    """A process file breaks a rule; the text names the file, the place and the rule."""


class Moment(msgspec.Struct, frozen=True):
    """``entered + PT24H``: an anchor (when the state was entered, the work is due, it begins, the
    order was opened), a sign, and a duration or the name of a term that has one."""

    anchor: Anchor
    sign: Literal[1, -1]
    duration: timedelta | str


class State(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """``funded``: money is held. ``waits_for``: whose move it is. ``promise``: what the order says
    while it is here; ``{customer}``, ``{provider}``, ``{amount}`` and ``{by}`` are filled in."""

    promise: str
    funded: bool = False
    terminal: bool = False
    waits_for: Role | None = None


class Transition(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """A move. ``stays`` instead of ``to``: the order stays where it is, and its timers go on.
    ``at`` (system only): the earliest of its moments; ``on``: the event that the system acts on,
    where it is no time. ``money`` names an action; ``undo`` its inverse, unless it is ``final``.
    ``default`` says what silence leads to. ``writes``: what else is written down, which moves no
    money. ``notices``: who is told, where it is not simply the other side."""

    name: str
    actor: Role | list[Role]
    to: str = ""
    stays: bool = False
    source: list[str] = msgspec.field(name="from", default_factory=list)
    guards: list[str] = []
    money: str | None = None
    undo: str | None = None
    final: bool = False
    at: list[str] = []
    on: str = ""
    priority: int = 0
    default: str = ""
    writes: list[str] = []
    notices: list[Role] = []

    @property
    def actors(self) -> tuple[Role, ...]:
        """Everybody who may make it."""
        return (self.actor,) if isinstance(self.actor, str) else tuple(self.actor)

    def target(self, state: str) -> str:
        """Where the move leads from ``state``."""
        return state if self.stays else self.to

    def moments(self) -> list[Moment]:
        """``at``, parsed."""
        return [parse_moment(text) for text in self.at]


class Process(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """One version of one process."""

    name: str
    version: int
    initial: str
    states: dict[str, State]
    roles: list[Role] = msgspec.field(default_factory=lambda: ["customer", "provider"])
    transitions: list[Transition]

    def leaving(self, state: str) -> list[Transition]:
        """Every transition out of a state."""
        return [t for t in self.transitions if state in t.source]


def parse_duration(text: str) -> timedelta:
    """An ISO 8601 duration of days, hours, minutes, seconds. Raises ``ValueError``."""
    match = _DURATION.fullmatch(text)
    if not match or not any(match.groups()):
        raise ValueError(f"{text!r} is not an ISO 8601 duration of days and times")
    return timedelta(**{unit: int(n) for unit, n in match.groupdict().items() if n})


@cache
def parse_moment(text: str) -> Moment:
    """``entered + PT24H`` or ``due - PT1H`` or ``entered + inspection_period``."""
    match = _MOMENT.fullmatch(text)
    if not match:
        raise ValueError(f"{text!r} is not a moment")
    anchor, sign, amount = match.groups()
    duration = parse_duration(amount) if amount[0] == "P" else amount
    return Moment(anchor, 1 if sign == "+" else -1, duration)  # type: ignore[arg-type]


def load(
    file: Path,
    *,
    guards: Iterable[str],
    actions: Iterable[str],
    terms: Iterable[str],
    writes: Iterable[str] = (),
) -> Process:
    """Read and check a process file. Raises ``ProcessInvalid`` with every fault that was found."""
    try:
        process = msgspec.convert(tomllib.loads(file.read_text()), Process)
    except (tomllib.TOMLDecodeError, msgspec.ValidationError) as error:
        raise ProcessInvalid(f"{file.name}: {error}") from None
    faults = check(process, set(guards), set(actions), set(terms))
    known = set(writes)
    faults += [
        f"{t.name}: unknown write {name}"
        for t in process.transitions
        for name in t.writes
        if name not in known
    ]
    if faults:
        raise ProcessInvalid(f"{file.name}: " + "; ".join(faults))
    return process


def check(process: Process, guards: set[str], actions: set[str], terms: set[str]) -> list[str]:
    """The faults of a process, in words; none means that it may run."""
    return [
        *_check_names(process, guards, actions),
        *_check_graph(process),
        *_check_money(process),
        *_check_timers(process, terms),
    ]


def _check_names(process: Process, guards: set[str], actions: set[str]) -> list[str]:
    faults = []
    names = [t.name for t in process.transitions]
    faults += [
        f"transition {n} is named twice" for n in sorted({n for n in names if names.count(n) > 1})
    ]
    for t in process.transitions:
        if not t.source:
            faults.append(f"{t.name}: starts from no state")
        if bool(t.to) == t.stays:
            faults.append(f"{t.name}: leads to a state or stays, and not both")
        named = t.source if t.stays else [*t.source, t.to]
        faults += [f"{t.name}: unknown state {s}" for s in named if s not in process.states]
        faults += [f"{t.name}: unknown guard {g}" for g in t.guards if g not in guards]
        faults += [
            f"{t.name}: unknown money action {a}"
            for a in (t.money, t.undo)
            if a and a not in actions
        ]
    if process.initial not in process.states:
        faults.append(f"unknown initial state {process.initial}")
    for name, state in process.states.items():
        faults += _check_promise(name, state.promise)
    return faults + _check_roles(process)


def _check_roles(process: Process) -> list[str]:
    faults = []
    for t in process.transitions:
        known = {*process.roles, SYSTEM}
        faults += [f"{t.name}: unknown role {r}" for r in {*t.actors, *t.notices} - known]
        if not t.actors or (SYSTEM in t.actors and len(t.actors) > 1):
            faults.append(f"{t.name}: somebody moves, or the system alone")
    for name, state in process.states.items():
        if state.waits_for is not None and state.waits_for not in process.roles:
            faults.append(f"state {name}: waits for the unknown role {state.waits_for}")
    return faults


def _check_promise(name: str, promise: str) -> list[str]:
    """A promise that cannot be filled in would fail only when somebody reads the order."""
    try:
        used = {field for _, field, _, _ in Formatter().parse(promise) if field is not None}
    except ValueError as error:
        return [f"state {name}: the promise is no template: {error}"]
    return [f"state {name}: unknown name {{{n}}} in the promise" for n in sorted(used - _PROMISE)]


def reachable(process: Process, start: str) -> set[str]:
    """The states that can be reached from a state, itself included."""
    seen, todo = {start}, [start]
    while todo:
        for transition in process.leaving(todo.pop()):
            if not transition.stays and transition.to not in seen:
                seen.add(transition.to)
                todo.append(transition.to)
    return seen


def _check_graph(process: Process) -> list[str]:
    faults = []
    seen = reachable(process, process.initial)
    terminals = {name for name, state in process.states.items() if state.terminal}
    for name, state in process.states.items():
        exits = process.leaving(name)
        if name not in seen:
            faults.append(f"state {name} cannot be reached")
        if state.terminal and exits:
            faults.append(f"terminal state {name} has an exit")
        if not state.terminal and not reachable(process, name) & terminals:
            faults.append(f"state {name} never ends")
        if state.terminal and state.funded:
            faults.append(f"terminal state {name} still holds money")
    return faults


def _check_money(process: Process) -> list[str]:
    faults = []
    for t in process.transitions:
        if t.money and bool(t.undo) == t.final:
            faults.append(f"{t.name}: a money action names its inverse or is final, and not both")
        before = {process.states[s].funded for s in t.source if s in process.states}
        if t.stays:
            if t.money and not t.on and before != {True}:
                faults.append(f"{t.name}: moves money that is not held")
            continue
        after = process.states[t.to].funded if t.to in process.states else False
        if len(before) > 1:
            faults.append(f"{t.name}: starts from states with and without money")
        if before and before != {after} and not t.money:
            faults.append(f"{t.name}: money is held before or after, but nothing moves it")
    return faults


def _check_timers(process: Process, terms: set[str]) -> list[str]:
    faults = []
    for t in process.transitions:
        if (bool(t.at) + bool(t.on)) != (SYSTEM in t.actors):
            faults.append(f"{t.name}: the system acts at a time or on an event, nobody else does")
        if t.at and not t.default:
            faults.append(f"{t.name}: what silence leads to is not declared")
        for text in t.at:
            try:
                duration = parse_moment(text).duration
            except ValueError as error:
                faults.append(f"{t.name}: {error}")
                continue
            if isinstance(duration, str) and duration not in terms:
                faults.append(f"{t.name}: unknown term {duration}")
    for name, state in process.states.items():
        timed = [t for t in process.leaving(name) if t.at]
        if state.funded and not timed:
            faults.append(f"funded state {name} has no timed exit")
        if len({t.priority for t in timed}) < len(timed):
            faults.append(f"state {name}: timers race without a priority")
    return faults
