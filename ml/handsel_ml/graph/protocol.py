"""Protocol A: foresee each rating of a member from what was known before it.

Ratings in order of time; trust and the peers' figures are made anew every 250 events from the
events before; nothing of the rater of the event itself is used, for that would foresee the rater's
mood and not the target's conduct.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import NamedTuple

import lightgbm
import numpy as np

from handsel_ml.evaluate import auc
from handsel_ml.graph import scorer
from handsel_ml.graph.history import matrix
from handsel_ml.graph.peers import fairness_goodness, weighted_mean
from handsel_ml.graph.propagate import Floats, Ints
from handsel_ml.graph.scorer import Slices, slices_of
from handsel_ml.graph.timeline import Block, Timeline, founders, weighed

Progress = Callable[[str], None]
#: Fresh this often, and at most this many times, so that long files stay linear.
_EVERY = 250
_BLOCKS = 150
#: Stand-ins for vetted members, out of the first 1,000 ratings, which nobody is judged by.
_SEEDS = 50


class Protocol(NamedTuple):
    """AUC on the test slice by scorer, and what the Sybil test needs of the one for people."""

    auc: dict[str, float]
    valid_auc: dict[str, float]
    people: lightgbm.Booster
    seeds: Ints
    slices: Slices


def run(timeline: Timeline, progress: Progress = lambda line: None) -> Protocol:
    """Judge all five scorers on one file. Raises `GraphRefused`."""
    slices = slices_of(len(timeline))
    seeds = founders(timeline.ratings, _SEEDS, slices.train.start)
    harmed = timeline.ratings.value < 0.0
    plain, people, peers = _rows(timeline, seeds, progress)
    progress("fitting on the target's history")
    target_only = scorer.fit(plain, harmed, slices)
    progress("fitting on the history weighed by trust")
    weighed_by_trust = scorer.fit(people, harmed, slices)
    scores = {
        "target_only": scorer.standing(target_only, plain),
        "trust_weighted": scorer.standing(weighed_by_trust, people),
        **peers,
    }
    found = {
        part: {name: _auc(harmed[rows], score[rows]) for name, score in scores.items()}
        for part, rows in (("valid", slices.valid), ("test", slices.test))
    }
    return Protocol(found["test"], found["valid"], weighed_by_trust, seeds, slices)


def _auc(harmed: scorer.Mask, score: Floats) -> float:
    return round(float(auc(harmed.astype(np.int64), -score)), 6)


def _rows(
    timeline: Timeline, seeds: Ints, progress: Progress
) -> tuple[Floats, Floats, dict[str, Floats]]:
    """Per event: the plain history, the weighed one, and each peer's score of the target."""
    every = max(_EVERY, -(-len(timeline) // _BLOCKS))
    progress(f"{len(timeline)} ratings; trust anew every {every}")
    parts = [_block(timeline, block, seeds) for block in timeline.blocks(every)]
    plain, people = (np.concatenate([part[i] for part in parts]) for i in (0, 1))
    names = parts[0][2]
    return plain, people, {n: np.concatenate([part[2][n] for part in parts]) for n in names}


def _block(
    timeline: Timeline, block: Block, seeds: Ints
) -> tuple[Floats, Floats, dict[str, Floats]]:
    ratings = timeline.ratings
    trust = timeline.trust_before(block.first, seeds)
    words, past = timeline.words_before(block)
    by_trust = trust[ratings.rater[past]]
    fair, good = fairness_goodness(ratings, timeline.standing_before(block.first))
    events = slice(block.first, block.end)
    peers = {
        "mean_rating": weighted_mean(words.offsets, words.value, words.weight),
        "fairness_goodness": fair[ratings.rater[events]] * good[ratings.target[events]],
        "eigentrust_mean": weighted_mean(words.offsets, words.value, by_trust),
    }
    return matrix(words), matrix(weighed(words, by_trust)), peers
