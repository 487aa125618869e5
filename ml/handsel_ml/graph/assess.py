"""What the trust graph says of each member as of a moment: trust, standing, reliability.

What it is for: resistance. Measured on real ratings, propagation does not foresee conduct better
than a member's plain history; it makes praise by fake accounts worth nothing. So it weighs reviews,
and neither the financial nor the social score reads it.

- trust: the share of walks from vetted seeds that end at a member (`propagate`).
- standing (-1 to 1): the mean of what others said of a member, each word weighed by its author's
  trust, shrunk to the mean of all by a prior of `PRIOR` full voices. A member of whom nobody
  trusted has spoken stands exactly at that mean: unknown is not bad. No word weighs more than one
  voice, so one rater moves a standing by at most ``2 / (PRIOR + 1)``.
- reliability (0 to 1): how well a rater's words agree with what trusted others say of the same
  members, shrunk to the mean of all (a Beta prior); half for a rater whom trust does not reach.

With fewer than `FEWEST_SEEDS` nothing is claimed of anybody.
"""

from __future__ import annotations

from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from handsel_ml.graph.deals import Deals, edges_of
from handsel_ml.graph.history import HEARD, added, relative
from handsel_ml.graph.propagate import Floats, Ints, propagate

#: Changes whenever a figure below or in `deals` or `propagate` does.
METHOD = "trust-1"
FEWEST_SEEDS = 10
PRIOR = 7.0
#: One rater moves a standing by no more than this.
DAMAGE_CAP = 2.0 / (PRIOR + 1.0)
#: Words compared with others' that the mean of all weighs against a rater's own.
_PRIOR_WORDS = 4.0
#: What raters agree by, where nobody's words can be compared.
_AGREEMENT = 0.8
_UNREACHED = 0.5


class Assessed(NamedTuple):
    """Per member, shape (members,): ``trust`` sums to 1; ``voices``: the weight of the words heard
    about them; ``compared``: words of theirs that others could be compared with."""

    trust: Floats
    standing: Floats
    voices: Floats
    reliability: Floats
    compared: Floats


class Opinions(NamedTuple):
    """The newest word of each ordered pair: ``value`` -1 (one star) to 1 (five)."""

    rater: Ints
    target: Ints
    value: Floats


def assess(deals: Deals, verified: NDArray[np.bool_], seeds: Ints, now: float) -> Assessed | None:
    """Everything as of ``now`` from deals closed before it; None with fewer than `FEWEST_SEEDS`.

    Linear in the deals but for sorting. Raises `GraphRefused`: edge_invalid, deal_invalid,
    not_of_age, seeds_repeat.
    """
    edges = edges_of(deals, verified, now)
    if len(seeds) < FEWEST_SEEDS:
        return None
    trust = propagate(edges, seeds)
    opinions = opinions_of(deals)
    weight = voice(relative(trust))[opinions.rater]
    standing, voices = standings(deals.members, opinions, weight)
    reliability, compared = reliabilities(deals.members, opinions, weight)
    reliability = np.where(trust > 0.0, reliability, reliability * _UNREACHED)
    return Assessed(trust, standing, voices, reliability, compared)


def voice(trust: Floats) -> Floats:
    """What a word of a rater of this `relative` trust weighs, 0 or `HEARD` to 1: a half at the
    mean. Praise and blame alike, unlike `history.weigh`: this weighs people, that foresees."""
    weight = trust / (trust + 1.0)
    return np.where(weight < HEARD, 0.0, weight)


def opinions_of(deals: Deals) -> Opinions:
    """The stars both sides gave, on deals between two people who are not linked."""
    order = np.argsort(deals.closed_at, kind="stable")
    rater = np.concatenate([deals.buyer[order], deals.seller[order]])
    target = np.concatenate([deals.seller[order], deals.buyer[order]])
    stars = np.concatenate([deals.buyer_stars[order], deals.seller_stars[order]])
    at = np.tile(deals.closed_at[order], 2)
    said = (stars > 0) & np.tile(~deals.linked[order], 2) & (rater != target)
    rater, target, stars, at = rater[said], target[said], stars[said], at[said]
    newest_last = np.lexsort((at, target, rater))
    rater, target, stars = rater[newest_last], target[newest_last], stars[newest_last]
    last = np.ones(len(rater), dtype=bool)
    last[:-1] = (rater[1:] != rater[:-1]) | (target[1:] != target[:-1])
    return Opinions(rater[last], target[last], (stars[last] - 3.0) / 2.0)


def standings(members: int, opinions: Opinions, weight: Floats) -> tuple[Floats, Floats]:
    """(standing, voices) of each member; ``weight`` per opinion, 0 to 1."""
    voices = added(opinions.target, weight, members)
    summed = added(opinions.target, weight * opinions.value, members)
    total = float(voices.sum())
    mean = float(summed.sum()) / total if total > 0.0 else 0.0
    return (summed + PRIOR * mean) / (voices + PRIOR), voices


def reliabilities(members: int, opinions: Opinions, weight: Floats) -> tuple[Floats, Floats]:
    """(reliability, words compared) of each rater: each word against the mean of what others, by
    trust, say of the same member; it counts as much as those others are heard, one at most."""
    voices = added(opinions.target, weight, members)[opinions.target] - weight
    summed = added(opinions.target, weight * opinions.value, members)[opinions.target]
    others = np.divide(
        summed - weight * opinions.value, voices, out=np.zeros(len(weight)), where=voices >= HEARD
    )
    counted = np.where(voices >= HEARD, np.minimum(voices, 1.0), 0.0)
    agreement = 1.0 - np.minimum(np.abs(opinions.value - others), 2.0) / 2.0
    compared = added(opinions.rater, counted, members)
    agreed = added(opinions.rater, counted * agreement, members)
    by_trust = weight * counted  # else fakes could move what everybody is shrunk to
    shared = float((by_trust * agreement).sum()) + _PRIOR_WORDS * _AGREEMENT
    mean = shared / (float(by_trust.sum()) + _PRIOR_WORDS)
    return (agreed + _PRIOR_WORDS * mean) / (compared + _PRIOR_WORDS), compared
