"""Where the figures come from: rows, dates, hashes, the commands that make them again."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

from handsel_ml.bundle import BundleInfo
from handsel_ml.judged import Judged
from handsel_ml.report.findings import Findings
from handsel_ml.report.numbers import DASH, count, number, percent

_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
_SLICES = {
    "fit": "Fitted on",
    "validation": "Stopped by (validation)",
    "calibration": "Calibrated on",
    "unseen": "Of the judged: members never fitted on",
}


def simulated(info: BundleInfo) -> bool:
    """Whether the model learnt from a simulated town."""
    return info.config.get("town") is not None


def data_rows(found: Findings) -> list[tuple[str, str]]:
    """Names and values about the rows of one score."""
    rows = found.info.rows
    slices = [
        (words, f"{count(rows[name])} rows, {count(rows.get(f'{name}_bads', 0))} bad")
        for name, words in _SLICES.items()
        if name in rows
    ]
    test = found.test
    judged = f"{count(len(test))} rows, {count(int(test.label.sum()))} bad"
    rate = percent(float(test.label.mean()) if len(test) else float("nan"))
    return [
        *slices[:3],
        ("Judged on (out of time)", f"{judged} ({rate})"),
        *slices[3:],
        ("Newcomers (no number, a prior)", _newcomers(found.info)),
        ("Indeterminate, left out", count(rows.get("indeterminate", 0))),
        ("Trained as of", found.info.as_of[:10]),
        ("Learnt from deals opened", stretch(found.fitted)),
        ("Judged on deals opened", stretch(test)),
        ("Members judged", count(len(set(test.member.tolist())))),
        ("Features", f"{len(found.info.features)} in {len(set(found.info.groups))} reason groups"),
    ]


def _newcomers(info: BundleInfo) -> str:
    """How the prior did on deals of members with fewer than three closed ones: it ranks hardly."""
    thin = info.metrics.get("thin_files")
    if thin is None:
        return DASH
    return (
        f"{count(thin['rows'])} rows, AUC {number(thin['auc'])}, "
        f"observed / expected {number(thin['observed_to_expected'], 2)}"
    )


def hash_rows(found: Findings) -> list[tuple[str, str]]:
    """The identity of the model and of its champion."""
    info = found.info
    champion = DASH if found.champion is None else found.champion.model_id
    return [
        (f"{info.kind}: model", info.model_id),
        (f"{info.kind}: SHA-256 of its text", info.model_sha256),
        (f"{info.kind}: champion", champion),
        (f"{info.kind}: engine", f"{info.engine}, LightGBM {info.lightgbm_version}"),
        (f"{info.kind}: seed", str(info.seed)),
    ]


def stretch(judged: Judged) -> str:
    """From the first to the last day on which a deal was opened."""
    if not len(judged):
        return DASH
    first, last = int(judged.opened.min()), int(judged.opened.max())
    return f"{day(first)} to {day(last)}"


def day(us: int) -> str:
    """The day of microseconds since 1970."""
    return f"{_EPOCH + timedelta(microseconds=us):%Y-%m-%d}"


def commands() -> list[tuple[str, str]]:
    """What makes the models and this report again."""
    return [
        ("Train both scores", "handsel ml train"),
        ("Judge them again and write report and card", "handsel ml report"),
    ]
