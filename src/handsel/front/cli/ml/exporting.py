"""``handsel ml export | features``: the facts as files of columns, a training matrix of them."""

import asyncio
from datetime import UTC, datetime, timedelta
from importlib.util import find_spec
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Literal

import msgspec
import typer

from handsel.foundation.core.errors import UserError
from handsel.foundation.core.settings import load
from handsel.front.cli.console import say, step

if TYPE_CHECKING:
    from handsel_ml.scale.manifest import Manifest

_FORMATS = ["%Y-%m-%d", "%Y-%m-%dT%H:%M:%S", "%Y-%m-%dT%H:%M:%S%z"]
Kind = Annotated[Literal["financial", "social"], typer.Option(help="Which score.")]
Json = Annotated[bool, typer.Option("--json", help="For machines.")]
#: A fact may be recorded by a transaction that has not ended: none lasts so long.
_SETTLED_AFTER = timedelta(minutes=5)


def add_to(app: typer.Typer) -> None:
    """Register the commands of this file."""
    for command in (export, features):
        app.command()(command)


def export(
    folder: Annotated[Path, typer.Argument(help="A folder to make, or an empty one.")],
    until: Annotated[
        datetime | None,
        typer.Option(help="Facts known before it (UTC). Default: five minutes ago.",
                     formats=_FORMATS, show_default=False),
    ] = None,
    as_json: Json = False,
) -> None:  # fmt: skip
    """Write every fact into Parquet files by month, with a manifest; ids, no names."""
    _check_polars()
    from handsel.front.cli.database import open_database
    from handsel_ml.errors import CreditError

    url = open_database(load())
    try:
        with step("Exporting the facts"):
            manifest = asyncio.run(_export(url, folder, _utc(until)))
    except CreditError as error:
        raise UserError(f"The facts were not exported: {error}.") from None
    if as_json:
        print(msgspec.json.encode(manifest).decode())
        return
    say(f"{folder}: {manifest.rows} facts in {len(manifest.files)} files, as of {manifest.as_of}.")


async def _export(url: str, folder: Path, until: datetime | None) -> "Manifest":
    """Stream the facts out of one REPEATABLE READ transaction."""
    from handsel.foundation.db.pool import connect
    from handsel.people.credit import exporting
    from handsel_ml.scale.parquet import FactWriter

    conn = await connect(url)
    try:
        async with conn.transaction(isolation="repeatable_read", readonly=True):
            settled = await exporting.moment_of_export(conn) - _SETTLED_AFTER
            if until is not None and until > settled:
                raise UserError(f"Facts can be exported until {settled:%Y-%m-%dT%H:%M:%SZ}.")
            moment = until or settled
            with FactWriter(folder, moment, await exporting.schema_version(conn)) as writer:
                async for columns in exporting.fact_columns(conn, moment):
                    writer.add(columns)
    finally:
        await conn.close()
    return writer.written()


def features(
    export: Annotated[Path, typer.Argument(help="What `handsel ml export` wrote.")],
    file: Annotated[Path, typer.Argument(help="A Parquet file to write.")],
    kind: Kind = "financial",
    as_of: Annotated[
        datetime | None,
        typer.Option(help="What was known before it (UTC). Default: all of the export.",
                     formats=_FORMATS, show_default=False),
    ] = None,
    as_json: Json = False,
) -> None:  # fmt: skip
    """Make a training matrix of an export: a row per deal and party whose label has matured."""
    _check_polars()
    from handsel_ml.errors import CreditError
    from handsel_ml.scale.matrix import write_matrix

    try:
        with step("Building the features"):
            rows = write_matrix(export, file, kind, _utc(as_of))
    except CreditError as error:
        raise UserError(f"There is no training matrix: {error}.") from None
    if as_json:
        print(msgspec.json.encode({"file": str(file), "kind": kind, "rows": rows}).decode())
        return
    say(f"{file}: {rows} rows of the {kind} score.")


def _check_polars() -> None:
    if find_spec("polars") is None:
        raise UserError("This needs polars: pip install 'handsel[train]'.")


def _utc(moment: datetime | None) -> datetime | None:
    if moment is None or moment.tzinfo is not None:
        return moment
    return moment.replace(tzinfo=UTC)
