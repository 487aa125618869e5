"""The embedded database under the supervisor: noticed when it dies, and started again."""

import socket
import threading
from typing import Final

from handsel.foundation.core import clock
from handsel.foundation.core.settings import Settings
from handsel.foundation.db import embedded
from handsel.front.cli.children import FIRST_PAUSE_S, LONGEST_PAUSE_S
from handsel.front.cli.console import Say
from handsel.front.cli.faults import sentence

_LOOK_EVERY_S: Final = 1.0


class DatabaseKeeper:
    """Looks every second whether the server of this home still listens."""

    def __init__(self, settings: Settings, address: embedded.ServerAddress, say: Say) -> None:
        self._home = settings.home
        self._socket = address.socket_dir / f".s.PGSQL.{address.port}"
        self._say = say
        self._look_at = clock.monotonic() + _LOOK_EVERY_S
        self._pause = FIRST_PAUSE_S
        self._starting: threading.Thread | None = None

    def tend(self) -> None:
        """Look, and start a dead server. Recovery may last, so it runs beside the supervisor."""
        now = clock.monotonic()
        if now < self._look_at or (self._starting and self._starting.is_alive()):
            return
        self._look_at = now + _LOOK_EVERY_S
        if self._listens():
            self._pause = FIRST_PAUSE_S
            return
        self._say("The database has ended; starting it again")
        self._look_at = now + self._pause
        self._pause = min(self._pause * 2, LONGEST_PAUSE_S)
        self._starting = threading.Thread(target=self._start, name="database", daemon=True)
        self._starting.start()

    def _listens(self) -> bool:
        """Only a refusal counts: a busy server may be slow to answer, but it is not dead."""
        with socket.socket(socket.AF_UNIX) as probe:
            probe.settimeout(2.0)
            try:
                probe.connect(str(self._socket))
            except (ConnectionRefusedError, FileNotFoundError):
                return False
            except OSError:
                return True
        return True

    def _start(self) -> None:
        try:
            embedded.start(self._home, lifetime="tied")
        except Exception as error:  # noqa: BLE001 - a thread has nobody to raise to
            self._say(f"The database does not start: {sentence(error) or repr(error)}")
            return
        self._say("The database answers again")
