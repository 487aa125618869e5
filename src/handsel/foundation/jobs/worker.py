"""The worker: takes jobs, runs their handlers, ticks the periodic work, outlives its database."""

import asyncio
import signal
from collections.abc import Awaitable, Callable, Mapping, Sequence
from dataclasses import asdict
from datetime import timedelta
from uuid import UUID

import asyncpg
import msgspec
import structlog
from pgqueuer import AsyncpgDriver
from pgqueuer.core.qm import QueueManager
from pgqueuer.domain import models
from pgqueuer.domain.errors import FailingListenerError

from handsel.foundation.db.pool import APP_ROLE
from handsel.foundation.jobs.deliveries import Counters, Deliveries
from handsel.foundation.jobs.engine import CHANNEL
from handsel.foundation.jobs.outage import POSSIBLY_TRANSIENT, is_transient
from handsel.foundation.jobs.periodic import Periodic, stopped
from handsel.foundation.jobs.port import Handler, Job
from handsel.foundation.jobs.retry import RetryPolicy, jittered

log = structlog.get_logger(__name__)

_CANCEL_GRACE_S = 2.0
_LOOK_S = 0.25
_BACKOFF_FIRST_S = 0.1
_BACKOFF_CAP_S = 5.0


class Worker:
    """Runs ``handlers`` by job name, and ``periodics``, until ``stop``.

    It opens one connection of its own on ``dsn`` for claims, heartbeats, settlements and LISTEN:
    a heartbeat must never queue behind handlers for a place in their pool. Handlers bring their
    own pool, of at least ``concurrency`` connections if each uses one.

    A job whose worker gives no sign for ``stalled_after_s`` goes back to the queue (also when a
    handler blocks the event loop that long). When the database goes away, jobs in flight get
    ``stop_within_s`` to end, then the worker connects again with back-off and takes back what it
    held. ``run`` returns after ``stop`` and raises only for a fault of the program.
    """

    def __init__(
        self,
        dsn: str,
        handlers: Mapping[str, Handler],
        *,
        periodics: Sequence[Periodic] = (),
        concurrency: int = 32,
        retry: RetryPolicy | None = None,
        stalled_after_s: float = 30.0,
        job_timeout_s: float = 300.0,
        stop_within_s: float = 20.0,
        role: str = APP_ROLE,
    ) -> None:
        if concurrency < 2:
            raise ValueError(
                "concurrency is at least 2: PgQueuer claims at most half of it at once"
            )
        self.counters = Counters()
        self._dsn = dsn
        self._handlers = dict(handlers)
        self._periodics = tuple(periodics)
        self._concurrency = concurrency
        self._retry = retry or RetryPolicy()
        self._stalled_after = timedelta(seconds=stalled_after_s)
        self._job_timeout_s = job_timeout_s
        self._stop_within_s = stop_within_s
        self._role = role
        self._stop = asyncio.Event()
        self._orphans: list[UUID] = []

    def stop(self) -> None:
        """Take no more jobs; finish what runs, within the bound. Safe to call again."""
        self._stop.set()

    def stop_on_signals(self) -> None:
        """SIGTERM and SIGINT mean ``stop``. For the process's main task."""
        loop = asyncio.get_running_loop()
        for number in (signal.SIGTERM, signal.SIGINT):
            loop.add_signal_handler(number, self.stop)

    def stats(self) -> dict[str, int]:
        """This process's counters, for ``/metrics``."""
        return asdict(self.counters)

    async def run(self) -> None:
        """Work until ``stop`` or a fault of the program, which is raised after a graceful stop."""
        tasks = {asyncio.create_task(self._serve(), name="jobs")}
        for periodic in self._periodics:
            ticking = periodic.run(self._stop, self.counters)
            tasks.add(asyncio.create_task(ticking, name=periodic.name))
        stop = asyncio.create_task(self._stop.wait())
        try:
            await asyncio.wait({*tasks, stop}, return_when=asyncio.FIRST_COMPLETED)
            self._stop.set()
            await _end(tasks, self._stop_within_s + 4 * _CANCEL_GRACE_S)
        finally:
            for task in (*tasks, stop):
                task.cancel()
        for task in tasks:
            if task.done() and not task.cancelled():
                task.result()

    async def _serve(self) -> None:
        """One session after the other, for as long as the database comes back."""
        loop = asyncio.get_running_loop()
        pause = _BACKOFF_FIRST_S
        while not self._stop.is_set():
            began = loop.time()
            try:
                await self._session()
            except (*POSSIBLY_TRANSIENT, FailingListenerError) as error:
                if not (is_transient(error) or isinstance(error, FailingListenerError)):
                    raise
                self.counters.outages += 1
                log.warning("database_away", error=repr(error), again_in_s=round(pause, 1))
            if loop.time() - began > _BACKOFF_CAP_S:
                pause = _BACKOFF_FIRST_S
            if await stopped(self._stop, jittered(pause)):
                return
            pause = min(pause * 2, _BACKOFF_CAP_S)

    async def _session(self) -> None:
        """Connect and work until the connection dies or ``stop``."""
        conn = await asyncpg.connect(
            self._dsn,
            timeout=10,
            command_timeout=30,
            server_settings={"application_name": "handsel-worker", "role": self._role},
        )
        try:
            self.counters.connected += 1
            await self._work(conn)
            await conn.close(timeout=5)
        finally:
            conn.terminate()

    async def _work(self, conn: asyncpg.Connection) -> None:
        manager = self._manager(conn)
        run = asyncio.create_task(
            manager.run(
                # Also how often an idle worker looks for stalled jobs, see Deliveries.dequeue.
                dequeue_timeout=self._stalled_after / 4,
                batch_size=self._concurrency // 2,
                max_concurrent_tasks=self._concurrency,
                shutdown_on_listener_failure=True,
                heartbeat_timeout=self._stalled_after,
                log_aggregation_interval=timedelta(0),
            )
        )
        waits = {asyncio.create_task(_closed(conn)), asyncio.create_task(self._stop.wait())}
        try:
            await asyncio.wait({run, *waits}, return_when=asyncio.FIRST_COMPLETED)
            manager.shutdown.set()
            await _end({run}, self._stop_within_s)
        finally:
            for task in (run, *waits):
                task.cancel()
        if run.done():  # nothing of this session runs any more: what it still holds is lost
            self._orphans.append(manager.queue_manager_id)
        if run.done() and not run.cancelled():
            run.result()
        if conn.is_closed() and not self._stop.is_set():
            raise ConnectionResetError("the worker's connection ended")

    def _manager(self, conn: asyncpg.Connection) -> QueueManager:
        deliveries = Deliveries(
            AsyncpgDriver(conn),
            self._retry,
            self.counters,
            stalled_after=self._stalled_after,
            orphans=self._orphans,
        )
        manager = QueueManager(deliveries, CHANNEL)
        for name, handler in self._handlers.items():
            manager.entrypoint(name, accepts_context=False)(self._delivering(handler))
        return manager

    def _delivering(self, handler: Handler) -> Callable[[models.Job], Awaitable[None]]:
        async def deliver(row: models.Job) -> None:
            async with asyncio.timeout(self._job_timeout_s):
                await handler(_job(row))

        return deliver


def _job(row: models.Job) -> Job:
    event_id = (row.headers or {}).get("event_id")
    return Job(
        id=row.id,
        name=row.entrypoint,
        payload=msgspec.json.decode(row.payload or b"{}"),
        event_id=UUID(str(event_id)) if event_id else None,
        attempt=row.attempts + 1,
    )


async def _closed(conn: asyncpg.Connection) -> None:
    """Wait for the connection's end. asyncpg's termination listener is not always called when the
    server says goodbye (FATAL) to an idle connection: without this look the loss would show only at
    the next poll."""
    while not conn.is_closed():  # noqa: ASYNC110 - there is no event to wait for, see above
        await asyncio.sleep(_LOOK_S)


async def _end(tasks: set[asyncio.Task[None]], within_s: float) -> None:
    """Wait for the tasks; cancel what is late. Three times: PgQueuer may spend the first cancel on
    a query and then wait for its jobs. What survives that is left to the end of the process."""
    _, late = await asyncio.wait(tasks, timeout=within_s)
    for _ in range(3):
        if not late:
            return
        for task in late:
            task.cancel()
        _, late = await asyncio.wait(late, timeout=_CANCEL_GRACE_S)
