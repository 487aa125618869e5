"""``handsel import``."""

from pathlib import Path

from handsel.foundation.core.errors import UserError
from handsel.foundation.core.settings import Settings
from handsel.front.cli.console import say
from handsel.front.cli.database import open_database


def import_file(settings: Settings, file: Path, mapping: str, *, strict: bool) -> None:
    """Import listings and say what became of the rows."""
    if not file.is_file():
        raise UserError(f"There is no file {file}.")
    url = open_database(settings)
    import asyncio

    asyncio.run(_import(settings, url, file, mapping, strict))


async def _import(settings: Settings, url: str, file: Path, mapping: str, strict: bool) -> None:
    from handsel.catalog.listings.importing import import_listings
    from handsel.foundation.db.pool import open_pool
    from handsel.foundation.db.uow import Database

    pool = await open_pool(url, size=4)
    try:
        report = await import_listings(
            Database(pool), settings, file, mapping, strict=strict, progress=say
        )
    finally:
        await pool.close()
    print(report)
