"""Background jobs: the queue port, its PgQueuer engine, the worker and its periodic ticks.

Owns the schema ``jobs``, ``foundation.parked_jobs`` and ``foundation.handled_events``.
What holds here:

- A job exists exactly when the transaction that enqueued it committed.
- A job is delivered at least once. Its effect is exactly once because the handler calls
  ``handled`` in the transaction of the effect; nothing else can promise that.
- A job ends in one of three ways: done, cancelled before it started, or parked with a reason. No
  path deletes a failed job. Also a job that kills its worker counts its attempts and gets parked.
- Order is not promised, neither among jobs nor by aggregate: retries and concurrency break it. A
  handler that needs order compares the aggregate's version.

Enqueueing wakes workers by NOTIFY, which serialises commits: a business transaction emits an event
to the outbox instead, and the relay enqueues. Handlers and sweeps may enqueue directly.
"""

from handsel.foundation.jobs.engine import PgQueuerQueue, prune_log, unpark
from handsel.foundation.jobs.handled import handled, prune_handled
from handsel.foundation.jobs.periodic import Periodic
from handsel.foundation.jobs.port import Connection, Handler, Job, NewJob, Queue, QueueStats
from handsel.foundation.jobs.retry import RetryPolicy
from handsel.foundation.jobs.worker import Worker

__all__ = [
    "Connection",
    "Handler",
    "Job",
    "NewJob",
    "Periodic",
    "PgQueuerQueue",
    "Queue",
    "QueueStats",
    "RetryPolicy",
    "Worker",
    "handled",
    "prune_handled",
    "prune_log",
    "unpark",
]
