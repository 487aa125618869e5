"""A child process that is kept alive: started, watched, started again with back-off, stopped."""

import os
import shutil
import signal
import subprocess
import sys
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Final

from handsel.foundation.core import clock
from handsel.front.cli.console import Say

FIRST_PAUSE_S: Final = 0.5
LONGEST_PAUSE_S: Final = 10.0
HEALTHY_AFTER_S: Final = 30.0
_LOG_BYTES: Final = 20_000_000


class Child:
    """``handsel <arguments>`` as a process in a session of its own.

    A session of its own, because a Ctrl-C at the terminal is for the supervisor alone, which then
    stops its children in order. What the child says goes to ``log``.
    """

    def __init__(
        self, name: str, arguments: Sequence[str], env: Mapping[str, str], log: Path, say: Say
    ) -> None:
        self.name = name
        self.log = log
        self.deaths = 0
        self.last_status: int | None = None
        self._argv = [sys.executable, "-m", "handsel.front.cli", *arguments]
        self._env = dict(env)
        self._say = say
        self._process: subprocess.Popen[bytes] | None = None
        self._began = 0.0
        self._pause = FIRST_PAUSE_S
        self._again_at = 0.0

    @property
    def pid(self) -> int | None:
        """The running process, or None."""
        return self._process.pid if self._process else None

    def tend(self) -> None:
        """Start it if it is time, notice its death. Called a few times a second."""
        now = clock.monotonic()
        if self._process is None:
            if now >= self._again_at:
                self._start()
            return
        status = self._process.poll()
        if status is None:
            if now - self._began >= HEALTHY_AFTER_S:
                self._pause = FIRST_PAUSE_S
            return
        self._process, self.last_status = None, status
        self.deaths += 1
        self._again_at = now + self._pause
        reason = describe(status)
        self._say(f"The {self.name} {reason}; starting it again in {self._pause:g} s ({self.log})")
        self._pause = min(self._pause * 2, LONGEST_PAUSE_S)

    def ask_to_stop(self) -> None:
        """SIGTERM: finish what is under way."""
        if self._process is not None:
            self._process.terminate()

    def kill(self) -> None:
        """SIGKILL: whatever is under way rolls back."""
        if self._process is not None:
            self._process.kill()

    def has_ended(self) -> bool:
        """Whether nothing of it runs any more."""
        if self._process is not None and self._process.poll() is not None:
            self._process = None
        return self._process is None

    def last_words(self) -> str:
        """The last line of its log."""
        with self.log.open("rb") as file:
            size = file.seek(0, os.SEEK_END)
            file.seek(max(0, size - 4000))
            lines = file.read().decode(errors="replace").strip().splitlines()
        return lines[-1].removeprefix("handsel: ") if lines else "it said nothing"

    def bound_log(self) -> None:
        """Keep the log and one older part: a copy and a truncation, as the child has it open."""
        if self.log.exists() and self.log.stat().st_size > _LOG_BYTES:
            shutil.copyfile(self.log, f"{self.log}.1")
            os.truncate(self.log, 0)

    def _start(self) -> None:
        self.log.parent.mkdir(exist_ok=True)
        self._began = clock.monotonic()
        with self.log.open("ab") as log:
            self._process = subprocess.Popen(
                [*self._argv, "--parent", str(os.getpid())],
                env=self._env,
                stdin=subprocess.DEVNULL,
                stdout=log,
                stderr=log,
                start_new_session=True,
            )


def describe(status: int) -> str:
    """How a process ended, from Popen's return code."""
    if status >= 0:
        return f"ended with status {status}"
    try:
        return f"was ended by {signal.Signals(-status).name}"
    except ValueError:
        return f"was ended by signal {-status}"
