"""Ratings in order of time, looked at from before each of them: nothing later is ever seen, and
nothing of the same second, for a file does not say what of it came first."""

from __future__ import annotations

from collections.abc import Iterator
from typing import NamedTuple

import numpy as np

from handsel_ml.graph.history import Words, matrix, relative, weigh
from handsel_ml.graph.propagate import Edges, Floats, Ints, propagate
from handsel_ml.graph.ratings import Ratings

#: Of each target only so many newest words are read, so that a hub costs no more than others.
_LONGEST = 1_000


class Block(NamedTuple):
    """Events ``first`` to ``end`` (one after the last), seen with what came before ``first``."""

    first: int
    end: int


class Timeline:
    """Ratings with two indexes: by target, and the next word of the same pair.

    A pair speaks with one voice: a newer rating of the same target by the same rater replaces the
    older, in histories as in edges. ``dawn[event]`` is the first index of the event's own second:
    what came before it is the past. ``place[event]`` counts the past words about its target.
    """

    def __init__(self, ratings: Ratings) -> None:
        """Index n ratings, in n log n."""
        self.ratings = ratings
        n = len(ratings.at)
        self.by_target = np.lexsort((np.arange(n), ratings.target))
        grouped = ratings.target[self.by_target]
        self.starts = np.searchsorted(grouped, np.arange(ratings.members + 1))
        self.dawn = np.append(np.searchsorted(ratings.at, ratings.at), n)
        # In the order of `by_target` these keys rise, so past words are found by one search.
        key = ratings.target * (n + 1)
        past = np.searchsorted(key[self.by_target] + self.by_target, key + self.dawn[:n])
        self.place = past - self.starts[ratings.target]
        self.replaced_at = _next_of_pair(ratings)

    def __len__(self) -> int:
        """Return the number of ratings."""
        return len(self.ratings.at)

    def standing_before(self, event: int) -> Ints:
        """Indices of the ratings before ``event`` that no later one before it replaced."""
        dawn = self.dawn[event]
        return np.flatnonzero(self.replaced_at[:dawn] >= dawn)

    def trust_before(self, event: int, seeds: Ints) -> Floats:
        """`relative` trust of every member, from the praise before ``event``."""
        kept = self.standing_before(event)
        return relative(propagate(praise_of(self.ratings, kept), seeds))

    def blocks(self, every: int) -> Iterator[Block]:
        """All events, in blocks of ``every``."""
        for first in range(0, len(self), every):
            yield Block(first, min(first + every, len(self)))

    def words_before(self, block: Block) -> tuple[Words, Ints]:
        """What was said of each event's target before the event, weight 1; and by which rating."""
        events = np.arange(block.first, block.end)
        place = self.place[events]
        length = np.minimum(place, _LONGEST)
        first = self.starts[self.ratings.target[events]] + place - length
        row = np.repeat(np.arange(len(events)), length)
        within = np.arange(len(row)) - np.repeat(np.cumsum(length) - length, length)
        past = self.by_target[first[row] + within]
        kept = self.replaced_at[past] >= self.dawn[events[row]]
        return self._words(row[kept], past[kept], self.ratings.at[events]), past[kept]

    def words_now(self, now: float) -> tuple[Words, Ints]:
        """What was said of each member in all, weight 1; and by which rating."""
        members = self.ratings.members
        row = np.repeat(np.arange(members), np.diff(self.starts))
        kept = self.replaced_at[self.by_target] >= len(self)
        past = self.by_target[kept]
        return self._words(row[kept], past, np.full(members, now)), past

    def _words(self, row: Ints, past: Ints, now: Floats) -> Words:
        offsets = np.searchsorted(row, np.arange(len(now) + 1))
        value, at = self.ratings.value[past], self.ratings.at[past]
        return Words(offsets, value, at, np.ones(len(past)), now)


def weighed(words: Words, rater_trust: Floats) -> Words:
    """The same words, each weighed by its rater's `relative` trust."""
    return words._replace(weight=weigh(words.value, rater_trust))


def history_now(timeline: Timeline, trust: Floats, now: float) -> Floats:
    """The weighed history of every member as of the end: members × `history.COLUMNS`."""
    words, past = timeline.words_now(now)
    return matrix(weighed(words, trust[timeline.ratings.rater[past]]))


def praise_of(ratings: Ratings, rows: Ints) -> Edges:
    """The positive ones among some ratings, as edges weighed by their size."""
    kept = rows[ratings.value[rows] > 0.0]
    return Edges(ratings.members, ratings.rater[kept], ratings.target[kept], ratings.value[kept])


def founders(ratings: Ratings, count: int, first: int) -> Ints:
    """Stand-ins for vetted members where a file names none: the ``count`` most often rated well
    among its ``first`` ratings (none of the second of the next one), by number; ties to the lower
    number."""
    early = ratings.first(int(np.searchsorted(ratings.at, ratings.at[first])))
    praised = np.bincount(early.target[early.value > 0.0], minlength=ratings.members)
    best = np.argsort(-praised, kind="stable")[:count]
    return np.sort(best[praised[best] > 0])


def _next_of_pair(ratings: Ratings) -> Ints:
    """For each rating the index of the next one of the same pair; n where there is none."""
    n = len(ratings.at)
    pair = ratings.rater * ratings.members + ratings.target
    order = np.argsort(pair, kind="stable")
    after = np.full(n, n, dtype=np.int64)
    same = np.flatnonzero(pair[order][1:] == pair[order][:-1])
    after[order[same]] = order[same + 1]
    return after
