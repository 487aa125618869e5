"""Where the embedded server of a home lives: folders, lock files, socket, the user that runs it."""

import hashlib
import os
import pwd
import re
import shutil
import stat
import tempfile
from dataclasses import dataclass
from pathlib import Path
from typing import Final
from urllib.parse import quote, urlencode

from handsel.foundation.db.embedded.errors import EmbeddedUnavailable

PORT: Final = 5432  # only part of the socket's name: there is no TCP
SUPERUSER: Final = "postgres"
SYSTEM_USER: Final = "handsel-pg"
SYSTEM_BASE: Final = Path("/var/lib/handsel")
MARK: Final = "handsel.mark"
UNFINISHED: Final = ".unfinished-"
LONGEST_SOCKET_PATH: Final = 103  # macOS; Linux allows 107

_PLAIN_PATH: Final = re.compile(r"[A-Za-z0-9_./+@-]+")  # needs no quoting in any PostgreSQL setting


@dataclass(frozen=True, slots=True)
class ServerAddress:
    """Where a running server can be reached, and where its data lies."""

    socket_dir: Path
    port: int
    user: str
    data_dir: Path

    def url(self, database: str) -> str:
        """The address of one database, as `asyncpg.connect(dsn)` and libpq take it."""
        where = urlencode({"host": str(self.socket_dir), "port": self.port}, safe="/")
        return f"postgresql://{quote(self.user, safe='')}@/{quote(database, safe='')}?{where}"


@dataclass(frozen=True, slots=True)
class Owner:
    """The operating-system user that runs the server; `change` when we must become that user."""

    uid: int
    gid: int
    change: bool

    @property
    def user(self) -> int | None:
        return self.uid if self.change else None

    @property
    def group(self) -> int | None:
        return self.gid if self.change else None

    @property
    def groups(self) -> list[int] | None:
        return [] if self.change else None


@dataclass(frozen=True, slots=True)
class Place:
    """The paths of one embedded server. They follow from the home and the user alone.

    Never from the environment: a cron job and a login shell must find the same server.
    """

    home: Path
    base: Path
    socket_dir: Path

    @property
    def data(self) -> Path:
        return self.base / "postgres"

    @property
    def lock(self) -> Path:
        return self.base / "postgres.lock"

    @property
    def alive(self) -> Path:
        return self.base / "postgres.alive"

    @property
    def note(self) -> Path:
        """For people who look into root's /var/lib/handsel: which home this is."""
        return self.base / "home"

    @property
    def log(self) -> Path:
        return self.base / "postgres.log"

    @property
    def socket(self) -> Path:
        return self.socket_dir / f".s.PGSQL.{PORT}"

    @property
    def address(self) -> ServerAddress:
        return ServerAddress(self.socket_dir, PORT, SUPERUSER, self.data)


def runs_as_root() -> bool:
    return os.geteuid() == 0


def place_of(home: Path) -> Place:
    """The place that belongs to `home`: inside it, or for root below /var/lib/handsel."""
    absolute = home.resolve()
    name = hashlib.sha256(os.fsencode(absolute)).hexdigest()[:16]
    base = SYSTEM_BASE / name if runs_as_root() else absolute
    socket_dir = base / "postgres.run"
    socket_length = len(os.fsencode(socket_dir / f".s.PGSQL.{PORT}"))
    if socket_length > LONGEST_SOCKET_PATH or not _PLAIN_PATH.fullmatch(str(socket_dir)):
        # Not tempfile.gettempdir(): it follows TMPDIR. Safe because owner and mode are checked.
        socket_dir = Path(f"/tmp/handsel-{os.geteuid()}-{name}")  # noqa: S108
    return Place(absolute, base, socket_dir)


def data_location(home: Path) -> Path:
    """The folder that holds (or will hold) the data of `home`; for texts shown to people."""
    return place_of(home).data


def owner_of_server() -> Owner | None:
    """Who runs the server: ourselves, or for root the system user (None before it exists)."""
    if not runs_as_root():
        return Owner(os.geteuid(), os.getegid(), change=False)
    try:
        entry = pwd.getpwnam(SYSTEM_USER)
    except KeyError:
        return None
    return Owner(entry.pw_uid, entry.pw_gid, change=True)


def make_base(place: Place) -> None:
    """Create the folder around the data. Only a folder of ours gets its mode set, when made."""
    if not runs_as_root():
        place.base.mkdir(parents=True, exist_ok=True)
        return
    make_system_dir(SYSTEM_BASE)
    make_system_dir(place.base)
    if not place.note.exists():
        write_file(place.note, os.fsencode(place.home) + b"\n", None)


def make_system_dir(folder: Path) -> None:
    """Create a folder that the system user passes through, whatever root's umask says."""
    if not folder.exists():
        folder.mkdir(parents=True, exist_ok=True)
        folder.chmod(0o755)


def make_private_dir(folder: Path, owner: Owner) -> None:
    """Create `folder` with mode 0700 for the server's user; refuse one that is not its own."""
    try:
        folder.mkdir(mode=0o700)
    except FileExistsError:
        pass
    else:
        give_to(folder, owner)
    if not is_private_dir(folder, owner):
        found = folder.lstat()
        if not stat.S_ISDIR(found.st_mode) or found.st_uid != owner.uid:
            raise EmbeddedUnavailable(
                f"{folder} should be a folder of user id {owner.uid} for the database's socket, "
                f"but it belongs to user id {found.st_uid} or is no folder; remove it."
            )
        folder.chmod(0o700)


def is_private_dir(folder: Path, owner: Owner) -> bool:
    """Whether only the server's user (and root) can put a socket there."""
    try:
        found = folder.lstat()
    except OSError:
        return False
    mine = stat.S_ISDIR(found.st_mode) and found.st_uid == owner.uid
    return mine and stat.S_IMODE(found.st_mode) & 0o077 == 0


def side_dir(target: Path, owner: Owner | None) -> Path:
    """A fresh folder beside `target`, to be filled and then renamed to it."""
    folder = Path(tempfile.mkdtemp(prefix=target.name + UNFINISHED, dir=target.parent))
    if owner:
        give_to(folder, owner)
    return folder


def sweep_unfinished(target: Path) -> None:
    """Remove side folders that a killed process left. Call under the lock that guards them."""
    for leftover in target.parent.glob(target.name + UNFINISHED + "*"):
        shutil.rmtree(leftover, ignore_errors=True)


def publish(side: Path, target: Path) -> None:
    """Give the finished side folder its name, durably."""
    side.rename(target)
    sync(target.parent)


def give_to(path: Path, owner: Owner) -> None:
    if owner.change:
        os.chown(path, owner.uid, owner.gid, follow_symlinks=False)


def sync(path: Path) -> None:
    """Write a file or the entries of a folder to the disk."""
    descriptor = os.open(path, os.O_RDONLY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)


def write_file(target: Path, content: bytes, owner: Owner | None) -> None:
    """Replace a file as a whole. Root writes into folders of the system user, hence O_EXCL and a
    rename: a symbolic link planted there is replaced, not followed."""
    descriptor, side = tempfile.mkstemp(prefix=target.name + UNFINISHED, dir=target.parent)
    try:
        with os.fdopen(descriptor, "wb") as file:
            file.write(content)
            file.flush()
            if owner and owner.change:
                os.fchown(file.fileno(), owner.uid, owner.gid)
            os.fsync(file.fileno())
        Path(side).rename(target)
    except BaseException:
        Path(side).unlink(missing_ok=True)
        raise
