"""Commands and what they say when something is wrong: one sentence, status 2, no traceback."""

import errno
import json
import socket
import subprocess
from pathlib import Path

import asyncpg
import pytest

from handsel.foundation.core.errors import UserError
from handsel.foundation.core.settings import Settings
from handsel.foundation.db.embedded import EmbeddedUnavailable
from handsel.front.cli import lock
from handsel.front.cli.children import describe
from handsel.front.cli.database import given_url
from handsel.front.cli.faults import sentence
from tests.front.house import CLI, environment, handsel
from tests.ports import free_port


def test_config_masks_secrets(tmp_path: Path) -> None:
    shown = handsel(
        tmp_path,
        "config",
        HANDSEL_DATABASE_URL="postgresql://me:hunter2@db/x",
        HANDSEL_SECRET="topsecret" * 6,
        MEILISEARCH_API_KEY="mkey",
        PORT="8123",
    )

    settings = json.loads(shown.stdout)
    assert (settings["port"], settings["home"]) == (8123, str(tmp_path))
    masked = [settings[name] for name in ("database_url", "secret", "meilisearch_api_key")]
    assert masked == ["***", "***", "***"]
    assert not any(word in shown.stdout for word in ("hunter2", "topsecret", "mkey"))


def refused(result: subprocess.CompletedProcess[str]) -> str:
    """The one sentence."""
    assert result.returncode == 2, result.stderr
    assert "Traceback" not in result.stderr
    lines = [line for line in result.stderr.splitlines() if line.startswith("handsel: ")]
    assert len(lines) == 1, result.stderr
    return lines[0].removeprefix("handsel: ")


@pytest.mark.parametrize(
    ("url", "said"),
    [
        ("mysql://root@db/x", "HANDSEL_DATABASE_URL must look like postgresql://"),
        ("postgresql://me@127.0.0.1:port/x", "HANDSEL_DATABASE_URL has a port"),
        ("postgresql://me@127.0.0.1:1/x", "The database cannot be reached"),
    ],
)
def test_a_wrong_database_url_is_one_sentence(tmp_path: Path, url: str, said: str) -> None:
    sentence_ = refused(handsel(tmp_path, "db", "migrate", HANDSEL_DATABASE_URL=url))

    assert sentence_.startswith(said)


def test_a_taken_port_is_one_sentence(tmp_path: Path) -> None:
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        taken.listen()
        port = taken.getsockname()[1]
        said = refused(handsel(tmp_path, "run", PORT=str(port)))

    assert said.startswith(f"Port {port} on 127.0.0.1 is taken")
    assert not (tmp_path / "postgres").exists()


def test_a_wrong_setting_is_one_sentence(tmp_path: Path) -> None:
    assert "PORT must be 1 to 65535" in refused(handsel(tmp_path, "config", PORT="0"))


def test_a_demo_without_a_service_is_one_sentence(tmp_path: Path) -> None:
    said = refused(handsel(tmp_path, "demo", PORT=str(free_port())))

    assert said.startswith("No service answers at http://127.0.0.1:")


def test_a_reader_that_leaves_is_no_fault(tmp_path: Path) -> None:
    left = subprocess.run(
        [*CLI, "openapi"],
        env=environment(tmp_path),
        stdout=(reader := _closed_pipe()),
        stderr=subprocess.PIPE,
        text=True,
        timeout=60,
        check=False,
    )
    reader.close()

    assert (left.returncode, left.stderr) == (1, "")


def _closed_pipe() -> socket.socket:
    ours, theirs = socket.socketpair()
    theirs.close()
    return ours


@pytest.mark.parametrize(
    ("error", "said"),
    [
        (UserError("Say so."), "Say so."),
        (EmbeddedUnavailable("It cannot."), "It cannot."),
        (OSError(errno.ENOSPC, "No space", "/x"), "The disk is full at /x; free some space"),
        (asyncpg.DiskFullError("x"), "The database's disk is full; free some space"),
        (PermissionError(errno.EACCES, "Permission denied", "/x"), "A file cannot be used"),
        (asyncpg.CannotConnectNowError("starting up"), "The database cannot be reached"),
    ],
)
def test_what_an_operator_can_mend_is_a_sentence(error: Exception, said: str) -> None:
    assert (sentence(error) or "").startswith(said)


def test_a_fault_of_the_program_keeps_its_traceback() -> None:
    assert sentence(ZeroDivisionError()) is None


def test_a_home_is_held_by_one(tmp_path: Path) -> None:
    with lock.take(tmp_path):
        assert lock.taken_by(tmp_path) is not None
        with pytest.raises(UserError, match="already runs"):
            lock.take(tmp_path)

    assert lock.taken_by(tmp_path) is None


def test_both_schemes_of_a_url_are_one(settings: Settings) -> None:
    from msgspec.structs import replace

    assert given_url(replace(settings, database_url="postgres://a/b")) == "postgresql://a/b"
    assert given_url(settings) is None


@pytest.mark.parametrize(
    ("status", "said"), [(3, "ended with status 3"), (-9, "was ended by SIGKILL")]
)
def test_an_end_has_a_reason(status: int, said: str) -> None:
    assert describe(status) == said
