"""Prometheus metrics of this process and of the backlog that all processes share."""

import math
from typing import Any, Final

import asyncpg
from litestar import Controller, Request, Response, get
from litestar.datastructures import State
from prometheus_client import (
    CollectorRegistry,
    Counter,
    Gauge,
    GCCollector,
    Histogram,
    PlatformCollector,
    ProcessCollector,
)
from prometheus_client.exposition import CONTENT_TYPE_PLAIN_0_0_4, generate_latest

from handsel.foundation.core.errors import Busy
from handsel.foundation.db.uow import Database

_BUCKETS: Final = (0.002, 0.005, 0.01, 0.02, 0.05, 0.1, 0.2, 0.5, 1.0, 2.0, 5.0, 10.0)
#: Counting stops here: a gauge that says "ten thousand or more" is alarming enough.
_MOST_COUNTED: Final = 10_000
_WAITING: Final = f"""
SELECT count(*) FROM (
    SELECT FROM foundation.outbox WHERE relayed_at IS NULL LIMIT {_MOST_COUNTED}
) AS waiting
"""
_JOB_STATES: Final = ("queued", "deferred", "running", "parked")


class Meters:
    """The meters of one application, in a registry of their own (tests make many)."""

    def __init__(self) -> None:
        self.registry = CollectorRegistry()
        for collector in (ProcessCollector, PlatformCollector, GCCollector):
            collector(registry=self.registry)
        self._requests = Counter(
            "handsel_http_requests",
            "Requests by route template and status.",
            ["method", "route", "status"],
            registry=self.registry,
        )
        self._seconds = Histogram(
            "handsel_http_request_seconds",
            "Time from the request's first byte to the answer's last.",
            ["method", "route"],
            buckets=_BUCKETS,
            registry=self.registry,
        )
        self.backlog = self._gauge("outbox_backlog_events", "Events that no relay has taken yet.")
        self.pool_open = self._gauge("pool_open_connections", "Database connections open.")
        self.pool_in_use = self._gauge("pool_in_use_connections", "Of these, in use.")
        self.jobs = Gauge(
            "handsel_jobs", "Background jobs by state.", ["state"], registry=self.registry
        )
        self.oldest_job = self._gauge("oldest_job_seconds", "Age of the oldest job that could run.")

    def _gauge(self, name: str, text: str) -> Gauge:
        return Gauge(f"handsel_{name}", text, registry=self.registry)

    def observe(self, method: str, route: str, status: int, seconds: float) -> None:
        """One finished request. ``route`` is the template: the label's values stay few."""
        self._requests.labels(method, route, str(status)).inc()
        self._seconds.labels(method, route).observe(seconds)

    async def refresh(self, database: Database) -> None:
        """Read the gauges. A database that is away leaves them unknown (NaN), not stale."""
        from handsel.foundation.jobs import PgQueuerQueue  # a second to load, for the first scrape

        self.pool_open.set(database.pool.get_size())
        self.pool_in_use.set(database.pool.get_size() - database.pool.get_idle_size())
        try:
            async with database.reading() as conn:
                waiting = await conn.fetchval(_WAITING)
                stats = await PgQueuerQueue().stats(conn)
        except (Busy, asyncpg.PostgresError, asyncpg.InterfaceError, OSError):
            self._unknown()
            return
        self.backlog.set(waiting)
        for state in _JOB_STATES:
            self.jobs.labels(state).set(getattr(stats, state))
        self.oldest_job.set(stats.oldest_queued_s)

    def _unknown(self) -> None:
        for gauge in (self.backlog, self.oldest_job, *(self.jobs.labels(s) for s in _JOB_STATES)):
            gauge.set(math.nan)


class MetricsController(Controller):
    path = "/metrics"
    include_in_schema = False

    @get("/")
    async def metrics(
        self, request: Request[Any, Any, State], database: Database
    ) -> Response[bytes]:
        """Metrics in Prometheus' text format."""
        meters: Meters = request.app.state.meters
        await meters.refresh(database)
        return Response(generate_latest(meters.registry), media_type=CONTENT_TYPE_PLAIN_0_0_4)
