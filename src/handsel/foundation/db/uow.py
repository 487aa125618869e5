"""The unit of work: one database transaction, and the only place that commits.

A service reads and locks through it at once; what it writes by the domains' write functions is
collected and sent in one statement at the end, with the events, just before COMMIT. So a money
request costs few round trips, and an event exists exactly when its cause does.
"""

import contextlib
import itertools
import random
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from datetime import datetime
from functools import lru_cache
from typing import Any, TypeVar, cast
from uuid import UUID

import anyio
import asyncpg

from handsel.foundation.core.errors import Busy, Problem
from handsel.foundation.db.errors import is_retryable, translate
from handsel.foundation.db.pool import Connection
from handsel.foundation.db.session import LOST, NothingCommitted, Session

__all__ = ["Database", "NothingCommitted", "Tx", "begin", "retrying"]

T = TypeVar("T")
_ATTEMPTS = 4
#: For a connection of the pool; whoever waits longer is told to come again.
_LONGEST_WAIT_S = 5.0
_EVENT_TYPES = ("text[]", "uuid[]", "jsonb[]")
_Call = tuple[str, tuple[str, ...], tuple[Any, ...]]


class Tx:
    """A running transaction. ``now`` is the business time of its start."""

    __slots__ = ("_calls", "_events", "_if_refused", "conn", "now")

    def __init__(self, conn: Connection, now: datetime) -> None:
        self.conn = conn
        self.now = now
        self._calls: list[_Call] = []
        self._events: list[tuple[str, UUID, Any]] = []
        self._if_refused: list[_Call] = []

    async def fetch(self, sql: str, *args: Any) -> list[asyncpg.Record]:
        """Rows."""
        return await self.conn.fetch(sql, *args)

    async def fetchrow(self, sql: str, *args: Any) -> asyncpg.Record | None:
        """The first row or None."""
        return await self.conn.fetchrow(sql, *args)

    async def fetchval(self, sql: str, *args: Any) -> Any:
        """The first column of the first row or None."""
        return await self.conn.fetchval(sql, *args)

    async def execute(self, sql: str, *args: Any) -> str:
        """The command tag, e.g. ``UPDATE 1``."""
        return await self.conn.execute(sql, *args)

    def call(self, function: str, types: tuple[str, ...], *args: Any) -> None:
        """Collect a call of a write function, e.g. ``("money.post", ("uuid[]", …), ids, …)``."""
        if len(types) != len(args):
            raise TypeError(f"{function} takes {len(types)} arguments, not {len(args)}")
        self._calls.append((function, types, args))

    def if_refused(self, function: str, types: tuple[str, ...], *args: Any) -> None:
        """Collect a call for the case that a problem undoes this transaction: it then commits by
        itself (a wrong password moves nothing, but it counts). Forgotten after a success."""
        self._if_refused.append((function, types, args))

    @property
    def counts_refusals(self) -> bool:
        """Whether something is to be kept should this transaction be refused."""
        return bool(self._if_refused)

    async def flush_refused(self) -> None:
        """Send what was collected for a refusal, instead of everything else; after ROLLBACK."""
        self._calls, self._if_refused = self._if_refused, []
        self._events.clear()
        await self.flush()

    def emit(self, topic: str, aggregate_id: UUID, payload: Any) -> None:
        """Collect an event for the outbox; it commits with what caused it, or not at all."""
        self._events.append((topic, aggregate_id, payload))

    async def flush(self) -> None:
        """Send what was collected as one statement, in order. Refusals of SQL surface here."""
        if self._events:
            topics, ids, payloads = (list(column) for column in zip(*self._events, strict=True))
            self.call("foundation.record_events", _EVENT_TYPES, topics, ids, payloads)
            self._events.clear()
        if not self._calls:
            return
        sql = _statement(tuple((function, types) for function, types, _ in self._calls))
        values = [value for _, _, args in self._calls for value in args]
        self._calls.clear()
        await self.conn.fetchrow(sql, *values)


@lru_cache(maxsize=1000)  # the house has some dozens: what is moved, not with which values
def _statement(calls: tuple[tuple[str, tuple[str, ...]], ...]) -> str:
    """One SELECT that calls these functions, each with its types, in order."""
    number = itertools.count(1)
    parts = [
        f"{function}({', '.join(f'${next(number)}::{kind}' for kind in types)})"
        for function, types in calls
    ]
    return f"SELECT {', '.join(parts)}"


class Lease:
    """A connection of the pool for the length of an ``async with``, given back however it ends.

    Raises ``Busy`` when there is none to be had, or when it is lost. A class and not a generator,
    and the connection itself and not the pool's proxy: every request comes through here twice.
    """

    __slots__ = ("_conn", "_pool", "_pooled")

    def __init__(self, pool: asyncpg.Pool) -> None:
        self._pool = pool

    async def __aenter__(self) -> Connection:
        try:
            self._pooled = await self._pool.acquire(timeout=_LONGEST_WAIT_S)
        except (
            OSError,
            asyncpg.PostgresConnectionError,
            asyncpg.OperatorInterventionError,
        ) as error:
            raise Busy("the database cannot be reached") from error
        self._conn = cast(Session, self._pooled).itself
        return self._conn

    async def __aexit__(self, _: object, error: BaseException | None, __: object) -> None:
        lost = isinstance(error, LOST) and _is_dead(self._conn)
        await self._pool.release(self._pooled)  # which goes on also when this task is cancelled
        if lost:
            raise Busy("the database went away") from error


class Database:
    """A pool and the transactions over it. One per process."""

    def __init__(self, pool: asyncpg.Pool) -> None:
        self.pool = pool

    def reading(self) -> Lease:
        """A connection for reads that need no transaction. Raises ``Busy`` when it is lost."""
        return Lease(self.pool)

    @asynccontextmanager
    async def transaction(self) -> AsyncIterator[Tx]:
        """Everything inside commits together at the end, or not at all."""
        async with self.reading() as conn, begin(conn) as tx:
            yield tx

    async def run(self, use_case: Callable[[Tx], Awaitable[T]]) -> T:
        """Run a use case in a transaction; again, whole, after a deadlock (at most three times)."""
        return await retrying(lambda: self._once(use_case))

    async def _once(self, use_case: Callable[[Tx], Awaitable[T]]) -> T:
        async with self.transaction() as tx:
            return await use_case(tx)


@asynccontextmanager
async def begin(
    conn: Connection, opening: Callable[[], Awaitable[datetime]] | None = None
) -> AsyncIterator[Tx]:
    """BEGIN on this connection; COMMIT at the end of the block, ROLLBACK on any exception.

    ``opening`` may replace the first query (which must return the business time). A COMMIT of which
    nobody knows raises ``OutcomeUnknown``; whatever else is raised has undone everything.
    """
    tx: Tx | None = None
    try:
        # Inside, for a task that is cancelled here may already have begun.
        await conn.execute("BEGIN")
        if opening is None:
            now = await conn.fetchval("SELECT foundation.handsel_now()")
        else:
            now = await opening()
        tx = Tx(conn, now)
        yield tx
        await tx.flush()
    except BaseException as error:
        await _rollback(conn)
        if isinstance(error, Problem) and tx is not None and tx.counts_refusals:
            await tx.flush_refused()  # one statement, so one transaction
        _tell(error)
        raise
    if _is_dead(conn):
        raise Busy("the database went away")
    try:
        await cast(Session, conn).commit()
    except asyncpg.PostgresError as error:
        _tell(error)
        raise


def _tell(error: BaseException) -> None:
    """Raise the problem behind a database error, unless there is none or it will be retried."""
    if isinstance(error, asyncpg.PostgresError) and not is_retryable(error):
        problem = translate(error)
        if problem is not None:
            raise problem from error


async def retrying(attempt: Callable[[], Awaitable[T]]) -> T:
    """Repeat after 40001/40P01 with jitter: the database undid it all, so it may run again."""
    for number in range(1, _ATTEMPTS):
        try:
            return await attempt()
        except asyncpg.PostgresError as error:
            if not is_retryable(error):
                raise
            await anyio.sleep(random.uniform(0.005, 0.02) * 2**number)  # noqa: S311 - jitter
    try:
        return await attempt()
    except asyncpg.PostgresError as error:
        raise translate(error) or error from error


async def _rollback(conn: Connection) -> None:
    """ROLLBACK also while the task is being cancelled; a dead connection has rolled back itself.

    One that cannot even do that must not serve anybody else: it is closed.
    """
    with anyio.CancelScope(shield=True):
        if _is_dead(conn):
            return
        try:
            await conn.execute("ROLLBACK")
        except LOST:
            with contextlib.suppress(asyncpg.InterfaceError):
                conn.terminate()


def _is_dead(conn: Connection) -> bool:
    """Whether nothing can be said on it any more; the pool takes a dead one back by itself."""
    try:
        return conn.is_closed()
    except asyncpg.InterfaceError:
        return True
