"""The town follows from its seed, its facts fit the contract, its labels fit its facts."""

from __future__ import annotations

import numpy as np
import pytest

from handsel_ml.contract import Fact, FactKind, check_fact
from handsel_ml.facts import COLUMNS, KIND_CODE, facts_of, table_of
from handsel_ml.simulate import Archetype, Town, TownPlan, history, simulate_town
from handsel_ml.simulate.population import ARCHETYPES, NEVER_US, draw_population
from tests.ml.conftest import NOW

#: The fund bears what a chargeback takes (see `population`).
NEVER_SIMULATED = {FactKind.NEGATIVE_BALANCE}
LABELS = {
    "financial": (
        FactKind.CHARGEBACK_LOST,
        FactKind.ORDER_UNFUNDED,
        FactKind.ORDER_REFUNDED,
        FactKind.PAY_AFTER_DEFAULT,
        FactKind.ITEM_UNRETURNED,
    ),
    "social": (
        FactKind.DISPUTE_LOST,
        FactKind.ORDER_CANCELLED_BY_SELF,
        FactKind.NO_SHOW,
        FactKind.REPORT_UPHELD,
    ),
}


def test_same_seed_same_town_other_seed_other_town(town: Town) -> None:
    again = simulate_town(town.plan)
    other = simulate_town(TownPlan(seed=8, members=700, deals_per_member=16.0))

    for column in COLUMNS:
        assert np.array_equal(getattr(again.table, column), getattr(town.table, column))
    assert not np.array_equal(other.table.known[:1000], town.table.known[:1000])


def test_every_fact_of_the_town_fits_its_kind(town: Town) -> None:
    rare = np.bincount(town.table.kind, minlength=len(FactKind)) < 500
    some = rare[town.table.kind] | (np.arange(len(town.table)) % 23 == 0)
    facts = facts_of(town.table.take(some))

    for fact in facts:
        check_fact(fact)
    assert {fact.kind for fact in facts} == set(FactKind) - NEVER_SIMULATED
    assert facts_of(table_of(facts))[0].kind == facts[0].kind


@pytest.mark.parametrize("kind", ["financial", "social"])
def test_labels_are_what_the_facts_say_later(town: Town, kind: str) -> None:
    """A bad label has a label-bearing fact about that member known in time; a good one none."""
    exposures, table = town.exposures, town.table
    deals = len(exposures) // 2
    says = np.isin(table.kind, [KIND_CODE[k] for k in LABELS[kind]])
    if kind == "financial":  # a refund speaks about the seller alone
        says &= (table.kind != KIND_CODE[FactKind.ORDER_REFUNDED]) | (table.role == 1)
    told = set(zip(table.order[says].tolist(), table.member[says].tolist(), strict=True))
    ripe = exposures.available(kind) < table.known.max()  # type: ignore[arg-type]
    labels = exposures.labels[kind]  # type: ignore[index]

    order = np.tile(np.arange(deals), 2)
    for i in np.flatnonzero(ripe & (labels >= 0)):
        assert ((int(order[i]), int(exposures.member[i])) in told) == bool(labels[i])


def test_of_a_sybil_farm_only_the_front_ever_turns() -> None:
    rng = np.random.Generator(np.random.PCG64(11))
    people = draw_population(rng, 5_000, 0, 10**15)
    farm = people.archetype == ARCHETYPES.index(Archetype.SYBIL_FARM)
    farmers = people.archetype == ARCHETYPES.index(Archetype.FARMER)
    turning = people.turns < NEVER_US

    assert 60 < farm.sum() < 140
    assert sorted(people.clique[farm & turning]) == np.unique(people.clique[farm]).tolist()
    assert turning[farmers].all()
    assert people.verified[farm].mean() < people.verified[farmers].mean() - 0.3


def test_protected_attributes_move_nothing_and_lean_on_activity_alone(town: Town) -> None:
    deals = np.bincount(town.exposures.member, minlength=len(town.archetype))
    age, sex = town.protected["age_band"].code, town.protected["sex"].code
    young, old = deals[age == 0].mean(), deals[age == 2].mean()

    assert {len(g.code) for g in (*town.protected.values(), *town.segments.values())} == {700}
    assert young > 1.2 * old
    assert abs(deals[sex == 0].mean() / deals[sex == 1].mean() - 1) < 0.15
    assert np.bincount(town.segments["market"].code).tolist() == sorted(
        np.bincount(town.segments["market"].code).tolist(), reverse=True
    )


@pytest.mark.parametrize("archetype", list(Archetype))
def test_a_history_for_a_sandbox_member(archetype: Archetype) -> None:
    def tell() -> list[Fact]:
        return history(archetype, member_id="m", partners=["p", "q", "r"], deals=10, until=NOW,
                       seed=5, turned=True)  # fmt: skip

    facts = tell()

    assert facts == tell()
    assert {fact.member_id for fact in facts} == {"m"}
    assert all(fact.known_at < NOW for fact in facts)
    assert [f.known_at for f in facts] == sorted(f.known_at for f in facts)
    assert len({(f.kind, f.source_id) for f in facts}) == len(facts)
    for fact in facts:
        check_fact(fact)
