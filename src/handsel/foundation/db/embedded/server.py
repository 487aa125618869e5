"""Start, stop, ask and delete the embedded server of a home."""

import os
import re
import signal
from collections.abc import Callable, Mapping
from contextlib import suppress
from pathlib import Path
from types import MappingProxyType
from typing import Final, Literal

from handsel.foundation.db.embedded.cluster import (
    checked_settings,
    ensure_data,
    reserved_settings,
)
from handsel.foundation.db.embedded.errors import EmbeddedUnavailable, operating_system_faults
from handsel.foundation.db.embedded.locks import is_locked, locked, try_lock
from handsel.foundation.db.embedded.place import (
    MARK,
    PORT,
    SUPERUSER,
    UNFINISHED,
    Owner,
    Place,
    ServerAddress,
    is_private_dir,
    make_base,
    make_private_dir,
    owner_of_server,
    place_of,
    runs_as_root,
    sweep_unfinished,
)
from handsel.foundation.db.embedded.processes import Server, residents, roots, run, send
from handsel.foundation.db.embedded.programs import binaries, ensure_owner, server_programs
from handsel.foundation.db.embedded.waiting import patiently

READY_WITHIN_S: Final = 600.0  # crash recovery of a large database takes minutes
STOPPED_WITHIN_S: Final = 120.0
ORPHANS_GONE_WITHIN_S: Final = 60.0
LOG_BYTES: Final = 10_000_000

_NO_SETTINGS: Final[Mapping[str, str]] = MappingProxyType({})
_STOP_SIGNAL: Final = MappingProxyType({"fast": signal.SIGINT, "immediate": signal.SIGQUIT})


def _silent(_text: str) -> None:
    pass


def start(
    home: Path,
    *,
    lifetime: Literal["shared", "tied"] = "shared",
    settings: Mapping[str, str] = _NO_SETTINGS,
    progress: Callable[[str], None] | None = None,
) -> ServerAddress:
    """Make sure that the server of `home` runs and answers; create its data at the first call.

    A `shared` server outlives its starter and ends by `stop`; a `tied` one also shuts down
    cleanly when its starter ends, however it ends (Linux). A server that already runs is taken
    as it is, with its lifetime and settings. `progress` gets a line for everything that lasts.
    Raises EmbeddedUnavailable.
    """
    say = progress or _silent
    wanted = checked_settings(settings)
    with operating_system_faults():
        place = place_of(home)
        if status(home):
            return place.address
        owner = ensure_owner()
        with locked(place.lock, lambda: make_base(place), say, within=READY_WITHIN_S + 60):
            if not _wait_for_whoever_lives_there(place, owner, say):
                _start_where_nobody_lives(place, owner, wanted, lifetime == "tied", say)
        return place.address


def stop(home: Path, *, mode: Literal["fast", "immediate"] = "fast") -> bool:
    """Stop the server of `home`; whether one was running. Raises EmbeddedUnavailable."""
    with operating_system_faults():
        place, owner = place_of(home), owner_of_server()
        if owner is None or not place.base.exists():
            return False
        with locked(place.lock, lambda: None, _silent, within=READY_WITHIN_S + 60):
            return _stop_locked(place, owner, mode)


def status(home: Path) -> ServerAddress | None:
    """The address of the server of `home` if it runs and accepts connections, else None."""
    with operating_system_faults():
        place, owner = place_of(home), owner_of_server()
        return place.address if owner and _answers(place, owner) else None


def reset(home: Path) -> None:
    """Stop the server of `home` and delete its data. Refuses a folder that handsel did not make."""
    with operating_system_faults():
        place, owner = place_of(home), owner_of_server()
        if owner is None or not place.base.exists():
            return
        with locked(place.lock, lambda: None, _silent, within=READY_WITHIN_S + 60):
            data = place.data
            if data.exists() and any(data.iterdir()) and not (data / MARK).exists():
                raise EmbeddedUnavailable(f"{data} was not made by handsel and stays as it is.")
            _stop_locked(place, owner, "immediate")
            _delete(place)


def _answers(place: Place, owner: Owner) -> bool:
    """Whether our socket accepts connections. Never a question about a pid."""
    if not place.socket.exists() or not is_private_dir(place.socket_dir, owner):
        return False
    return _pg_isready(place) == 0


def _pg_isready(place: Place) -> int:
    """0 accepts connections, 1 is starting up or shutting down, 2 nobody listens."""
    where = ["-h", str(place.socket_dir), "-p", str(PORT), "-U", SUPERUSER, "-d", "postgres"]
    return run([binaries() / "pg_isready", "-q", "-t", "3", *where]).returncode


def _wait_for_whoever_lives_there(place: Place, owner: Owner, say: Callable[[str], None]) -> bool:
    """Whether a server answers in the end. False: nobody lives there, not even an orphan.

    A postmaster may be starting (its starter was killed while waiting) or shutting down, or its
    backends may have outlived it. None of them is signalled and nothing starts beside them.
    """
    for waited in patiently(say, "waiting for the running server", within=READY_WITHIN_S):
        if _answers(place, owner):
            return True
        found = residents(place.data, owner)
        if not found and not is_locked(place.alive):
            return False
        if waited > ORPHANS_GONE_WITHIN_S and _pg_isready(place) != 1:
            break
    pids = ", ".join(str(resident.pid) for resident in found) or "none visible from here"
    raise EmbeddedUnavailable(
        f"PostgreSQL processes of an earlier server still use {place.data} and do not answer "
        f"(process ids: {pids}); stop them with `handsel db stop` or end them by hand."
    )


def _start_where_nobody_lives(
    place: Place, owner: Owner, settings: dict[str, str], tied: bool, say: Callable[[str], None]
) -> None:
    programs = server_programs(owner, say)
    ensure_data(place, owner, programs, settings, say)
    _clear_stale(place)
    make_private_dir(place.socket_dir, owner)
    _wait_until_ready(place, owner, *_launch(place, owner, programs[0], tied), say)


def _clear_stale(place: Place) -> None:
    """Remove what a dead server left. Only after making sure that nobody lives there."""
    for stale in (place.data / "postmaster.pid", place.socket, Path(f"{place.socket}.lock")):
        stale.unlink(missing_ok=True)


def _launch(place: Place, owner: Owner, folder: Path, tied: bool) -> tuple[Server, int]:
    """The server, and where its own lines begin in the log."""
    if place.log.exists() and place.log.stat().st_size > LOG_BYTES:
        place.log.replace(f"{place.log}.1")
    log = os.open(
        place.log, os.O_WRONLY | os.O_CREAT | os.O_APPEND | os.O_CLOEXEC | os.O_NOFOLLOW, 0o600
    )
    alive = try_lock(place.alive)
    try:
        if alive is None:
            raise EmbeddedUnavailable(f"Another process has just taken {place.data}; try again.")
        argv: list[str | Path] = [folder / "postgres", "-D", place.data]
        for name, value in reserved_settings(place).items():
            argv += ["-c", f"{name}={value}"]
        begins = os.fstat(log).st_size
        server = Server(argv, owner=owner, data=place.data, log=log, alive=alive, tied=tied)
        return server, begins
    finally:
        os.close(log)
        if alive is not None:
            os.close(alive)  # the server and its children keep theirs


def _wait_until_ready(
    place: Place, owner: Owner, server: Server, log_begins: int, say: Callable[[str], None]
) -> None:
    for _ in patiently(say, "waiting for the database to be ready", within=READY_WITHIN_S):
        if _answers(place, owner):
            return
        if server.has_exited:
            raise EmbeddedUnavailable(
                f"The database in {place.data} did not start: {_last_words(place, log_begins)} "
                f"(log: {place.log})."
            )
    raise EmbeddedUnavailable(
        f"The database in {place.data} is still recovering after {READY_WITHIN_S:.0f} seconds; "
        f"it goes on, start again later (log: {place.log})."
    )


def _last_words(place: Place, begins: int) -> str:
    """The last fatal line that this start wrote to the log, without time and process id."""
    with place.log.open("rb") as file:
        file.seek(begins)
        lines = file.read(1_000_000).decode(errors="replace").splitlines()
    # "configuration file ... contains errors" only points at the line before it.
    fatal = [line for line in lines if re.search(r"\b(FATAL|PANIC):(?!.*contains errors)", line)]
    said = [line for line in lines if line.strip() and "contains errors" not in line]
    chosen = (fatal or said or ["it gave no reason"])[-1]
    return re.sub(r"^.*?\b(?:FATAL|PANIC|LOG):\s*", "", chosen)


def _stop_locked(place: Place, owner: Owner, mode: Literal["fast", "immediate"]) -> bool:
    found = residents(place.data, owner)
    if not found and is_locked(place.alive):
        raise EmbeddedUnavailable(
            f"A process that cannot be seen from here (another container?) uses {place.data}; "
            "stop it there."
        )
    for resident in roots(found):
        send(resident, _STOP_SIGNAL[mode], place.data, owner)
    for _ in patiently(_silent, "", within=STOPPED_WITHIN_S):
        if not residents(place.data, owner):
            break
    else:
        raise EmbeddedUnavailable(
            f"The database in {place.data} did not shut down in {STOPPED_WITHIN_S:.0f} seconds; "
            "it may still be writing, try again (mode immediate does not wait for it)."
        )
    _clear_stale(place)
    with suppress(OSError):
        place.socket_dir.rmdir()
    return bool(found)


def _delete(place: Place) -> None:
    """Remove the data (renamed first: half a data folder must never look whole) and its traces."""
    if place.data.exists():
        place.data.rename(f"{place.data}{UNFINISHED}deleted")
    sweep_unfinished(place.data)
    traces = [place.log, Path(f"{place.log}.1"), place.alive, place.lock]  # the lock is the last
    for trace in [place.note, *traces] if runs_as_root() else traces:
        trace.unlink(missing_ok=True)
    if runs_as_root():
        with suppress(OSError):  # somebody may be starting it again already
            place.base.rmdir()
