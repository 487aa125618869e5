"""Which deals vouch for whom, and by how much."""

from math import log

import numpy as np
import pytest

from handsel_ml.errors import GraphRefused
from handsel_ml.graph.deals import DAY, HEAVIEST, Deals, Edges, edges_of
from tests.ml.graph.market import NOW, busy_town, deals

ALL = np.ones(12, dtype=bool)
SOON = NOW + 1e-3


def found(edges: Edges) -> dict[tuple[int, int], float]:
    pairs = zip(edges.source.tolist(), edges.target.tolist(), strict=True)
    return dict(zip(pairs, edges.weight.tolist(), strict=True))


@pytest.mark.parametrize(
    ("given", "expected"),
    [
        pytest.param(deals((0, 1, 5, 4)), {(0, 1): log(2), (1, 0): log(2)}, id="both praise"),
        pytest.param(deals((0, 1, 0, 0)), {(0, 1): log(2) / 2}, id="silence of the payer"),
        pytest.param(deals((0, 1, 3, 5)), {(1, 0): log(2)}, id="no recommendation"),
        pytest.param(deals((0, 1, 5, 0), linked=[True]), {}, id="one device"),
        pytest.param(deals((0, 0, 5, 5)), {}, id="with oneself"),
        pytest.param(deals((0, 1, 5, 0), held=[0]), {}, id="nothing was held"),
        pytest.param(deals((0, 1, 5, 0), held_s=[0.0]), {}, id="not for a moment"),
        pytest.param(deals((0, 1, 5, 0), held=[10**12]), {(0, 1): HEAVIEST}, id="capped"),
        pytest.param(
            deals((0, 1, 5, 0), held_s=[90 * DAY]), {(0, 1): log(15)}, id="fourteen days at most"
        ),
        pytest.param(
            deals((0, 1, 5, 0), closed_at=[NOW - 180 * DAY]), {(0, 1): log(2) / 2}, id="half-life"
        ),
        pytest.param(deals(*[(0, 1, 5, 0)] * 3), {(0, 1): 1.75 * log(2)}, id="repeated"),
        pytest.param(deals(*[(0, 1, 5, 0)] * 60), {(0, 1): 2.0 * log(2)}, id="for ever"),
        pytest.param(deals(), {}, id="none"),
    ],
)
def test_edges_of(given: Deals, expected: dict[tuple[int, int], float]) -> None:
    assert found(edges_of(given, ALL, SOON)) == pytest.approx(expected, rel=1e-6)


def test_both_parties_must_be_verified() -> None:
    given = deals((0, 1, 5, 5), (2, 3, 5, 5))
    verified = ALL.copy()
    verified[1] = False

    assert set(found(edges_of(given, verified, SOON))) == {(2, 3), (3, 2)}


@pytest.mark.parametrize(
    ("wrong", "code"),
    [
        ({"closed_at": [NOW + 1]}, "not_of_age"),
        ({"held": [-1]}, "deal_invalid"),
        ({"buyer_stars": [6]}, "deal_invalid"),
        ({"held_s": [float("nan")]}, "deal_invalid"),
        ({"seller": [12]}, "deal_invalid"),
        ({"held": [1, 2]}, "deal_invalid"),
    ],
)
def test_what_is_no_deal_is_refused(wrong: dict[str, list[float]], code: str) -> None:
    with pytest.raises(GraphRefused) as refused:
        edges_of(deals((0, 1, 5, 5), **wrong), ALL, SOON)

    assert refused.value.code == code


def test_the_order_of_deals_does_not_matter() -> None:
    town = busy_town()
    mixed = np.random.default_rng(0).permutation(len(town.buyer))
    shuffled = Deals(town.members, *(column[mixed] for column in town[1:]))
    everybody = np.ones(town.members, dtype=bool)

    one, other = edges_of(town, everybody, SOON), edges_of(shuffled, everybody, SOON)

    assert found(one) == pytest.approx(found(other), rel=1e-12)
