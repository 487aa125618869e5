"""Kernel locks on files: released by the kernel when their holder dies, even by kill -9."""

import fcntl
import os
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

from handsel.foundation.db.embedded.errors import EmbeddedUnavailable
from handsel.foundation.db.embedded.waiting import patiently


def try_lock(path: Path) -> int | None:
    """The descriptor of a lock now held, or None while another process holds it.

    A lock file that was deleted between open and flock is no lock: that is None as well.
    """
    descriptor = os.open(path, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC | os.O_NOFOLLOW, 0o600)
    try:
        fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
        if os.path.samestat(os.fstat(descriptor), path.stat()):
            return descriptor
    except (BlockingIOError, FileNotFoundError):
        pass
    except BaseException:
        os.close(descriptor)
        raise
    os.close(descriptor)
    return None


def is_locked(path: Path) -> bool:
    """Whether another process holds the lock; creates nothing."""
    if not path.exists():
        return False
    descriptor = try_lock(path)
    if descriptor is None:
        return path.exists()
    os.close(descriptor)
    return False


@contextmanager
def locked(
    path: Path, make_folder: Callable[[], None], say: Callable[[str], None], *, within: float
) -> Iterator[None]:
    """Hold the lock `path`; wait for another holder, at most `within` seconds."""
    waiting = "waiting for another process that starts or stops the database"
    for _ in patiently(say, waiting, within=within):
        make_folder()
        # The folder itself vanishes when its database is reset between the two lines.
        with suppress(FileNotFoundError):
            descriptor = try_lock(path)
            if descriptor is not None:
                break
    else:
        raise EmbeddedUnavailable(
            f"Another process has been starting or stopping this database for {within:.0f} "
            f"seconds (it holds the lock {path})."
        )
    try:
        yield
    finally:
        os.close(descriptor)
