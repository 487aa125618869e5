"""One definition: as of a moment, independent of order, the same in bulk and for one member."""

from __future__ import annotations

import random
from datetime import datetime, timedelta
from typing import Any

import msgspec
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from handsel_ml.contract import SCHEMA, SCORE_KINDS, Fact, FactKind, ScoreKind, micros
from handsel_ml.facts import COLUMNS, NOT_RETRACTED, FactTable, Ints, facts_of, table_of
from handsel_ml.features import FEATURES, feature_row, feature_rows, features
from handsel_ml.simulate import Archetype, Town, history, moment
from handsel_ml.tallies import DAY_US, Tally, tally_many, tally_member
from tests.ml.conftest import NOW


def _fact(draw: Any, number: int) -> Fact:
    """Any fact, at coarse times, so that ties and window borders are common."""
    kind = draw(st.sampled_from(list(FactKind)))
    schema = SCHEMA[kind]
    happened = NOW - timedelta(days=draw(st.sampled_from([0, 1, 30, 89, 90, 180, 364, 365, 400])))
    known = happened + timedelta(days=draw(st.integers(0, 2)), microseconds=draw(st.integers(0, 1)))
    low, high = schema.value_range or (0, 0)
    retracted = draw(st.sampled_from([None, None, None, 0, 1, 90]))
    return Fact(
        member_id="me",
        kind=kind,
        happened_at=happened,
        known_at=known,
        source_id=f"s{number}",
        order_id="o" if schema.roles else None,
        counterparty_id=draw(st.sampled_from(["p", "q"])) if schema.roles else None,
        role=draw(st.sampled_from(schema.roles)) if schema.roles else None,
        amount_minor=draw(st.integers(0, 10**9)) if schema.money else 0,
        value=draw(st.integers(low, high)) if schema.value_range else None,
        weight_bps=draw(st.sampled_from([0, 3_333, 10_000])) if schema.weighed else 10_000,
        retracted_at=None if retracted is None else known + timedelta(days=retracted),
    )


def as_known(fact: Fact, as_of: datetime) -> Fact:
    """A fact as it stood before a moment: nobody knew yet that it would be taken back."""
    later = fact.retracted_at is not None and fact.retracted_at >= as_of
    return msgspec.structs.replace(fact, retracted_at=None) if later else fact


@st.composite
def histories(draw: Any) -> list[Fact]:
    return [_fact(draw, number) for number in range(draw(st.integers(0, 25)))]


@settings(max_examples=80, deadline=None)
@given(histories(), st.randoms(use_true_random=False), st.sampled_from([0, 1, 30, 90, 180]))
def test_the_past_alone_counts_in_any_order(
    facts: list[Fact], chance: random.Random, days_ago: int
) -> None:
    as_of = NOW - timedelta(days=days_ago)
    past = [as_known(fact, as_of) for fact in facts if fact.known_at < as_of]
    shuffled = chance.sample(facts, len(facts))

    for kind in SCORE_KINDS:
        full = features(facts, as_of, kind).tobytes()
        assert features(past, as_of, kind).tobytes() == full
        assert features(shuffled, as_of, kind).tobytes() == full


@settings(max_examples=80, deadline=None)
@given(histories())
def test_bulk_equals_single_to_the_bit(facts: list[Fact]) -> None:
    stranger = [
        Fact(member_id="z", kind=FactKind.MEMBER_JOINED, happened_at=NOW - timedelta(days=days),
             known_at=NOW - timedelta(days=days), source_id=f"z{days}")
        for days in (1, 90, 365)
    ]  # fmt: skip
    table = table_of([*facts, *stranger])
    mine = table.names.index("me") if "me" in table.names else -1
    times = [NOW + timedelta(microseconds=1), NOW, NOW - timedelta(days=90)]
    asked = [(mine, time) for time in times] if facts else []
    members = np.array([m for m, _ in asked], dtype=np.int64)
    as_of = np.array([micros(t) for _, t in asked], dtype=np.int64)

    for kind in SCORE_KINDS:
        rows = feature_rows(table, members, as_of, kind)
        for i, (_, as_of_i) in enumerate(asked):
            single = feature_row(facts, as_of_i, kind)
            assert rows.matrix[i].tobytes() == single.matrix[0].tobytes()
            assert (rows.closed[i], rows.bads[i]) == (single.closed[0], single.bads[0])


@pytest.mark.parametrize("kind", SCORE_KINDS)
def test_decisions_online_equal_offline(town: Town, kind: ScoreKind) -> None:
    rng = np.random.Generator(np.random.PCG64(1))
    picked = rng.choice(len(town.exposures), 500, replace=False)
    members, opened = town.exposures.member[picked], town.exposures.opened[picked]
    table = _contested(town, rng)
    rows = feature_rows(table, members, opened, kind)
    by_member = {m: facts_of(table.take(table.member == m)) for m in set(members)}

    for i in range(len(picked)):
        single = features(by_member[members[i]], moment(int(opened[i])), kind)
        assert rows.matrix[i].tobytes() == single.tobytes()


def _contested(town: Town, rng: np.random.Generator) -> FactTable:
    """The town with every thousandth fact taken back within half a year."""
    table = town.table
    wait = rng.integers(0, 180 * DAY_US, len(table))
    struck = rng.random(len(table)) < 0.001
    retracted = np.where(struck, table.known + wait, NOT_RETRACTED)
    return msgspec.structs.replace(table, retracted=retracted)


@pytest.mark.parametrize("kind", SCORE_KINDS)
def test_a_log_that_is_cut_gives_the_same_rows(town: Town, kind: ScoreKind) -> None:
    rng = np.random.Generator(np.random.PCG64(2))
    table = _contested(town, rng)
    members = rng.integers(0, len(table.names), 60)

    for cut in rng.choice(table.known, 3):
        moments = np.full(len(members), cut)
        full = feature_rows(table, members, moments, kind)
        log = table.known_before(int(cut))
        known = feature_rows(log, members, moments, kind)
        assert known.matrix.tobytes() == full.matrix.tobytes()
        # Nor does the cut log tell what is to be taken back later.
        assert set(log.retracted[log.retracted >= cut]) <= {NOT_RETRACTED}


def test_a_fact_is_seen_until_the_moment_it_is_taken_back() -> None:
    lost = Fact(
        member_id="me", kind=FactKind.DISPUTE_LOST, happened_at=NOW, known_at=NOW, source_id="s",
        order_id="o", counterparty_id="p", role="seller", weight_bps=7_000,
        retracted_at=NOW + timedelta(days=1),
    )  # fmt: skip
    fault = [f.name for f in FEATURES["social"]].index("dispute_fault_lost")
    times = [NOW, NOW + timedelta(microseconds=1), NOW + timedelta(days=1),
             NOW + timedelta(days=1, microseconds=1)]  # fmt: skip

    found = [features([lost], time, "social")[fault] for time in times]

    assert found == [0.0, 0.7, 0.7, 0.0]


def test_a_review_counts_by_its_weight() -> None:
    def review(stars: int, weight: int) -> Fact:
        return Fact(
            member_id="me", kind=FactKind.REVIEW_RECEIVED, happened_at=NOW, known_at=NOW,
            source_id=f"r{stars}", order_id="o", counterparty_id="p", role="seller", value=stars,
            weight_bps=weight,
        )  # fmt: skip

    later = NOW + timedelta(days=1)
    names = [f.name for f in FEATURES["social"]]
    found = features([review(5, 10_000), review(1, 2_500), review(2, 0)], later, "social")

    assert found[names.index("review_mean")] == (52_500 + 92_000) / (12_500 + 20_000)
    assert found[names.index("low_review_rate_180d")] == (2_500 + 3_000) / (12_500 + 30_000)


def test_paying_afterwards_is_told_apart_from_not_paying() -> None:
    def owed(kind: FactKind, days: int, value: int | None = None) -> Fact:
        when = NOW - timedelta(days=days)
        return Fact(
            member_id="me", kind=kind, happened_at=when, known_at=when, source_id=f"{kind}{days}",
            order_id="o", counterparty_id="p", role="buyer", amount_minor=1_000, value=value,
        )  # fmt: skip

    facts = [
        owed(FactKind.PAY_AFTER_PROMISED, 9), owed(FactKind.PAY_AFTER_PAID, 50),
        owed(FactKind.PAY_AFTER_LATE, 40, 7_200), owed(FactKind.PAY_AFTER_DEFAULT, 366),
        owed(FactKind.ITEM_UNRETURNED, 5), owed(FactKind.ORDER_SETTLED, 50),
    ]  # fmt: skip
    found = dict(
        zip([f.name for f in FEATURES["financial"]], features(facts, NOW, "financial"), strict=True)
    )

    assert found["promises_30d"] == 1.0
    assert found["owed_exposure_30d"] == 1_000 / 21_000
    assert found["pay_after_on_time_rate"] == 10 / 13
    assert found["pay_after_late_seconds_mean"] == (7_200 + 3_600) / 3
    assert (found["pay_after_defaults"], found["pay_after_defaults_365d"]) == (1.0, 0.0)
    assert (found["unreturned_items"], found["losses_caused"]) == (1.0, 2.0)


def test_known_at_the_moment_itself_is_the_future() -> None:
    joined = Fact(
        member_id="me",
        kind=FactKind.VERIFICATION_PASSED,
        happened_at=NOW - timedelta(days=9),
        known_at=NOW,
        source_id="s",
        value=1,
    )
    step = [f.name for f in FEATURES["financial"]].index("verification_steps")

    assert features([joined], NOW, "financial")[step] == 0.0
    assert features([joined], NOW + timedelta(microseconds=1), "financial")[step] == 1.0


@pytest.mark.parametrize("kind", SCORE_KINDS)
def test_future_label_canary_moves_nothing(town: Town, kind: ScoreKind) -> None:
    """Copy each member's bad label into a fact known at the very moment its deal opened."""
    bad = np.flatnonzero(town.exposures.labels[kind] == 1)
    bad = bad[np.unique(town.exposures.member[bad], return_index=True)[1]]
    member, opened = town.exposures.member[bad], town.exposures.opened[bad]
    told = town.table.take(np.zeros(len(bad), dtype=np.int64))
    never = np.full(len(bad), NOT_RETRACTED)
    leak = {"member": member, "happened": opened, "known": opened, "retracted": never}
    columns = {
        name: np.concatenate([getattr(town.table, name), leak.get(name, getattr(told, name))])
        for name in COLUMNS
    }
    code = list(FactKind).index(
        FactKind.CHARGEBACK_LOST if kind == "financial" else FactKind.DISPUTE_LOST
    )
    columns["kind"][len(town.table) :] = code
    leaky = type(town.table)(names=town.table.names, **columns)

    def built(table: FactTable, as_of: Ints) -> bytes:
        return feature_rows(table, member, as_of, kind).matrix.tobytes()

    assert built(leaky, opened) == built(town.table, opened)
    assert built(leaky, opened + 1) != built(town.table, opened + 1)


def test_no_history_is_nan_and_a_clean_history_is_not() -> None:
    nothing = features([], NOW, "social")
    names = [f.name for f in FEATURES["social"]]
    facts = history(
        Archetype.HONEST, member_id="me", partners=["a", "b", "c"], deals=12, until=NOW, seed=1
    )
    clean = features(facts, NOW, "social")

    assert np.isnan(nothing[names.index("review_mean")])
    assert nothing[names.index("no_shows")] == 0.0
    assert np.isfinite(clean[names.index("review_mean")])


def test_dealing_with_one_friend_builds_no_record() -> None:
    def settled(partner: str, number: int) -> Fact:
        when = NOW - timedelta(days=number)
        return Fact(member_id="me", kind=FactKind.ORDER_SETTLED, happened_at=when, known_at=when,
                    source_id=f"s{number}", order_id=f"o{number}", counterparty_id=partner,
                    role="seller", amount_minor=1000)  # fmt: skip

    friend = feature_row([settled("friend", n) for n in range(1, 31)], NOW, "financial")
    crowd = feature_row([settled(f"p{n}", n) for n in range(1, 31)], NOW, "financial")
    column = [f.name for f in FEATURES["financial"]].index("settled_deals")

    assert (friend.closed[0], friend.matrix[0, column]) == (3, 3.0)
    assert (crowd.closed[0], crowd.matrix[0, column]) == (30, 30.0)


def test_ties_are_taken_in_order_of_value() -> None:
    first = Tally(name="first", kinds=(FactKind.REVIEW_RECEIVED,), measure="value",
                  key="counterparty", cap=1)  # fmt: skip
    facts = [
        Fact(member_id="me", kind=FactKind.REVIEW_RECEIVED, happened_at=NOW, known_at=NOW,
             source_id=f"s{stars}", order_id="o", counterparty_id="p", role="seller", value=stars)
        for stars in (5, 2, 4)
    ]  # fmt: skip
    later = NOW + timedelta(days=1)
    table = table_of(facts)
    me = np.array([table.names.index("me")])

    for shuffled in (facts, facts[::-1]):
        assert tally_member(shuffled, later, [first]).tolist() == [2]
    assert tally_many(table, me, np.array([micros(later)]), [first]).tolist() == [[2]]
