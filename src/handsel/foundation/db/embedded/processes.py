"""Child processes, and the question "which postgres processes live in this data folder?"."""

import ctypes
import os
import signal
import subprocess
import sys
import threading
import warnings
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from handsel.foundation.db.embedded.place import Owner

_PR_SET_PDEATHSIG: Final = 1


@dataclass(frozen=True, slots=True)
class Resident:
    """A postgres process whose working directory is our data folder."""

    pid: int
    parent: int


def environment() -> dict[str, str]:
    """Ours without libpq's variables (PGPORT, PGOPTIONS, ...), with messages in English."""
    kept = {name: value for name, value in os.environ.items() if not name.startswith("PG")}
    return kept | {"LC_ALL": "C"}


def run(
    argv: Sequence[str | Path], owner: Owner | None = None, *, dies_with_us: bool = False
) -> subprocess.CompletedProcess[str]:
    """Run a short program to its end, as the server's user if given, and catch its output."""
    with _no_fork_warning():
        return subprocess.run(
            argv,
            check=False,
            cwd="/",
            env=environment(),
            stdin=subprocess.DEVNULL,
            capture_output=True,
            text=True,
            errors="replace",
            umask=0o077,
            user=owner.user if owner else None,
            group=owner.group if owner else None,
            extra_groups=owner.groups if owner else None,
            preexec_fn=_signal_on_death_of_parent(signal.SIGKILL) if dies_with_us else None,
        )


class Server:
    """A postmaster started by this process, and the thread that started it and reaps it.

    The thread matters twice. The kernel sends the death signal of a `tied` server when the
    *thread* that forked it ends, so that must not be a pool's thread, gone after ten idle
    seconds. And somebody has to wait for the child, or its pid stays behind as a zombie.
    """

    def __init__(
        self,
        argv: Sequence[str | Path],
        *,
        owner: Owner,
        data: Path,
        log: int,
        alive: int,
        tied: bool,
    ) -> None:
        self._options = (argv, owner, data, log, alive, tied)
        self._started = threading.Event()
        self._ended = threading.Event()
        self._fault: BaseException | None = None
        threading.Thread(target=self._keep, name="embedded-postgres", daemon=True).start()
        self._started.wait()
        if self._fault:
            raise self._fault

    @property
    def has_exited(self) -> bool:
        return self._ended.is_set()

    def _keep(self) -> None:
        try:
            process = self._launch()
        except BaseException as fault:  # noqa: BLE001 - raised again in the caller's thread
            self._fault = fault
            self._started.set()
            return
        self._started.set()
        process.wait()
        self._ended.set()

    def _launch(self) -> subprocess.Popen[bytes]:
        argv, owner, data, log, alive, tied = self._options
        with _no_fork_warning():
            return subprocess.Popen(
                argv,
                cwd=data,
                env=environment(),
                stdin=subprocess.DEVNULL,
                stdout=log,
                stderr=log,
                umask=0o077,
                start_new_session=True,  # a Ctrl-C at the terminal is not for the server
                pass_fds=(alive,),
                user=owner.user,
                group=owner.group,
                extra_groups=owner.groups,
                preexec_fn=_signal_on_death_of_parent(signal.SIGINT) if tied else None,
            )


@contextmanager
def _no_fork_warning() -> Iterator[None]:
    """Python 3.12 warns of every preexec_fn beside threads; ours takes no lock."""
    with warnings.catch_warnings():
        warnings.filterwarnings("ignore", "This process", DeprecationWarning)
        yield


def _signal_on_death_of_parent(number: signal.Signals) -> Callable[[], None] | None:
    """What a child does before exec, after it changed its user (which would clear the request).

    Only Linux can do this; elsewhere a tied server ends by `stop` alone.
    """
    if sys.platform != "linux":
        return None
    prctl = ctypes.CDLL(None, use_errno=True).prctl
    parent = os.getpid()

    def ask_the_kernel() -> None:
        failed = prctl(_PR_SET_PDEATHSIG, int(number), 0, 0, 0)
        if failed or os.getppid() != parent:  # the parent died before the kernel knew
            os._exit(1)

    return ask_the_kernel


def residents(data: Path, owner: Owner) -> list[Resident]:
    """Every living postgres process whose working directory is `data`."""
    try:
        home = data.stat()
    except FileNotFoundError:
        return []
    if sys.platform != "linux":
        return _residents_by_lsof(data)
    with _file_rights_of(owner):
        numbers = [int(entry.name) for entry in Path("/proc").iterdir() if entry.name.isdigit()]
        found = (_resident(pid, home) for pid in numbers)
        return [resident for resident in found if resident]


def roots(found: Sequence[Resident]) -> list[Resident]:
    """The postmaster; or, after its violent death, the orphans it left."""
    pids = {resident.pid for resident in found}
    return [resident for resident in found if resident.parent not in pids]


def send(resident: Resident, number: signal.Signals, data: Path, owner: Owner) -> None:
    """Signal a resident, after making sure at this very moment that it still is one."""
    if sys.platform == "linux" and hasattr(os, "pidfd_open"):
        with suppress(ProcessLookupError):
            handle = os.pidfd_open(resident.pid)  # from here on the pid cannot change hands
            try:
                if any(found.pid == resident.pid for found in residents(data, owner)):
                    signal.pidfd_send_signal(handle, number)
            finally:
                os.close(handle)
        return
    if any(found.pid == resident.pid for found in residents(data, owner)):
        with suppress(ProcessLookupError):
            os.kill(resident.pid, number)


def _resident(pid: int, home: os.stat_result) -> Resident | None:
    try:
        # "pid (comm) state ppid ...", and comm may itself hold blanks and parentheses.
        comm, _, rest = Path(f"/proc/{pid}/stat").read_text().partition("(")[2].rpartition(")")
        state, parent = rest.split()[:2]
        if not comm.startswith("postgres") or state in "ZX":
            return None
        if not os.path.samestat(Path(f"/proc/{pid}/cwd").stat(), home):
            return None
    except (FileNotFoundError, ProcessLookupError, PermissionError):
        return None
    return Resident(pid, int(parent))


def _residents_by_lsof(data: Path) -> list[Resident]:
    """macOS has no /proc; its lsof lists pid (p), parent (R) and working directory (n)."""
    listing = run(["lsof", "-a", "-c", "postgres", "-d", "cwd", "-F", "pRn"]).stdout
    found: list[Resident] = []
    pid = parent = 0
    for line in listing.splitlines():
        match line[:1], line[1:]:
            case "p", number:
                pid = int(number)
            case "R", number:
                parent = int(number)
            case "n", path if path == str(data.resolve()):
                found.append(Resident(pid, parent))
    return found


@contextmanager
def _file_rights_of(owner: Owner) -> Iterator[None]:
    """Look at /proc with the rights of the server's user, in this thread only.

    A container's root lacks CAP_SYS_PTRACE and may not see the working directory of another
    user's process; that user itself may.
    """
    if not owner.change:
        yield
        return
    libc = ctypes.CDLL(None)
    user, group = libc.setfsuid, libc.setfsgid
    group(owner.gid)
    user(owner.uid)
    try:
        yield
    finally:
        user(os.geteuid())
        group(os.getegid())
