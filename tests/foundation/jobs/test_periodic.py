"""Periodic ticks: no overlap, outages are waited out, faults surface."""

import asyncio

import asyncpg
import pytest

from handsel.foundation.core.errors import OutcomeUnknown
from handsel.foundation.jobs import Periodic, Worker
from tests.foundation.jobs.conftest import running, until


async def test_a_tick_does_not_overlap_itself_and_drains_a_backlog_at_once(dsn: str) -> None:
    backlog, inside, widest = [3, 2, 1, 0], 0, 0

    async def sweep() -> int:
        nonlocal inside, widest
        inside += 1
        widest = max(widest, inside)
        await asyncio.sleep(0.05)
        inside -= 1
        return backlog.pop(0) if backlog else 0

    async def drained() -> bool:
        return not backlog

    worker = Worker(dsn, {}, periodics=[Periodic("sweep", 0.6, sweep)])
    began = asyncio.get_running_loop().time()
    async with running(worker):
        await until(drained)
        took = asyncio.get_running_loop().time() - began

    assert took < 1.2  # one interval and four ticks; four intervals would be 2.4
    assert widest == 1
    assert worker.counters.ticks == 4


@pytest.mark.parametrize(
    "error",
    [
        ConnectionRefusedError(),
        asyncpg.CannotConnectNowError("starting up"),
        asyncpg.DeadlockDetectedError("deadlock"),
        OutcomeUnknown(),
        asyncpg.InterfaceError("cannot perform operation: connection is closed"),
        # Seen after a kill: the server's FATAL has come, the end of the stream has not.
        asyncpg.InternalClientError(
            "cannot switch to state 12; another operation (2) is in progress"
        ),
    ],
    ids=lambda error: type(error).__name__,
)
async def test_a_tick_that_finds_no_database_is_tried_again(dsn: str, error: Exception) -> None:
    calls = 0

    async def sweep() -> None:
        nonlocal calls
        calls += 1
        if calls == 1:
            raise error

    async def twice() -> bool:
        return calls >= 2

    worker = Worker(dsn, {}, periodics=[Periodic("sweep", 0.02, sweep)])
    async with running(worker):
        await until(twice)

    assert worker.stats()["tick_failures"] == 1


@pytest.mark.parametrize(
    "error",
    [
        KeyError("typo"),
        asyncpg.UndefinedColumnError("typo"),
        asyncpg.InterfaceError("the server expects 1 argument for this query, 2 were passed"),
        asyncpg.InternalClientError(
            "cannot switch to state 12; another operation (11) is in progress"
        ),
    ],
    ids=lambda error: type(error).__name__,
)
async def test_a_fault_of_the_program_ends_the_worker(dsn: str, error: Exception) -> None:
    async def sweep() -> None:
        raise error

    worker = Worker(dsn, {}, periodics=[Periodic("sweep", 0.02, sweep)])

    with pytest.raises(type(error)):
        await asyncio.wait_for(worker.run(), 5)
