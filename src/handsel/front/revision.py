"""Which schema this program needs, without loading the tools that make it."""

import re
from functools import cache
from pathlib import Path
from typing import Final

import asyncpg

from handsel import migrations

_FILE: Final = re.compile(r"r(\d{4})_\w+\.py")
_APPLIED: Final = "SELECT version_num FROM foundation.alembic_version"


@cache
def needed() -> str:
    """The newest revision in the migrations folder; their file names carry the number."""
    folder = Path(migrations.__file__).parent / "versions"
    names = (_FILE.fullmatch(file.name) for file in folder.iterdir())
    return max(name.group(1) for name in names if name)


async def applied(conn: asyncpg.Connection) -> str:
    """The revision of a database; empty where there is none."""
    try:
        return str(await conn.fetchval(_APPLIED) or "")
    except (asyncpg.UndefinedTableError, asyncpg.InvalidSchemaNameError):
        return ""
