"""Figures by group: bands of points, segments, anything that sorts rows into named groups."""

from __future__ import annotations

from collections.abc import Sequence

import msgspec
import numpy as np
from numpy.typing import NDArray

from handsel_ml.evaluate.bootstrap import RESAMPLES, Interval, ratio_intervals
from handsel_ml.evaluate.figures import auc
from handsel_ml.facts import Ints
from handsel_ml.judged import Grouping, Judged
from handsel_ml.scorecard import BANDS, Band

Floats = NDArray[np.float64]


class GroupFigures(msgspec.Struct, frozen=True, kw_only=True):
    """One group: its rows, what was foretold of them and what came."""

    name: str
    rows: int
    bads: int
    expected: float
    bad_rate: float
    mean_pd: float
    observed_to_expected: Interval
    auc: float


def by_group(
    judged: Judged, grouping: Grouping, *, resamples: int = RESAMPLES, seed: int = 0
) -> tuple[GroupFigures, ...]:
    """Figures of each label that has rows, in the order of the labels."""
    present = [code for code in range(len(grouping.labels)) if (grouping.code == code).any()]
    if not present:
        return ()
    member_of: Floats = (grouping.code[:, None] == np.array(present)[None, :]).astype(np.float64)
    ratios = ratio_intervals(
        member_of * judged.label[:, None], member_of * judged.pd[:, None], judged.member,
        resamples=resamples, seed=seed,
    )  # fmt: skip
    return tuple(
        _of(judged, grouping.labels[code], grouping.code == code, ratio)
        for code, ratio in zip(present, ratios, strict=True)
    )


def _of(judged: Judged, name: str, rows: NDArray[np.bool_], ratio: Interval) -> GroupFigures:
    label, pd = judged.label[rows], judged.pd[rows]
    return GroupFigures(
        name=name,
        rows=len(label),
        bads=int(label.sum()),
        expected=float(pd.sum()),
        bad_rate=float(label.mean()),
        mean_pd=float(pd.mean()),
        observed_to_expected=ratio,
        auc=auc(label, pd),
    )


def by_band(
    judged: Judged, bands: Sequence[Band] = BANDS, *, resamples: int = RESAMPLES
) -> tuple[GroupFigures, ...]:
    """Figures of each band of points, best first."""
    return by_group(judged, banded(judged.points, bands), resamples=resamples)


def banded(points: Ints, bands: Sequence[Band] = BANDS) -> Grouping:
    """Rows sorted into bands; bands come best first, the last takes what is below all."""
    floors = np.array([band.least for band in bands])
    code = np.minimum((points[:, None] < floors[None, :]).sum(axis=1), len(bands) - 1)
    return Grouping(labels=tuple(band.name for band in bands), code=code.astype(np.int64))


def by_segment(
    judged: Judged, *, resamples: int = RESAMPLES
) -> dict[str, tuple[GroupFigures, ...]]:
    """Figures of each segment of each segmentation that the rows carry."""
    return {
        name: by_group(judged, grouping, resamples=resamples)
        for name, grouping in judged.segments.items()
    }
