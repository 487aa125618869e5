"""The official Meilisearch client behind threads: one client each, errors as facts.

That client is blocking and not thread-safe (it changes one shared header dictionary per request,
so a shared one sends POSTs without Content-Type and gets 415): every worker thread has its own.
"""

from __future__ import annotations

import threading
from collections.abc import Callable
from typing import Final, Literal, TypeVar

import anyio
import anyio.to_thread
from meilisearch import Client
from meilisearch.errors import (
    MeilisearchApiError,
    MeilisearchCommunicationError,
    MeilisearchTimeoutError,
)
from meilisearch.models.task import TaskInfo

from handsel_search.errors import EngineRefused, EngineUnavailable, IndexingFailed

__all__ = ("ThreadedClient",)

SEARCH_THREADS: Final = 16
INDEX_THREADS: Final = 4
Purpose = Literal["search", "index"]

T = TypeVar("T")


class ThreadedClient:
    """Calls of the blocking client; timeouts in seconds per request.

    At most 16 threads search and 4 index, so that a rebuild never keeps searches waiting.
    """

    def __init__(
        self,
        url: str,
        api_key: str | None,
        *,
        search_timeout_s: int,
        index_timeout_s: int,
        task_timeout_s: float,
        poll_s: float,
    ) -> None:
        self._url = url.rstrip("/")
        self._api_key = api_key
        self._timeouts = {"search": search_timeout_s, "index": index_timeout_s}
        self._task_timeout_s = task_timeout_s
        self._poll_s = poll_s
        self._clients = threading.local()
        self._limiters = {
            "search": anyio.CapacityLimiter(SEARCH_THREADS),
            "index": anyio.CapacityLimiter(INDEX_THREADS),
        }

    async def task(
        self, start: Callable[[Client], TaskInfo], *, ignore: tuple[str, ...] = ()
    ) -> None:
        """Enqueue a task and wait until it succeeded.

        Raises:
            IndexingFailed: it failed (with a code not in ``ignore``) or was cancelled.
            EngineUnavailable: no answer, or not done in time.
        """
        uid = (await self.call(start, purpose="index")).task_uid
        try:
            with anyio.fail_after(self._task_timeout_s):
                while True:
                    task = await self.call(lambda c: c.get_task(uid), purpose="index")
                    if task.status not in ("enqueued", "processing"):
                        break
                    await anyio.sleep(self._poll_s)
        except TimeoutError as error:
            raise EngineUnavailable(f"task {uid} is not done in time") from error
        if task.status != "succeeded":
            failure = task.error or {}
            code = str(failure.get("code", task.status))
            if code not in ignore:
                raise IndexingFailed(code, str(failure.get("message", f"task {uid}")))

    async def call(self, job: Callable[[Client], T], *, purpose: Purpose) -> T:
        return await anyio.to_thread.run_sync(
            self._in_thread, job, purpose, abandon_on_cancel=True, limiter=self._limiters[purpose]
        )

    def _in_thread(self, job: Callable[[Client], T], purpose: Purpose) -> T:
        client = getattr(self._clients, purpose, None)
        if client is None:
            client = Client(self._url, self._api_key, timeout=self._timeouts[purpose])
            setattr(self._clients, purpose, client)
        try:
            return job(client)
        except (MeilisearchTimeoutError, MeilisearchCommunicationError) as error:
            raise EngineUnavailable(str(error)) from error
        except MeilisearchApiError as error:
            if error.status_code == 400:
                raise EngineRefused(str(error)) from error
            raise EngineUnavailable(f"{error.status_code}: {error}") from error
        except (AttributeError, LookupError, OSError, TypeError, ValueError) as error:
            raise EngineUnavailable(f"unreadable answer: {error}") from error
