"""``handsel ml train``."""

from datetime import datetime
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import msgspec
import typer

from handsel.foundation.core.errors import UserError
from handsel.foundation.core.settings import load
from handsel.front.cli.console import Say, step

if TYPE_CHECKING:
    from handsel_ml.config import TrainingConfig
    from handsel_ml.contract import ScoreKind
    from handsel_ml.model import Model
    from handsel_ml.train import TrainingReport

_Moment = Annotated[datetime | None, typer.Option(formats=["%Y-%m-%d"], show_default=False)]


def add_to(app: typer.Typer) -> None:
    """Register the commands of this file."""
    app.command()(train)


def train(
    config: Annotated[
        Path | None, typer.Argument(help="A TOML config; without one, that of the shipped models.")
    ] = None,
    facts: Annotated[
        Path | None,
        typer.Option(help="Train on this export of facts (`handsel ml export`), not on a town."),
    ] = None,
    trained_as_of: _Moment = None,
    judged_as_of: _Moment = None,
    out: Annotated[
        Path | None, typer.Option(help="Where to write; HANDSEL_HOME/models/candidate else.")
    ] = None,
    champion: Annotated[
        Path | None, typer.Option(help="Bundles to compare with; the shipped ones else.")
    ] = None,
    report: Annotated[bool, typer.Option(help="Write report.html and MODEL_CARD.md too.")] = True,
) -> None:
    """Train both scores, judge them on later deals, and write bundles, report and model card."""
    from handsel_ml.config import TOWN_CONFIG, read_config
    from handsel_ml.errors import CreditError
    from handsel_ml.output import check_place
    from handsel_ml.serve import BUNDLES, load_models

    folder = out or load().home / "models" / "candidate"
    try:
        check_place(folder)
        champions = load_models(champion or BUNDLES)
        chosen = read_config(config or TOWN_CONFIG)
        if facts is not None:
            chosen = msgspec.structs.replace(chosen, town=None)
        chosen = _dated(chosen, trained_as_of, judged_as_of)
        with step("Training the credit models") as progress:
            made = _train(chosen, facts, folder, progress)
        if report:
            with step("Writing the report") as progress:
                _report(made, chosen, champions, folder, progress)
    except CreditError as error:
        raise UserError(f"The models were not trained: {error}") from None
    for kind, where in made.folders.items():
        print(f"{kind}: {where} ({made.bundles[kind].model_id})")
    if report:
        print(f"report: {folder / 'report.html'}")


def _dated(
    config: "TrainingConfig", trained: datetime | None, judged: datetime | None
) -> "TrainingConfig":
    """With other moments of training and judging: midnight, UTC. Raises `TrainingRefused`."""
    from datetime import UTC

    from handsel_ml.config import checked

    moments = {"trained_as_of": trained, "judged_as_of": judged}
    given = {name: at.replace(tzinfo=UTC) for name, at in moments.items() if at is not None}
    split = msgspec.structs.replace(config.split, **given)
    return checked(msgspec.structs.replace(config, split=split), "with the dates given")


def _train(
    config: "TrainingConfig", facts: Path | None, folder: Path, progress: Say
) -> "TrainingReport":
    from handsel_ml.train import train_facts, train_town

    if facts is None:
        return train_town(config, folder, progress)
    from handsel_ml.scale.parquet import read_facts

    return train_facts(config, read_facts(facts, config.split.judged_as_of), folder, progress)


def _report(
    made: "TrainingReport",
    config: "TrainingConfig",
    champions: "dict[ScoreKind, Model]",
    folder: Path,
    progress: Say,
) -> None:
    from handsel_ml.report.card import write_card
    from handsel_ml.report.page import write_report
    from handsel_ml.report.runs import run_of
    from handsel_ml.rows import slices
    from handsel_ml.serve import load_bundle

    runs = {}
    for kind, rows in made.rows.items():
        progress(f"{kind}: judging")
        model = load_bundle(Path(made.folders[kind]))
        cut = slices(rows, config.split, 0)
        runs[kind] = run_of(rows, cut, model, champions[kind], made.protected)
    progress("drawing")
    write_report(folder, runs, title="Credit models: candidate")
    write_card(folder, runs)
