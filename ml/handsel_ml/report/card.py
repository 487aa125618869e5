"""The model card: what the scores are for, what they are not for, and how each claim is seen."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path
from textwrap import fill

from handsel_ml.contract import ScoreKind
from handsel_ml.features import FEATURES
from handsel_ml.judged import ScoreRun
from handsel_ml.report.data import data_rows, hash_rows, simulated, stretch
from handsel_ml.report.findings import Findings, findings
from handsel_ml.report.numbers import count, figure, number, percent, places_of, spread
from handsel_ml.report.verdict import checks_of, fit_to_serve
from handsel_ml.report.words import (
    ASSUMPTIONS,
    FIGURES,
    MEASURES,
    NOT_HELD,
    OWN,
    PURPOSE,
    SCORES,
    SIMULATED,
    named,
)

FILE = "MODEL_CARD.md"
_FRAME = Path(__file__).with_name("card.md")
_SIGNS = {1: "more is worse", -1: "more is better", 0: "free"}


def write_card(
    folder: Path,
    runs: Mapping[ScoreKind, ScoreRun],
    floors: Mapping[ScoreKind, int] | None = None,
) -> Path:
    """Write `folder`/MODEL_CARD.md and return its path; the same runs give the same bytes."""
    folder.mkdir(parents=True, exist_ok=True)
    path = folder / FILE
    path.write_text(card(findings(runs, floors)), encoding="utf-8")
    return path


def card(found: Mapping[ScoreKind, Findings]) -> str:
    """The card as Markdown."""
    made_up = any(simulated(one.info) for one in found.values())
    marks = {
        "purpose": fill(PURPOSE, 100),
        "origin": fill(f"**{SIMULATED if made_up else OWN}**", 100),
        "measures": _list(f"*{SCORES[kind]}*: {MEASURES[kind]}." for kind in found),
        "models": _list(_model(one) for one in found.values()),
        "data": "\n\n".join(_titled(one, _pairs(data_rows(one))) for one in found.values()),
        "features": "\n\n".join(_titled(one, _features(one)) for one in found.values()),
        "figures": _figures(found),
        "bands": "\n\n".join(_titled(one, _bands(one)) for one in found.values()),
        "verdict": "\n\n".join(_titled(one, _verdict(one)) for one in found.values()),
        "fairness": "\n\n".join(_titled(one, _fairness(one)) for one in found.values()),
        "assumptions": _list(ASSUMPTIONS) if made_up else "None: the facts are the platform's own.",
        "hashes": _pairs([row for one in found.values() for row in hash_rows(one)]),
    }
    text = _FRAME.read_text("utf-8")
    for name, value in marks.items():
        text = text.replace(f"<!-- {name} -->", value)
    return text


def _model(found: Findings) -> str:
    info = found.info
    free = sum(sign == 0 for sign in info.signs)
    engine = "LightGBM trees" if info.engine == "trees" else "a scorecard of weights of evidence"
    order = "monotone in every feature" if not free else f"monotone in all but {free} features"
    return (
        f"*{SCORES[found.kind]}*: {engine}, {order}, {info.calibrator.method}-calibrated "
        f"(a = {info.calibrator.a:.3f}, b = {info.calibrator.b:.3f}, c = {info.calibrator.c:.3f}), "
        f"trained as of {info.as_of[:10]} with seed {info.seed}"
    )


def _features(found: Findings) -> str:
    rows = [
        (f"`{feature.name}`", named(feature.group), _SIGNS[feature.sign])
        for feature in FEATURES[found.kind]
        if feature.name in found.info.features
    ]
    return _table(("Feature", "Told as", "Direction"), rows)


def _figures(found: Mapping[ScoreKind, Findings]) -> str:
    """Both scores side by side."""
    names = list(next(iter(found.values())).figures)
    rows = [
        ("Deals judged / bad", *(_judged(one) for one in found.values())),
        ("Deals opened", *(stretch(one.test) for one in found.values())),
    ]
    for name in names:
        cells = [
            f"{figure(name, one.figures[name])} ({spread(one.figures[name], places_of(name))})"
            for one in found.values()
        ]
        rows.append((FIGURES[name], *cells))
    heads = ("Out of time", *(SCORES[kind] for kind in found))
    return _table(heads, rows)


def _judged(found: Findings) -> str:
    return f"{count(len(found.test))} / {count(int(found.test.label.sum()))}"


def _bands(found: Findings) -> str:
    rows = [
        (named(g.name), count(g.rows), count(g.bads), percent(g.mean_pd), percent(g.bad_rate),
         f"{number(g.observed_to_expected.value, 2)} ({spread(g.observed_to_expected, 2)})")
        for g in found.bands
    ]  # fmt: skip
    return _table(("Band", "Deals", "Bad", "Foretold", "Observed", "Observed / expected"), rows)


def _verdict(found: Findings) -> str:
    checks = checks_of(found, None)
    answer = {True: "holds", False: "**fails**", None: "not judged"}
    said = "Fit to serve by these bounds." if fit_to_serve(checks) else "Not fit to serve yet."
    rows = [(c.name, answer[c.passed], c.value, c.bound) for c in checks]
    return f"{said}\n\n{_table(('Bound', '', 'Measured', 'Asked'), rows)}"


def _fairness(found: Findings) -> str:
    if not found.fairness:
        return NOT_HELD
    rows = [
        (
            f"{named(f.attribute)}: {named(g.name)}{'' if g.enough else ' (too few)'}",
            count(g.rows), number(g.observed_to_expected.value, 2), percent(g.approved),
            f"{number(g.impact_ratio.value, 2)} ({spread(g.impact_ratio, 2)})",
            f"{number(g.opportunity_gap.value)} ({spread(g.opportunity_gap)})",
        )
        for f in found.fairness
        for g in f.groups
    ]  # fmt: skip
    heads = ("Group", "Deals", "Observed / expected", f"{found.floor} points or more",
             "Impact ratio", "Opportunity gap")  # fmt: skip
    return _table(heads, rows)


def _titled(found: Findings, body: str) -> str:
    return f"**{SCORES[found.kind]}**\n\n{body}"


def _list(lines: Iterable[str]) -> str:
    return "\n".join(fill(f"- {line}", 100, subsequent_indent="  ") for line in lines)


def _pairs(rows: Sequence[tuple[str, str]]) -> str:
    return _table(("", ""), rows)


def _table(heads: Sequence[str], rows: Iterable[Sequence[str]]) -> str:
    lines = ["| " + " | ".join(heads) + " |", "|---" * len(heads) + "|"]
    lines += ["| " + " | ".join(cell for cell in row) + " |" for row in rows]
    return "\n".join(lines).replace("|  |", "| |")
