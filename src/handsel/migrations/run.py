"""Bring a database to the newest schema; called by every command before it works."""

import asyncio
from pathlib import Path
from typing import Any

import asyncpg
from alembic import command, op
from alembic.config import Config
from alembic.script import ScriptDirectory
from sqlalchemy import text
from sqlalchemy.util import await_only

from handsel.foundation.core.errors import UserError
from handsel.foundation.db.pool import APP_ROLE, OWNER_ROLE

OLDEST_SERVER = 17
_EXTENSIONS = ("cube", "earthdistance", "pg_trgm", "btree_gist")

# What only the owner of the database can do, before any revision; each step may run again.
_BOOTSTRAP = f"""
DO $$ BEGIN
    IF NOT EXISTS (SELECT FROM pg_roles WHERE rolname = '{OWNER_ROLE}') THEN
        CREATE ROLE {OWNER_ROLE} NOLOGIN;
    END IF;
    IF NOT EXISTS (SELECT FROM pg_roles WHERE rolname = '{APP_ROLE}') THEN
        CREATE ROLE {APP_ROLE} NOLOGIN;
    END IF;
    EXECUTE format('GRANT {OWNER_ROLE}, {APP_ROLE} TO %I', current_user);
    EXECUTE format('GRANT CREATE, CONNECT ON DATABASE %I TO {OWNER_ROLE}', current_database());
    BEGIN
        GRANT pg_read_all_stats TO {OWNER_ROLE}; -- for one function: foundation.standby_missing
    EXCEPTION WHEN insufficient_privilege THEN NULL; -- it is then less exact
    END;
END $$;
GRANT USAGE, CREATE ON SCHEMA public TO {OWNER_ROLE};
GRANT USAGE ON SCHEMA public TO {APP_ROLE};
CREATE SCHEMA IF NOT EXISTS foundation AUTHORIZATION {OWNER_ROLE};
"""
MIGRATION_LOCK = 7_405_113  # any constant


def run_sql_file(python_file: str) -> None:
    """Run ``<revision>.sql`` beside a revision on the driver's own connection.

    The driver takes many statements at once, SQLAlchemy one; the harmless first statement opens
    the transaction, without which the driver would run outside of it.
    """
    sql = Path(python_file).with_suffix(".sql").read_text()
    bind = op.get_bind()
    bind.execute(text("SELECT 1"))
    driver: Any = bind.connection.driver_connection
    await_only(driver.execute(sql))


def migrate(url: str) -> str:
    """Prepare roles and extensions, then upgrade to head. Returns the head revision.

    Raises ``UserError`` for a server that is too old or a login that may not do it. Not to be
    called inside a running event loop.
    """
    asyncio.run(_bootstrap(url))
    config = Config()
    config.set_main_option("script_location", str(Path(__file__).parent))
    config.set_main_option("path_separator", "os")
    config.attributes["url"] = url
    command.upgrade(config, "head")
    return ScriptDirectory.from_config(config).get_current_head() or ""


async def _bootstrap(url: str) -> None:
    try:
        conn = await asyncpg.connect(url)
    except (asyncpg.PostgresError, OSError, ValueError) as error:
        raise UserError(f"The database cannot be reached: {error}.") from None
    try:
        version = conn.get_server_version()
        if version.major < OLDEST_SERVER:
            raise UserError(
                f"This PostgreSQL is {version.major}; handsel needs {OLDEST_SERVER} or newer."
            )
        async with conn.transaction():
            await conn.execute("SELECT pg_advisory_xact_lock($1)", MIGRATION_LOCK)
            await conn.execute(_BOOTSTRAP)
            for extension in _EXTENSIONS:
                await conn.execute(f"CREATE EXTENSION IF NOT EXISTS {extension} SCHEMA public")
    except asyncpg.InsufficientPrivilegeError as error:
        raise UserError(
            f"The database login may not prepare roles and extensions ({error}); "
            "see “Your own PostgreSQL” in the README."
        ) from None
    except asyncpg.PostgresError as error:
        raise UserError(f"The database could not be prepared: {error}.") from None
    finally:
        await conn.close()
