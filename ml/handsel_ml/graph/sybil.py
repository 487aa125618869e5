"""Can a standing be bought? Fake accounts and colluders praise a bad member; how far does it rise.

Each of the thirty worst members with at least three ratings is helped alone, at the end of the log;
trust and every member's standing are made anew, and the member's percentile among the real members
who were ever rated is compared with before. A family's figure is the mean over the thirty; what
counts is the worst family.
"""

from __future__ import annotations

from typing import NamedTuple

import lightgbm
import numpy as np
from numpy.typing import NDArray

from handsel_ml.errors import GraphRefused
from handsel_ml.graph import scorer
from handsel_ml.graph.history import DAY
from handsel_ml.graph.propagate import Floats, Ints
from handsel_ml.graph.ratings import Ratings
from handsel_ml.graph.timeline import Timeline, history_now

VICTIMS = 30
_FEWEST_WORDS = 3
COLLUDERS = 5
#: The fifth and sixth tenth of trust's ranks among members that have any; in a market where fewer
#: than five of them might collude, more.
_MIDDLE, _WIDER, _ANY = (0.4, 0.6), (0.2, 0.8), (0.0, 1.0)
_IDOLS = 5


class Family(NamedTuple):
    """One way to attack. Fakes praise the bad member; ``each_other`` too, or five top members."""

    name: str
    fakes: int
    colluders: int = 0
    each_other: bool = True
    camouflage: bool = False


BY_FAKES = (
    Family("50 fakes, alone", 50, each_other=False),
    Family("50 fakes, all praising each other", 50),
    Family("50 fakes that also rate the top five", 50, camouflage=True),
)
#: Colluders praise the bad member, vouch for every fake, and the fakes praise the bad member.
BY_COLLUDERS = (
    Family("5 colluders", 0, COLLUDERS),
    Family("5 colluders and 5 fakes", 5, COLLUDERS),
    Family("5 colluders and 10 fakes", 10, COLLUDERS),
    Family("5 colluders and 50 fakes", 50, COLLUDERS),
    Family("5 colluders and 50 fakes that know only them", 50, COLLUDERS, each_other=False),
)


class Moved(NamedTuple):
    """By how much an attack raised percentiles (0 to 1): on average, and the luckiest one."""

    family: str
    mean: float
    largest: float


class Standings(NamedTuple):
    """Everybody's standing as of the end of a log."""

    rows: Floats
    score: Floats
    trust: Floats


class SybilTest:
    """The attacks on one scorer. Raises `GraphRefused` where nobody bad, or nobody, is known."""

    def __init__(self, timeline: Timeline, booster: lightgbm.Booster, seeds: Ints) -> None:
        """Score everybody as things stand, and choose who is helped."""
        self.ratings, self.booster, self.seeds = timeline.ratings, booster, seeds
        self.now = float(timeline.ratings.at[-1]) + DAY
        self.before = self._standings(timeline, None)
        self.rated = np.flatnonzero(
            np.bincount(self.ratings.target, minlength=self.ratings.members)
        )
        self.bad = _worst(self.ratings)

    def moved_by(self, family: Family, members: Ints | None = None) -> Moved:
        """Attack for each bad member in turn (or for ``members``)."""
        helped = self.bad if members is None else members
        moves = np.array([self._moved(int(member), family) for member in helped])
        return Moved(family.name, float(moves.mean()), float(moves.max()))

    def _moved(self, member: int, family: Family) -> float:
        attacked = attack(self.ratings, member, family, self._colluders(member, family), self.rated)
        after = self._standings(Timeline(attacked), self.before)
        return self._percentile(after.score, member) - self._percentile(self.before.score, member)

    def _standings(self, timeline: Timeline, known: Standings | None) -> Standings:
        """Everybody's; only rows that differ from the known ones are scored again."""
        trust = timeline.trust_before(len(timeline), self.seeds)
        rows = history_now(timeline, trust, self.now)[: self.ratings.members]
        if known is None:
            return Standings(rows, scorer.standing(self.booster, rows), trust)
        same = (rows == known.rows) | (np.isnan(rows) & np.isnan(known.rows))
        changed = np.flatnonzero(~same.all(axis=1))
        score = known.score.copy()
        score[changed] = scorer.standing(self.booster, rows[changed])
        return Standings(rows, score, trust)

    def _percentile(self, score: Floats, member: int) -> float:
        others = score[self.rated]
        below, equal = (others < score[member]).sum(), (others == score[member]).sum()
        return float(below + equal / 2.0) / len(others)

    def _colluders(self, member: int, family: Family) -> Ints:
        """Real members of middling trust who rate others and have not rated this one."""
        if family.colluders == 0:
            return np.empty(0, dtype=np.int64)
        trust = self.before.trust
        rates = np.bincount(self.ratings.rater, minlength=self.ratings.members) > 0
        rates[self.ratings.rater[self.ratings.target == member]] = False
        rates[member] = False
        for part in (_MIDDLE, _WIDER, _ANY):
            low, high = np.quantile(trust[trust > 0.0], part)
            pool = np.flatnonzero(rates & (trust > 0.0) & (trust >= low) & (trust <= high))
            if len(pool) >= family.colluders:
                return np.random.default_rng(member).choice(pool, family.colluders, replace=False)
        raise GraphRefused("too_few_members", "fewer than five trusted members who might collude")


def attack(ratings: Ratings, member: int, family: Family, colluders: Ints, rated: Ints) -> Ratings:
    """The log with an attack at its end, the fakes numbered after the real members."""
    fakes = np.arange(ratings.members, ratings.members + family.fakes)
    friends = np.concatenate([colluders, fakes])
    praise = [(friends, np.full(len(friends), member)), _all_to_all(colluders, fakes)]
    if family.each_other:
        praise.append(_all_to_all(fakes, fakes))
    if family.camouflage:
        words = np.bincount(ratings.target, minlength=ratings.members)
        praise.append(_all_to_all(fakes, rated[np.argsort(-words[rated], kind="stable")[:_IDOLS]]))
    rater, target = (np.concatenate([pair[i] for pair in praise]) for i in (0, 1))
    real = rater != target
    count = int(real.sum())
    return Ratings(
        ratings.members + family.fakes,
        np.concatenate([ratings.rater, rater[real]]),
        np.concatenate([ratings.target, target[real]]),
        np.concatenate([ratings.value, np.ones(count)]),
        np.concatenate([ratings.at, np.full(count, ratings.at[-1])]),
    )


def _all_to_all(these: NDArray[np.int64], those: NDArray[np.int64]) -> tuple[Ints, Ints]:
    return np.repeat(these, len(those)), np.tile(those, len(these))


def _worst(ratings: Ratings) -> Ints:
    """The members with the lowest mean rating, below 0, of at least three; ties: more ratings."""
    words = np.bincount(ratings.target, minlength=ratings.members)
    mean = np.bincount(ratings.target, ratings.value, ratings.members) / np.maximum(words, 1)
    bad = np.flatnonzero((words >= _FEWEST_WORDS) & (mean < 0.0))
    if len(bad) == 0:
        raise GraphRefused("nobody_bad", "no member has three ratings and a mean below 0")
    return bad[np.lexsort((bad, -words[bad], mean[bad]))][:VICTIMS]
