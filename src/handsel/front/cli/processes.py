"""``handsel process``: check, draw and simulate what orders and disputes run on."""

from dataclasses import replace
from pathlib import Path

from handsel.deals.disputes import machine as disputes
from handsel.deals.orders.bounds import bounds_of
from handsel.deals.orders.registry import KITS, processes
from handsel.deals.process import model
from handsel.deals.process.definition import Process, ProcessInvalid, load
from handsel.deals.process.drawing import draw
from handsel.deals.process.simulation import Report, simulate
from handsel.foundation.core.errors import UserError


def check_all(file: Path | None = None) -> int:
    """A line for each process and version, or for the file; 1 if one is wrong."""
    try:
        found = list(shipped().values()) if file is None else [_read(file)]
    except ProcessInvalid as error:
        print(f"wrong: {error}")
        return 1
    wrong = 0
    for process in found:
        faults = model.faults(process, bounds(process))
        timers = sum(bool(t.at) for t in process.transitions)
        print(
            f"{_called(process)}: {len(process.states)} states,"
            f" {len(process.transitions)} transitions, {timers} timers,"
            f" {_hold(process)}: {'; '.join(faults) or 'ok'}"
        )
        wrong += bool(faults)
    return 1 if wrong else 0


def draw_all(name: str | None, out: Path | None) -> None:
    """The newest version of each as an SVG in the folder ``out``, or those that are named; one
    alone, without ``out``, to standard output."""
    chosen = shown() if name is None else _named(name)
    if out is None:
        if len(chosen) > 1:
            raise UserError("say which one (NAME@VERSION), or where to write them (--out)")
        print(draw(chosen[0]), end="")
        return
    out.mkdir(parents=True, exist_ok=True)
    for process in chosen:
        file = out / (f"{process.name}.svg" if name is None else f"{_called(process)}.svg")
        file.write_text(draw(process))
        print(file)


def simulate_all(name: str | None, orders: int, seed: int) -> int:
    """What became of random orders; 1 where one got stuck or left money behind."""
    reports = [
        simulate(process, bounds(process).terms, bounds(process).due, orders, seed)
        for process in _named(name)
    ]
    for report in reports:
        _tell(report)
    return 0 if all(report.sound for report in reports) else 1


def shown() -> list[Process]:
    """The newest version of each: what the docs show."""
    newest = {process.name: process for _, process in sorted(_machines().items())}
    return list(newest.values())


def shipped() -> dict[tuple[str, int], Process]:
    """Everything that is written as a process, by name and version. Raises ``ProcessInvalid``."""
    found = [*processes().values(), *disputes.processes().values()]
    return {(p.name, p.version): p for p in sorted(found, key=lambda p: (p.name, p.version))}


def bounds(process: Process) -> model.Bounds:
    """What the process is checked against. A dispute's timers are rows that are used up."""
    return replace(bounds_of(process), once=process.name == "dispute")


def _machines() -> dict[tuple[str, int], Process]:
    """The same, where a wrong one is somebody's mistake to mend."""
    try:
        return shipped()
    except ProcessInvalid as error:
        raise UserError(str(error)) from None


def _read(file: Path) -> Process:
    """A file of one's own, which may use every name that a room has registered."""
    return load(
        file,
        guards=[name for kit in KITS for name in kit.guards],
        actions=[name for kit in KITS for name in kit.actions],
        terms=[name for kit in KITS for name in kit.terms],
    )


def _named(name: str | None) -> list[Process]:
    """All, all versions of one, or ``NAME@VERSION``."""
    known = _machines().values()
    found = [p for p in known if name in (None, p.name, _called(p))]
    if not found:
        names = ", ".join(_called(p) for p in known)
        raise UserError(f"there is no process {name}; there are {names}")
    return found


def _called(process: Process) -> str:
    return f"{process.name}@{process.version}"


def _hold(process: Process) -> str:
    held = model.latest(process, bounds(process)).values()
    if not held:
        return "holds no money"
    hours = max(held).total_seconds() / 3600
    return f"holds money for {hours / 24:.0f} days at most"


def _tell(report: Report) -> None:
    def listed(counts: dict[str, int]) -> str:
        return ", ".join(f"{n} {c}" for n, c in sorted(counts.items(), key=lambda i: (-i[1], i[0])))

    print(f"{report.process}: {report.orders} orders, {report.moves} moves")
    print(f"  ends: {listed(report.ends) or 'none'}")
    print(f"  answers: {listed(report.answers) or 'none'}")
    print(f"  dead ends: {listed(report.dead_ends) or 'none'}; money left in escrow: {report.held}")
    print(
        f"  longest life {report.longest_life.days} days,"
        f" longest hold {report.longest_hold.days} days;"
        f" states never seen: {', '.join(report.never) or 'none'}"
    )
