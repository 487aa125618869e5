"""What an operator can mend, as one sentence. Everything else keeps its traceback."""

import errno
import sys

from handsel.foundation.core.errors import UserError

_OUT_OF_SPACE = "53100"  # SQLSTATE disk_full


def sentence(error: BaseException) -> str | None:
    """The sentence for standard error, or None for a fault of the program."""
    if isinstance(error, UserError):
        return str(error)
    if isinstance(error, OSError) and error.errno == errno.ENOSPC:
        return f"The disk is full{_at(error.filename)}; free some space and start again."
    if isinstance(error, OSError) and error.errno in (errno.EACCES, errno.EROFS, errno.EPERM):
        reason = (error.strerror or "no permission").lower()
        return f"A file cannot be used: {reason}{_at(error.filename)}."
    return _of_database(error)


def _at(filename: object) -> str:
    return f" at {filename}" if filename else ""


def _of_database(error: BaseException) -> str | None:
    """Only what was imported can have been raised: a fast command stays fast."""
    embedded = sys.modules.get("handsel.foundation.db.embedded.errors")
    if embedded and isinstance(error, embedded.EmbeddedUnavailable):
        return str(error)
    asyncpg = sys.modules.get("asyncpg")
    if asyncpg is None:
        return None
    original = getattr(error, "orig", None) or error  # Alembic's come wrapped by SQLAlchemy
    state = getattr(original, "sqlstate", None) or getattr(error, "sqlstate", None)
    if state == _OUT_OF_SPACE:
        return "The database's disk is full; free some space and start again."
    away = (asyncpg.PostgresConnectionError, asyncpg.CannotConnectNowError)
    if isinstance(original, (*away, asyncpg.AdminShutdownError)):
        return f"The database cannot be reached: {original}."
    if isinstance(original, asyncpg.InsufficientPrivilegeError):
        return f"The database login lacks a right: {original}."
    return None
