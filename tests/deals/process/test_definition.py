"""A process file that breaks a rule is refused, with the place and the rule."""

from datetime import timedelta
from pathlib import Path

import pytest

from handsel.deals.process.definition import (
    Moment,
    Process,
    ProcessInvalid,
    load,
    parse_duration,
    parse_moment,
)

GOOD = """
name = "tiny"
version = 1
initial = "open"

[states.open]
promise = "Fund it by {by}."
[states.held]
funded = true
promise = "{amount} of {customer} is held for {provider} until {by}."
[states.done]
terminal = true
promise = "Done."
[states.back]
terminal = true
promise = "Given back."

[[transitions]]
name = "fund"
from = ["open"]
to = "held"
actor = "customer"
guards = ["may_pay"]
money = "hold"
undo = "refund"

[[transitions]]
name = "drop"
from = ["open"]
to = "back"
actor = "customer"

[[transitions]]
name = "pay"
from = ["held"]
to = "done"
actor = "customer"
money = "release"
final = true

[[transitions]]
name = "lapse"
from = ["held"]
to = "back"
actor = "system"
at = ["entered + P3D", "due - PT1H", "entered + patience"]
money = "refund"
final = true
default = "All goes back."
"""


def read(tmp_path: Path, text: str) -> Process:
    file = tmp_path / "tiny.v1.toml"
    file.write_text(text)
    return load(file, guards=["may_pay"], actions=["hold", "release", "refund"], terms=["patience"])


def test_a_good_process_is_loaded(tmp_path: Path) -> None:
    process = read(tmp_path, GOOD)

    assert (process.name, process.version, process.initial) == ("tiny", 1, "open")
    assert [t.name for t in process.leaving("held")] == ["pay", "lapse"]
    assert process.transitions[3].moments() == [
        Moment("entered", 1, timedelta(days=3)),
        Moment("due", -1, timedelta(hours=1)),
        Moment("entered", 1, "patience"),
    ]


ANOTHER = (
    '\n[[transitions]]\nname = "{name}"\nfrom = ["{source}"]\nto = "{to}"\nactor = "{actor}"\n'
)
TIMED = ANOTHER + 'at = ["entered + P1D"]\ndefault = "x"\n'


def another(template: str = ANOTHER, **names: str) -> str:
    given = {"name": "extra", "source": "open", "to": "back", "actor": "customer"} | names
    return template.format(**given)


@pytest.mark.parametrize(
    ("old", "new", "fault"),
    [
        ('name = "drop"', 'name = "fund"', "transition fund is named twice"),
        ('from = ["open"]\nto = "back"', 'from = ["x"]\nto = "back"', "drop: unknown state x"),
        ('from = ["open"]\nto = "back"', 'from = []\nto = "back"', "drop: starts from no state"),
        ('from = ["open"]\nto = "back"', 'to = "back"', "drop: starts from no state"),
        ('to = "done"', 'to = "gone"', "pay: unknown state gone"),
        ('guards = ["may_pay"]', 'guards = ["may_fly"]', "fund: unknown guard may_fly"),
        ('money = "release"', 'money = "burn"', "pay: unknown money action burn"),
        ('undo = "refund"', 'undo = "unburn"', "fund: unknown money action unburn"),
        ('initial = "open"', 'initial = "shut"', "unknown initial state shut"),
        ("until {by}", "until {when}", "state held: unknown name {when} in the promise"),
        ("until {by}", "until {", "state held: the promise is no template"),
        ("until {by}", "until {}", "state held: unknown name {} in the promise"),
        (
            "[states.done]",
            '[states.lost]\npromise = "?"\n[states.done]',
            "state lost cannot be reached",
        ),
        (
            "[states.done]",
            '[states.lost]\npromise = "?"\n[states.done]',
            "state lost never ends",
        ),
        ("", another(source="done"), "terminal state done has an exit"),
        (
            '[states.done]\nterminal = true',
            "[states.done]\nterminal = true\nfunded = true",
            "terminal state done still holds money",
        ),
        ('undo = "refund"\n', "", "fund: a money action names its inverse or is final"),
        (
            'undo = "refund"\n',
            'undo = "refund"\nfinal = true\n',
            "fund: a money action names its inverse or is final",
        ),
        (
            'money = "release"\nfinal = true\n',
            "",
            "pay: money is held before or after, but nothing moves it",
        ),
        (
            'guards = ["may_pay"]\nmoney = "hold"\nundo = "refund"\n',
            "",
            "fund: money is held before or after, but nothing moves it",
        ),
        (
            'from = ["held"]\nto = "done"',
            'from = ["held", "open"]\nto = "done"',
            "pay: starts from states with and without money",
        ),
        (
            'at = ["entered + P3D", "due - PT1H", "entered + patience"]\n',
            "",
            "lapse: the system acts at a time or on an event, nobody else does",
        ),
        (
            'name = "drop"',
            'name = "drop"\nat = ["entered + P1D"]\ndefault = "x"',
            "drop: the system acts at a time or on an event, nobody else does",
        ),
        ('default = "All goes back."', "", "lapse: what silence leads to is not declared"),
        ('"due - PT1H"', '"later + PT1H"', "lapse: 'later + PT1H' is not a moment"),
        ('"due - PT1H"', '"due - 1h"', "lapse: 'due - 1h' is not a moment"),
        ('"due - PT1H"', '"due - PT"', "lapse: 'PT' is not an ISO 8601 duration"),
        ('"entered + patience"', '"entered + mercy"', "lapse: unknown term mercy"),
        (
            'actor = "system"\nat = ["entered + P3D", "due - PT1H", "entered + patience"]',
            'actor = "provider"',
            "funded state held has no timed exit",
        ),
        (
            "",
            another(TIMED, source="held", actor="system") + 'money = "refund"\nfinal = true\n',
            "state held: timers race without a priority",
        ),
        ('actor = "customer"', 'actor = "nobody"', "fund: unknown role nobody"),
        ('name = "tiny"', 'name = "tiny"\ncolour = "red"', "unknown field `colour`"),
        ("funded = true", "founded = true", "unknown field `founded`"),
        ('undo = "refund"', 'undoes = "refund"', "unknown field `undoes`"),
        ('promise = "Done."', "", "missing required field `promise`"),
        ("version = 1", 'version = "one"', "Expected `int`"),
        ("[states.open]", "[states.open", "tiny.v1.toml:"),
    ],
)  # fmt: skip
def test_each_rule_is_kept(tmp_path: Path, old: str, new: str, fault: str) -> None:
    assert old in GOOD
    bad = GOOD.replace(old, new, 1) if old else GOOD + new

    with pytest.raises(ProcessInvalid) as refused:
        read(tmp_path, bad)

    assert fault in str(refused.value)
    assert str(refused.value).startswith("tiny.v1.toml: ")


def test_every_fault_is_told_at_once(tmp_path: Path) -> None:
    bad = GOOD.replace("may_pay", "may_fly").replace("patience", "mercy")

    with pytest.raises(ProcessInvalid) as refused:
        read(tmp_path, bad)

    assert (
        str(refused.value) == "tiny.v1.toml: fund: unknown guard may_fly; lapse: unknown term mercy"
    )


def test_two_timers_of_one_state_need_different_priorities(tmp_path: Path) -> None:
    extra = another(TIMED, source="held", actor="system") + 'money = "refund"\nfinal = true\n'

    process = read(tmp_path, GOOD + extra + "priority = 1\n")

    assert len(process.leaving("held")) == 3


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("P3D", timedelta(days=3)),
        ("PT15M", timedelta(minutes=15)),
        ("P1DT2H3M4S", timedelta(days=1, hours=2, minutes=3, seconds=4)),
        ("PT0S", timedelta(0)),
    ],
)
def test_durations(text: str, expected: timedelta) -> None:
    assert parse_duration(text) == expected


@pytest.mark.parametrize(
    "text", ["", "P", "PT", "3D", "P1M", "P1Y", "P1.5D", "-P1D", "P1D ", "PT1"]
)
def test_what_is_no_duration_is_refused(text: str) -> None:
    with pytest.raises(ValueError, match="ISO 8601"):
        parse_duration(text)


@pytest.mark.parametrize("text", ["entered+P1D", "entered + ", "now + P1D", "due + Patience", ""])
def test_what_is_no_moment_is_refused(text: str) -> None:
    with pytest.raises(ValueError, match="not a moment"):
        parse_moment(text)
