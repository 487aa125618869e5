"""`handsel run` as a process that tests may wound."""

import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path

import httpx

from tests.ports import free_port

CLI = [sys.executable, "-m", "handsel.front.cli"]


def handsel(home: Path, *arguments: str, **env: str) -> subprocess.CompletedProcess[str]:
    """One command to its end."""
    return subprocess.run(
        [*CLI, *arguments],
        env=environment(home) | env,
        capture_output=True,
        text=True,
        timeout=120,
        check=False,
    )


def environment(home: Path) -> dict[str, str]:
    kept = {k: v for k, v in os.environ.items() if not k.startswith(("HANDSEL_", "MEILI", "PORT"))}
    return kept | {"HANDSEL_HOME": str(home)}


def until(what: str, look: Callable[[], bool], within: float = 90.0) -> None:
    end = time.monotonic() + within
    while time.monotonic() < end:
        if look():
            return
        time.sleep(0.1)
    raise AssertionError(f"{what}: not within {within:.0f} s")


def children_of(pid: int) -> dict[str, int]:
    """Name to process id: serve, worker, postgres."""
    found: dict[str, int] = {}
    for entry in Path("/proc").iterdir():
        if not entry.name.isdigit():
            continue
        try:
            stat = (entry / "stat").read_text().rpartition(")")[2].split()
            line = (entry / "cmdline").read_bytes().decode().split("\0")
        except OSError:
            continue
        if int(stat[1]) == pid and stat[0] != "Z":
            name = next((n for n in ("serve", "worker") if n in line), "postgres")
            found[name] = int(entry.name)
    return found


def is_alive(pid: int) -> bool:
    try:
        return Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0] != "Z"
    except OSError:
        return False


class House:
    """The supervisor's process and what it says."""

    def __init__(self, home: Path) -> None:
        self.home = home
        self.port = free_port()
        self.url = f"http://127.0.0.1:{self.port}"
        self._output = home / "output"
        self._process: subprocess.Popen[bytes] | None = None

    @property
    def pid(self) -> int:
        assert self._process is not None
        return self._process.pid

    @property
    def said(self) -> str:
        return self._output.read_text()

    def launch(self, *arguments: str) -> None:
        """Start it, and do not wait."""
        with self._output.open("wb") as output:
            self._process = subprocess.Popen(
                [*CLI, "run", *arguments],
                env=environment(self.home) | {"PORT": str(self.port)},
                stdout=output,
                stderr=output,
            )

    def start(self, *arguments: str) -> None:
        """Start it and wait until it is ready."""
        self.launch(*arguments)
        until("ready", lambda: "is ready after" in self.said or self.has_ended())
        assert "is ready after" in self.said, self.said

    def has_ended(self) -> bool:
        return self._process is None or self._process.poll() is not None

    def children(self) -> dict[str, int]:
        return children_of(self.pid)

    def kill(self, name: str) -> int:
        """SIGKILL to one of the children; its process id."""
        pid = self.children()[name]
        os.kill(pid, signal.SIGKILL)
        return pid

    def is_ready(self) -> bool:
        try:
            return httpx.get(f"{self.url}/readyz", timeout=3, trust_env=False).status_code == 200
        except httpx.TransportError:
            return False

    def is_whole(self, without: int = 0) -> bool:
        """All three children run (none of them the one that was killed), and it is ready."""
        found = self.children()
        return len(found) == 3 and without not in found.values() and self.is_ready()

    def signal(self, number: signal.Signals) -> int:
        """Signal the supervisor and wait for its end; its status."""
        assert self._process is not None
        self._process.send_signal(number)
        return self._process.wait(60)

    def end(self) -> None:
        if self._process is not None and self._process.poll() is None:
            self._process.kill()
            self._process.wait(10)
