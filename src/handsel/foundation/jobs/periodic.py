"""Ticks at an interval, in the worker's process: sweeps, the relay, pruning."""

import asyncio
import contextlib
from collections.abc import Awaitable, Callable
from dataclasses import dataclass

import structlog

from handsel.foundation.jobs.deliveries import Counters
from handsel.foundation.jobs.outage import POSSIBLY_TRANSIENT, is_transient
from handsel.foundation.jobs.retry import jittered

log = structlog.get_logger(__name__)


@dataclass(frozen=True)
class Periodic:
    """A coroutine to run about every ``interval_s`` seconds.

    It never overlaps itself in one process. Several workers each run it: the sweep claims its rows
    with FOR UPDATE SKIP LOCKED, so no leader is needed. It returns how many rows it took, or None;
    while that is positive it runs again at once, so a bounded batch still drains a backlog.

    A tick that fails because the database is away or busy is logged and tried at the next interval.
    Any other error is a fault of the program: it ends ``Worker.run``, which lets the jobs in flight
    finish and raises it. So a sweep only finds due rows and enqueues them; what may fail for a
    single row belongs into a job, where it is parked and stops nobody else.
    """

    name: str
    interval_s: float
    tick: Callable[[], Awaitable[int | None]]

    async def run(self, stop: asyncio.Event, counters: Counters) -> None:
        """Tick until ``stop``; the tick under way then finishes."""
        more = False
        while not await stopped(stop, 0 if more else jittered(self.interval_s)):
            more = await self._once(counters)

    async def _once(self, counters: Counters) -> bool:
        try:
            taken = await self.tick()
        except POSSIBLY_TRANSIENT as error:
            if not is_transient(error):
                raise
            counters.tick_failures += 1
            log.warning("tick_failed", name=self.name, error=repr(error))
            return False
        counters.ticks += 1
        return bool(taken)


async def stopped(stop: asyncio.Event, within_s: float) -> bool:
    """Sleep this long, but not past ``stop``; whether that is set."""
    if within_s == 0:
        await asyncio.sleep(0)
        return stop.is_set()
    with contextlib.suppress(TimeoutError):
        await asyncio.wait_for(stop.wait(), within_s)
    return stop.is_set()
