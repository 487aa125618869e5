"""Which errors mean that the database is away for now. All others are ours and must surface."""

import asyncpg

from handsel.foundation.core.errors import Busy, OutcomeUnknown

_AWAY = (
    OSError,  # refused, reset, no socket file; TimeoutError is one too
    asyncpg.PostgresConnectionError,
    asyncpg.AdminShutdownError,
    asyncpg.CrashShutdownError,
    asyncpg.CannotConnectNowError,
    asyncpg.IdleSessionTimeoutError,
    asyncpg.InsufficientResourcesError,  # too many connections, disk full
    asyncpg.ReadOnlySQLTransactionError,  # a primary that was demoted under us
)
_TRANSIENT = (
    Busy,
    OutcomeUnknown,  # whatever a worker does may be done again
    asyncpg.TransactionRollbackError,  # deadlock, serialisation
    asyncpg.LockNotAvailableError,
    asyncpg.QueryCanceledError,
)
#: What to name in an ``except`` before asking ``is_transient``: the only errors that may be one.
POSSIBLY_TRANSIENT = (
    *_AWAY,
    *_TRANSIENT,
    asyncpg.InterfaceError,
    asyncpg.InternalClientError,
)
#: asyncpg has one class for a dead connection and for misuse; only the words tell them apart. The
#: last two: the server said goodbye (FATAL) and the socket is about to close, but is not yet.
_DEAD = (
    "connection is closed",
    "connection was closed",
    "connection has been released",
    "another operation (2) is in progress",
    'in the "failed" state',
)


def database_away(error: BaseException) -> bool:
    """The connection or the server is gone: connect again, later."""
    if isinstance(error, asyncpg.InterfaceError | asyncpg.InternalClientError):
        return any(words in str(error) for words in _DEAD)
    return isinstance(error, _AWAY)


def is_transient(error: BaseException) -> bool:
    """The database is away or said "not now": the same call may well succeed the next time."""
    return isinstance(error, _TRANSIENT) or database_away(error)
