"""The two processes of the service: the API and the worker, each in the foreground."""

import asyncio
import contextlib
import errno
import gc
import signal
import socket
from typing import Any

from handsel.foundation.core.errors import UserError
from handsel.foundation.core.settings import Settings
from handsel.front.cli import logs
from handsel.front.cli.database import open_database
from handsel.front.cli.lifetime import end_with
from handsel_ml.lean import load_lightgbm


def check_port(host: str, port: int) -> None:
    """Raises ``UserError`` if nothing can listen there."""
    try:
        family, kind, _, _, address = socket.getaddrinfo(host, port, type=socket.SOCK_STREAM)[0]
        with socket.socket(family, kind) as probe:
            probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
            probe.bind(address)
    except OSError as error:
        if error.errno == errno.EADDRINUSE:
            raise UserError(
                f"Port {port} on {host} is taken by another program; choose another one: "
                f"PORT={port + 1 if port < 65535 else 8000}."
            ) from None
        reason = error.strerror or str(error)
        raise UserError(f"Nothing can listen on {host}:{port}: {reason}.") from None


def serve_api(settings: Settings, *, server: str, parent: int = 0) -> None:
    """Answer requests until SIGTERM or SIGINT; requests under way are finished. A ``parent`` is a
    supervisor that has prepared the database, and whose end is ours."""
    end_with(parent)
    logs.configure(settings.log_level)
    check_port(settings.host, settings.port)
    url = open_database(settings, migrated=bool(parent))
    from handsel.front.api.app import create_app

    app = create_app(settings, url=url)
    gc.freeze()  # what has been loaded stays: the collector need not go through it ever again
    if server == "uvicorn":
        _serve_by_uvicorn(app, settings)
        return
    import uvloop

    uvloop.run(_serve_by_granian(app, settings))


async def _serve_by_granian(app: Any, settings: Settings) -> None:
    from granian.constants import Interfaces
    from granian.server.embed import Server

    server = Server(
        app,
        address=settings.host,
        port=settings.port,
        interface=Interfaces.ASGI,
        websockets=False,
        backlog=1024,
        log_enabled=False,
    )
    loop = asyncio.get_running_loop()
    for number in (signal.SIGTERM, signal.SIGINT):
        loop.add_signal_handler(number, server.stop)
    await server.serve()


def _serve_by_uvicorn(app: Any, settings: Settings) -> None:
    try:
        import uvicorn
    except ImportError:
        raise UserError("uvicorn is not installed: pip install 'handsel[uvicorn]'.") from None
    with contextlib.suppress(KeyboardInterrupt):
        uvicorn.run(
            app,
            host=settings.host,
            port=settings.port,
            log_config=None,
            access_log=False,
            server_header=False,
            lifespan="on",
        )


def start_worker(settings: Settings, *, parent: int = 0) -> None:
    """Work until SIGTERM or SIGINT; jobs under way are finished, within a bound."""
    end_with(parent)
    load_lightgbm()
    logs.configure(settings.log_level)
    url = open_database(settings, migrated=bool(parent))
    from handsel.front.worker.app import run

    run(settings, url)
