"""The report: one HTML file that needs nothing else, for screen, phone, dark rooms and paper."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from html import escape
from pathlib import Path
from typing import TYPE_CHECKING

from handsel_ml.contract import ScoreKind
from handsel_ml.evaluate import Interval
from handsel_ml.judged import ScoreRun
from handsel_ml.report import pictures as pic
from handsel_ml.report import tables
from handsel_ml.report.data import commands, data_rows, hash_rows, simulated, stretch
from handsel_ml.report.findings import Findings, findings
from handsel_ml.report.numbers import count, number, places_of, spread
from handsel_ml.report.quarter import quarter_section
from handsel_ml.report.verdict import Check, GateSeen, checks_of, fit_to_serve
from handsel_ml.report.words import (
    ASSUMPTIONS,
    CAPTIONS,
    FIGURES,
    MEANING,
    MEASURES,
    NO_CHAMPION,
    NOT_HELD,
    OWN,
    PURPOSE,
    SCORES,
    SIMULATED,
)

if TYPE_CHECKING:
    from handsel_ml.quarter import Quarter

FILE = "report.html"
_CSS = Path(__file__).with_name("page.css")
_KEYS = ("auc", "ks", "observed_to_expected", "ece")


def write_report(
    folder: Path,
    runs: Mapping[ScoreKind, ScoreRun],
    *,
    title: str,
    floors: Mapping[ScoreKind, int] | None = None,
    gates: Mapping[ScoreKind, Sequence[GateSeen]] | None = None,
    quarter: Quarter | None = None,
) -> Path:
    """Write `folder`/report.html and return its path; the same runs give the same bytes.

    `floors`: points from which a member is approved, by score. `gates`: what the registry said of
    each; without them the report holds the model against what it can be held to alone. Raises
    `JudgementRefused`.
    """
    found = findings(runs, floors)
    folder.mkdir(parents=True, exist_ok=True)
    path = folder / FILE
    path.write_text(page(found, title=title, gates=gates, quarter=quarter), encoding="utf-8")
    return path


def page(
    found: Mapping[ScoreKind, Findings],
    *,
    title: str,
    gates: Mapping[ScoreKind, Sequence[GateSeen]] | None = None,
    quarter: Quarter | None = None,
) -> str:
    """The whole page as text."""
    held = gates or {}
    made_up = quarter is not None or any(simulated(one.info) for one in found.values())
    checks = {kind: checks_of(one, held.get(kind)) for kind, one in found.items()}
    parts = [
        _front(found, checks, title, made_up=made_up, later=quarter is not None),
        *(_score(one, checks[kind]) for kind, one in found.items()),
        "" if quarter is None else quarter_section(quarter),
        _ending(found, made_up=made_up),
    ]
    return (
        '<!doctype html>\n<html lang="en"><head><meta charset="utf-8">'
        '<meta name="viewport" content="width=device-width,initial-scale=1">'
        f"<title>{escape(title)}</title><style>{_CSS.read_text('utf-8')}</style></head>"
        f"<body><main>{''.join(parts)}</main></body></html>\n"
    )


def _front(
    found: Mapping[ScoreKind, Findings],
    checks: Mapping[ScoreKind, Sequence[Check]],
    title: str,
    *,
    made_up: bool,
    later: bool,
) -> str:
    """What a board reads: purpose, verdict, five key figures per score, the caveat."""
    links = "".join(f'<a href="#{kind}">{SCORES[kind]}</a>' for kind in found)
    links += '<a href="#quarter">A quarter later</a>' if later else ""
    verdicts = "".join(_verdict(one, checks[kind]) for kind, one in found.items())
    caveat = f'<p class="note"><strong>Simulated.</strong> {SIMULATED}</p>' if made_up else ""
    return (
        f'<header><p class="over">handsel · credit scores</p><h1>{escape(title)}</h1>'
        f'<p class="lead">{PURPOSE}</p></header>'
        f'<nav aria-label="Contents">{links}<a href="#about">Data, assumptions, hashes</a></nav>'
        f'{caveat or f"<p>{OWN}</p>"}<section class="verdicts">{verdicts}</section>'
        f"<h3>Five figures</h3>{_keys(found)}"
    )


def _verdict(found: Findings, checks: Sequence[Check]) -> str:
    fit = fit_to_serve(checks)
    failed = "".join(
        f"<li>{escape(c.name)}: {escape(c.value)}, asked {escape(c.bound)}</li>"
        for c in checks
        if c.passed is False
    )
    held = sum(check.passed is True for check in checks)
    unjudged = sum(check.passed is None for check in checks)
    rest = f"; {unjudged} could not be judged" if unjudged else ""
    judged = (
        f"Judged on {count(len(found.test))} deals opened <span>{stretch(found.test)}</span>, "
        f"after it was trained; {count(int(found.test.label.sum()))} of them went bad."
    )
    return (
        f'<div class="verdict{"" if fit else " fails"}"><h3>{SCORES[found.kind]}</h3>'
        f"<strong>{'Fit to serve' if fit else 'Not fit to serve'}</strong>"
        f"<p>{held} of {len(checks)} bounds hold{rest}. {judged}</p>"
        f"{f'<ul>{failed}</ul>' if failed else ''}</div>"
    )


def _keys(found: Mapping[ScoreKind, Findings]) -> str:
    """Five figures of each score with their intervals, and what they mean."""
    fair = any(f.held for one in found.values() for f in one.fairness)
    names = (*_KEYS, "impact" if fair else "log_loss")
    return f'<ul class="keys">{"".join(_key(name, found) for name in names)}</ul>'


def _key(name: str, found: Mapping[ScoreKind, Findings]) -> str:
    places = places_of(name)
    values = ""
    for kind, one in found.items():
        interval = _lowest_impact(one) if name == "impact" else one.figures[name]
        values += (
            f'<span class="of">{SCORES[kind]}</span><span class="value">'
            f"{number(interval.value, places)}</span>"
            f'<span class="range">{spread(interval, places)}</span>'
        )
    return f"<li><b>{FIGURES[name]}</b>{values}<p>{MEANING[name]}</p></li>"


def _lowest_impact(found: Findings) -> Interval:
    """The lowest impact ratio of any group with enough rows; NaN where one of them has none."""
    ratios = [g.impact_ratio for f in found.fairness for g in f.groups if g.enough]
    unknown = Interval(math.nan, math.nan, math.nan)
    if any(math.isnan(ratio.value) for ratio in ratios):
        return unknown
    return min(ratios, key=lambda ratio: ratio.value, default=unknown)


def _score(found: Findings, checks: Sequence[Check]) -> str:
    """Everything about one score."""
    ranking = _pictures(
        ("roc", pic.roc_picture(found)), ("ks", pic.ks_picture(found)),
        ("calibration", pic.calibration_picture(found)),
        ("distribution", pic.distribution_picture(found)),
    )  # fmt: skip
    over_time = _pictures(
        ("curves", pic.curves_picture(found)), ("vintages", pic.vintages_picture(found))
    )
    watched = _pictures(
        ("reasons", pic.reasons_picture(found)), ("drift", pic.drift_picture(found))
    )
    judged = any(f.groups for f in found.fairness)
    fair = (
        _pictures(("impact", pic.impact_picture(found)), ("level", pic.group_level_picture(found)))
        + tables.fairness_table(found)
        if judged
        else f"<p>{NOT_HELD}</p>"
    )
    against = tables.swaps_table(found) if found.swaps else f"<p>{NO_CHAMPION}</p>"
    return (
        f'<section id="{found.kind}"><h2>{SCORES[found.kind]}</h2>'
        f"<p>It gives {MEASURES[found.kind]}.</p>"
        f"<h3>Bounds</h3>{tables.checks_table(checks)}"
        f"<h3>Does it rank, and is its level true?</h3>{ranking}{tables.figures_table(found)}"
        f"{tables.bands_table(found)}{tables.segments_table(found)}"
        f"<h3>Does it hold over time?</h3>{over_time}"
        f"<h3>What moves it, and has the world moved?</h3>{watched}"
        f"<h3>Is it fair?</h3>{fair}<h3>What would change for members?</h3>{against}</section>"
    )


def _pictures(*drawn: tuple[str, str]) -> str:
    figures = "".join(
        f"<figure>{svg}<figcaption>{CAPTIONS[name]}</figcaption></figure>" for name, svg in drawn
    )
    return f'<div class="pictures">{figures}</div>'


def _ending(found: Mapping[ScoreKind, Findings], *, made_up: bool) -> str:
    """The data, the assumptions, the hashes, how to make it again."""
    data = "".join(
        f"<h3>{SCORES[kind]}: the data</h3>"
        + tables.facts_table(data_rows(one), "Rows are one party of one deal, at its acceptance.")
        for kind, one in found.items()
    )
    listed = "".join(f"<li>{escape(line)}</li>" for line in ASSUMPTIONS) if made_up else ""
    assumed = f"<h3>Assumptions</h3><ul>{listed}</ul>" if listed else ""
    hashes = tables.facts_table(
        [row for one in found.values() for row in hash_rows(one)],
        "With these the very models can be found again.",
    )
    again = "".join(
        f"<li>{escape(words)}: <code>{escape(line)}</code></li>" for words, line in commands()
    )
    return (
        f'<section id="about"><h2>Data, assumptions, hashes</h2>{data}{assumed}'
        f"<h3>Hashes</h3>{hashes}<h3>Make it again</h3><ul>{again}</ul></section>"
        "<footer>Written by handsel. Intervals are 95 % and resample members. A dash means that "
        "the rows cannot give the figure.</footer>"
    )
