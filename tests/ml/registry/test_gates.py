"""The gates: each passes for a sound challenger and is closed by its own fault."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import msgspec
import numpy as np
import pytest

from handsel_ml.errors import JudgementRefused, RegistryRefused
from handsel_ml.judged import Grouping, Judged
from handsel_ml.registry.gate import Gate
from handsel_ml.registry.gates import Contest, judge
from handsel_ml.registry.policy import GateBounds, registry_policy
from tests.ml.registry.deals import with_odds

BOUNDS: GateBounds = msgspec.structs.replace(registry_policy().gates, resamples=60)
TESTED = (Gate(name="monotone", passed=True, value=0.0, bound="0", words=""),)
Fault = Callable[[Contest], Contest]


def closed(contest: Contest) -> set[str]:
    return {gate.name for gate in judge(contest, BOUNDS, TESTED).gates if not gate.passed}


def log_odds(judged: Judged) -> Any:
    return np.log(judged.pd / (1 - judged.pd))


def changed(contest: Contest, **fields: Any) -> Contest:
    return msgspec.structs.replace(
        contest, challenger=msgspec.structs.replace(contest.challenger, **fields)
    )


def older(contest: Contest) -> Contest:
    info = msgspec.structs.replace(contest.challenger_info, as_of=contest.champion_info.as_of)
    return msgspec.structs.replace(contest, challenger_info=info)


def seen_before(contest: Contest) -> Contest:
    opened = contest.challenger.opened - 10**12
    early = {"opened": opened, "available": opened}
    return msgspec.structs.replace(
        changed(contest, **early), champion=msgspec.structs.replace(contest.champion, **early)
    )


def few_rows(contest: Contest) -> Contest:
    rows = contest.champion_info.rows | {"fit": int(contest.champion_info.rows["fit"] * 0.79)}
    info = msgspec.structs.replace(contest.challenger_info, rows=rows)
    return msgspec.structs.replace(contest, challenger_info=info)


def drifted(contest: Contest) -> Contest:
    matrix = contest.challenger.matrix.copy()
    matrix[:, 1] += 0.5
    return changed(contest, matrix=matrix)


def blurred(contest: Contest) -> Contest:
    rng = np.random.Generator(np.random.PCG64(5))
    odds = log_odds(contest.challenger) + rng.normal(0, 0.6, len(contest.challenger))
    return msgspec.structs.replace(contest, challenger=with_odds(contest.challenger, odds))


def overcautious(contest: Contest) -> Contest:
    odds = log_odds(contest.challenger) + 0.25
    return msgspec.structs.replace(contest, challenger=with_odds(contest.challenger, odds))


def wrong_for_sellers(contest: Contest) -> Contest:
    sellers = np.where(contest.challenger.segments["role"].code == 1, 0.5, -0.5)
    odds = log_odds(contest.challenger) + sellers
    return msgspec.structs.replace(contest, challenger=with_odds(contest.challenger, odds))


def hard_on_one_sex(contest: Contest) -> Contest:
    men = np.where(contest.challenger.protected["sex"].code == 1, 1.0, 0.0)
    odds = log_odds(contest.challenger) + men
    return msgspec.structs.replace(contest, challenger=with_odds(contest.challenger, odds))


def lenient_on_the_bad(contest: Contest) -> Contest:
    """Who goes wrong just below the floor is let in, who does not just above it is kept out."""
    points, label = contest.champion.points, contest.champion.label
    near = np.abs(points - 550) < 15
    odds = log_odds(contest.challenger) + np.where(near, np.where(label == 1, -0.3, 0.3), 0.0)
    return msgspec.structs.replace(contest, challenger=with_odds(contest.challenger, odds))


def test_sound_challenger_passes_every_gate(contest: Contest) -> None:
    table = judge(contest, BOUNDS, TESTED)

    assert {gate.name: gate.words for gate in table.gates if not gate.passed} == {}
    assert table.passed
    assert (table.rows, table.challenger_id) == (6_000, "social-challenger")
    assert len(table.gates) == 17
    assert msgspec.json.decode(msgspec.json.encode(table), type=type(table)) == table


@pytest.mark.parametrize(
    ("fault", "gates"),
    [
        (older, {"newer"}),
        (seen_before, {"out_of_time"}),
        (few_rows, {"rows"}),
        (drifted, {"feature_drift"}),
        (blurred, {"auc", "ks", "log_loss", "ece"}),
        (overcautious, {"calibration", "log_loss", "ece"}),
        (wrong_for_sellers, {"group_calibration"}),
        (hard_on_one_sex, {"impact_ratio", "impact_drop", "opportunity_gap"}),
        (lenient_on_the_bad, {"swap_set"}),
        (wrong_for_sellers, {"tier_changes"}),
        (hard_on_one_sex, {"score_psi"}),
    ],
)
def test_each_fault_closes_its_gate(contest: Contest, fault: Fault, gates: set[str]) -> None:
    found = closed(fault(contest))

    assert gates <= found


def test_drift_is_named_and_may_be_explained(contest: Contest) -> None:
    name = contest.challenger.names[1]
    moved = drifted(contest)

    [gate] = [g for g in judge(moved, BOUNDS, TESTED).gates if g.name == "feature_drift"]

    assert f"drifted since training: {name} " in gate.words
    assert "feature_drift" not in closed(msgspec.structs.replace(moved, explained=(name,)))


def test_explained_drift_stays_in_the_judgement_with_its_figure(contest: Contest) -> None:
    name = contest.challenger.names[1]

    table = judge(msgspec.structs.replace(drifted(contest), explained=(name,)), BOUNDS, TESTED)

    [gate] = [g for g in table.gates if g.name == "feature_drift"]
    csi = table.explained[name]
    assert gate.passed
    assert csi > BOUNDS.csi
    assert gate.value == round(csi, 6)
    assert f"explained by a person: {name} {csi:.2f}" in gate.words


def test_an_unknown_explained_feature_is_refused(contest: Contest) -> None:
    with pytest.raises(RegistryRefused, match="no feature star_sign") as refused:
        judge(msgspec.structs.replace(contest, explained=("star_sign",)), BOUNDS, TESTED)

    assert refused.value.code == "explained_unknown"


def test_failed_self_test_closes_the_table(contest: Contest) -> None:
    broken = msgspec.structs.replace(TESTED[0], passed=False)

    assert not judge(contest, BOUNDS, (broken,)).passed


def test_rows_without_a_bad_one_pass_no_figure(contest: Contest) -> None:
    spared = np.zeros(len(contest.champion), dtype=np.int64)
    clean = msgspec.structs.replace(
        changed(contest, label=spared),
        champion=msgspec.structs.replace(contest.champion, label=spared),
    )

    table = judge(clean, BOUNDS, TESTED)

    figures = {gate.name: gate for gate in table.gates}
    assert not table.passed
    assert (figures["auc"].passed, figures["auc"].value) == (False, None)
    assert "cannot be measured" in figures["auc"].words


def test_groups_too_small_for_fairness_are_named_and_not_judged(contest: Contest) -> None:
    nobody = {"sex": Grouping(labels=("f", "m"), code=np.full(len(contest.champion), -1))}
    bare = msgspec.structs.replace(
        changed(contest, protected=nobody),
        champion=msgspec.structs.replace(contest.champion, protected=nobody),
    )

    [gate] = [g for g in judge(bare, BOUNDS, TESTED).gates if g.name == "impact_ratio"]

    assert (gate.passed, gate.value) == (True, None)
    assert gate.words.endswith("not measured")


def test_fairness_that_is_held_and_cannot_be_measured_is_not_passed(contest: Contest) -> None:
    nobody = np.full(len(contest.champion), 400)
    harsh = msgspec.structs.replace(
        changed(contest, points=nobody),
        champion=msgspec.structs.replace(contest.champion, points=nobody),
    )

    gates = {g.name: g for g in judge(harsh, BOUNDS, TESTED).gates}

    for name in ("impact_ratio", "impact_drop", "opportunity_gap"):
        assert (gates[name].passed, gates[name].value) == (False, None)
        assert gates[name].words.endswith("cannot be measured on these rows")


def test_one_attribute_without_a_figure_closes_the_gate_beside_a_sound_one(
    contest: Contest,
) -> None:
    """The newest half has no good row; whichever attribute is named first."""
    half = (np.arange(len(contest.champion)) < 600).astype(np.int64)
    label = np.where(half == 1, 1, contest.champion.label)
    age = Grouping(labels=("young", "old"), code=half)
    sex = contest.champion.protected["sex"]
    for protected in ({"age": age, "sex": sex}, {"sex": sex, "age": age}):
        unknown = msgspec.structs.replace(
            changed(contest, label=label, protected=protected),
            champion=msgspec.structs.replace(contest.champion, label=label, protected=protected),
        )

        assert "opportunity_gap" in closed(unknown)


def test_calibration_of_no_group_is_not_passed(contest: Contest) -> None:
    few = np.arange(600)  # no group expects a hundred bads
    small = msgspec.structs.replace(
        contest, challenger=contest.challenger.take(few), champion=contest.champion.take(few)
    )

    [gate] = [g for g in judge(small, BOUNDS, TESTED).gates if g.name == "group_calibration"]

    assert (gate.passed, gate.value) == (False, None)
    assert "of 0 groups" in gate.words


def test_swap_set_says_both_rates_and_the_interval(contest: Contest) -> None:
    [gate] = [g for g in judge(lenient_on_the_bad(contest), BOUNDS, TESTED).gates
              if g.name == "swap_set"]  # fmt: skip

    assert (gate.passed, gate.value, gate.bound) == (False, 1.0, "<= 0")
    assert gate.words == (
        "1.0000 bad of 44 newly approved deals, 0.0000 of 378 newly refused ones: "
        "+1.0000 (+1.0000 to +1.0000 in 90% of resamples of members)"
    )


@pytest.mark.parametrize(
    ("fault", "said"),
    [
        (lambda c: changed(c, model_id="social-other"), "another model's"),
        (lambda c: changed(c, kind="financial"), "different scores"),
        (lambda c: msgspec.structs.replace(c, champion=changed(c, closed=c.challenger.closed * 0)
                                           .challenger), "another model's"),
    ],
)  # fmt: skip
def test_what_cannot_be_compared_is_refused(contest: Contest, fault: Fault, said: str) -> None:
    with pytest.raises(RegistryRefused, match=said):
        judge(fault(contest), BOUNDS, TESTED)


def test_other_rows_are_refused(contest: Contest) -> None:
    with pytest.raises(JudgementRefused, match="different rows"):
        judge(changed(contest, member=contest.challenger.member[::-1]), BOUNDS, TESTED)


def test_a_challenger_that_has_not_tested_itself_is_refused(contest: Contest) -> None:
    with pytest.raises(RegistryRefused, match="tested itself"):
        judge(contest, BOUNDS, ())
