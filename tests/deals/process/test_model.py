"""Every process, searched exhaustively: silence ends it, the clock never goes round in a circle,
money is held for 75 days at most, and nobody is paid of whom nobody knows that they came."""

import tomllib
from dataclasses import replace
from datetime import timedelta
from importlib.resources import files

import msgspec
import pytest

from handsel.catalog.listings import packs
from handsel.deals.orders.registry import processes
from handsel.deals.process import engine, model
from handsel.deals.process.definition import Process, parse_duration, reachable
from handsel.deals.process.simulation import BEGINNING
from handsel.front.cli.processes import bounds, shipped
from handsel.people.trust.service import current_policy

DAY = timedelta(days=1)
PROCESSES = [pytest.param(p, id=f"{p.name}@{p.version}") for p in shipped().values()]

TINY = """
name = "tiny"
version = 1
initial = "open"
states.open = { promise = "" }
states.held = { promise = "", funded = true }
states.done = { promise = "", funded = true }
states.paid = { promise = "", terminal = true }
states.back = { promise = "", terminal = true }
transitions = [
  { name = "fund", from = ["open"], to = "held", actor = "customer", money = "hold" },
  { name = "drop", from = ["open"], to = "back", actor = "system", at = ["entered + PT1H"] },
  { name = "lapse", from = ["held"], to = "back", actor = "system", at = ["due + P3D"],\
    money = "refund" },
  { name = "deliver", from = ["held"], to = "done", actor = "provider", guards = ["proof"] },
  { name = "pay", from = ["done"], to = "paid", actor = "system", at = ["entered + look"],\
    money = "release" },
]
"""
LIMITS = model.Bounds(
    hold=20 * DAY,
    due=10 * DAY,
    terms={"look": 2 * DAY},
    paying=frozenset({"release"}),
    proofs=frozenset({"proof"}),
    rounds={"again": 2},
)


def tiny(old: str = "", new: str = "", more: str = "") -> Process:
    assert old in TINY
    text = TINY.replace(old, new).rstrip().removesuffix("]") + more + "]"
    return msgspec.convert(tomllib.loads(text), Process)


@pytest.mark.parametrize("process", PROCESSES)
def test_a_shipped_process_keeps_every_rule(process: Process) -> None:
    assert model.faults(process, bounds(process)) == []


@pytest.mark.parametrize("process", PROCESSES)
def test_every_state_is_reached_and_every_way_ends_with_an_empty_escrow(process: Process) -> None:
    """The search itself, without the checks that a file passes when it is loaded."""
    todo, seen = [(process.initial, process.states[process.initial].funded)], set()
    while todo:
        state, held = todo.pop()
        if (state, held) in seen:
            continue
        seen.add((state, held))
        for t in process.leaving(state):
            after = process.states[t.target(state)].funded
            assert after == held or t.money, f"{t.name} moves money from {state} without an action"
            todo.append((t.target(state), after))

    assert {state for state, _ in seen} == set(process.states)
    assert len(seen) == len(process.states), "a state holds money on one way and not on another"
    terminals = {name for name, state in process.states.items() if state.terminal}
    assert all(reachable(process, state) & terminals for state in process.states)
    for name in terminals:
        assert process.leaving(name) == []
        assert (name, False) in seen


@pytest.mark.parametrize("process", PROCESSES)
@pytest.mark.parametrize("due", [timedelta(0), timedelta(days=60)])
def test_silence_alone_ends_every_state(process: Process, due: timedelta) -> None:
    terms = bounds(process).terms
    for start in process.states:
        state, now, moves = start, BEGINNING, 0
        while not process.states[state].terminal:
            clock = engine.Clock(entered=now, due=BEGINNING + due, start=BEGINNING + due,
                                 opened=BEGINNING)  # fmt: skip
            timer = engine.timers(process, state, clock, terms)[0]
            state = engine.choose(process, state, timer.transition, "system").target(state)
            now, moves = timer.due_at, moves + 1
            assert moves <= len(process.states)


def test_a_good_process_has_no_fault() -> None:
    process = tiny()

    assert model.faults(process, LIMITS) == []
    assert model.latest(process, LIMITS) == {"held": 13 * DAY, "done": 15 * DAY}


CIRCLE = ' { name = "redo", from = ["done"], to = "held", actor = "customer" },'


@pytest.mark.parametrize(
    ("process", "found"),
    [
        (tiny('at = ["entered + PT1H"]', 'on = "x"'), ["state open: silence never ends it"]),
        (
            tiny('to = "back", actor = "system", at = ["entered + PT1H"]',
                 'stays = true, actor = "system", at = ["entered + PT1H"]'),
            ["drop: a timer that leads nowhere fires for ever",
             "state open: silence never ends it"],
        ),
        (
            tiny('to = "back", actor = "system", at = ["entered + PT1H"]',
                 'to = "open", actor = "system", at = ["entered + PT1H"]'),
            ["state open: timers go round in a circle"],
        ),
        (tiny("entered + look", "entered + trust"), ["nobody says how long trust may be"]),
        (
            tiny("entered + look", "entered + P8D"),
            ["state done: money can be held longer than 20 days"],
        ),
        (tiny("due + P3D", "due + P11D"), [
            "state held: money can be held longer than 20 days",
        ]),
        (tiny(more=CIRCLE), ["state done: money can be held longer than 20 days"]),
        (
            tiny(', guards = ["proof"]', ""),
            ["pay: silence pays in done, where nothing is proved"],
        ),
        (
            tiny(more=' { name = "no", from = ["held"], to = "done", actor = "provider",'
                      ' money = "refund" },'),
            ["refund empties what is held in one move and leaves it in another",
             "pay: silence pays in done, where nothing is proved"],
        ),
        (
            tiny(more=' { name = "no", from = ["open"], to = "back", actor = "customer",'
                      ' money = "hold" },'),
            ["hold fills what is held in one move and does not in another"],
        ),
    ],
)  # fmt: skip
def test_each_rule_finds_what_breaks_it(process: Process, found: list[str]) -> None:
    assert model.faults(process, LIMITS) == found


def test_a_state_of_no_show_is_not_paid_even_after_a_proof() -> None:
    process = tiny("done", "no_show")

    assert model.faults(process, LIMITS) == [
        "pay: silence pays in no_show, where nothing is proved"
    ]


def test_a_circle_of_moves_ends_where_time_or_a_guard_ends_it() -> None:
    guarded = tiny(more=CIRCLE.replace("},", ', guards = ["again"] },'))
    until = '"entered + look", "opened + P19D"]'
    stopped = tiny('"entered + look"]', until, CIRCLE)

    assert model.latest(guarded, LIMITS) == {"held": 17 * DAY, "done": 19 * DAY}
    assert model.latest(stopped, LIMITS) == {"held": 19 * DAY, "done": 19 * DAY}


def test_a_process_may_pay_without_a_proof_where_that_is_said() -> None:
    process = tiny(', guards = ["proof"]', "")
    said = replace(LIMITS, unproved=frozenset({"tiny"}))

    assert model.faults(process, said) == []
    assert model.faults(process, LIMITS) != []


def test_the_bounds_are_what_the_house_lets_be_agreed() -> None:
    inspections = [
        parse_duration(category["inspection_period"])
        for file in files(packs).iterdir()
        if file.name.endswith(".toml")
        for category in tomllib.loads(file.read_text())["category"]
    ]
    limits = bounds(processes()["service", 2])
    holds = [rule.payments.hold_period for rule in current_policy().tiers.values() if rule.payments]

    assert max(inspections) <= limits.terms["inspection_period"]
    assert max(holds) <= limits.terms["hold_period"]
