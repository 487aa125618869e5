"""The one error of this package."""

import errno
from collections.abc import Iterator
from contextlib import contextmanager


class EmbeddedUnavailable(Exception):
    """The embedded PostgreSQL cannot be used; `str(error)` is one sentence for the user."""


@contextmanager
def operating_system_faults() -> Iterator[None]:
    """Turn a refusal of the operating system into a sentence that names the file."""
    try:
        yield
    except OSError as fault:
        reason = (fault.strerror or str(fault)).lower()
        where = f" at {fault.filename}" if fault.filename else ""
        hint = {
            errno.ENOSPC: "; free some space and start again",
            errno.EACCES: "; choose another HANDSEL_HOME or correct its owner",
            errno.EROFS: "; choose a HANDSEL_HOME that can be written",
        }.get(fault.errno or 0, "")
        raise EmbeddedUnavailable(
            f"The embedded database cannot be used: {reason}{where}{hint}."
        ) from fault
