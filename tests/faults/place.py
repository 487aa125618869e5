"""A home with a server of this test run's own, and real processes of the house on it."""

import asyncio
import multiprocessing
import os
import signal
from collections.abc import Awaitable, Callable
from contextlib import suppress
from dataclasses import dataclass, field
from multiprocessing.context import ForkServerProcess
from pathlib import Path

import asyncpg
import httpx
import pytest

from handsel.front import invariants
from tests.faults import doomed
from tests.foundation.db.embedded_support import inhabitants, postmaster
from tests.ports import free_port

#: Children are forked from a process that has imported the house, which takes seconds, once.
_CHILDREN = multiprocessing.get_context("forkserver")
_CHILDREN.set_forkserver_preload(
    [
        "tests.faults.doomed",
        "handsel.front.cli",
        "handsel.front.api.app",
        "handsel.front.worker.app",
    ]
)
#: What was answered must survive the death of the server: only the disk's own delay is left out.
SAFE_ENOUGH = {"fsync": "off", "full_page_writes": "off", "synchronous_commit": "on"}


@dataclass
class Place:
    """A home with a migrated database, and the processes that were started on it, by name."""

    home: Path
    url: str
    ports: dict[str, int] = field(default_factory=dict)
    running: dict[str, ForkServerProcess] = field(default_factory=dict)

    def start(self, name: str, command: str = "", *, point: str = "") -> None:
        """``handsel serve`` or ``handsel worker``; it ends with this process, however that ends.
        With a ``point`` it dies there (see ``doomed.py``)."""
        env = {
            "HANDSEL_HOME": str(self.home),
            "HANDSEL_DATABASE_URL": self.url,
            "PORT": str(self.ports.setdefault(name, free_port())),
            "HANDSEL_LOG_LEVEL": "warning",
        }
        log = str(self.home / f"{name}.log")
        self.running[name] = _CHILDREN.Process(
            target=doomed.run, args=(command or name, env, log, point), daemon=True
        )
        self.running[name].start()

    def kill(self, name: str) -> None:
        """kill -9, by its own pid."""
        process = self.running.pop(name)
        process.kill()
        process.join()
        assert process.exitcode == -signal.SIGKILL, self.log(name)

    def address(self, name: str) -> str:
        return f"http://127.0.0.1:{self.ports[name]}"

    def log(self, name: str) -> str:
        return (self.home / f"{name}.log").read_text()[-3000:]

    async def death(self, name: str) -> int:
        """Wait until a process has ended by itself; its exit status."""
        process = self.running[name]

        async def ended() -> bool:
            return process.exitcode is not None

        await eventually(ended, f"{name} does not die")
        del self.running[name]
        return process.exitcode or 0

    def kill_postmaster(self) -> None:
        os.kill(postmaster(self.home), signal.SIGKILL)

    def kill_backend(self) -> None:
        """One that works for the application; its server then ends them all and recovers."""
        titles = {}
        for resident in inhabitants(self.home):
            with suppress(FileNotFoundError, ProcessLookupError):
                titles[resident.pid] = Path(f"/proc/{resident.pid}/cmdline").read_text()
        ours = [pid for pid, title in titles.items() if " handsel [local] " in title]
        busy = [pid for pid in ours if not titles[pid].rstrip("\0 ").endswith(" idle")]
        os.kill((busy or ours)[0], signal.SIGKILL)

    async def fetchrow(self, sql: str, *args: object) -> asyncpg.Record:
        """As the superuser, past the application."""
        conn = await asyncpg.connect(self.url)
        try:
            row = await conn.fetchrow(sql, *args)
        finally:
            await conn.close()
        assert row is not None
        return row

    async def is_quiet(self) -> bool:
        """Whether no session of the application does anything: what could commit has."""
        try:
            row = await self.fetchrow(
                "SELECT count(*) FROM pg_stat_activity"
                " WHERE application_name = 'handsel' AND state <> 'idle'"
            )
        except (OSError, asyncpg.PostgresError):
            return False
        return bool(row[0] == 0)

    async def violations(self) -> list[str]:
        """The invariants of the house that do not hold."""
        conn = await asyncpg.connect(self.url)
        try:
            found = await invariants.run(conn)
        finally:
            await conn.close()
        return [check.name for check in found.checks if check.state == "violated"]


async def eventually(holds: Callable[[], Awaitable[bool]], what: str, within: float = 30) -> None:
    with suppress(TimeoutError):
        async with asyncio.timeout(within):
            while not await holds():  # noqa: ASYNC110 - another process cannot set our event
                await asyncio.sleep(0.02)
            return
    pytest.fail(what)


async def ready(place: Place, name: str = "serve") -> None:
    """Wait until this API answers that it is ready."""
    async with httpx.AsyncClient(base_url=place.address(name), timeout=5) as http:

        async def says_so() -> bool:
            assert place.running[name].is_alive(), place.log(name)
            with suppress(httpx.TransportError):
                return (await http.get("/readyz")).status_code == 200
            return False

        await eventually(says_so, f"{name} does not get ready")
