"""Every command with its options: the table of contents of the command line."""

import sys
from pathlib import Path
from typing import Annotated, Literal

import typer

from handsel.foundation.core.errors import UserError
from handsel.foundation.core.settings import load
from handsel.front.cli.faults import sentence

#: A child of the supervisor: the database is ready, and it ends with this process id.
Parent = Annotated[int, typer.Option("--parent", hidden=True)]

app = typer.Typer(
    help="A credit-scored marketplace with protected payments. Settings come from the environment "
    "(HANDSEL_HOME, PORT, …) and handsel.toml; `handsel config` shows them.",
    no_args_is_help=True,
    pretty_exceptions_enable=False,
    rich_markup_mode=None,
)
db = typer.Typer(help="The database: start, stop, look, migrate, delete.", no_args_is_help=True)
importing = typer.Typer(help="Bring real data in.", no_args_is_help=True)
ml = typer.Typer(help="The credit model.", no_args_is_help=True)
process = typer.Typer(help="The order processes.", no_args_is_help=True)
app.add_typer(db, name="db")
app.add_typer(importing, name="import")
app.add_typer(ml, name="ml")
app.add_typer(process, name="process")


def main() -> None:
    """The entry point: what the user can mend is one sentence and exit status 2. A reader that has
    gone (``| head``) ends it with status 1 and in silence; typer sees to that."""
    try:
        app()
    except KeyboardInterrupt:
        sys.exit(130)
    except Exception as error:
        said = sentence(error)
        if said is None:
            raise
        print(f"handsel: {said}", file=sys.stderr)
        sys.exit(2)


@app.command()
def run(
    seed: Annotated[
        bool, typer.Option("--seed/--no-seed", help="Make the sample town in an empty database.")
    ] = True,
    demo: Annotated[
        bool, typer.Option("--demo", help="Make it also in a database of your own.")
    ] = False,
) -> None:
    """Start all of it: database, schema, sample town, API and worker. Ctrl-C stops it."""
    from handsel.front.cli.run import run_house

    run_house(load(), seed=seed, demo=demo)


@app.command()
def serve(
    server: Annotated[Literal["granian", "uvicorn"], typer.Option(help="The HTTP server.")] = (
        "granian"
    ),
    parent: Parent = 0,
) -> None:
    """Start the API alone, in the foreground."""
    from handsel.front.cli.serve import serve_api

    serve_api(load(), server=server, parent=parent)


@app.command()
def worker(parent: Parent = 0) -> None:
    """Start a worker alone, in the foreground: events, deadlines, notices."""
    from handsel.front.cli.serve import start_worker

    start_worker(load(), parent=parent)


@app.command()
def config() -> None:
    """Show every setting as it is in force; secrets are masked."""
    import msgspec

    print(msgspec.json.format(msgspec.json.encode(load().masked()), indent=2).decode())


@app.command()
def check(
    as_json: Annotated[bool, typer.Option("--json", help="For machines.")] = False,
) -> None:
    """Check every named invariant of money; exit status 1 on any violation."""
    from handsel.front.cli.check import run_checks
    from handsel.front.cli.database import open_database

    sys.exit(run_checks(open_database(load()), as_json=as_json))


@app.command()
def demo(
    url: Annotated[str, typer.Option(help="A running service; default: the one at PORT.")] = "",
) -> None:
    """Drive the running service through the main job, step by step, with members of its own."""
    from handsel.front.cli.demo import run_demo

    sys.exit(run_demo(load(), url))


@app.command()
def openapi() -> None:
    """Print the OpenAPI document."""
    from handsel.front.cli.schema import print_document

    print_document(load())


@db.command()
def start() -> None:
    """Start the embedded PostgreSQL and leave it running."""
    from handsel.front.cli import database

    database.start(load())


@db.command()
def stop() -> None:
    """Stop the embedded PostgreSQL."""
    from handsel.front.cli import database

    database.stop(load())


@db.command()
def status() -> None:
    """Say whether the database runs, and where its data lies; exit status 1 if it does not."""
    from handsel.front.cli import database

    sys.exit(database.status(load()))


@db.command()
def migrate() -> None:
    """Bring the database to the newest schema (every command does so by itself)."""
    from handsel.front.cli import database

    database.migrate_now(load())


@db.command()
def reset(
    yes: Annotated[bool, typer.Option("--yes", help="Do not ask.")] = False,
) -> None:
    """Delete the embedded database with all its data."""
    from handsel.front.cli import database

    if not yes and not typer.confirm("Delete the embedded database with all its data?"):
        raise UserError("Nothing was deleted.")
    database.reset(load())


@db.command()
def url() -> None:
    """Print the database's address, for psql: `psql "$(handsel db url)"`."""
    from handsel.front.cli.database import open_database

    print(open_database(load()))


@importing.command()
def listings(
    file: Annotated[Path, typer.Argument(help="A CSV file, also .gz.", show_default=False)],
    mapping: Annotated[str, typer.Option(help="The mapping's name, such as inside-airbnb.")],
    strict: Annotated[bool, typer.Option("--strict", help="Load nothing if a row is bad.")] = False,
) -> None:
    """Load real listings by a declarative mapping; a second import changes nothing."""
    from handsel.front.cli.imports import import_file

    sys.exit(import_file(load(), file, mapping, strict=strict))


@ml.command()
def train() -> None:
    """Train the credit model on the simulated town."""
    from handsel.front.cli.models import train_models

    train_models(load())


@process.command("check")
def check_processes() -> None:
    """Load every order process and report what is wrong with it."""
    from handsel.front.cli.processes import check_all

    sys.exit(check_all())
