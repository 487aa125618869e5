"""``handsel ml train``."""

from pathlib import Path

import typer

from handsel.foundation.core.errors import UserError
from handsel.foundation.core.settings import load
from handsel.front.cli.console import step


def add_to(app: typer.Typer) -> None:
    """Register the commands of this file."""
    app.command()(train)


def train() -> None:
    """Train both scores on the simulated town, into HANDSEL_HOME/models."""
    from handsel_ml import train
    from handsel_ml.errors import TrainingRefused

    settings = load()
    config = Path(train.__file__).parent / "configs" / "town.toml"
    try:
        with step("Training the credit model") as progress:
            report = train.train_town(config, settings.home / "models", progress)
    except TrainingRefused as error:
        raise UserError(f"The model was not trained: {error}") from None
    for kind, folder in report.folders.items():
        print(f"{kind}: {folder}")
