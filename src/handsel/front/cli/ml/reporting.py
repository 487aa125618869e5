"""``handsel ml report | drift``: judge trained models on the town they were made for."""

import sys
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import msgspec
import typer

from handsel.foundation.core.errors import UserError
from handsel.foundation.core.settings import load
from handsel.front.cli.console import say, step

if TYPE_CHECKING:
    from handsel_ml.contract import ScoreKind
    from handsel_ml.judged import ScoreRun
    from handsel_ml.registry.gates import Gate

Folder = Annotated[
    Path | None,
    typer.Argument(
        help="A folder with a bundle per score; else HANDSEL_HOME/models/candidate, else the "
        "shipped ones."
    ),
]


def add_to(app: typer.Typer) -> None:
    """Register the commands of this file."""
    app.command()(report)
    app.command()(drift)


def report(
    folder: Folder = None,
    champion: Annotated[
        Path | None, typer.Option(help="Bundles to compare with, judged on the same deals.")
    ] = None,
    to: Annotated[
        Path | None,
        typer.Option(
            help="Where to write; else beside the models, HANDSEL_HOME/models if shipped."
        ),
    ] = None,
    title: Annotated[str, typer.Option(help="The report's title.")] = "Credit scores",
) -> None:
    """Judge both scores; write report.html and MODEL_CARD.md."""
    from handsel_ml.errors import CreditError
    from handsel_ml.serve import BUNDLES

    try:
        from handsel_ml.report.card import card
        from handsel_ml.report.findings import findings
        from handsel_ml.report.page import FILE, page
    except ModuleNotFoundError as error:
        raise UserError(f"The report needs {error.name}: pip install 'handsel[train]'.") from None
    bundles = _bundles(folder)
    place = to or (load().home / "models" if bundles == BUNDLES else bundles)
    if place.exists() and not place.is_dir():
        raise UserError(f"{place} is no folder to write a report into.")
    try:
        with step("Judging the credit models"):
            runs, gates = _judged(bundles, champion)
            found = findings(runs)
        with step("Writing the report"):
            texts = {
                FILE: page(found, title=title, gates=gates),
                "MODEL_CARD.md": card(found),
            }
            place.mkdir(parents=True, exist_ok=True)
            for name, text in texts.items():
                (place / name).write_text(text, encoding="utf-8")
    except CreditError as error:
        raise UserError(f"The models were not judged: {error}") from None
    except OSError as error:
        raise UserError(f"No report can be written to {place}: {error.strerror}.") from None
    print(place / FILE)
    print(place / "MODEL_CARD.md")


def drift(
    folder: Folder = None,
    as_json: Annotated[bool, typer.Option("--json", help="For machines.")] = False,
) -> None:
    """How far points and features moved between the deals learnt from and those judged."""
    from handsel_ml.drift import drift_base, drift_report
    from handsel_ml.errors import CreditError

    try:
        with step("Judging the credit models"):
            runs, _ = _judged(_bundles(folder), None)
        found = {kind: drift_report(drift_base(run.fitted), run.test) for kind, run in runs.items()}
    except CreditError as error:
        raise UserError(f"Drift was not measured: {error}") from None
    if as_json:
        sys.stdout.write(msgspec.json.encode(found).decode() + "\n")
        return
    for kind, one in found.items():
        print(f"{kind}: {one.current_rows} deals against {one.base_rows}")
        for shift in (one.score, *sorted(one.features, key=lambda shift: -shift.psi)):
            print(f"  {shift.psi:7.3f}  {shift.level:6}  {shift.name}")


def _judged(
    bundles: Path, champion: Path | None
) -> "tuple[dict[ScoreKind, ScoreRun], dict[ScoreKind, tuple[Gate, ...]] | None]":
    """The runs of a folder's models, and the gates where there is a champion."""
    from handsel_ml.registry.gates import judge_run
    from handsel_ml.report.runs import runs_of_models
    from handsel_ml.serve import load_models

    models = load_models(bundles)
    champions = None if champion is None else load_models(champion)
    runs = runs_of_models(models, champions)
    if champions is None:
        return runs, None
    return runs, {
        kind: judge_run(run, models[kind], champions[kind].info).gates for kind, run in runs.items()
    }


def _bundles(folder: Path | None) -> Path:
    from handsel_ml.serve import BUNDLES

    if folder is not None:
        return folder
    candidate = load().home / "models" / "candidate"
    found = candidate if (candidate / "financial").is_dir() else BUNDLES
    say(f"Models: {'the candidate' if found is candidate else 'the shipped ones'}")
    return found
