"""The full circle in the report: the champion of a quarter ago against the challenger of today."""

from __future__ import annotations

from html import escape
from typing import TYPE_CHECKING

from handsel_ml.report.numbers import count, number, percent, places_of, spread
from handsel_ml.report.tables import table
from handsel_ml.report.words import FIGURES, SCORES, named

if TYPE_CHECKING:
    from handsel_ml.quarter import KindQuarter, Quarter

_SHOWN = ("auc", "ks", "log_loss", "ece", "observed_to_expected")


def quarter_section(quarter: Quarter) -> str:
    """What a quarter more of facts was worth, score by score."""
    plan = quarter.plan
    told = (
        f"A town of {count(plan.members)} members ({count(quarter.facts)} facts, "
        f"{count(quarter.deals)} deals) was simulated past {plan.ends:%Y-%m-%d}, in times that "
        "grow harder. The champion was trained a quarter before that day, the challenger on it, "
        "each on the labels available then. Both were asked about the deals of the month after, "
        f"judged when those had matured ({plan.judged_at:%Y-%m-%d})."
    )
    parts = "".join(_score(score) for score in quarter.scores)
    return f'<section id="quarter"><h2>A quarter later</h2><p>{told}</p>{parts}</section>'


def _score(score: KindQuarter) -> str:
    old, new = score.champion, score.challenger
    rows = []
    for name in _SHOWN:
        places, apart = places_of(name), score.difference[name]
        rows.append(
            (
                FIGURES[name],
                number(old.figures[name].value, places), spread(old.figures[name], places),
                number(new.figures[name].value, places), spread(new.figures[name], places),
                number(apart.value, 4, signed=True), spread(apart, 4, signed=True),
            )
        )  # fmt: skip
    heads = ("Figure", "Champion", "95 % interval", "Challenger", "95 % interval", "Difference",
             "95 % interval")  # fmt: skip
    return f"<h3>{SCORES[score.kind]}</h3>{table(_said(score), heads, rows)}"


def _said(score: KindQuarter) -> str:
    """In a sentence each: what was judged, what each learnt from, what moved."""
    moved = ", ".join(f"{named(name)} ({number(csi, 2)})" for name, csi in score.moved) or "nothing"
    learnt = "; ".join(
        f"the {title} ({one.engine}, as of {one.trained_as_of:%Y-%m-%d}) learnt from "
        f"{count(one.fitted_rows)} deals, {count(one.fitted_bads)} bad, and "
        f"{count(one.waiting)} more were waiting for their label"
        for title, one in (("champion", score.champion), ("challenger", score.challenger))
    )
    return escape(
        f"Judged on {count(score.judged_rows)} deals, {count(score.judged_bads)} bad. Of the "
        f"deals learnt from {percent(score.bad_rate_before)} were bad, of those judged "
        f"{percent(score.bad_rate_after)}. {learnt[:1].upper()}{learnt[1:]}. PSI of the points "
        f"between the two quarters {number(score.points_psi)}; moved: {moved}."
    )
