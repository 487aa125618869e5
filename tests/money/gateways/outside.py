"""Programs of others that the gateway is tried on: found by a variable or on the PATH, run as
processes of their own on loopback, never imported. Where one is absent the test is skipped."""

import os
import shutil
import socket
import subprocess
import time
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import pytest

from tests.ports import free_port

_WITHIN_S = 30.0
#: localstripe listens on every interface; here only on the loopback one.
_ON_LOOPBACK = """
import runpy, socket, sys
bind = socket.socket.bind
socket.socket.bind = lambda s, to: bind(s, ("::1", *to[1:]) if to[0] == "::" else to)
sys.argv = ["localstripe", "--from-scratch", "--port", sys.argv[1]]
runpy.run_module("localstripe", run_name="__main__")
"""


@contextmanager
def stripe_mock() -> Iterator[str]:
    """Stripe's own mock: it checks every request against their OpenAPI document, and remembers
    nothing."""
    program = os.environ.get("HANDSEL_STRIPE_MOCK") or shutil.which("stripe-mock")
    if not program:
        pytest.skip("not run: no stripe-mock on the PATH (or in HANDSEL_STRIPE_MOCK)")
    port = free_port()
    https = f"127.0.0.1:{free_port()}"
    with _running([program, "-http-addr", f"127.0.0.1:{port}", "-https-addr", https], port):
        yield f"http://127.0.0.1:{port}"


@contextmanager
def localstripe() -> Iterator[str]:
    """localstripe (GPL): stateful, without Connect. ``HANDSEL_LOCALSTRIPE`` is the Python of the
    environment that it is installed in."""
    python = os.environ.get("HANDSEL_LOCALSTRIPE")
    if not python:
        pytest.skip("not run: no HANDSEL_LOCALSTRIPE (the Python that has localstripe)")
    port = free_port()
    with _running([python, "-c", _ON_LOOPBACK, str(port)], port, host="::1"):
        yield f"http://[::1]:{port}"


@contextmanager
def _running(command: list[str], port: int, host: str = "127.0.0.1") -> Iterator[None]:
    silent: dict[str, Any] = {"stdout": subprocess.DEVNULL, "stderr": subprocess.DEVNULL}
    process = subprocess.Popen(command, **silent)
    try:
        end = time.monotonic() + _WITHIN_S
        while not _listens(host, port):
            if process.poll() is not None or time.monotonic() > end:
                pytest.skip(f"not run: {command[0]} does not start")
            time.sleep(0.1)
        yield
    finally:
        process.kill()
        process.wait(10)


def _listens(host: str, port: int) -> bool:
    try:
        with socket.create_connection((host, port), timeout=1):
            return True
    except OSError:
        return False
