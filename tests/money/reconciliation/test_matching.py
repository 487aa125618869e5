"""Two books compared: each kind of difference is named, none is invented, order does not matter."""

from datetime import UTC, datetime, timedelta

import pytest
from hypothesis import given
from hypothesis import strategies as st

from handsel.money.payments.reconciliation.matching import Line, compare

AT = datetime(2026, 3, 1, tzinfo=UTC)


def line(
    reference: str, amount: int, *, kind: str = "charge", unit: str = "EUR", day: int = 0
) -> Line:
    return Line(kind, reference, unit, amount, AT + timedelta(days=day))


def test_each_difference_has_its_name() -> None:
    ours = [line("same", 5), line("here", 5), line("more", 5), line("twice", 5), line("unit", 5)]
    theirs = [
        line("same", 5), line("there", 7), line("more", 6), line("twice", 5), line("twice", 5),
        line("unit", 5, unit="GBP"),
    ]  # fmt: skip

    found = {(d.reference, d.unit): (d.what, d.ours, d.theirs) for d in compare(ours, theirs)}

    assert found == {
        ("here", "EUR"): ("missing_there", 5, None),
        ("there", "EUR"): ("missing_here", None, 7),
        ("more", "EUR"): ("amount_differs", 5, 6),
        ("twice", "EUR"): ("duplicate_there", 5, 10),
        ("unit", "EUR"): ("currency_differs", 5, None),
        ("unit", "GBP"): ("currency_differs", None, 5),
    }


@pytest.mark.parametrize("unit", ["EUR", "GBP"])
def test_a_kind_is_part_of_what_is_compared(unit: str) -> None:
    found = compare([line("a", -5, kind="refund")], [line("a", -5, kind="payout", unit=unit)])

    assert [(d.kind, d.what) for d in found] == [
        ("payout", "missing_here"),
        ("refund", "missing_there"),
    ]


def test_the_age_is_that_of_the_oldest_line() -> None:
    found = compare([line("a", 5, day=3)], [line("a", 6, day=1)])

    assert found[0].since == AT + timedelta(days=1)


lines = st.builds(
    line,
    st.sampled_from("abc"),
    st.integers(-3, 3).filter(bool),
    kind=st.sampled_from(["charge", "refund"]),
    unit=st.sampled_from(["EUR", "JPY"]),
    day=st.integers(0, 3),
)


@given(ours=st.lists(lines, max_size=8), theirs=st.lists(lines, max_size=8), rng=st.randoms())
def test_differences_are_exactly_where_sums_differ_in_any_order(
    ours: list[Line], theirs: list[Line], rng: object
) -> None:
    found = compare(ours, theirs)
    keys = {(x.kind, x.reference, x.unit) for x in [*ours, *theirs]}

    def total(side: list[Line], key: tuple[str, str, str]) -> int | None:
        own = [x.amount for x in side if (x.kind, x.reference, x.unit) == key]
        return sum(own) if own else None

    wrong = {k for k in keys if total(ours, k) != total(theirs, k)}
    assert {(d.kind, d.reference, d.unit) for d in found} == wrong
    rng.shuffle(ours)  # type: ignore[attr-defined]
    rng.shuffle(theirs)  # type: ignore[attr-defined]
    assert compare(ours, theirs) == found
    assert compare(ours, ours) == []
