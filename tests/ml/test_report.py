"""The report of a tiny run: whole, self-contained, the same twice, and honest where it is empty."""

from __future__ import annotations

import re
from html.parser import HTMLParser
from pathlib import Path

import msgspec
import numpy as np
import pytest

from handsel_ml.bundle import BundleInfo, read_bundle
from handsel_ml.contract import SCORE_KINDS, ScoreKind
from handsel_ml.evaluate import Interval
from handsel_ml.fairness import fairness_report
from handsel_ml.judged import Grouping, Judged, ScoreRun
from handsel_ml.model import Model
from handsel_ml.quarter import Contender, KindQuarter, Quarter, QuarterPlan
from handsel_ml.registry.gates import Gate
from handsel_ml.report.card import write_card
from handsel_ml.report.findings import Findings, findings
from handsel_ml.report.numbers import DASH, count, number, percent, spread
from handsel_ml.report.page import page, write_report
from handsel_ml.report.quarter import quarter_section
from handsel_ml.report.runs import points_of, runs_of_town
from handsel_ml.report.verdict import checks_of, fit_to_serve
from handsel_ml.serve import BUNDLES
from handsel_ml.simulate import Town
from tests.ml.judging import drawn, labelled

PICTURES = (
    "ROC curve", "Kolmogorov-Smirnov curve", "Calibration", "Distribution of points",
    "Vintage curves", "Observed over expected by month", "Reasons", "Drift", "Approval by group",
    "Level by group",
)  # fmt: skip
VOID = {"meta", "link", "br", "img"}


class Nesting(HTMLParser):
    """Checks that what is opened is closed, and collects ids."""

    def __init__(self) -> None:
        super().__init__()
        self.open: list[str] = []
        self.ids: list[str] = []

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.ids += [value or "" for name, value in attrs if name == "id"]
        if tag not in VOID:
            self.open.append(tag)

    def handle_endtag(self, tag: str) -> None:
        assert self.open.pop() == tag


def run_of(info: BundleInfo, test: Judged, champion: Judged | None) -> ScoreRun:
    fitted = drawn(seed=2, names=test.names)
    return ScoreRun(
        info=info, fitted=fitted, test=test, champion=champion,
        reason_points={"late_rate": 4.0, "no_shows": 0.0},
    )  # fmt: skip


@pytest.fixture(scope="module")
def runs(models: dict[ScoreKind, Model]) -> dict[ScoreKind, ScoreRun]:
    champion = drawn(noise=0.5)
    return {"social": run_of(models["social"].info, drawn(), champion)}


@pytest.fixture(scope="module")
def found(runs: dict[ScoreKind, ScoreRun]) -> Findings:
    return findings(runs)["social"]


@pytest.fixture(scope="module")
def text(found: Findings) -> str:
    return page({"social": found}, title="A <tiny> run")


def test_every_picture_is_there_and_nothing_from_elsewhere(text: str) -> None:
    shown = re.findall(r'<svg viewBox="[^"]+" role="img" aria-label="([^"]+)"', text)

    assert sorted(shown) == sorted(PICTURES)
    assert not re.search(r"https?:|//[a-z]|<script|<link|<img|url\((?!#)|@import", text)
    assert "A &lt;tiny&gt; run" in text
    assert "var(--ours)" in text
    assert not re.search(r"#0[0-9a-b]0[0-9a-b]0[0-9a-b]", text)  # stand-ins for colours


def test_it_is_well_nested_and_its_ids_are_its_own(text: str) -> None:
    parser = Nesting()

    parser.feed(text)

    assert parser.open == []
    assert len(parser.ids) == len(set(parser.ids))
    assert set(re.findall(r'(?:href="#|url\(#)([^")]+)', text)) <= set(parser.ids)


def test_the_same_run_gives_the_same_bytes(
    tmp_path: Path, runs: dict[ScoreKind, ScoreRun], text: str
) -> None:
    path = write_report(tmp_path / "new", runs, title="A <tiny> run")

    assert path.read_text("utf-8") == text
    assert path.name == "report.html"


def test_an_empty_segment_one_class_and_no_champion_do_not_break_it(
    tmp_path: Path, models: dict[ScoreKind, Model]
) -> None:
    """The second segment has no bad deal; nobody's groups are held; there is no champion."""
    rows = drawn(rows=400)
    roles = Grouping(labels=("first", "second", "nobody"), code=rows.segments["role"].code)
    rows = msgspec.structs.replace(rows, protected={}, segments={"role": roles})
    rows = labelled(rows, rows.label * (roles.code == 0))
    runs: dict[ScoreKind, ScoreRun] = {"social": run_of(models["social"].info, rows, None)}

    shown = write_report(tmp_path, runs, title="One class").read_text("utf-8")
    card = write_card(tmp_path, runs).read_text("utf-8")

    second = re.search(r'<th scope="row">role: second</th>(.*?)</tr>', shown)
    assert second is not None
    assert second[1].endswith(f'<td class="n">{DASH}</td>')
    assert "There is no champion" in shown
    assert "fairness was not measured" in shown
    assert "fairness was not measured" in card
    assert "nobody" not in shown
    assert not re.search(r"\bnan\b", shown)


def test_no_outcome_of_one_kind_at_all_is_shown_as_dashes(models: dict[ScoreKind, Model]) -> None:
    rows = drawn(rows=300)
    run = run_of(models["social"].info, labelled(rows, np.zeros(300)), None)

    one = findings({"social": run}, resamples=5)["social"]
    checks = checks_of(one, None)

    assert number(one.figures["auc"].value) == DASH
    assert checks[0].passed is None
    assert not fit_to_serve(checks)  # nothing came of what was foretold


def test_the_verdict_says_what_fails(found: Findings) -> None:
    harsh = msgspec.structs.replace(
        found, figures={**found.figures, "observed_to_expected": Interval(0.8, 0.7, 0.9)}
    )

    good, bad = checks_of(found, None), checks_of(harsh, None)

    assert [check.name for check in good if check.passed is False] == []
    assert [check.name for check in bad if check.passed is False] == ["Calibrated overall"]
    assert fit_to_serve(good)
    assert not fit_to_serve(bad)


def test_groups_of_whom_nobody_is_approved_fail_the_verdict(found: Findings) -> None:
    nobody = fairness_report(found.test, 951, resamples=1)

    checks = checks_of(msgspec.structs.replace(found, fairness=nobody), None)

    failed = [(check.name, check.value) for check in checks if check.passed is False]
    assert failed == [("Adverse impact", DASH), ("Equal opportunity", DASH)]


def test_gates_take_the_place_of_the_checks(found: Findings) -> None:
    gates = [
        Gate(name="auc", passed=True, value=0.001, bound="> -0.002", words="AUC +0.01"),
        Gate(name="newer", passed=False, value=None, bound="> 0 days", words="not trained later"),
    ]

    checks = checks_of(found, gates)

    assert [(c.name, c.passed, c.value) for c in checks] == [
        ("auc", True, "0.0010"), ("newer", False, DASH),
    ]  # fmt: skip


def test_the_card_fills_every_place(
    tmp_path: Path, runs: dict[ScoreKind, ScoreRun], found: Findings
) -> None:
    card = write_card(tmp_path, runs).read_text("utf-8")

    assert "<!--" not in card
    assert f"AUC | {number(found.figures['auc'].value)}" in card
    assert "trained again on matured" not in card
    assert runs["social"].info.model_sha256 in card


def test_a_quarter_is_told_in_sentences_and_figures(found: Findings) -> None:
    assert found.champion_figures is not None
    assert found.difference is not None
    plan = QuarterPlan(seed=1)
    old, new = (
        Contender(
            model_id=f"social-{title}", engine="trees", trained_as_of=plan.ends, fitted_rows=7014,
            fitted_bads=193, waiting=9739, figures=figures,
        )
        for title, figures in (("old", found.champion_figures), ("new", found.figures))
    )  # fmt: skip
    score = KindQuarter(
        kind="social", judged_rows=4293, judged_bads=115, champion=old, challenger=new,
        difference=found.difference, bad_rate_before=0.03, bad_rate_after=0.027, points_psi=0.027,
        moved=(("late_rate", 0.31),),
    )  # fmt: skip

    told = quarter_section(Quarter(plan=plan, facts=440056, deals=50723, scores=(score,)))

    assert "440,056 facts" in told
    assert "late rate (0.31)" in told
    assert "9,739 more were waiting" in told
    assert f'<td class="n">{number(found.difference["auc"].value, 4, signed=True)}</td>' in told


def test_numbers_look_alike() -> None:
    nothing = float("nan")

    assert number(-0.0012345, 4) == "−0.0012"
    assert number(-0.00001, 3) == "0.000"
    assert number(0.5, 2, signed=True) == "+0.50"
    assert (count(1234567), percent(0.0168), percent(0.002)) == (
        "1,234,567", "1.7\u202f%", "0.20\u202f%",
    )  # fmt: skip
    assert (number(nothing), count(nothing), percent(nothing)) == (DASH, DASH, DASH)
    assert spread(Interval(0.5, 0.25, nothing)) == DASH


def test_a_town_is_judged_as_the_model_serves_it(
    town: Town, models: dict[ScoreKind, Model]
) -> None:
    """Every 500th deal, asked one by one, has the points and PD that the run says."""
    from handsel_ml.report.runs import config_of

    config = config_of(models["social"])
    run = runs_of_town(config, {"social": models["social"]}, models, town)["social"]
    rows = np.arange(0, len(run.test), 500)
    served = [models["social"].score(np.ascontiguousarray(run.test.matrix[i])) for i in rows]

    assert run.test.points[rows].tolist() == [one.points for one in served]
    np.testing.assert_allclose(run.test.pd[rows], [one.pd for one in served], rtol=1e-12)
    assert run.champion is not None
    np.testing.assert_array_equal(run.champion.points, run.test.points)
    assert set(run.reason_points) == set(models["social"].info.groups)
    assert min(run.reason_points.values()) >= 0
    assert set(run.test.protected) == set(town.protected)


def test_points_of_many_are_the_points_of_each(models: dict[ScoreKind, Model]) -> None:
    odds = np.linspace(-9, 3, 101)
    model = models["social"]

    assert points_of(model, odds).tolist() == [model.info.score_map.points(x) for x in odds]


def test_the_committed_card_is_of_the_shipped_models() -> None:
    card = (Path(__file__).parents[2] / "ml" / "MODEL_CARD.md").read_text("utf-8")

    for kind in SCORE_KINDS:
        _, info = read_bundle(BUNDLES / kind)
        assert info.model_id in card
        assert info.model_sha256 in card
