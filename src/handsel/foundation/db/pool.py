"""The connection pool of a process. It connects as the application's role, never as the owner."""

from typing import Any, TypeAlias, cast

import asyncpg
import msgspec

from handsel.foundation.db.session import COMMIT_WITHIN_S, Session

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
    url: str,
    *,
    size: int = 16,
    role: str = APP_ROLE,
    durable: bool = True,
    commit_within_s: float = COMMIT_WITHIN_S,
) -> asyncpg.Pool:
    """A pool of up to ``size`` connections on ``url`` acting as ``role``.

    ``durable=False`` lets a commit return before it is on disk: for data that can be made again
    (the sample town), never for anybody's money.
    """

    async def ready(connection: asyncpg.Connection) -> None:
        cast(Session, connection).commit_within_s = commit_within_s
        await prepare(connection)

    return await asyncpg.create_pool(
        url,
        min_size=1,
        max_size=size,
        init=ready,
        reset=_keep,
        connection_class=Session,
        server_settings={**_SESSION, "role": role} | ({} if durable else _NOT_DURABLE),
        statement_cache_size=500,
        max_cached_statement_lifetime=0,
    )


async def connect(url: str, *, role: str = APP_ROLE) -> asyncpg.Connection:
    """One connection outside the pool, with the same session settings."""
    connection = await asyncpg.connect(
        url, connection_class=Session, server_settings={**_SESSION, "role": role}
    )
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
