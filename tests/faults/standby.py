"""A primary with one synchronous standby: real servers of a test's own."""

import os
import shutil
import signal
import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path

import asyncpg

from handsel.foundation.db import embedded
from handsel.foundation.db.embedded.place import Owner
from handsel.foundation.db.embedded.processes import Server, residents, roots, run, send
from handsel.foundation.db.embedded.programs import ensure_owner, server_programs

#: What is tested is who has which transaction, not the disk.
FAST = {"fsync": "off", "full_page_writes": "off", "shared_buffers": "32MB"}


@dataclass
class Standby:
    """The standby's processes; it has a folder, and a socket in it, of its own."""

    folder: Path
    owner: Owner
    programs: Path

    def start(self) -> None:
        argv: list[str | Path] = [self.programs / "postgres", "-D", self.folder / "data"]
        argv += ["-c", f"unix_socket_directories={self.folder}", "-c", "listen_addresses="]
        with (self.folder / "log").open("ab") as log:
            data, file = self.folder / "data", log.fileno()
            Server(argv, owner=self.owner, data=data, log=file, alive=file, tied=True)

    def signal(self, number: signal.Signals) -> None:
        """To the server and all its children: none of them does anything by itself."""
        for resident in residents(self.folder / "data", self.owner):
            send(resident, number, self.folder / "data", self.owner)

    def kill(self) -> None:
        """And wait until the last one is gone."""
        data = self.folder / "data"
        ends = time.monotonic() + 10
        while found := residents(data, self.owner):
            assert time.monotonic() < ends, found
            for resident in roots(found):
                send(resident, signal.SIGKILL, data, self.owner)
            time.sleep(0.02)


@contextmanager
def standby_of(address: embedded.ServerAddress) -> Iterator[Standby]:
    """A copy of the server that follows it, not yet asked for by ``synchronous_standby_names``."""
    owner = ensure_owner()
    folder = Path(tempfile.mkdtemp(prefix="handsel-standby-"))
    if owner.change:
        os.chown(folder, owner.uid, owner.gid)
    programs, _ = server_programs(owner, lambda _: None)
    found = Standby(folder, owner, programs)
    try:
        argv: list[str | Path] = [programs / "pg_basebackup", "-R", "--no-sync", "-c", "fast"]
        argv += ["-h", address.socket_dir, "-p", str(address.port), "-U", address.user]
        argv += ["-D", folder / "data", "-X", "stream"]
        copied = run(argv, owner, dies_with_us=True)
        assert copied.returncode == 0, copied.stderr
        found.start()
        yield found
    finally:
        with suppress(ProcessLookupError):
            found.kill()
        shutil.rmtree(folder, ignore_errors=True)


async def ask_for_standby(conn: asyncpg.Connection, names: str) -> None:
    """Set ``synchronous_standby_names`` in the running server."""
    await conn.execute("SET synchronous_commit = 'local'")
    await conn.execute(f"ALTER SYSTEM SET synchronous_standby_names = '{names}'")
    await conn.execute("SELECT pg_reload_conf()")


async def waiting(conn: asyncpg.Connection) -> list[int]:
    """The backends of the application whose COMMIT waits for the standby."""
    rows = await conn.fetch(
        "SELECT pid FROM pg_stat_activity"
        " WHERE wait_event = 'SyncRep' AND application_name = 'handsel' ORDER BY pid"
    )
    return [row["pid"] for row in rows]
