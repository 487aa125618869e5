"""Tables and small pieces of HTML; everything that is written is escaped here."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from html import escape

from handsel_ml.evaluate import GroupFigures
from handsel_ml.report.findings import Findings
from handsel_ml.report.numbers import DASH, count, figure, number, percent, places_of, spread
from handsel_ml.report.verdict import Check
from handsel_ml.report.words import CAPTIONS, FIGURES, named

Rows = Iterable[Sequence[str]]


def table(caption: str, heads: Sequence[str], rows: Rows, names: int = 1) -> str:
    """A table whose first `names` columns are text; cells may hold HTML, so escape before."""
    top = "".join(f'<th scope="col"{_kind(i, names)}>{head}</th>' for i, head in enumerate(heads))
    head = f"<thead><tr>{top}</tr></thead>" if any(heads) else ""
    body = "".join(f"<tr>{_cells(row, names)}</tr>" for row in rows)
    slim = " slim" if len(heads) <= 3 else ""
    return (
        f'<figure class="table{slim}"><div class="scroll" tabindex="0"><table>'
        f"{head}<tbody>{body}</tbody></table></div><figcaption>{caption}</figcaption></figure>"
    )


def _cells(row: Sequence[str], names: int) -> str:
    return "".join(
        f'<th scope="row">{cell}</th>' if i == 0 else f"<td{_kind(i, names)}>{cell}</td>"
        for i, cell in enumerate(row)
    )


def _kind(place: int, names: int) -> str:
    return "" if place < names else ' class="n"'


def checks_table(checks: Sequence[Check]) -> str:
    """Each gate or check with its answer."""
    marks = {
        True: '<span class="yes">holds</span>',
        False: '<span class="no">fails</span>',
        None: '<span class="open">not judged</span>',
    }
    rows = [
        (
            escape(named(c.name)),
            marks[c.passed],
            escape(c.value),
            escape(c.bound.replace(" ", "\u00a0")),
            escape(c.words),
        )
        for c in checks
    ]
    heads = ("Check", "", "Measured", "Bound", "What it is")
    return table("Every bound must hold.", heads, rows, names=5)


def figures_table(found: Findings) -> str:
    """All figures with intervals, and against the champion where there is one."""
    heads = ["Figure", "This model", "95 % interval"]
    if found.difference is not None:
        heads += ["Champion", "Difference", "95 % interval"]
    rows = []
    for name, interval in found.figures.items():
        places = places_of(name)
        row = [FIGURES[name], figure(name, interval), spread(interval, places)]
        if found.difference is not None and found.champion_figures is not None:
            apart = found.difference[name]
            row += [
                figure(name, found.champion_figures[name]),
                number(apart.value, max(places, 4), signed=True),
                spread(apart, max(places, 4), signed=True),
            ]
        rows.append(row)
    return table(CAPTIONS["figures"], heads, rows)


def bands_table(found: Findings) -> str:
    """Bands of points, best first, with foretold and observed shares."""
    floors = {band.name: band.least for band in found.info.bands}
    rows = [
        (f"{escape(named(g.name))} <small>from {floors[g.name]}</small>", *_group(g))
        for g in found.bands
    ]
    return table(CAPTIONS["bands"], ("Band", *_HEADS[:-1]), [row[:-1] for row in rows])


def segments_table(found: Findings) -> str:
    """Segments that the model may know."""
    rows = [
        (f"{escape(named(name))}: {escape(group.name)}", *_group(group))
        for name, groups in found.segments.items()
        for group in groups
    ]
    return table(CAPTIONS["segments"], ("Segment", *_HEADS), rows)


_HEADS = ("Deals", "Bad", "Foretold", "Observed", "Observed / expected", "95 % interval", "AUC")


def _group(group: GroupFigures) -> tuple[str, ...]:
    ratio = group.observed_to_expected
    return (
        count(group.rows), count(group.bads), percent(group.mean_pd), percent(group.bad_rate),
        number(ratio.value, 2), spread(ratio, 2), number(group.auc),
    )  # fmt: skip


def fairness_table(found: Findings) -> str:
    """Three looks at every protected group."""
    rows = []
    for measured in found.fairness:
        for group in measured.groups:
            small = "" if group.enough else " <small>(too few)</small>"
            mark = " <small>(reference)</small>" if group.name == measured.reference else ""
            name = escape(f"{named(measured.attribute)}: {named(group.name)}")
            rows.append(
                (
                    f"{name}{mark}{small}",
                    count(group.rows), percent(group.mean_pd), percent(group.bad_rate),
                    number(group.observed_to_expected.value, 2), percent(group.approved),
                    number(group.impact_ratio.value, 2), spread(group.impact_ratio, 2),
                    number(group.opportunity_gap.value), spread(group.opportunity_gap),
                )
            )  # fmt: skip
    heads = (
        "Group", "Deals", "Foretold", "Observed", "O / E", "Approved", "Impact ratio", "95 %",
        "Opportunity gap", "95 %",
    )  # fmt: skip
    return table(f"{CAPTIONS['groups']} Approved: {found.floor} points or more.", heads, rows)


def swaps_table(found: Findings) -> str:
    """Who would be in another band under this model than under the champion."""
    swaps = found.swaps
    if swaps is None:
        return ""
    total = max(sum(map(sum, swaps.rows)), 1)
    rows = []
    for i, band in enumerate(swaps.bands):
        cells = [
            _swap_cell(swaps.rows[i][j], swaps.bads[i][j], total, same=i == j)
            for j in range(len(swaps.bands))
        ]
        rows.append((escape(named(band)), *cells))
    heads = ("Champion ↓ this model →", *(escape(named(band)) for band in swaps.bands))
    said = (
        f"{CAPTIONS['swaps']} {percent(swaps.changed_members)} of members change their band. Newly "
        f"approved at {swaps.floor}: {count(swaps.swapped_in)} deals, "
        f"{percent(swaps.swapped_in_bad_rate)} bad. Newly refused: {count(swaps.swapped_out)}, "
        f"{percent(swaps.swapped_out_bad_rate)} bad."
    )
    return table(said, heads, rows)


def _swap_cell(rows: int, bads: int, total: int, *, same: bool) -> str:
    if not rows:
        return f'<span class="none">{DASH}</span>'
    shade = min(0.55, 0.06 + 1.2 * (rows / total) ** 0.5)
    kind = "same" if same else "moved"
    return (
        f'<span class="cell {kind}" style="--shade:{shade:.3f}">{percent(rows / total)} '
        f"<small>{percent(bads / rows)} bad</small></span>"
    )


def facts_table(rows: Iterable[tuple[str, str]], caption: str) -> str:
    """Names and values, without numbers to compare."""
    return table(caption, ("", ""), [(escape(a), escape(b)) for a, b in rows], names=2)
