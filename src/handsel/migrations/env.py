"""Alembic's entry. The URL arrives by ``config.attributes``; nothing is read from an .ini file."""

import asyncio

from alembic import context
from sqlalchemy import Connection, pool, text
from sqlalchemy.ext.asyncio import create_async_engine

from handsel.foundation.db.pool import OWNER_ROLE
from handsel.migrations.run import MIGRATION_LOCK


def _migrate(connection: Connection) -> None:
    context.configure(
        connection=connection, version_table_schema="foundation", transaction_per_migration=True
    )
    with context.begin_transaction():
        context.run_migrations()


async def _online(url: str) -> None:
    engine = create_async_engine(
        url.replace("postgresql://", "postgresql+asyncpg://", 1),
        poolclass=pool.NullPool,
        connect_args={"server_settings": {"role": OWNER_ROLE}},
    )
    async with engine.connect() as connection:
        # Of two processes that start at once, one migrates while the other waits.
        await connection.execute(text(f"SELECT pg_advisory_lock({MIGRATION_LOCK})"))
        await connection.execute(text("SET lock_timeout = '5s'"))
        await connection.commit()
        await connection.run_sync(_migrate)
        await connection.commit()
    await engine.dispose()


asyncio.run(_online(context.config.attributes["url"]))
