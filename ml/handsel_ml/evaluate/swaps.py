"""Swap sets: whom a challenger would treat otherwise than the champion, and how they fared."""

from __future__ import annotations

from collections.abc import Sequence

import msgspec
import numpy as np
from numpy.typing import NDArray

from handsel_ml.evaluate.bootstrap import same_rows
from handsel_ml.evaluate.groups import banded
from handsel_ml.facts import Ints
from handsel_ml.judged import Judged
from handsel_ml.scorecard import BANDS, Band


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
    came = (champion.points < floor) & (challenger.points >= floor)
    left = (champion.points >= floor) & (challenger.points < floor)
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
