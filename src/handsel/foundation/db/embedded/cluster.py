"""The data folder: created whole or not at all, checked, and given its settings at each start."""

import os
import re
from collections.abc import Callable, Mapping
from pathlib import Path
from types import MappingProxyType
from typing import Final

from handsel.foundation.db.embedded.errors import EmbeddedUnavailable
from handsel.foundation.db.embedded.place import (
    MARK,
    PORT,
    SUPERUSER,
    Owner,
    Place,
    publish,
    side_dir,
    sweep_unfinished,
    sync,
    write_file,
)
from handsel.foundation.db.embedded.processes import run

# What suits a ledger on one machine. A caller's settings win.
DEFAULTS: Final[Mapping[str, str]] = MappingProxyType(
    {
        "fsync": "on",
        "full_page_writes": "on",
        "synchronous_commit": "on",
        "wal_level": "replica",
        "max_connections": "200",
        "shared_buffers": "256MB",
        "shared_preload_libraries": "pg_stat_statements",
        "idle_in_transaction_session_timeout": "60s",
        "timezone": "UTC",
        "log_timezone": "UTC",
        "log_destination": "stderr",
        "logging_collector": "off",
        "log_line_prefix": "%m [%p] %q%u@%d ",
        "log_lock_waits": "on",
    }
)
_RESERVED: Final = (
    "listen_addresses",
    "unix_socket_directories",
    "unix_socket_permissions",
    "port",
)
_NAME: Final = re.compile(r"[A-Za-z_][A-Za-z0-9_.]*")
_OWN_CONF: Final = "handsel.conf"


def checked_settings(settings: Mapping[str, str]) -> dict[str, str]:
    """The defaults with the caller's settings over them. ValueError for one that is not open."""
    for name, value in settings.items():
        if name.lower() in _RESERVED:
            raise ValueError(f"the setting {name} is the wrapper's own: the server has no TCP")
        if not _NAME.fullmatch(name) or not value.isprintable():
            raise ValueError(f"not a setting: {name!r} = {value!r}")
    return {**DEFAULTS, **settings}


def reserved_settings(place: Place) -> dict[str, str]:
    """Who can reach the server. Also given on the command line, where ALTER SYSTEM cannot
    override them."""
    values = ("", str(place.socket_dir), "0700", str(PORT))
    return dict(zip(_RESERVED, values, strict=True))


def ensure_data(
    place: Place,
    owner: Owner,
    programs: tuple[Path, int],
    settings: dict[str, str],
    say: Callable[[str], None],
) -> None:
    """Make sure that a complete data folder of the right version is there, with its settings."""
    folder, major = programs
    sweep_unfinished(place.data)
    if _is_absent(place.data):
        say(f"creating the database in {place.data}")
        _create(place, owner, folder, durable=settings["fsync"] != "off")
    _check(place.data, owner, major)
    lines = ["# Written by handsel at every start; change nothing here."]
    for name, value in (settings | reserved_settings(place)).items():
        escaped = value.replace("\\", "\\\\").replace("'", "''")
        lines.append(f"{name} = '{escaped}'")
    write_file(place.data / _OWN_CONF, ("\n".join(lines) + "\n").encode(), owner)


def _is_absent(data: Path) -> bool:
    return not data.exists() or (data.is_dir() and not any(data.iterdir()))


def _create(place: Place, owner: Owner, folder: Path, *, durable: bool) -> None:
    side = side_dir(place.data, owner)
    try:
        _initialise(side, owner, folder, durable=durable)
        publish(side, place.data)
    except BaseException:
        sweep_unfinished(place.data)  # above all when the disk is full
        raise


def _initialise(side: Path, owner: Owner, folder: Path, *, durable: bool) -> None:
    options = ["--locale-provider=builtin", "--builtin-locale=C.UTF-8", "--locale=C"]
    options += ["--encoding=UTF8", "--data-checksums", "--auth-local=trust", "--auth-host=reject"]
    options += [f"--username={SUPERUSER}", "--no-instructions", *([] if durable else ["--no-sync"])]
    made = run([folder / "initdb", *options, "-D", side], owner, dies_with_us=True)
    if made.returncode != 0:
        raise EmbeddedUnavailable(
            f"The database could not be created in {side.parent}: {_reason(made.stderr)}."
        )
    conf = side / "postgresql.conf"
    with conf.open("a") as file:
        file.write(f"\ninclude '{_OWN_CONF}'\n")
        file.flush()
        os.fsync(file.fileno())
    write_file(side / _OWN_CONF, b"", owner)
    write_file(side / MARK, b"This folder was made by handsel, which may delete it.\n", owner)
    sync(side)


def _reason(stderr: str) -> str:
    """The line of initdb's complaint that names the cause."""
    lines = [line.strip() for line in stderr.splitlines() if line.strip()]
    causes = [line for line in lines if "FATAL:" in line or "PANIC:" in line]
    errors = [line for line in lines if "error:" in line and "child process" not in line]
    chosen = (causes + errors + lines)[:1] or ["initdb gave no reason"]
    return re.sub(r"^.*?(?:error|FATAL|PANIC):\s*", "", chosen[0]).rstrip(".")


def _check(data: Path, owner: Owner, major: int) -> None:
    found = data.stat()
    if found.st_uid != owner.uid:
        raise EmbeddedUnavailable(
            f"The database in {data} belongs to user id {found.st_uid}, but would run as user id "
            f"{owner.uid}; start handsel as its owner, or correct the owner of that folder."
        )
    if not (data / MARK).exists():
        raise EmbeddedUnavailable(
            f"{data} is not empty and was not made by handsel; move it away or choose another "
            "HANDSEL_HOME."
        )
    try:
        written = (data / "PG_VERSION").read_text().strip()
    except (FileNotFoundError, UnicodeDecodeError):
        written = ""
    if not written.isdecimal():
        raise EmbeddedUnavailable(
            f"The database in {data} is damaged: its PG_VERSION cannot be read; restore a backup."
        )
    if int(written) != major:
        raise EmbeddedUnavailable(
            f"The database in {data} was written by PostgreSQL {written}, but the programs are "
            f"version {major}; name programs of version {written} in HANDSEL_PG_BIN, or move the "
            "data over with pg_upgrade."
        )
