"""The connection pool of a process. It connects as the application's role, never as the owner."""

from typing import Any, TypeAlias

import asyncpg
import msgspec

#: A pooled connection is a proxy that behaves like one; ``Database`` says so to the type checker.
Connection: TypeAlias = asyncpg.Connection

APP_ROLE = "handsel_app"
OWNER_ROLE = "handsel_owner"

_SESSION = {
    "application_name": "handsel",
    "timezone": "UTC",
    # A lock that is not had soon is an answer (503, try again), not a queue.
    "lock_timeout": "2s",
    "statement_timeout": "30s",
    "idle_in_transaction_session_timeout": "60s",
    # Every statement is short and prepared once: planning it again costs more than a generic plan.
    "jit": "off",
}
_NOT_DURABLE = {"synchronous_commit": "off"}


async def open_pool(
    url: str, *, size: int = 16, role: str = APP_ROLE, durable: bool = True
) -> asyncpg.Pool:
    """A pool of up to ``size`` connections on ``url`` acting as ``role``.

    ``durable=False`` lets a commit return before it is on disk: for data that can be made again
    (the sample town), never for anybody's money.
    """
    return await asyncpg.create_pool(
        url,
        min_size=1,
        max_size=size,
        init=prepare,
        reset=_keep,
        server_settings={**_SESSION, "role": role} | ({} if durable else _NOT_DURABLE),
        statement_cache_size=500,
        max_cached_statement_lifetime=0,
    )


async def connect(url: str, *, role: str = APP_ROLE) -> asyncpg.Connection:
    """One connection outside the pool, with the same session settings."""
    connection = await asyncpg.connect(url, server_settings={**_SESSION, "role": role})
    await prepare(connection)
    return connection


async def prepare(connection: asyncpg.Connection) -> None:
    """JSON travels as msgspec reads and writes it."""
    for kind in ("json", "jsonb"):
        await connection.set_type_codec(
            kind, encoder=_encode_json, decoder=msgspec.json.decode, schema="pg_catalog"
        )


def _encode_json(value: Any) -> str:
    return msgspec.json.encode(value).decode()


async def _keep(_: asyncpg.Connection) -> None:
    """Instead of asyncpg's reset query, a round trip a request: nothing here is ever SET outside a
    transaction, and transaction-level locks end with it."""
