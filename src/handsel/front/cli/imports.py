"""``handsel import``."""

from __future__ import annotations

import asyncio
from pathlib import Path
from typing import TYPE_CHECKING, Final

from handsel.foundation.core.errors import UserError
from handsel.foundation.core.settings import Settings
from handsel.front.cli.console import Say, say, step
from handsel.front.cli.database import open_database

if TYPE_CHECKING:
    from handsel.catalog.listings.importing import ImportReport

_SHOWN: Final = 10


def import_file(settings: Settings, file: Path, mapping: str, *, strict: bool) -> int:
    """Import listings and say what became of the rows; 1 if a strict import loaded nothing."""
    if not file.is_file():
        raise UserError(f"There is no file {file}.")
    url = open_database(settings)
    with step(f"Importing {file.name}") as progress:
        report = asyncio.run(_import(settings, url, file, mapping, strict, progress))
    return _tell(report, strict)


async def _import(
    settings: Settings, url: str, file: Path, mapping: str, strict: bool, progress: Say
) -> ImportReport:
    from handsel.catalog.listings.importing import import_listings
    from handsel.foundation.db.pool import open_pool
    from handsel.foundation.db.uow import Database

    pool = await open_pool(url, size=4)
    try:
        return await import_listings(
            Database(pool),
            settings,
            file,
            mapping,
            strict=strict,
            progress=lambda read: progress(f"{read:,} rows"),
        )
    finally:
        await pool.close()


def _tell(report: ImportReport, strict: bool) -> int:
    for bad in report.skipped[:_SHOWN]:
        say(f"line {bad.line}: {bad.reason}")
    if len(report.skipped) > _SHOWN:
        say(f"... and {len(report.skipped) - _SHOWN} more bad rows")
    print(
        f"{report.read} rows: {report.imported} imported, {report.updated} updated, "
        f"{report.unchanged} unchanged, {len(report.skipped)} skipped"
    )
    if strict and report.skipped:
        say("Nothing was loaded: --strict allows no bad row.")
        return 1
    return 0
