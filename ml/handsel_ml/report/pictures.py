"""The pictures of one score, each an inline `<svg>`; what to look for is said in `words`."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from matplotlib.axes import Axes
from matplotlib.ticker import MaxNLocator
from numpy.typing import NDArray

from handsel_ml.drift import ALERT, WARN, Shift
from handsel_ml.evaluate import GroupFigures, roc
from handsel_ml.fairness import GroupFairness
from handsel_ml.judged import Judged
from handsel_ml.registry.policy import registry_policy
from handsel_ml.report.canvas import (
    ALARM,
    BAD,
    GOOD,
    INK,
    LINE,
    MUTED,
    OTHER,
    OURS,
    STEADY,
    WARNING,
    as_percent,
    at_bars,
    draw,
)
from handsel_ml.report.findings import Findings
from handsel_ml.report.numbers import figure, number, percent
from handsel_ml.report.words import named

Floats = NDArray[np.float64]
_POINTS = 160
_ENOUGH_DEALS, _ENOUGH_EXPECTED = 200, 10
_FARTHEST = 0.5


def roc_picture(found: Findings) -> str:
    """ROC of the model and of the champion."""

    def paint(axes: Axes) -> None:
        axes.plot([0, 1], [0, 1], color=MUTED, linewidth=1, linestyle=(0, (2, 3)))
        if found.champion is not None and found.champion_figures is not None:
            name = f"champion, AUC {figure('auc', found.champion_figures['auc'])}"
            axes.plot(*_thinned(*roc(found.champion.label, found.champion.pd)), color=OTHER,
                      linestyle=(0, (5, 2)), label=name)  # fmt: skip
        name = f"this model, AUC {figure('auc', found.figures['auc'])}"
        axes.plot(*_thinned(*roc(found.test.label, found.test.pd)), color=OURS, label=name)
        axes.set(xlim=(0, 1), ylim=(0, 1.01), xlabel="share of good deals stopped",
                 ylabel="share of bad deals stopped")  # fmt: skip
        as_percent(axes, "xy")
        axes.legend(loc="lower right")

    return draw(f"{found.kind}-roc", "ROC curve", paint)


def ks_picture(found: Findings) -> str:
    """Cumulated shares of bad and of good deals by points, and where they are farthest apart."""
    points, bad, good = _cumulated(found.test)

    def paint(axes: Axes) -> None:
        axes.plot(points, bad, color=BAD, label="bad deals")
        axes.plot(points, good, color=GOOD, label="good deals")
        at = int(np.argmax(np.abs(bad - good))) if len(points) else 0
        if len(points) and np.isfinite(bad[at] - good[at]):
            name = f"KS {figure('ks', found.figures['ks'])} at {points[at]:.0f} points"
            ends = [good[at], bad[at]]
            axes.plot([points[at]] * 2, ends, color=INK, linewidth=1.2, label=name)
        axes.set(ylim=(0, 1.01), xlabel="points", ylabel="share at or below")
        as_percent(axes, "y")
        axes.legend(loc="upper left")

    return draw(f"{found.kind}-ks", "Kolmogorov-Smirnov curve", paint)


def calibration_picture(found: Findings) -> str:
    """Foretold against observed in ten groups of equal count, on scales that double."""

    def paint(axes: Axes) -> None:
        groups = [group for group in found.tenths if group.bads > 0]
        ends = [x for g in groups for x in (g.mean_pd, g.bad_rate)] or [0.01, 0.1]
        low, high = min(ends) / 1.6, min(max(ends) * 1.6, 1.0)
        axes.set(xscale="log", yscale="log", xlim=(low, high), ylim=(low, high),
                 xlabel="foretold share of bad deals", ylabel="observed share")  # fmt: skip
        line = np.array([low, high])
        axes.fill_between(line, line * 0.9, line * 1.1, color=OURS, alpha=0.16, linewidth=0)
        axes.plot(line, line, color=MUTED, linewidth=1, linestyle=(0, (2, 3)))
        for group in groups:
            ratio = group.observed_to_expected
            if np.isfinite(ratio.lower):
                spread = [max(ratio.lower * group.mean_pd, low), ratio.upper * group.mean_pd]
                axes.plot([group.mean_pd] * 2, spread, color=OURS, linewidth=1.4)
            axes.plot(group.mean_pd, group.bad_rate, "o", color=OURS, markersize=5)
        ticks = [t for t in (0.002, 0.005, 0.01, 0.02, 0.05, 0.1, 0.2, 0.5) if low <= t <= high]
        for axis in (axes.xaxis, axes.yaxis):
            axis.set_ticks(ticks, [percent(t, 1 if t < 0.01 else 0) for t in ticks])
            axis.set_ticks([], minor=True)

    return draw(f"{found.kind}-calibration", "Calibration", paint)


def distribution_picture(found: Findings) -> str:
    """Shares of good and of bad deals by points, in steps of 25, with the bands."""
    edges = np.arange(found.info.score_map.lowest, found.info.score_map.highest + 26, 25)

    def paint(axes: Axes) -> None:
        for value, colour, name in ((0, GOOD, "good deals"), (1, BAD, "bad deals")):
            points = found.test.points[found.test.label == value]
            shares = np.histogram(points, edges)[0] / max(len(points), 1)
            axes.stairs(shares, edges, color=colour, fill=True, alpha=0.28)
            axes.stairs(shares, edges, color=colour, linewidth=1.6, label=name)
        tops = [band.least for band in found.info.bands[:-1]]
        for least in tops:
            axes.axvline(least, color=LINE, linewidth=1)
        axes.axvline(found.floor, color=INK, linewidth=1.1, linestyle=(0, (3, 2)))
        axes.annotate(f"floor {found.floor}", (found.floor, 1), xycoords=("data", "axes fraction"),
                      xytext=(-3, -2), textcoords="offset points", ha="right", va="top",
                      color=INK)  # fmt: skip
        axes.set(xlim=(edges[0], edges[-1]), xlabel="points (lines: where a band begins)",
                 ylabel="share of its kind")  # fmt: skip
        axes.grid(visible=False, axis="x")
        as_percent(axes, "y")
        axes.legend(loc="upper right" if np.median(found.test.points) < 650 else "center left")

    return draw(f"{found.kind}-distribution", "Distribution of points", paint)


def curves_picture(found: Findings) -> str:
    """Cumulated bad rate by months on book, a line per cohort, newer darker."""

    def paint(axes: Axes) -> None:
        for i, curve in enumerate(found.curves):
            enough = [k for k, deals in enumerate(curve.deals) if deals >= _ENOUGH_DEALS]
            strength = 0.3 + 0.7 * (i + 1) / len(found.curves)
            rates = [curve.bad_rate[k] for k in enough]
            axes.plot(enough, rates, color=OURS, alpha=strength, linewidth=1.6, label=curve.cohort)
        axes.set(xlabel="months since a member's first scored deal", ylabel="bad deals so far")
        axes.set_ylim(bottom=0)
        axes.xaxis.set_major_locator(MaxNLocator(integer=True))
        as_percent(axes, "y", 1)
        if found.curves:
            axes.legend(loc="lower left", ncols=3, fontsize=8, title="first scored deal from",
                        title_fontsize=8)  # fmt: skip

    return draw(f"{found.kind}-curves", "Vintage curves", paint)


def vintages_picture(found: Findings) -> str:
    """Observed over expected by month of opening, where enough was foretold."""
    groups = [group for group in found.vintages if group.expected >= _ENOUGH_EXPECTED]

    def paint(axes: Axes) -> None:
        _ratios(axes, groups)
        axes.set(xlabel="month in which the deal was opened", ylabel="bads observed / expected")

    return draw(f"{found.kind}-vintages", "Observed over expected by month", paint)


def reasons_picture(found: Findings) -> str:
    """Mean points that each reason group costs."""
    ordered = sorted(found.reason_points.items(), key=lambda pair: pair[1])
    names = [named(group) for group, _ in ordered]

    def paint(axes: Axes) -> None:
        values = [points for _, points in ordered]
        axes.barh(names, values, color=OURS, height=0.62)
        at_bars(axes, values, [number(value, 1) for value in values])
        axes.set_xlabel("points, on average")
        axes.grid(visible=False, axis="y")

    return draw(f"{found.kind}-reasons", "Reasons", paint, 1.0 + 0.22 * len(ordered), names)


def drift_picture(found: Findings) -> str:
    """PSI of the points and CSI of the features, with both thresholds."""
    shifts = [*sorted(found.drift.features, key=lambda shift: shift.psi), found.drift.score]
    names = [_column(shift) for shift in shifts]

    def paint(axes: Axes) -> None:
        colours = {"steady": STEADY, "warn": WARNING, "alert": ALARM}
        values = [shift.psi for shift in shifts]
        axes.barh(names, values, height=0.62,
                  color=[colours[shift.level] for shift in shifts])  # fmt: skip
        for threshold, name, side in ((WARN, "warn", "right"), (ALERT, "alert", "left")):
            axes.axvline(threshold, color=INK, linewidth=1, linestyle=(0, (3, 2)))
            axes.annotate(name, (threshold, 1.0), xycoords=("data", "axes fraction"),
                          xytext=(0, 3), textcoords="offset points", ha=side)  # fmt: skip
        for i, value in enumerate(values):
            axes.annotate(number(value), (1.0, i), xycoords=("axes fraction", "data"),
                          xytext=(30, 0), textcoords="offset points", ha="right", va="center",
                          fontsize=8)  # fmt: skip
        axes.set_xlim(0, min(max(0.32, max(values) * 1.05), _FARTHEST))
        axes.margins(y=0.02)
        axes.set_xlabel(f"stability index (drawn up to {_FARTHEST})")
        axes.grid(visible=False, axis="y")

    return draw(f"{found.kind}-drift", "Drift", paint, 1.0 + 0.2 * len(shifts), names)


def impact_picture(found: Findings) -> str:
    """Adverse-impact ratio of every group, with its interval and the four-fifths line."""
    groups, bound = _protected(found), registry_policy().gates.impact_ratio

    def paint(axes: Axes) -> None:
        for i, (_, group) in enumerate(groups):
            ratio = group.impact_ratio
            axes.barh(i, ratio.value, height=0.55, color=OURS if group.enough else LINE)
            axes.plot([ratio.lower, ratio.upper], [i, i], color=INK, linewidth=1.2)
        axes.set_yticks(range(len(groups)), [name for name, _ in groups])
        axes.axvline(bound, color=ALARM, linewidth=1.2, linestyle=(0, (3, 2)))
        axes.annotate(f"bound {number(bound, 2)}", (bound, 1.0), xycoords=("data", "axes fraction"),
                      xytext=(0, 3), textcoords="offset points", ha="center")  # fmt: skip
        axes.set(xlim=(0, 1.1), xlabel="share approved, of the most approved group's")
        axes.grid(visible=False, axis="y")

    return draw(
        f"{found.kind}-impact",
        "Approval by group",
        paint,
        1.2 + 0.28 * len(groups),
        [name for name, _ in groups],
    )


def group_level_picture(found: Findings) -> str:
    """Observed over expected of every protected group."""
    groups = _protected(found)

    def paint(axes: Axes) -> None:
        axes.axvspan(0.9, 1.1, color=OURS, alpha=0.16, linewidth=0)
        axes.axvline(1, color=MUTED, linewidth=1, linestyle=(0, (2, 3)))
        for i, (_, group) in enumerate(groups):
            ratio, colour = group.observed_to_expected, OURS if group.enough else MUTED
            axes.plot([ratio.lower, ratio.upper], [i, i], color=colour, linewidth=1.4)
            axes.plot(ratio.value, i, "o", color=colour, markersize=5)
        axes.set_yticks(range(len(groups)), [name for name, _ in groups])
        axes.set_ylim(-0.6, len(groups) - 0.4)
        axes.set_xlabel("bads observed / expected")
        axes.grid(visible=False, axis="y")

    return draw(
        f"{found.kind}-level",
        "Level by group",
        paint,
        1.2 + 0.28 * len(groups),
        [name for name, _ in groups],
    )


def _protected(found: Findings) -> list[tuple[str, GroupFairness]]:
    """Every protected group with its name, the last one first, as bars are drawn from below."""
    named_groups = [
        (f"{named(f.attribute)}: {named(group.name)}", group)
        for f in found.fairness
        for group in f.groups
    ]
    return named_groups[::-1]


def _ratios(axes: Axes, groups: Sequence[GroupFigures]) -> None:
    """Observed over expected, a dot and its interval per group, and the shaded 10 %."""
    axes.axhspan(0.9, 1.1, color=OURS, alpha=0.16, linewidth=0)
    axes.axhline(1, color=MUTED, linewidth=1, linestyle=(0, (2, 3)))
    for i, group in enumerate(groups):
        ratio = group.observed_to_expected
        axes.plot([i, i], [ratio.lower, ratio.upper], color=OURS, linewidth=1.4)
        axes.plot(i, ratio.value, "o", color=OURS, markersize=5)
    names = [group.name for group in groups]
    step = max(1, -(-len(names) // 7))
    axes.set_xticks(range(0, len(names), step), names[::step])
    tops = [group.observed_to_expected.upper for group in groups]
    highest = max((top for top in tops if np.isfinite(top)), default=1.2)
    axes.set_ylim(0, max(1.3, min(highest * 1.05, 3)))
    axes.set_xlim(-0.5, max(len(names), 1) - 0.5)
    axes.grid(visible=False, axis="x")


def _thinned(false: Floats, true: Floats) -> tuple[Floats, Floats]:
    """A curve by at most `_POINTS` points, evenly spaced along it."""
    along = np.append(0.0, np.cumsum(np.hypot(np.diff(false), np.diff(true))))
    kept = np.unique(np.searchsorted(along, np.linspace(0, along[-1], _POINTS)))
    return false[kept], true[kept]


def _cumulated(judged: Judged) -> tuple[Floats, Floats, Floats]:
    """(points, share of bads at or below, share of goods at or below)."""
    points = np.unique(judged.points).astype(np.float64)
    bads, goods = (np.sort(judged.points[judged.label == value]) for value in (1, 0))
    with np.errstate(divide="ignore", invalid="ignore"):
        bad = np.searchsorted(bads, points, side="right") / np.float64(len(bads))
        good = np.searchsorted(goods, points, side="right") / np.float64(len(goods))
    return points, bad, good


def _column(shift: Shift) -> str:
    return "the points (PSI)" if shift.name == "points" else named(shift.name)
