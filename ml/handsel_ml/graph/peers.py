"""What others use to judge a member by ratings, for comparison: each as its source gives it."""

from __future__ import annotations

from typing import NamedTuple

import numpy as np

from handsel_ml.graph.propagate import Floats, Ints
from handsel_ml.graph.ratings import Ratings

_ROUNDS = 100
_STILL = 1e-6


class FairGood(NamedTuple):
    """Fairness of raters (0 to 1) and goodness of targets (-1 to 1), by member."""

    fairness: Floats
    goodness: Floats


def fairness_goodness(ratings: Ratings, rows: Ints) -> FairGood:
    """Fairness and goodness, each defined by the other (Kumar et al., ICDM 2016).

    Who has not rated is fair (1), who has not been rated is neither good nor bad (0).
    """
    n = ratings.members
    rater, target, value = ratings.rater[rows], ratings.target[rows], ratings.value[rows]
    given = np.maximum(np.bincount(rater, minlength=n), 1)
    received = np.maximum(np.bincount(target, minlength=n), 1)
    fairness, goodness = np.ones(n), np.zeros(n)
    for _ in range(_ROUNDS):
        better = np.bincount(target, fairness[rater] * value, n) / received
        fairer = 1.0 - np.bincount(rater, np.abs(value - better[target]) / 2.0, n) / given
        moved = max(np.abs(better - goodness).max(), np.abs(fairer - fairness).max())
        fairness, goodness = fairer, better
        if moved < _STILL:
            break
    return FairGood(fairness, goodness)


def weighted_mean(offsets: Ints, value: Floats, weight: Floats) -> Floats:
    """Mean value per row, weighted; 0 where nothing weighs anything."""
    rows = len(offsets) - 1
    row = np.repeat(np.arange(rows), np.diff(offsets))
    total = np.bincount(row, weight, rows)
    summed = np.bincount(row, weight * value, rows)
    return np.divide(summed, total, out=np.zeros(rows), where=total > 0.0)
