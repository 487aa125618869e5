"""Seed-rooted trust: personalised PageRank on the positive edges of the trust graph.

Power iteration on a sparse matrix (Page et al. 1999; EigenTrust, Kamvar et al. 2003: restart at
members vetted by people, so that accounts nobody vouches for get exactly nothing). Linear in the
edges; one thread, float64, no randomness: the same edges give the same numbers.
"""

from __future__ import annotations

from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray
from scipy import sparse

from handsel_ml.errors import GraphRefused

Floats = NDArray[np.float64]
Ints = NDArray[np.int64]
RESTART = 0.15
#: Rounds stop when the numbers together move by less than this; 0.85^170 is smaller.
TOLERANCE = 1e-12
_ROUNDS = 400


class Edges(NamedTuple):
    """Who vouches for whom: ``source[i]`` for ``target[i]`` with ``weight[i]`` > 0, of ``n``."""

    n: int
    source: Ints
    target: Ints
    weight: Floats


def propagate(edges: Edges, seeds: Ints, restart: float = RESTART) -> Floats:
    """Each member's share of trust, shape (n,), ≥ 0, sum 1.

    A walk starts at a seed, follows an edge in proportion to its weight, and goes back to a seed
    with probability ``restart`` or where nobody is vouched for. Members that no walk reaches have
    exactly 0. Raises `GraphRefused` without a seed, or when an edge is not one.
    """
    _check(edges, seeds)
    start = np.zeros(edges.n)
    start[seeds] = 1.0 / len(seeds)
    steps, leads_on = _steps(edges)
    trust = start
    for _ in range(_ROUNDS):
        walked: Floats = steps @ trust
        stranded = 1.0 - float(trust[leads_on].sum())
        after = (1.0 - restart) * (walked + stranded * start) + restart * start
        moved = float(np.abs(after - trust).sum())
        trust = after
        if moved < TOLERANCE:
            return trust
    raise GraphRefused("trust_not_converged", f"still moving by {moved:g} after {_ROUNDS} rounds")


def _steps(edges: Edges) -> tuple[sparse.csr_array, NDArray[np.bool_]]:
    """The transposed step matrix (targets × sources), and who vouches for anybody."""
    given = np.bincount(edges.source, weights=edges.weight, minlength=edges.n)
    share = edges.weight / given[edges.source]
    steps = sparse.coo_array((share, (edges.target, edges.source)), shape=(edges.n, edges.n))
    return steps.tocsr(), given > 0.0


def _check(edges: Edges, seeds: Ints) -> None:
    if len(seeds) == 0:
        raise GraphRefused("no_seeds", "trust has to start somewhere")
    if len(np.unique(seeds)) != len(seeds):
        raise GraphRefused("seeds_repeat", "a seed is named twice")
    for what, ends in (("seed", seeds), ("source", edges.source), ("target", edges.target)):
        if len(ends) and (ends.min() < 0 or ends.max() >= edges.n):
            raise GraphRefused("edge_invalid", f"a {what} outside of 0..{edges.n - 1}")
    if not (len(edges.source) == len(edges.target) == len(edges.weight)):
        raise GraphRefused("edge_invalid", "columns of different lengths")
    if not np.all(np.isfinite(edges.weight) & (edges.weight > 0.0)):
        raise GraphRefused("edge_invalid", "a weight that is not a finite number above 0")
    if np.any(edges.source == edges.target):
        raise GraphRefused("self_dealing", "an edge to oneself")
