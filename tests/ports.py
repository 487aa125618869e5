"""Ports for servers that tests start."""

import socket
from contextlib import suppress
from pathlib import Path
from random import SystemRandom

_RANGE = Path("/proc/sys/net/ipv4/ip_local_port_range")
_LOWEST = 10_000


def free_port() -> int:
    """One that the kernel never gives to a client, so that a server may die and come back to it."""
    first_of_clients = int(_RANGE.read_text().split()[0]) if _RANGE.exists() else 32_768
    some = SystemRandom()
    while True:
        port = some.randrange(_LOWEST, max(first_of_clients, 2 * _LOWEST))
        with socket.socket() as probe, suppress(OSError):
            probe.bind(("127.0.0.1", port))
            return port
