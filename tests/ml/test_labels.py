"""Labels out of facts are those of the town, come late, and say nothing where nothing is known."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

import msgspec
import numpy as np
import pytest

from handsel_ml.contract import SCORE_KINDS, Fact, FactKind, Role, ScoreKind, micros
from handsel_ml.facts import table_of
from handsel_ml.labels import Exposures, exposures_known, exposures_of
from handsel_ml.simulate import Town

K = FactKind
START = datetime(2026, 1, 1, tzinfo=UTC)


def _fact(kind: FactKind, role: Role, day: float, value: int | None = None) -> Fact:
    at = START + timedelta(days=day)
    me, other = ("b", "s") if role == "buyer" else ("s", "b")
    return Fact(
        member_id=me,
        kind=kind,
        happened_at=at,
        known_at=at,
        source_id=f"{kind}-{role}-{day}",
        order_id="o1",
        counterparty_id=other,
        role=role,
        value=value,
    )


def _both(kind: FactKind, day: float) -> list[Fact]:
    return [_fact(kind, "buyer", day), _fact(kind, "seller", day)]


def _labels(exposures: Exposures) -> dict[str, tuple[int, int]]:
    """(financial, social) by role."""
    found = zip(
        exposures.role.tolist(),
        exposures.labels["financial"].tolist(),
        exposures.labels["social"].tolist(),
        strict=True,
    )
    return {("buyer", "seller")[role]: (money, conduct) for role, money, conduct in found}


@pytest.mark.parametrize("kind", SCORE_KINDS)
def test_the_town_and_its_facts_tell_the_same_labels(town: Town, kind: ScoreKind) -> None:
    truth, count = town.exposures, len(town.exposures) // 2
    told = exposures_of(town.table)
    orders = _orders(town, told)
    row = orders + np.where(told.role == 0, 0, count)
    matured = truth.available(kind)[row] <= micros(town.plan.end)

    assert matured.sum() > 9_000
    assert (told.member == truth.member[row]).all()
    assert (told.labels[kind][matured] == truth.labels[kind][row][matured]).all()
    assert (told.labels[kind][matured] == 1).sum() > 100


def _orders(town: Town, told: Exposures) -> np.ndarray[tuple[int], np.dtype[np.int64]]:
    """The order of each exposure: they come in order of (order, member)."""
    table = town.table
    begins = (table.kind == list(FactKind).index(K.ORDER_FUNDED)) | (
        table.kind == list(FactKind).index(K.ORDER_UNFUNDED)
    )
    pairs = np.unique(np.column_stack([table.order[begins], table.member[begins]]), axis=0)
    assert (pairs[:, 1] == told.member).all()
    orders: np.ndarray[tuple[int], np.dtype[np.int64]] = pairs[:, 0]
    return orders


@pytest.mark.parametrize(
    ("ends", "buyer", "seller"),
    [
        (_both(K.ORDER_SETTLED, 5), (0, 0), (0, 0)),
        ([], (-1, -1), (-1, -1)),
        (
            [_fact(K.ORDER_CANCELLED_BY_SELF, "buyer", 2),
             _fact(K.ORDER_CANCELLED_BY_OTHER, "seller", 2)],
            (-1, 1), (-1, -1),
        ),
        (
            [_fact(K.NO_SHOW, "seller", 5), _fact(K.ORDER_CANCELLED_BY_OTHER, "buyer", 5)],
            (-1, -1), (-1, 1),
        ),
        (_both(K.ORDER_REFUNDED, 9), (0, -1), (1, 0)),
        ([*_both(K.ORDER_SETTLED, 5), _fact(K.CHARGEBACK_LOST, "buyer", 80)], (1, 0), (0, 0)),
        ([*_both(K.ORDER_SETTLED, 5), _fact(K.CHARGEBACK, "buyer", 40)], (0, 0), (0, 0)),
        ([*_both(K.ORDER_SETTLED, 5), _fact(K.DISPUTE_LOST, "seller", 8)], (0, 0), (0, 1)),
        ([*_both(K.ORDER_SETTLED, 5), _fact(K.PAY_AFTER_DEFAULT, "buyer", 45)], (1, 0), (0, 0)),
        ([*_both(K.ORDER_SETTLED, 5), _fact(K.ITEM_UNRETURNED, "buyer", 45)], (1, 0), (0, 0)),
        (
            [_fact(K.PAY_AFTER_DEFAULT, "buyer", 20), *_both(K.ORDER_CANCELLED_BY_OTHER, 90)],
            (1, -1), (-1, -1),
        ),
        (
            [*_both(K.ORDER_CANCELLED_BY_OTHER, 9), _fact(K.CHARGEBACK_LOST, "buyer", 80)],
            (1, -1), (-1, -1),
        ),
    ],
    ids=["settled", "open", "cancelled", "no-show", "refunded", "lost-chargeback",
         "open-chargeback", "lost-dispute", "debt", "kept", "waived-debt",
         "shared-then-charged-back"],
)  # fmt: skip
def test_what_each_end_says_of_either_side(
    ends: list[Fact], buyer: tuple[int, int], seller: tuple[int, int]
) -> None:
    table = table_of([*_both(K.ORDER_FUNDED, 0), *ends])

    found = _labels(exposures_of(table))

    assert found == {"buyer": buyer, "seller": seller}


def test_an_order_that_was_never_paid_is_an_exposure_from_its_acceptance() -> None:
    table = table_of([_fact(K.ORDER_UNFUNDED, "buyer", 3)])

    found = exposures_of(table)

    assert found.opened.tolist() == [micros(START)]
    assert _labels(found) == {"buyer": (1, -1)}


def test_a_deal_was_due_when_it_was_delivered_less_its_lateness() -> None:
    late = _fact(K.DELIVERED_LATE, "seller", 5, value=86_400)
    table = table_of([*_both(K.ORDER_FUNDED, 0), late, *_both(K.ORDER_SETTLED, 7)])

    found = exposures_of(table)

    assert found.due.tolist() == [micros(START + timedelta(days=4))] * 2
    assert found.available("social").tolist() == [micros(START + timedelta(days=34))] * 2


def test_a_fact_that_was_taken_back_tells_nothing_from_then_on() -> None:
    lost = _fact(K.DISPUTE_LOST, "seller", 8)
    back = msgspec.structs.replace(lost, retracted_at=START + timedelta(days=40))
    table = table_of([*_both(K.ORDER_FUNDED, 0), *_both(K.ORDER_SETTLED, 5), back])

    before = exposures_of(table.known_before(micros(START + timedelta(days=40))))
    after = exposures_of(table.known_before(micros(START + timedelta(days=41))))

    assert _labels(before)["seller"] == (0, 1)
    assert _labels(after)["seller"] == (0, 0)


def test_what_came_after_the_training_marks_no_deal_that_it_learnt_from() -> None:
    trained, judged = START + timedelta(days=200), START + timedelta(days=300)
    old = [*_both(K.ORDER_FUNDED, 0), *_both(K.ORDER_SETTLED, 5)]
    table = table_of([*old, _fact(K.CHARGEBACK_LOST, "buyer", 210)])

    found = exposures_known(table, micros(trained), micros(judged))
    later = exposures_known(table, micros(judged), micros(judged))

    assert _labels(found) == {"buyer": (0, 0), "seller": (0, 0)}
    assert _labels(later) == {"buyer": (1, 0), "seller": (0, 0)}


def test_no_facts_no_exposures() -> None:
    found = exposures_of(table_of([]))

    assert len(found) == 0
