"""API, worker and database under one process: kept alive, and stopped in order."""

import http.client
import signal
import threading
from collections.abc import Callable
from types import FrameType
from typing import Final, Protocol

from handsel.foundation.core import clock
from handsel.foundation.core.errors import UserError
from handsel.foundation.core.settings import Settings
from handsel.front.cli.children import Child
from handsel.front.cli.console import Say

_TICK_S: Final = 0.2
_READY_WITHIN_S: Final = 120.0
_STOPPED_WITHIN_S: Final = 15.0
_FAILED_STARTS: Final = 4
_LOGS_EVERY_S: Final = 30.0


class Tended(Protocol):
    """Something the supervisor looks after."""

    def tend(self) -> None:
        """Look, and do what is needed. Quick."""


class Hurry(Exception):
    """A second Ctrl-C: whatever is being waited for, do not."""


class Signals:
    """Ctrl-C, SIGTERM and a closed terminal. The first asks to stop; a second one hurries.

    At first, while starting, all of them are Python's own Ctrl-C: asyncio turns that into the end
    of its task, whereas an exception of ours out of a handler would strike in the midst of the
    database driver and leave it waiting for ever.
    """

    def __init__(self) -> None:
        self.asked = 0
        self.stopped = threading.Event()
        signal.signal(signal.SIGINT, signal.default_int_handler)
        for number in (signal.SIGTERM, signal.SIGHUP):
            signal.signal(number, lambda *_: signal.raise_signal(signal.SIGINT))

    def count(self) -> None:
        """From now on a signal is only counted: the loop that runs looks at it."""
        signal.signal(signal.SIGINT, self._count)

    def interrupt(self) -> None:
        """From now on a signal raises ``Hurry``: something that cannot look is waited for."""
        signal.signal(signal.SIGINT, self._interrupt)

    def _count(self, _number: int, _frame: FrameType | None) -> None:
        self.asked += 1
        self.stopped.set()

    def _interrupt(self, _number: int, _frame: FrameType | None) -> None:
        self.asked += 1
        raise Hurry


class Supervisor:
    """Looks after its children (and the database) until it is asked to stop."""

    def __init__(
        self, settings: Settings, children: list[Child], others: list[Tended], signals: Signals
    ) -> None:
        self._settings = settings
        self._children = children
        self._others = others
        self._signals = signals
        self._logs_at = clock.monotonic() + _LOGS_EVERY_S

    def wait_until_ready(self) -> None:
        """Until /readyz says yes. Raises ``UserError`` with the child's own words if it cannot."""
        began = clock.monotonic()
        self._signals.count()
        while not self._signals.stopped.is_set():
            self._tend()
            if is_ready(self._settings.host, self._settings.port) and self._all_run():
                return
            for child in self._children:
                _give_up_on(child)
            if clock.monotonic() - began > _READY_WITHIN_S:
                raise UserError(f"The API is not ready after {_READY_WITHIN_S:.0f} seconds.")
            self._signals.stopped.wait(_TICK_S)

    def run(self) -> None:
        """Until a signal."""
        while not self._signals.stopped.is_set():
            self._tend()
            self._signals.stopped.wait(_TICK_S)

    def stop(self, say: Say) -> None:
        """SIGTERM to the children, a bounded wait, SIGKILL. A second Ctrl-C skips the wait."""
        self._signals.count()
        for child in self._children:
            child.ask_to_stop()
        began = clock.monotonic()
        while not all(child.has_ended() for child in self._children):
            hurry = self._signals.asked > 1
            if hurry or clock.monotonic() - began > _STOPPED_WITHIN_S:
                say("Ending what still runs")
                for child in self._children:
                    child.kill()
            threading.Event().wait(0.05)

    def _all_run(self) -> bool:
        return all(child.pid for child in self._children)

    def _tend(self) -> None:
        for one in (*self._others, *self._children):
            one.tend()
        if clock.monotonic() >= self._logs_at:
            self._logs_at = clock.monotonic() + _LOGS_EVERY_S
            for child in self._children:
                child.bound_log()


def _give_up_on(child: Child) -> None:
    """A wrong setting will not mend itself, and nor will a child that never comes up."""
    if child.deaths and (child.last_status == 2 or child.deaths >= _FAILED_STARTS):
        raise UserError(f"The {child.name} does not start: {child.last_words()} (log: {child.log})")


def is_ready(host: str, port: int) -> bool:
    """One question to /readyz, straight to the port, past any proxy."""
    connection = http.client.HTTPConnection(reachable(host), port, timeout=3)
    try:
        connection.request("GET", "/readyz")
        return connection.getresponse().status == 200
    except (OSError, http.client.HTTPException):
        return False
    finally:
        connection.close()


def reachable(host: str) -> str:
    """Where a client on this machine finds a server that listens on ``host``."""
    return {"0.0.0.0": "127.0.0.1", "::": "::1"}.get(host, host)  # noqa: S104 - not a binding


def stopping(stop: Callable[[str], object], signals: Signals, say: Say) -> None:
    """Stop the database: ``stop("fast")``, or after another Ctrl-C ``stop("immediate")``."""
    try:
        if signals.asked <= 1:
            signals.interrupt()
            stop("fast")
            return
    except Hurry:
        say("Stopping the database at once; it recovers at the next start")
    finally:
        signals.count()
    stop("immediate")
