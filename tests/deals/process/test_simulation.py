"""Random lives on the engine alone: they end, leave no money behind, and repeat for a seed."""

from collections import Counter
from datetime import timedelta

import pytest

from handsel.deals.orders.registry import processes
from handsel.deals.process.definition import Process
from handsel.deals.process.simulation import BEGINNING, Life, simulate
from handsel.front.cli.processes import bounds, check_all, shipped, simulate_all
from tests.deals.process.test_model import LIMITS, tiny

DUE = timedelta(days=60)
LONGEST = {"inspection_period": timedelta(days=2), "hold_period": timedelta(days=14)}
PROCESSES = [pytest.param(p, id=f"{p.name}@{p.version}") for p in shipped().values()]


@pytest.mark.parametrize("process", PROCESSES)
def test_random_lives_come_to_an_end_and_leave_no_money_behind(process: Process) -> None:
    limits = bounds(process)

    report = simulate(process, limits.terms, limits.due, orders=150, seed=4)

    terminals = {name for name, state in process.states.items() if state.terminal}
    assert report.sound
    assert sum(report.ends.values()) == 150
    assert set(report.ends) <= terminals
    assert report.longest_hold <= limits.hold + timedelta(hours=10), "swept late at most"


def test_the_same_seed_gives_the_same_lives_and_another_gives_others() -> None:
    process = processes()["service", 2]

    once, again, other = (simulate(process, LONGEST, DUE, 50, s) for s in (1, 1, 2))

    assert once == again
    assert once != other


def test_a_dead_end_and_the_money_in_it_are_reported() -> None:
    process = tiny('at = ["due + P3D"]', 'on = "mercy"')

    report = simulate(process, LIMITS.terms, LIMITS.due, orders=200, seed=1)

    assert not report.sound
    assert report.dead_ends["held"] == report.held > 0
    assert sum(report.ends.values()) + report.held == 200


def test_a_life_step_by_step() -> None:
    life = Life.begin(tiny(), LIMITS.terms, BEGINNING, BEGINNING + timedelta(days=1))

    answers = [
        life.attempt("deliver", "provider"),
        life.attempt("fund", "provider"),
        life.attempt("fund", "customer", lambda _: True),
        life.attempt("deliver", "provider", lambda guard: guard != "proof"),
        life.sweep(),
    ]
    life.now += timedelta(days=4)
    late = [life.attempt("deliver", "provider"), life.sweep(), life.sweep()]

    assert answers == ["transition_not_allowed", "not_your_move", "ok", "refused", None]
    assert late == ["deadline_passed", "lapse", None]
    assert (life.state, life.ended, life.held_since) == ("back", True, None)
    assert life.longest_hold == timedelta(days=4)
    assert life.moves == 2


def test_the_command_line_tells_what_it_found(capsys: pytest.CaptureFixture[str]) -> None:
    assert simulate_all("service@2", orders=20, seed=3) == 0
    told = capsys.readouterr().out
    assert told.startswith("service@2: 20 orders, ")
    assert "dead ends: none; money left in escrow: 0" in told

    assert check_all() == 0
    lines = capsys.readouterr().out.splitlines()
    assert len(lines) == len(shipped())
    assert all(line.endswith(": ok") for line in lines)
    assert Counter(line.split("@")[0] for line in lines)["service"] >= 2
