"""Random lives of orders on the pure engine: people who click twice, say nothing, come late; a
clock that is swept late or twice. No database, no I/O, the same for the same seed."""

import random
from collections import Counter
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta

from handsel.deals.process import engine
from handsel.deals.process.definition import SYSTEM, Process, Role, Transition
from handsel.foundation.core.errors import Problem

OK = "ok"
DEADLINE_PASSED = "deadline_passed"
REFUSED = "refused"
BEGINNING = datetime(2026, 1, 1, tzinfo=UTC)
_STEPS = 40
_SILENT_STEPS = 30
#: Whether a guard lets a move pass.
Guards = Callable[[str], bool]


def pass_all(_: str) -> bool:
    """Every guard lets it pass."""
    return True


@dataclass(slots=True)
class Life:
    """One order, as the engine sees it."""

    process: Process
    clock: engine.Clock
    terms: Mapping[str, timedelta]
    now: datetime
    state: str
    held_since: datetime | None = None
    longest_hold: timedelta = timedelta(0)
    seen: set[str] = field(default_factory=set)
    fired: set[str] = field(default_factory=set)
    moves: int = 0

    @classmethod
    def begin(
        cls, process: Process, terms: Mapping[str, timedelta], now: datetime, due: datetime
    ) -> "Life":
        """A new order."""
        clock = engine.Clock(entered=now, due=due, start=due, opened=now)
        life = cls(process, clock, terms, now, process.initial)
        life._arrive(process.initial)
        return life

    @property
    def ended(self) -> bool:
        """Whether it is in a terminal state."""
        return self.process.states[self.state].terminal

    def timers(self) -> list[engine.Timer]:
        """What the clock will do, soonest first; what leads nowhere it does once in a state."""
        running = engine.timers(self.process, self.state, self.clock, self.terms)
        return [timer for timer in running if timer.transition not in self.fired]

    def attempt(self, name: str, role: Role, guards: Guards = pass_all) -> str:
        """Somebody tries a move: ``ok``, or the code of the refusal (``refused`` by a guard)."""
        leaving = {t.name for t in self.process.leaving(self.state) if not t.stays}
        if any(t.due_at <= self.now and t.transition in leaving for t in self.timers()):
            return DEADLINE_PASSED
        try:
            chosen = engine.choose(self.process, self.state, name, role)
        except Problem as problem:
            return problem.code
        if not all(guards(guard) for guard in chosen.guards):
            return REFUSED
        self._make(chosen)
        return OK

    def sweep(self) -> str | None:
        """The clock makes the first move that is due; its name."""
        timers = self.timers()
        if not timers or timers[0].due_at > self.now:
            return None
        self._make(engine.choose(self.process, self.state, timers[0].transition, SYSTEM))
        return timers[0].transition

    def hear(self, name: str) -> None:
        """The system makes a move because of an event."""
        self._make(engine.choose(self.process, self.state, name, SYSTEM))

    def _make(self, chosen: Transition) -> None:
        self.moves += 1
        if chosen.stays:
            self.fired.update([chosen.name] if chosen.at else [])
        else:
            self._arrive(chosen.target(self.state))

    def _arrive(self, state: str) -> None:
        self.state = state
        self.seen.add(state)
        self.fired.clear()
        clock = self.clock
        self.clock = engine.Clock(
            entered=self.now, due=clock.due, start=clock.start, opened=clock.opened
        )
        held = self.process.states[state].funded
        if held and self.held_since is None:
            self.held_since = self.now
        elif not held and self.held_since is not None:
            self.longest_hold = max(self.longest_hold, self.now - self.held_since)
            self.held_since = None


@dataclass(slots=True)
class Report:
    """Of many lives: ``ends`` by terminal state; ``dead_ends`` by the state where nothing ever
    happens again; ``held``: lives that are over, or will never be, with money in escrow."""

    process: str
    orders: int
    ends: Counter[str] = field(default_factory=Counter)
    dead_ends: Counter[str] = field(default_factory=Counter)
    held: int = 0
    moves: int = 0
    answers: Counter[str] = field(default_factory=Counter)
    longest_life: timedelta = timedelta(0)
    longest_hold: timedelta = timedelta(0)
    never: list[str] = field(default_factory=list)

    @property
    def sound(self) -> bool:
        """Every life came to an end, and no money stayed behind."""
        return not self.dead_ends and not self.held


def simulate(
    process: Process, longest: Mapping[str, timedelta], due: timedelta, orders: int, seed: int
) -> Report:
    """Let ``orders`` live. Terms are drawn up to ``longest``, the agreed time up to ``due``."""
    draw = random.Random(f"{seed} {process.name} {process.version}")  # noqa: S311 - a simulation
    report = Report(f"{process.name}@{process.version}", orders)
    seen: set[str] = set()
    for _ in range(orders):
        terms = {name: most * draw.random() for name, most in longest.items()}
        due_at = BEGINNING + due * draw.random() ** 3
        life = Life.begin(process, terms, BEGINNING, due_at)
        _live(life, draw, report)
        seen |= life.seen
        report.moves += life.moves
        report.longest_life = max(report.longest_life, life.now - BEGINNING)
        report.longest_hold = max(report.longest_hold, life.longest_hold)
        report.held += life.held_since is not None
        (report.ends if life.ended else report.dead_ends)[life.state] += 1
    report.never = [name for name in process.states if name not in seen]
    return report


def _live(life: Life, draw: random.Random, report: Report) -> None:
    """People act at random for a while; then everybody is silent, and the clock must end it."""
    for _ in range(draw.randint(0, _STEPS)):
        if life.ended:
            break
        what = draw.random()
        if what < 0.55:
            _click(life, draw, report)
        elif what < 0.6:
            _happen(life, draw)
        elif what < 0.8:
            life.now += _pause(life, draw)
        else:
            life.sweep()
    for _ in range(_SILENT_STEPS):
        timers = life.timers()
        if not timers:
            break
        late = timedelta(minutes=draw.choice((0, 0, 1, 600)))
        life.now = max(life.now, timers[0].due_at + late)
        life.sweep()


def _pause(life: Life, draw: random.Random) -> timedelta:
    """Mostly somebody is in time, once in a while they are not."""
    timers = life.timers()
    left = timers[0].due_at - life.now if timers else timedelta(days=1)
    if draw.random() < 0.85:
        return max(left, timedelta(0)) * draw.random() ** 2
    return timedelta(minutes=10 ** draw.uniform(0, 4))


def _click(life: Life, draw: random.Random, report: Report) -> None:
    """Mostly a move that is possible; once in a while anything, by anybody; often twice."""
    if draw.random() < 0.85:
        possible = [
            (t.name, role)
            for t in life.process.leaving(life.state)
            for role in t.actors
            if role != SYSTEM
        ]
    else:
        possible = [(t.name, r) for t in life.process.transitions for r in life.process.roles]
    if not possible:
        return
    name, role = draw.choice(possible)
    for _ in range(draw.choice((1, 1, 2))):
        report.answers[life.attempt(name, role, lambda _: draw.random() < 0.9)] += 1


def _happen(life: Life, draw: random.Random) -> None:
    """Something outside of the process, of which the system makes a move."""
    heard = [t.name for t in life.process.leaving(life.state) if t.on]
    if heard:
        life.hear(draw.choice(heard))
