"""``handsel run``: the whole house with one command."""

import asyncio
import os
from pathlib import Path
from typing import Literal, cast

from handsel.foundation.core import clock
from handsel.foundation.core.settings import Settings
from handsel.foundation.db import embedded
from handsel.front.cli import lock, welcome
from handsel.front.cli.children import Child
from handsel.front.cli.console import say, step
from handsel.front.cli.database import given_url, open_database
from handsel.front.cli.keeper import DatabaseKeeper
from handsel.front.cli.serve import check_port
from handsel.front.cli.supervisor import Signals, Supervisor, Tended, stopping


def run_house(settings: Settings, *, seed: bool, demo: bool) -> None:
    """Start everything, say where it is, keep it alive, and stop it when asked."""
    began = clock.monotonic()
    with lock.take(settings.home):
        check_port(settings.host, settings.port)
        signals = Signals()
        given = given_url(settings)
        try:
            if not given:
                _forget_half_a_town(settings)
            url = open_database(settings, lifetime="tied")
            if seed and (demo or not given):
                _make_town(url, settings)
            _keep_alive(settings, url, signals, began)
        except KeyboardInterrupt:
            say("Interrupted while starting")
            raise
        finally:
            if not given:
                stopping(lambda mode: _stop_database(settings, mode), signals, say)
        say("Stopped. The data stays; the same command starts it again.")


def _keep_alive(settings: Settings, url: str, signals: Signals, began: float) -> None:
    env = os.environ | {"HANDSEL_HOME": str(settings.home), "HANDSEL_DATABASE_URL": url}
    logs = settings.home / "logs"
    children = [
        Child("API", ["serve"], env, logs / "api.log", say),
        Child("worker", ["worker"], env, logs / "worker.log", say),
    ]
    supervisor = Supervisor(settings, children, _keepers(settings), signals)
    try:
        with step("Starting the API and the worker"):
            supervisor.wait_until_ready()
        if not signals.stopped.is_set():
            welcome.greet(settings, url, clock.monotonic() - began)
        supervisor.run()
        say("Stopping")
    finally:
        supervisor.stop(say)


def _keepers(settings: Settings) -> list[Tended]:
    address = None if settings.database_url else embedded.status(settings.home)
    return [DatabaseKeeper(settings, address, say)] if address else []


def _stop_database(settings: Settings, mode: str) -> None:
    with step("Stopping the database"):
        embedded.stop(settings.home, mode=cast("Literal['fast', 'immediate']", mode))


def _make_town(url: str, settings: Settings) -> None:
    """Make the sample town where nobody lives yet."""
    if asyncio.run(has_members(url)):
        return
    with step("Making the sample town") as progress:
        from handsel.front.cli.town import make_town

        _unfinished(settings).touch()
        make_town(url, settings, progress)
        _unfinished(settings).unlink()


def _unfinished(settings: Settings) -> Path:
    """There while the town is being made: its clock stands in the past and half its deals lack."""
    return settings.home / "town.unfinished"


def _forget_half_a_town(settings: Settings) -> None:
    """A start that was killed while making the town: nothing else ever ran on that database."""
    if _unfinished(settings).exists():
        say("The sample town was left unfinished; beginning again with an empty database")
        embedded.reset(settings.home)
        _unfinished(settings).unlink()


async def has_members(url: str) -> bool:
    """Whether anybody lives in a database."""
    import asyncpg

    conn = await asyncpg.connect(url)
    try:
        return bool(await conn.fetchval("SELECT EXISTS (SELECT FROM people.members)"))
    finally:
        await conn.close()
