"""What the tests of the embedded server share: child processes, queries, who lives where."""

import os
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

import handsel
from handsel.foundation.db import embedded
from handsel.foundation.db.embedded.place import owner_of_server
from handsel.foundation.db.embedded.processes import Resident, residents, roots

SOURCE = Path(handsel.__file__).parent.parent
# The machine does not lose power here: what is tested is the death of processes.
FAST = {"fsync": "off", "shared_buffers": "16MB", "max_connections": "20"}

_START = f"""
import sys, time
from pathlib import Path
from handsel.foundation.db import embedded
say = lambda text: print(text, file=sys.stderr)
fast = {FAST!r}
try:
    address = embedded.start(Path(sys.argv[1]), lifetime=sys.argv[2], settings=fast, progress=say)
    print("up", address.data_dir, flush=True)
except embedded.EmbeddedUnavailable as fault:
    print("unavailable:", fault, flush=True)
    sys.exit(3)
"""
START_AND_STAY = _START + "time.sleep(600)\n"
START_AND_GO = _START


def python(script: str, *arguments: object) -> list[str]:
    return [sys.executable, "-W", "error", "-c", script, *map(str, arguments)]


@contextmanager
def child(*argv: str, user: int | None = None) -> Iterator[subprocess.Popen[str]]:
    """A child process that is killed and reaped at the end of the block."""
    process = subprocess.Popen(
        argv, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True, user=user
    )
    with process:
        try:
            yield process
        finally:
            process.kill()


@contextmanager
def starter(home: Path, lifetime: str) -> Iterator[subprocess.Popen[str]]:
    """A process that has started the server of `home` and now does nothing."""
    with child(*python(START_AND_STAY, home, lifetime)) as process:
        assert process.stdout
        assert process.stdout.readline().startswith("up ")
        yield process


def sql(address: embedded.ServerAddress, statement: str) -> str:
    psql = str(embedded.binaries() / "psql")
    argv = [psql, "-XAtq", "-v", "ON_ERROR_STOP=1", "-d", address.url("postgres"), "-c", statement]
    done = subprocess.run(argv, check=True, capture_output=True, text=True)
    return done.stdout.strip()


def inhabitants(home: Path) -> list[Resident]:
    owner = owner_of_server()
    return residents(embedded.data_location(home), owner) if owner else []


def postmaster(home: Path) -> int:
    (root,) = roots(inhabitants(home))
    return root.pid


def commands_on(folder: Path) -> list[int]:
    """The processes, of any user, that were given something below `folder` as an argument."""
    found = []
    for entry in Path("/proc").glob("[0-9]*"):
        with suppress(FileNotFoundError, ProcessLookupError):
            _, *arguments = (entry / "cmdline").read_text(errors="replace").split("\0")
            if any(argument.startswith(f"{folder}/") for argument in arguments):
                found.append(int(entry.name))
    return found


def eventually(holds: Callable[[], object], *, within: float = 10) -> bool:
    ends = time.monotonic() + within
    while not holds():
        if time.monotonic() > ends:
            return False
        time.sleep(0.02)
    return True


def is_running(pid: int) -> bool:
    """Alive, and no zombie."""
    try:
        return Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0] not in "ZX"
    except FileNotFoundError:
        return False


def log_of(home: Path) -> str:
    return (embedded.data_location(home).parent / "postgres.log").read_text()


def is_root() -> bool:
    return os.geteuid() == 0
