"""What the processes of orders make of a dispute: read from their files."""

import pytest

from handsel.deals.disputes.orders_port import gives_all_back
from handsel.deals.orders.registry import processes
from handsel.deals.process import engine
from handsel.deals.process.definition import Process

DISPUTABLE = {
    p.name: p for p in processes().values() if any(t.on == "dispute.opened" for t in p.transitions)
}


def disputed(process: Process) -> list[str]:
    """The states of a running dispute."""
    return sorted({t.to for t in process.transitions if t.on == "dispute.opened"})


@pytest.mark.parametrize(
    ("name", "undelivered"),
    [
        ("milestone", ["disputed"]),
        ("pay_after", []),
        ("rental", ["disputed_absence", "disputed_hand_over"]),
        ("service", ["disputed"]),
    ],
)
def test_which_disputes_are_about_nothing_delivered(name: str, undelivered: list[str]) -> None:
    process = DISPUTABLE[name]

    assert [s for s in disputed(process) if gives_all_back(process, s)] == undelivered


@pytest.mark.parametrize("name", sorted(DISPUTABLE))
def test_a_provider_who_gives_up_moves_no_money(name: str) -> None:
    process = DISPUTABLE[name]

    dropped = [engine.follow(process, state, "dispute.dropped") for state in disputed(process)]

    assert [t.money for t in dropped if t is not None] == [None] * len(disputed(process))


@pytest.mark.parametrize("event", ["dispute.withdrawn", "dispute.dropped"])
def test_giving_up_brings_back_no_way_out_that_was_over(event: str) -> None:
    """What the customer may do for free, or either side may report, is as it was or less."""
    regained = []
    for process in DISPUTABLE.values():
        for into in (t for t in process.transitions if t.on == "dispute.opened"):
            after = engine.follow(process, into.to, event)
            assert after is not None, into.to
            for before in into.source:
                had, has = (_ways_out(process, state) for state in (before, after.to))
                regained += [(process.name, before, name) for name in has - had]

    assert regained == []


def _ways_out(process: Process, state: str) -> set[str]:
    watched = {"cancel", "revoke", "report_absence", "report_no_show"}
    return {t.name for t in process.leaving(state)} & watched
