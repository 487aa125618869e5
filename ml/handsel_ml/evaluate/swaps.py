"""Swap sets: whom a challenger would treat otherwise than the champion, and how they fared."""

from __future__ import annotations

from collections.abc import Sequence

import msgspec
import numpy as np
from numpy.typing import NDArray

from handsel_ml.evaluate.bootstrap import (
    RESAMPLES,
    Interval,
    drawn_members,
    interval_of,
    same_rows,
    summed,
)
from handsel_ml.evaluate.groups import banded
from handsel_ml.facts import Ints
from handsel_ml.judged import Judged
from handsel_ml.scorecard import BANDS, Band

Floats = NDArray[np.float64]


class Swaps(msgspec.Struct, frozen=True, kw_only=True):
    """Rows by (champion's band, challenger's band), both best first, and the approval's change.

    `rows`, `bads`: shape (bands, bands). `swapped_in`: refused by the champion, approved by the
    challenger at `floor` points; `swapped_out`: the other way. A rate of no rows is NaN.
    """

    bands: tuple[str, ...]
    rows: tuple[tuple[int, ...], ...]
    bads: tuple[tuple[int, ...], ...]
    changed: float
    changed_members: float
    floor: int
    swapped_in: int
    swapped_in_bad_rate: float
    swapped_out: int
    swapped_out_bad_rate: float


def swap_sets(
    champion: Judged, challenger: Judged, floor: int, bands: Sequence[Band] = BANDS
) -> Swaps:
    """Compare band and approval (points >= `floor`) of two models, row by row.

    `changed` is the share of rows in another band, `changed_members` the share of members whose
    newest row is. Raises `JudgementRefused` where the rows are not the same.
    """
    same_rows(champion, challenger)
    before, after = banded(champion.points, bands).code, banded(challenger.points, bands).code
    label, moved = champion.label, before != after
    came, left = _swapped(champion, challenger, floor)
    newest = _newest(champion.member, champion.opened)
    return Swaps(
        bands=tuple(band.name for band in bands),
        rows=_matrix(before, after, len(bands)),
        bads=_matrix(before[label == 1], after[label == 1], len(bands)),
        changed=_mean(moved),
        changed_members=_mean(moved[newest]),
        floor=floor,
        swapped_in=int(came.sum()),
        swapped_in_bad_rate=_mean(label[came]),
        swapped_out=int(left.sum()),
        swapped_out_bad_rate=_mean(label[left]),
    )


def swap_difference(
    champion: Judged, challenger: Judged, floor: int, *, tail: float,
    otherwise: float | None = None, resamples: int = RESAMPLES, seed: int = 0,
) -> Interval:  # fmt: skip
    """Bad rate of the newly approved rows minus that of the newly refused ones, or `otherwise`.

    The ends are the quantiles `tail` and 1 - `tail` over resamples of members, both sides of one
    resample of the same members. Raises `JudgementRefused` where the rows are not the same.
    """
    same_rows(champion, challenger)
    came, left = _swapped(champion, challenger, floor)
    bad = champion.label == 1
    columns = np.column_stack([came, came & bad, left, left & bad]).astype(np.float64)
    place, counts = drawn_members(champion.member, resamples, seed)
    by_member = summed(place, columns, int(place.max()) + 1)
    drawn = np.array([count @ by_member for count in counts])
    value = _apart(columns.sum(axis=0), otherwise)
    return interval_of(float(value), _apart(drawn, otherwise), tail)


def _apart(sums: Floats, otherwise: float | None) -> Floats:
    """Difference of the bad rates; the last axis is (in, in and bad, out, out and bad)."""
    came, came_bad, left, left_bad = np.moveaxis(sums, -1, 0)
    with np.errstate(divide="ignore", invalid="ignore"):
        other = left_bad / left if otherwise is None else otherwise
        found: Floats = came_bad / came - other
    return found


def _swapped(
    champion: Judged, challenger: Judged, floor: int
) -> tuple[NDArray[np.bool_], NDArray[np.bool_]]:
    """(newly approved, newly refused) at a floor."""
    before, after = champion.points >= floor, challenger.points >= floor
    return ~before & after, before & ~after


def _newest(member: Ints, opened: Ints) -> Ints:
    """The row of each member's newest deal."""
    order = np.lexsort((opened, member))
    last = np.append(np.diff(member[order]) != 0, True)[: len(order)]
    rows: Ints = order[last]
    return rows


def _matrix(before: Ints, after: Ints, width: int) -> tuple[tuple[int, ...], ...]:
    flat = np.bincount(before * width + after, minlength=width * width)
    return tuple(tuple(row) for row in flat.reshape(width, width).tolist())


def _mean(values: NDArray[np.bool_] | Ints) -> float:
    return float(values.mean()) if len(values) else float("nan")
