"""``handsel ml benchmark``."""

from pathlib import Path
from typing import Annotated

import typer

from handsel.foundation.core.errors import UserError
from handsel.front.cli.console import step


def add_to(app: typer.Typer) -> None:
    """Register the commands of this file."""
    app.command()(benchmark)


def benchmark(
    config: Annotated[str, typer.Argument(help="A TOML file, or the name of a shipped config.")],
    table: Annotated[Path, typer.Argument(help="A CSV file, plain or gzipped.")],
    as_json: Annotated[bool, typer.Option("--json", help="One JSON document.")] = False,
) -> None:
    """Compare our model with its peers on the same folds of any table."""
    import msgspec

    from handsel_ml.errors import TrainingRefused
    from handsel_ml.tables import run_benchmark

    try:
        with step(f"Benchmark on {table.name}") as progress:
            found = run_benchmark(config, table, progress)
    except TrainingRefused as error:
        raise UserError(f"There is no benchmark: {error}") from None
    if as_json:
        print(msgspec.json.format(msgspec.json.encode(found), indent=1).decode())
        return
    print(f"{'model':<12} {'AUC':>7} {'KS':>7} {'Brier':>7} {'ECE':>7} {'fit s':>7}")
    for name, model in found["models"].items():
        plain = " ".join(f"{model[key]:>7.4f}" for key in ("auc", "ks", "brier", "ece"))
        print(f"{name:<12} {plain} {model['fit_s']:>7.2f}")
