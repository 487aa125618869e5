"""What others have said about a member, as a vector: weighed by who says it.

One definition for the benchmark's two scorers: with every weight 1 it is a plain history; with
`weigh`, the word of a rater that trust does not reach weighs exactly nothing, praise weighs by how
much its author is trusted, and blame is believed sooner than praise, for praise is what is bought.
Everything is a sum over (member, rating) pairs: linear, in any order of members.
"""

from __future__ import annotations

from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from handsel_ml.graph.propagate import Floats, Ints

DAY = 86_400.0
#: Praise weighs 1 from this many times the mean trust on, in proportion below. This, `HALF_BLAME`
#: and `PRIOR` were chosen on the validation slice of protocol A: the largest AUC there among those
#: with which no single bad member rose by .05, as of that slice's end, by five colluders from the
#: fifth to the eighth tenth of trust.
FULL_PRAISE = 20.0
#: Blame weighs one half at this many times the mean trust, and 1 far above it.
HALF_BLAME = 0.03
#: A word that weighs less is not heard at all: five times next to nothing is nothing. So praise
#: is heard from the mean trust on, and trust that is split among many mouths is silent.
HEARD = 0.05
#: Ratings of 0 that everybody starts with, in weights of full voices.
PRIOR = 0.3
_RECENT = 90 * DAY
#: A word counts half when words of this weight came after it.
_FADES = 3.0
_PARTS = 2.0**32

#: Each column's name and its monotone sign on the probability of harm.
COLUMNS: dict[str, int] = {
    "weight": 0,
    "mean": -1,
    "blame": 1,
    "blame_share": 1,
    "praise": -1,
    "recent_weight": 0,
    "recent_mean": -1,
    "running_mean": -1,
    "spread": 0,
    "heard": 0,
    "last": -1,
    "worst": -1,
    "days_since_last": 0,
    "days_since_first": 0,
}


class Words(NamedTuple):
    """Ratings grouped by the row they belong to, in order of time within it: row i owns
    ``offsets[i]`` to ``offsets[i + 1]``. ``now`` per row, the other columns per rating."""

    offsets: Ints
    value: Floats
    at: Floats
    weight: Floats
    now: Floats


def relative(trust: Floats) -> Floats:
    """Trust in multiples of its mean over those that have any; shape kept."""
    return trust * np.count_nonzero(trust)


def weigh(value: Floats, trust: Floats) -> Floats:
    """The weight of each rating, 0 or `HEARD` to 1, by its rater's `relative` trust."""
    praise = np.minimum(trust / FULL_PRAISE, 1.0)
    weight = np.where(value > 0.0, praise, trust / (trust + HALF_BLAME))
    return np.where(weight < HEARD, 0.0, weight)


def added(place: Ints, values: Floats, size: int) -> Floats:
    """The sum of the values at each place 0 to ``size - 1``."""
    return np.bincount(place, values, size).astype(np.float64, copy=False)


def matrix(words: Words) -> Floats:
    """Rows × `COLUMNS`, NaN where nobody was heard."""
    rows = len(words.now)
    row = np.repeat(np.arange(rows), np.diff(words.offsets))
    sums = {name: added(row, values, rows) for name, values in _terms(words, row).items()}
    weight, recent, running = sums["weight"], sums["recent"], sums["running"]
    mean = sums["value"] / (weight + PRIOR)
    columns = {
        "weight": weight,
        "mean": mean,
        "blame": sums["blame"],
        "blame_share": sums["blame"] / (weight + PRIOR),
        "praise": sums["praise"],
        "recent_weight": recent,
        "recent_mean": sums["recent_value"] / (recent + PRIOR),
        "running_mean": sums["running_value"] / (running + PRIOR),
        "spread": sums["square"] / (weight + PRIOR) - mean**2,
        "heard": sums["heard"],
        **_singled_out(words, row),
    }
    return np.column_stack([columns[name] for name in COLUMNS])


def _terms(words: Words, row: Ints) -> dict[str, Floats]:
    """What is added up per row."""
    value, weight = words.value, words.weight
    recent = weight * (words.now[row] - words.at < _RECENT)
    running = weight * np.exp2(-_weight_after(words, row) / _FADES)
    return {
        "weight": weight,
        "value": weight * value,
        "square": weight * value**2,
        "blame": weight * (value < 0.0),
        "praise": weight * (value > 0.0),
        "recent": recent,
        "recent_value": recent * value,
        "running": running,
        "running_value": running * value,
        "heard": (weight >= HEARD).astype(np.float64),
    }


def _weight_after(words: Words, row: Ints) -> Floats:
    """For each rating the weight of those that came after it in its row. Added up in whole parts of
    2^-32, so that a row's figures are the same to the bit whatever rows stand beside it."""
    parts = np.rint(words.weight * _PARTS).astype(np.int64)
    before = np.concatenate(([0], np.cumsum(parts)))
    return (before[words.offsets[1:]][row] - before[1:]) / _PARTS


def _singled_out(words: Words, row: Ints) -> dict[str, Floats]:
    """The last, the worst and the first word that was heard."""
    rows = len(words.now)
    loud = np.flatnonzero(words.weight >= HEARD)
    last, first = np.full(rows, -1), np.full(rows, len(row))
    np.maximum.at(last, row[loud], loud)
    np.minimum.at(first, row[loud], loud)
    worst = np.full(rows, np.inf)
    np.minimum.at(worst, row[loud], words.value[loud])
    heard = last >= 0
    return {
        "last": _at(words.value, last, heard),
        "worst": np.where(heard, worst, np.nan),
        "days_since_last": (words.now - _at(words.at, last, heard)) / DAY,
        "days_since_first": (words.now - _at(words.at, first, heard)) / DAY,
    }


def _at(values: Floats, index: Ints, there: NDArray[np.bool_]) -> Floats:
    found = np.full(len(index), np.nan)
    found[there] = values[index[there]]
    return found
