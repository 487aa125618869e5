"""Which database a command works on: the one of HANDSEL_DATABASE_URL, else the embedded one."""

import asyncio
from collections.abc import Callable
from typing import Final, Literal
from urllib.parse import urlsplit

from handsel.foundation.core.errors import UserError
from handsel.foundation.core.settings import Settings
from handsel.front.cli.console import say, step

NAME: Final = "handsel"
_SCHEMES: Final = ("postgresql", "postgres")


def open_database(
    settings: Settings, *, lifetime: Literal["shared", "tied"] = "shared", migrated: bool = False
) -> str:
    """The address of a database that runs and has the newest schema.

    Starts the embedded server where no address is given. ``migrated`` skips the migration: the
    caller's parent has done it. Raises ``UserError`` and ``EmbeddedUnavailable``; not to be called
    inside a running event loop.
    """
    url = given_url(settings) or start_embedded(settings, lifetime)
    if not migrated and not asyncio.run(_is_migrated(url)):
        from handsel.migrations.run import migrate

        with step("Bringing the schema up to date"):
            migrate(url)
    return url


async def _is_migrated(url: str) -> bool:
    """Whether there is nothing to do. Any trouble is left to the migration, which names it."""
    import asyncpg

    from handsel.front import revision

    try:
        conn = await asyncpg.connect(url)
    except (asyncpg.PostgresError, asyncpg.InterfaceError, OSError, ValueError):
        return False
    try:
        return await revision.applied(conn) >= revision.needed()
    finally:
        await conn.close()


def given_url(settings: Settings) -> str | None:
    """HANDSEL_DATABASE_URL in the one form that every library here takes."""
    given = settings.database_url
    if not given:
        return None
    scheme, separator, rest = given.partition("://")
    if not separator or scheme not in _SCHEMES:
        raise UserError("HANDSEL_DATABASE_URL must look like postgresql://user:password@host/name.")
    try:
        _ = urlsplit(given).port
    except ValueError:
        raise UserError("HANDSEL_DATABASE_URL has a port that is no number.") from None
    return f"postgresql://{rest}"


def start_embedded(settings: Settings, lifetime: Literal["shared", "tied"]) -> str:
    """Start the embedded server if it does not run, and create our database in it."""
    from handsel.foundation.db import embedded

    running = embedded.status(settings.home)
    if running is not None:
        return _with_database(running.url)
    with step("Starting the embedded PostgreSQL") as progress:
        address = embedded.start(settings.home, lifetime=lifetime, progress=progress)
        return _with_database(address.url)


def _with_database(url: Callable[[str], str]) -> str:
    asyncio.run(_create_database(url("postgres")))
    return url(NAME)


async def _create_database(url: str) -> None:
    import asyncpg

    conn = await asyncpg.connect(url)
    try:
        if not await conn.fetchval("SELECT true FROM pg_database WHERE datname = $1", NAME):
            await conn.execute(f"CREATE DATABASE {NAME}")
    except (asyncpg.DuplicateDatabaseError, asyncpg.UniqueViolationError):
        pass  # another command was a moment faster
    finally:
        await conn.close()


def start(settings: Settings) -> None:
    """``handsel db start``."""
    url = open_database(settings)
    say(f"The database runs: {_public(settings, url)}")


def stop(settings: Settings) -> None:
    """``handsel db stop``."""
    from handsel.foundation.db import embedded

    _only_embedded(settings)
    stopped = embedded.stop(settings.home)
    say("The database has stopped." if stopped else "The database was not running.")


def status(settings: Settings) -> int:
    """``handsel db status``: 0 if it can be reached."""
    from handsel.foundation.db import embedded

    url = given_url(settings)
    if url:
        return _status_of_given(url)
    address = embedded.status(settings.home)
    say(f"The embedded database {'runs' if address else 'does not run'}.")
    say(f"Its data: {embedded.data_location(settings.home)}")
    return 0 if address else 1


def _status_of_given(url: str) -> int:
    import asyncpg

    async def ask() -> str:
        conn = await asyncpg.connect(url, timeout=10)
        try:
            return str(await conn.fetchval("SHOW server_version"))
        finally:
            await conn.close()

    try:
        say(f"The database of HANDSEL_DATABASE_URL answers: PostgreSQL {asyncio.run(ask())}.")
    except (asyncpg.PostgresError, asyncpg.InterfaceError, OSError, ValueError) as error:
        say(f"The database of HANDSEL_DATABASE_URL does not answer: {error}.")
        return 1
    return 0


def migrate_now(settings: Settings) -> None:
    """``handsel db migrate``."""
    url = given_url(settings) or start_embedded(settings, "shared")
    from handsel.migrations.run import migrate

    with step("Bringing the schema up to date"):
        revision = migrate(url)
    say(f"The schema is at revision {revision}.")


def reset(settings: Settings) -> None:
    """``handsel db reset``: only ever the embedded database."""
    from handsel.foundation.db import embedded
    from handsel.front.cli.lock import taken_by

    _only_embedded(settings)
    owner = taken_by(settings.home)
    if owner:
        raise UserError(f"handsel runs on this HANDSEL_HOME (process {owner}); stop it first.")
    embedded.reset(settings.home)
    say("The embedded database has been deleted.")


def _only_embedded(settings: Settings) -> None:
    if settings.database_url:
        raise UserError("HANDSEL_DATABASE_URL is set: this command is for the embedded database.")


def _public(settings: Settings, url: str) -> str:
    return "HANDSEL_DATABASE_URL" if settings.database_url else url
