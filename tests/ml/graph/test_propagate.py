"""Propagation: against a dense reference, and what no walk reaches."""

from typing import Any

import numpy as np
import pytest

from handsel_ml.errors import GraphRefused
from handsel_ml.graph.propagate import RESTART, Edges, Floats, Ints, propagate

SEEDS = np.array([0, 3])


def random_edges(n: int = 40, m: int = 150, seed: int = 1) -> Edges:
    """Among members 0 to n - 6; the last five have no edge."""
    rng = np.random.default_rng(seed)
    source = rng.integers(0, n - 5, m)
    target = (source + rng.integers(1, n - 5, m)) % (n - 5)
    return Edges(n, source, target, rng.uniform(0.1, 3.0, m))


def solved(edges: Edges, seeds: Ints) -> Floats:
    """The stationary distribution by a dense linear system."""
    start = np.zeros(edges.n)
    start[seeds] = 1.0 / len(seeds)
    steps = np.zeros((edges.n, edges.n))
    np.add.at(steps, (edges.source, edges.target), edges.weight)
    given = steps.sum(axis=1)
    steps[given == 0.0] = start
    steps[given > 0.0] /= given[given > 0.0, None]
    system = np.eye(edges.n) - (1.0 - RESTART) * steps.T
    answer: Floats = np.linalg.solve(system, RESTART * start)
    return answer


@pytest.mark.parametrize("seed", [1, 2, 3])
def test_agrees_with_a_dense_solution(seed: int) -> None:
    edges = random_edges(seed=seed)

    trust = propagate(edges, SEEDS)

    assert np.abs(trust - solved(edges, SEEDS)).max() < 1e-11
    assert trust.sum() == pytest.approx(1.0, abs=1e-12)
    assert not trust[-5:].any()
    assert np.array_equal(trust, propagate(edges, SEEDS))


def test_an_edge_from_nobody_trusted_changes_nothing() -> None:
    edges = random_edges()
    nobody = edges.n - 1
    more = Edges(
        edges.n,
        np.append(edges.source, [nobody, nobody]),
        np.append(edges.target, [7, nobody - 1]),
        np.append(edges.weight, [100.0, 100.0]),
    )

    before, after = propagate(edges, SEEDS), propagate(more, SEEDS)

    assert before[nobody] == 0.0
    assert np.abs(after - before).max() < 1e-12
    assert after[nobody - 1] == 0.0


def test_an_edge_from_a_trusted_one_lifts_its_target() -> None:
    edges = random_edges()
    nobody = edges.n - 1
    more = Edges(
        edges.n, np.append(edges.source, 0), np.append(edges.target, nobody),
        np.append(edges.weight, 1.0),
    )  # fmt: skip

    assert propagate(more, SEEDS)[nobody] > 0.0


@pytest.mark.parametrize(
    ("changes", "seeds", "code"),
    [
        ({}, [], "no_seeds"),
        ({}, [1, 1], "seeds_repeat"),
        ({}, [40], "edge_invalid"),
        ({"weight": [0.0]}, [0], "edge_invalid"),
        ({"weight": [float("nan")]}, [0], "edge_invalid"),
        ({"weight": [1.0, 1.0]}, [0], "edge_invalid"),
        ({"target": [99]}, [0], "edge_invalid"),
        ({"target": [1]}, [0], "self_dealing"),
    ],
)
def test_what_is_no_graph_is_refused(changes: dict[str, Any], seeds: list[int], code: str) -> None:
    one = Edges(40, np.array([1]), np.array([2]), np.array([1.0]))
    edges = one._replace(**{name: np.array(column) for name, column in changes.items()})

    with pytest.raises(GraphRefused) as refused:
        propagate(edges, np.array(seeds, dtype=np.int64))

    assert refused.value.code == code
