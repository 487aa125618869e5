"""One supervisor to a HANDSEL_HOME. A kernel lock: it ends with its process, however that ends."""

import fcntl
import os
from pathlib import Path
from typing import IO

from handsel.foundation.core.errors import UserError


def take(home: Path) -> IO[str]:
    """Hold the home until the file is closed. Raises ``UserError`` naming who holds it."""
    file = (home / "run.lock").open("a+")
    try:
        fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except OSError:
        owner = _pid_in(file)
        file.close()
        raise UserError(
            f"handsel already runs on {home} (process {owner}); stop it, or choose another "
            "HANDSEL_HOME and PORT."
        ) from None
    file.seek(0)
    file.truncate()
    file.write(str(os.getpid()))
    file.flush()
    return file


def taken_by(home: Path) -> str | None:
    """The process id of the supervisor of this home, if one runs."""
    try:
        file = (home / "run.lock").open("r+")
    except FileNotFoundError:
        return None
    with file:
        try:
            fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except OSError:
            return _pid_in(file)
    return None


def _pid_in(file: IO[str]) -> str:
    file.seek(0)
    return file.read().strip() or "unknown"
