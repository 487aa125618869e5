"""Vintages: figures by month of opening, and how a cohort's bad rate grows with its age."""

from __future__ import annotations

import msgspec
import numpy as np
from numpy.typing import NDArray

from handsel_ml.evaluate.bootstrap import RESAMPLES
from handsel_ml.evaluate.groups import GroupFigures, by_group
from handsel_ml.facts import Ints
from handsel_ml.judged import Grouping, Judged

Floats = NDArray[np.float64]


class VintageCurve(msgspec.Struct, frozen=True, kw_only=True):
    """One cohort of members, by the time of their first deal in the rows.

    `bad_rate[k]`: bad deals over all deals of the cohort up to and with month k on book (month 0
    is the month of the first deal); `deals` and `bads` the counts behind it. A curve ends with the
    last month that every member of the cohort has lived through.
    """

    cohort: str
    members: int
    deals: tuple[int, ...]
    bads: tuple[int, ...]
    bad_rate: tuple[float, ...]


def by_vintage(judged: Judged, *, resamples: int = RESAMPLES) -> tuple[GroupFigures, ...]:
    """Figures by the month in which the deal was opened, oldest first."""
    months = _months(judged.opened)
    found, code = np.unique(months, return_inverse=True)
    labels = tuple(_name(int(month)) for month in found)
    grouping = Grouping(labels=labels, code=code.astype(np.int64))
    return by_group(judged, grouping, resamples=resamples)


def vintage_curves(
    judged: Judged, *, cohort_months: int = 3, least_members: int = 100
) -> tuple[VintageCurve, ...]:
    """Cumulated bad rate by months on book, per cohort of `cohort_months` months, oldest first.

    Cohorts of fewer than `least_members` members, or with no complete month, are left out.
    """
    if not len(judged):
        return ()
    months = _months(judged.opened)
    members, place = np.unique(judged.member, return_inverse=True)
    first = np.full(len(members), np.iinfo(np.int64).max)
    np.minimum.at(first, place, months)
    on_book, cohort = months - first[place], first // cohort_months
    curves = []
    for number in np.unique(cohort):
        youngest = int(number) * cohort_months + cohort_months - 1
        complete = int(months.max()) - youngest  # the newest month itself is still filling
        rows = np.flatnonzero((cohort[place] == number) & (on_book < complete))
        size = int((cohort == number).sum())
        if size >= least_members and len(rows):
            name = _name(int(number) * cohort_months)
            curves.append(_curve(name, size, on_book[rows], judged.label[rows], complete))
    return tuple(curves)


def _curve(name: str, members: int, on_book: Ints, label: Ints, length: int) -> VintageCurve:
    deals = np.cumsum(np.bincount(on_book, minlength=length))
    bads = np.cumsum(np.bincount(on_book[label == 1], minlength=length))
    return VintageCurve(
        cohort=name,
        members=members,
        deals=tuple(deals.tolist()),
        bads=tuple(bads.tolist()),
        bad_rate=tuple((bads / np.maximum(deals, 1)).tolist()),
    )


def _months(us: Ints) -> Ints:
    """Whole months since 1970 of microseconds since 1970."""
    months: Ints = us.astype("datetime64[us]").astype("datetime64[M]").astype(np.int64)
    return months


def _name(months: int) -> str:
    return f"{1970 + months // 12}-{months % 12 + 1:02d}"
