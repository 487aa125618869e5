"""What may never become a feature. These lines are the law's, not a matter of taste."""

from __future__ import annotations

import ast
import inspect
from types import ModuleType

import pytest

from handsel_ml import features, tallies, tally_list
from handsel_ml.contract import SCORE_KINDS, FactKind, ScoreKind
from handsel_ml.features import FEATURES, NEEDED, Feature
from handsel_ml.tally_list import TALLIES

MONEY = {
    FactKind.TOP_UP_SUCCEEDED,
    FactKind.TOP_UP_FAILED,
    FactKind.ORDER_FUNDED,
    FactKind.ORDER_UNFUNDED,
    FactKind.ORDER_SETTLED,
    FactKind.ORDER_REFUNDED,
    FactKind.CHARGEBACK,
    FactKind.CHARGEBACK_LOST,
    FactKind.NEGATIVE_BALANCE,
    FactKind.PAY_AFTER_PROMISED,
    FactKind.PAY_AFTER_PAID,
    FactKind.PAY_AFTER_LATE,
    FactKind.PAY_AFTER_DEFAULT,
    FactKind.ITEM_UNRETURNED,
}
IDENTITY = {FactKind.MEMBER_JOINED, FactKind.VERIFICATION_PASSED}
ENDINGS = {
    FactKind.ORDER_CANCELLED_BY_SELF,
    FactKind.ORDER_CANCELLED_BY_OTHER,
    FactKind.NO_SHOW,
}
CONDUCT = set(FactKind) - IDENTITY - {
    FactKind.TOP_UP_SUCCEEDED,
    FactKind.TOP_UP_FAILED,
    FactKind.ORDER_UNFUNDED,
    FactKind.CHARGEBACK,
    FactKind.CHARGEBACK_LOST,
    FactKind.NEGATIVE_BALANCE,
    FactKind.PAY_AFTER_PROMISED,
    FactKind.PAY_AFTER_PAID,
    FactKind.PAY_AFTER_LATE,
    FactKind.PAY_AFTER_DEFAULT,
    FactKind.ITEM_UNRETURNED,
}  # fmt: skip
PROTECTED = (
    *("sex", "gender", "birth", "nation", "ethnic", "race", "marital", "religi", "languag"),
    *("name", "photo", "place", "location", "country", "disab", "friend", "device"),
)


@pytest.mark.parametrize("feature", FEATURES["financial"], ids=lambda f: f.name)
def test_financial_reads_money_and_identity_alone(feature: Feature) -> None:
    for tally in (t for t in TALLIES if t.name in feature.reads):
        allowed = MONEY | IDENTITY
        if tally.measure == "amount":
            allowed = allowed | ENDINGS  # money that went back is no longer open
        assert set(tally.kinds) <= allowed
        graph = tally.key == "counterparty"
        assert not graph or tally.name == "settled_capped"  # a cap, not a shape of a network
        # What a review weighs, the trust graph may say; so a weight is social.
        assert tally.measure not in ("weight", "weighted_value")


@pytest.mark.parametrize("feature", FEATURES["social"], ids=lambda f: f.name)
def test_social_reads_conduct_on_this_platform_alone(feature: Feature) -> None:
    for tally in (t for t in TALLIES if t.name in feature.reads):
        assert set(tally.kinds) <= CONDUCT
        assert tally.measure != "amount"


@pytest.mark.parametrize("module", [features, tallies, tally_list], ids=lambda m: m.__name__)
def test_no_feature_reads_the_trust_graph(module: ModuleType) -> None:
    tree = ast.parse(inspect.getsource(module))

    said = {node.module or "" for node in ast.walk(tree) if isinstance(node, ast.ImportFrom)}
    said |= {a.name for node in ast.walk(tree) if isinstance(node, ast.Import) for a in node.names}

    assert said
    assert not [name for name in said if "graph" in name or "trust" in name]


@pytest.mark.parametrize("kind", SCORE_KINDS)
def test_no_protected_attribute_in_either(kind: ScoreKind) -> None:
    for feature in FEATURES[kind]:
        words = [feature.name, feature.group, *feature.reads]
        assert not [word for word in words for stem in PROTECTED if stem in word]


@pytest.mark.parametrize("kind", SCORE_KINDS)
def test_the_list_is_well_formed(kind: ScoreKind) -> None:
    names = [feature.name for feature in FEATURES[kind]]
    known = {tally.name for tally in TALLIES}

    assert len(names) == len(set(names))
    assert {f.sign for f in FEATURES[kind]} <= {-1, 0, 1}
    assert {read for f in FEATURES[kind] for read in f.reads} <= known
    assert len(known) == len(TALLIES)
    assert len(NEEDED[kind]) > len(names) / 2
