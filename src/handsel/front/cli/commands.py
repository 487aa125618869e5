"""Every command with its options: the table of contents of the command line."""

import sys
from datetime import datetime
from pathlib import Path
from typing import Annotated, Literal

import typer

from handsel.foundation.core.errors import UserError
from handsel.foundation.core.settings import load
from handsel.front.cli import appeals, ml, staff
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
process = typer.Typer(help="The order processes.", no_args_is_help=True)
claims = typer.Typer(help="Protection claims, for staff.", no_args_is_help=True)
ledger = typer.Typer(help="The books: export, journal, closing a month.", no_args_is_help=True)
app.add_typer(db, name="db")
app.add_typer(importing, name="import")
app.add_typer(ml.app, name="ml")
app.add_typer(process, name="process")
app.add_typer(ledger, name="ledger")
app.add_typer(claims, name="claims")
app.add_typer(staff.app, name="staff")
app.add_typer(appeals.app, name="appeals")


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
def anchor() -> None:
    """Print where the ledger's and the audit chain stand. Keep it elsewhere: `handsel verify` then
    sees what was taken away since."""
    from handsel.front.cli.database import open_database
    from handsel.front.cli.ledger import print_anchor

    print_anchor(open_database(load()))


@app.command()
def verify(
    file: Annotated[Path, typer.Argument(help="Of `handsel ledger export`.", show_default=False)],
    anchor: Annotated[Path | None, typer.Option(help="A file with an earlier anchor.")] = None,
) -> None:
    """Check an exported ledger without any database; exit status 1 if anything was altered."""
    from handsel.front.cli.ledger import verify_export

    sys.exit(verify_export(file, anchor))


@app.command()
def reconcile(
    day: Annotated[
        datetime | None, typer.Option(help="Default: yesterday and today.", formats=["%Y-%m-%d"])
    ] = None,
    bank: Annotated[
        Path | None, typer.Option(help="A statement of our bank: CAMT.053 or CSV.")
    ] = None,
    as_json: Annotated[bool, typer.Option("--json", help="For machines.")] = False,
) -> None:
    """Compare the provider's report and the bank's statement with the ledger; exit status 1 when
    something is open for too long."""
    from handsel.front.cli.database import open_database
    from handsel.front.cli.reconcile import run_reconcile

    settings = load()
    url = open_database(settings)
    sys.exit(run_reconcile(settings, url, day.date() if day else None, bank, as_json=as_json))


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


@ledger.command("export")
def export_ledger(
    file: Annotated[Path, typer.Argument(help="A gzip file to write.", show_default=False)],
) -> None:
    """Write transfers, seals, accounts and audit entries into a file to be checked offline."""
    from handsel.front.cli.database import open_database
    from handsel.front.cli.ledger import export_ledger

    export_ledger(open_database(load()), file)


@ledger.command("journal")
def export_journal(
    file: Annotated[Path, typer.Argument(help="A text file to write.", show_default=False)],
    form: Annotated[Literal["beancount"], typer.Option("--format", help="Whose.")] = "beancount",
) -> None:
    """Write the whole ledger as plain-text accounting, for programs that are not ours."""
    from handsel.front.cli.database import open_database
    from handsel.front.cli.ledger import export_journal

    export_journal(open_database(load()), file)


@ledger.command("close")
def close_month(
    month: Annotated[str, typer.Argument(help="Such as 2026-10.", show_default=False)],
) -> None:
    """Close a month for good: freeze its trial balance, take no more postings into it."""
    from handsel.front.cli.database import open_database
    from handsel.front.cli.ledger import close_month, parse_month

    parse_month(month)
    close_month(open_database(load()), month)


_Claim = Annotated[str, typer.Argument(help="Its id: clm_…", show_default=False)]
_Staff = Annotated[str, typer.Option("--as", help="Your handle.", show_default=False)]


@claims.command("list")
def list_claims(
    as_json: Annotated[bool, typer.Option("--json", help="For machines.")] = False,
) -> None:
    """Open claims, the most urgent first."""
    from handsel.front.cli.claims import list_claims
    from handsel.front.cli.database import open_database

    list_claims(open_database(load()), as_json=as_json)


@claims.command("show")
def show_claim(claim: _Claim) -> None:
    """A claim with its timeline, as its member sees it."""
    from handsel.front.cli.claims import show_claim
    from handsel.front.cli.database import open_database

    show_claim(open_database(load()), claim)


@claims.command("decide")
def decide_claim(
    claim: _Claim,
    outcome: Annotated[Literal["upheld", "denied"], typer.Argument(show_default=False)],
    staff: _Staff,
    reason: Annotated[list[str], typer.Option(help="A reason's code; several may be given.")],
    award: Annotated[int, typer.Option(help="What the member keeps, in minor units.")] = 0,
    note: Annotated[str, typer.Option(help="Words to the member.")] = "",
) -> None:
    """Decide on a claim; a large one needs two members of staff who say the same."""
    from handsel.front.cli.claims import decide_claim
    from handsel.front.cli.database import open_database

    decide_claim(open_database(load()), claim, staff, outcome, award, reason, note)


@claims.command("extend")
def extend_claim(
    claim: _Claim,
    staff: _Staff,
    note: Annotated[str, typer.Option(help="Why, in words to the member.")],
) -> None:
    """Take more time for a claim, once."""
    from handsel.front.cli.claims import extend_claim
    from handsel.front.cli.database import open_database

    extend_claim(open_database(load()), claim, staff, note)


@claims.command("recover")
def recover_claim(
    claim: _Claim,
    staff: _Staff,
    source: Annotated[str, typer.Option("--from", help="The handle of whoever has the money.")],
    most: Annotated[int, typer.Option(help="At most so much, in minor units.")],
) -> None:
    """Get what was paid back into the fund from a wallet; needs two members of staff."""
    from handsel.front.cli.claims import recover_claim
    from handsel.front.cli.database import open_database

    recover_claim(open_database(load()), claim, staff, source, most)


_Process = Annotated[
    str | None, typer.Argument(metavar="[NAME[@VERSION]]", help="Default: all.", show_default=False)
]


@process.command("check")
def check_processes(
    file: Annotated[
        Path | None, typer.Argument(help="Of your own. Default: all that are shipped.")
    ] = None,
) -> None:
    """Load every order process, search its states, and report what is wrong with it."""
    from handsel.front.cli.processes import check_all

    sys.exit(check_all(file))


@process.command("draw")
def draw_processes(
    name: _Process = None,
    out: Annotated[Path | None, typer.Option(help="A folder. Default: standard output.")] = None,
) -> None:
    """Draw order processes as SVG."""
    from handsel.front.cli.processes import draw_all

    draw_all(name, out)


@process.command("simulate")
def simulate_processes(
    name: _Process = None,
    orders: Annotated[int, typer.Option(min=1, help="How many random orders.")] = 1000,
    seed: Annotated[int, typer.Option(help="The same seed, the same lives.")] = 1,
) -> None:
    """Let random people deal, click twice and say nothing; report where orders get stuck."""
    from handsel.front.cli.processes import simulate_all

    sys.exit(simulate_all(name, orders, seed))
