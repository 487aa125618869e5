"""The transition table, whole."""

import pytest

from handsel.catalog.listings.states import State, Transition, after, allowed

TABLE: list[tuple[State, Transition, State | None]] = [
    ("draft", "publish", "live"),
    ("draft", "pause", None),
    ("draft", "end", "ended"),
    ("live", "publish", None),
    ("live", "pause", "paused"),
    ("live", "end", "ended"),
    ("paused", "publish", "live"),
    ("paused", "pause", None),
    ("paused", "end", "ended"),
    ("ended", "publish", None),
    ("ended", "pause", None),
    ("ended", "end", None),
]


@pytest.mark.parametrize(("start", "transition", "end"), TABLE)
def test_where_a_listing_can_go(start: State, transition: Transition, end: State | None) -> None:
    assert after(start, transition) == end
    assert (transition in allowed(start)) is (end is not None)
