"""The versions of `service` as they are shipped: who may do what, when the system acts, and that
all ways end.

The table is written down here a second time, by hand: a change of the file is a change here too.
"""

import tomllib
from datetime import UTC, datetime, timedelta
from importlib.resources import files
from itertools import product

import pytest

from handsel.catalog.listings import packs
from handsel.deals.orders import guards, money_actions, registry
from handsel.deals.orders.terms import LATEST_START
from handsel.deals.process import engine
from handsel.deals.process.definition import Process, Role, parse_duration
from handsel.deals.process.engine import NotYourMove, Timer, TransitionNotAllowed
from handsel.front import invariants
from handsel.front.worker.subscriptions import SUBSCRIPTIONS
from handsel.money.ledger.service import LONGEST_HOLD

ROLES: tuple[Role, ...] = ("customer", "provider", "system")
FUNDED = {"funded", "accepted", "delivered", "objected"}
TERMINAL = {
    "payment_expired", "revoked", "declined", "expired", "cancelled", "refunded", "closed",
    "settled",
}  # fmt: skip
#: (state, transition) -> (who, where to, what happens to the money)
Table = dict[tuple[str, str], tuple[Role, str, str | None]]
_FIRST: Table = {
    ("pending_payment", "fund"): ("customer", "funded", "hold"),
    ("pending_payment", "abandon"): ("customer", "payment_expired", None),
    ("pending_payment", "expire_payment"): ("system", "payment_expired", None),
    ("funded", "revoke"): ("customer", "revoked", "refund"),
    ("funded", "accept"): ("provider", "accepted", None),
    ("funded", "decline"): ("provider", "declined", "refund"),
    ("funded", "expire"): ("system", "expired", "refund_expired"),
    ("accepted", "cancel"): ("customer", "cancelled", "refund"),
    ("accepted", "cancel_late"): ("customer", "shared", "share_by_policy"),
    ("accepted", "withdraw"): ("provider", "cancelled", "refund"),
    ("accepted", "deliver"): ("provider", "delivered", None),
    ("accepted", "auto_cancel"): ("system", "cancelled", "refund_expired"),
    ("delivered", "approve"): ("customer", "completed", "release"),
    ("delivered", "auto_approve"): ("system", "completed", "release"),
    ("delivered", "object"): ("customer", "objected", None),
    ("delivered", "give_back"): ("provider", "refunded", "refund"),
    ("objected", "approve"): ("customer", "completed", "release"),
    ("objected", "give_back"): ("provider", "refunded", "refund"),
    ("objected", "share"): ("system", "shared", "share_halves"),
    ("shared", "settle_share"): ("system", "closed", "settle"),
    ("completed", "settle"): ("system", "settled", "settle"),
}
#: Since version 2 the seller may give a part back.
TABLES: dict[int, Table] = {
    1: _FIRST,
    2: _FIRST
    | {
        (state, "refund_part"): ("provider", state, "refund_part")
        for state in ("accepted", "delivered", "objected")
    }
    | {(state, "charge_back"): ("system", "charged_back", "refund") for state in sorted(FUNDED)}
    | {
        (state, name): ("system", to or state, money)
        for state in ("completed", "shared")
        for name, to, money in (
            ("charge_off", "charged_back", "forfeit"),
            ("charge_part", "", None),
        )
    },
}
#: Where a version ends besides.
ALSO_TERMINAL: dict[int, set[str]] = {1: set(), 2: {"charged_back"}}
#: How many ways lead from the beginning to an end.
WAYS = {1: 15, 2: 24}
TABLE = TABLES[2]
NAMES = sorted({name for _, name in TABLE})
#: What an action does to the escrow account: +1 fills it, -1 empties it.
ESCROW = {"hold": 1, "settle": 0, "refund_part": 0, "forfeit": 0, None: 0} | dict.fromkeys(
    ("refund", "refund_expired", "share_by_policy", "release", "share_halves"), -1
)
ENTERED = datetime(2026, 3, 1, 12, tzinfo=UTC)
TERMS = {"inspection_period": timedelta(days=2), "hold_period": timedelta(days=14)}


def clock(entered: datetime, due: datetime) -> engine.Clock:
    return engine.Clock(entered, due, start=due, opened=entered)


@pytest.fixture(params=sorted(TABLES))
def process(request: pytest.FixtureRequest) -> Process:
    return registry.processes()["service", request.param]


@pytest.fixture
def table(process: Process) -> Table:
    return TABLES[process.version]


def test_the_file_says_what_the_table_says(process: Process, table: Table) -> None:
    found = {
        (source, t.name): (t.actor, t.target(source), t.money)
        for t in process.transitions
        for source in t.source
    }

    assert found == table
    assert process.initial == "pending_payment"
    assert {n for n, s in process.states.items() if s.funded} == FUNDED
    assert {n for n, s in process.states.items() if s.terminal} == (
        TERMINAL | ALSO_TERMINAL[process.version]
    )


def test_every_move_in_the_table_may_be_tried_by_its_actor(process: Process, table: Table) -> None:
    for (state, name), (actor, to, _) in table.items():
        chosen = engine.choose(process, state, name, actor)
        assert (chosen.name, chosen.target(state)) == (name, to)
        assert name in engine.allowed(process, state, actor)


def test_every_other_state_transition_and_actor_is_refused(process: Process, table: Table) -> None:
    refused = 0
    for state, name, role in product(process.states, [*NAMES, "steal", ""], ROLES):
        if (state, name) in table:
            if table[state, name][0] == role:
                continue
            with pytest.raises(NotYourMove):
                engine.choose(process, state, name, role)
        else:
            with pytest.raises(TransitionNotAllowed) as caught:
                engine.choose(process, state, name, role)
            options = sorted(
                n for (s, n), (who, _, _) in table.items() if (s, who) == (state, role)
            )
            assert caught.value.members["state"] == state
            assert sorted(caught.value.members["allowed_transitions"]) == options
        refused += 1

    assert refused == len(process.states) * (len(NAMES) + 2) * 3 - len(table)


@pytest.mark.parametrize(
    ("state", "due_in", "expected"),
    [
        ("pending_payment", "P14D", [("expire_payment", "PT15M")]),
        ("funded", "P14D", [("expire", "PT24H")]),
        ("funded", "PT25H", [("expire", "PT24H")]),
        ("funded", "PT20H", [("expire", "PT19H")]),
        ("funded", "PT30M", [("expire", "PT0S")]),
        ("accepted", "PT20H", [("auto_cancel", "P3DT20H")]),
        ("delivered", "P14D", [("auto_approve", "P2D")]),
        ("objected", "P14D", [("share", "P7D")]),
        ("completed", "P14D", [("settle", "P14D")]),
        ("shared", "P14D", [("settle_share", "P14D")]),
        *((state, "P14D", []) for state in sorted(TERMINAL)),
    ],
)
def test_when_the_system_acts(
    process: Process, state: str, due_in: str, expected: list[tuple[str, str]]
) -> None:
    due = ENTERED + parse_duration(due_in)

    found = engine.timers(process, state, clock(ENTERED, due), TERMS)

    assert found == [Timer(name, ENTERED + parse_duration(after)) for name, after in expected]


def test_a_moment_that_has_passed_is_due_at_once(process: Process) -> None:
    found = engine.timers(process, "accepted", clock(ENTERED, ENTERED - timedelta(days=9)), TERMS)

    assert found == [Timer("auto_cancel", ENTERED)]


def ways(process: Process, state: str, path: tuple[str, ...] = ()) -> list[tuple[str, ...]]:
    """Every way from a state to an end, as names of transitions."""
    assert len(path) < 20, f"this way does not end: {path}"
    exits = [t for t in process.leaving(state) if not t.stays]
    if not exits:
        return [path]
    return [way for t in exits for way in ways(process, t.to, (*path, t.name))]


def test_every_way_ends_with_an_empty_escrow(process: Process, table: Table) -> None:
    found = ways(process, process.initial)

    assert len(found) == WAYS[process.version]
    for way in found:
        state, held = process.initial, 0
        for name in way:
            _, to, money = table[state, name]
            held += ESCROW[money]
            state = to
            assert held == (state in FUNDED), way
        assert process.states[state].terminal
        assert held == 0


def test_silence_ends_every_state(process: Process) -> None:
    for start in process.states:
        state, moves = start, []
        while not process.states[state].terminal:
            timer = engine.timers(process, state, clock(ENTERED, ENTERED), TERMS)[0]
            chosen = engine.choose(process, state, timer.transition, "system")
            state = chosen.to
            moves.append(chosen.name)
        assert len(moves) <= 2, (start, moves)


def test_a_seller_who_says_nothing_is_never_paid(process: Process, table: Table) -> None:
    for start in ("funded", "accepted"):
        timers = engine.timers(process, start, clock(ENTERED, ENTERED), TERMS)

        assert {table[start, t.transition][2] for t in timers} == {"refund_expired"}


def test_no_money_is_held_longer_than_the_longest_hold(process: Process) -> None:
    inspections = [
        parse_duration(category["inspection_period"])
        for file in files(packs).iterdir()
        if file.name.endswith(".toml")
        for category in tomllib.loads(file.read_text())["category"]
    ]
    terms = TERMS | {"inspection_period": max(inspections)}
    due = ENTERED + LATEST_START

    moment = ENTERED
    for state in ("funded", "accepted", "delivered", "objected"):
        moment = engine.timers(process, state, clock(moment, due), terms)[0].due_at

    assert moment - ENTERED <= LONGEST_HOLD


def test_the_names_a_process_may_use_are_those_that_exist() -> None:
    assert set(guards.GUARDS) <= set(registry.GUARDS)
    assert set(money_actions.ACTIONS) <= set(registry.ACTIONS)


def test_the_house_hears_of_every_move_of_every_process() -> None:
    heard = {topic.removeprefix("order.") for topic in SUBSCRIPTIONS}

    for process in registry.processes().values():
        entered = {t.to for t in process.transitions if not t.stays}
        assert entered | {t.name for t in process.transitions if t.stays} <= heard
        for name, state in process.states.items():
            key = f"('{process.name}', {process.version}, '{name}')"
            assert (key in invariants._HELD) == state.funded
