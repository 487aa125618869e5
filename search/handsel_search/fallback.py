"""Search never goes dark: a slow or dead engine is answered for by another one."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Final, Literal

import anyio
import msgspec

from handsel_search.documents import ListingDocument
from handsel_search.engine import CandidatePage, SearchEngine
from handsel_search.errors import EngineRefused, EngineUnavailable
from handsel_search.query import SearchQuery, ViewerRules

__all__ = ("Breaker", "ResilientEngine")

FAILURES: Final = 3
COOLDOWN_S: Final = 10.0
TIMEOUT_S: Final = 3.0


class Breaker:
    """A circuit breaker for one event loop.

    Closed, it lets every call through; after ``failures`` failures in a row it opens for
    ``cooldown_s``; then one probe at a time may pass (half open): its success closes the breaker,
    its failure opens it again. ``monotonic`` gives seconds.
    """

    def __init__(
        self,
        monotonic: Callable[[], float],
        *,
        failures: int = FAILURES,
        cooldown_s: float = COOLDOWN_S,
    ) -> None:
        self._monotonic = monotonic
        self._allowed = failures
        self._cooldown_s = cooldown_s
        self._failed = 0
        self._opened_at: float | None = None
        self._probing = False

    @property
    def state(self) -> Literal["closed", "open", "half_open"]:
        """What the next call meets."""
        if self._opened_at is None:
            return "closed"
        if self._monotonic() - self._opened_at < self._cooldown_s:
            return "open"
        return "half_open"

    def admit(self) -> bool:
        """Whether a call may go through now; every admitted call must report its end."""
        state = self.state
        if state == "closed":
            return True
        if state == "open" or self._probing:
            return False
        self._probing = True
        return True

    def succeeded(self) -> None:
        """An admitted call was answered."""
        self._failed = 0
        self._opened_at = None
        self._probing = False

    def failed(self) -> None:
        """An admitted call failed or timed out."""
        self._failed += 1
        self._probing = False
        if self._opened_at is not None or self._failed >= self._allowed:
            self._opened_at = self._monotonic()

    def abandoned(self) -> None:
        """An admitted call was cancelled by its caller: it says nothing about the engine."""
        self._probing = False


class ResilientEngine:
    """``primary`` while it answers in time, ``fallback`` otherwise, flagged ``degraded``.

    Writes go to both, the fallback first, so that it is always fresh; a failing primary write is
    raised for the feed to retry (writes are idempotent).
    """

    def __init__(
        self,
        primary: SearchEngine,
        fallback: SearchEngine,
        *,
        monotonic: Callable[[], float],
        failures: int = FAILURES,
        cooldown_s: float = COOLDOWN_S,
        timeout_s: float = TIMEOUT_S,
    ) -> None:
        self.name = primary.name
        self.breaker = Breaker(monotonic, failures=failures, cooldown_s=cooldown_s)
        self._primary = primary
        self._fallback = fallback
        self._timeout_s = timeout_s

    async def candidates(
        self, query: SearchQuery, viewer: ViewerRules, limit: int | None = None
    ) -> CandidatePage:
        """See :class:`handsel_search.engine.SearchEngine`.

        Raises:
            InvalidSearch: the query's own fault, from either engine.
            EngineUnavailable: both engines failed.
        """
        if self.breaker.admit():
            page = await self._try_primary(query, viewer, limit)
            if page is not None:
                return page
        page = await self._fallback.candidates(query, viewer, limit)
        return msgspec.structs.replace(page, degraded=True)

    async def _try_primary(
        self, query: SearchQuery, viewer: ViewerRules, limit: int | None
    ) -> CandidatePage | None:
        reported = False
        try:
            with anyio.fail_after(self._timeout_s):
                page = await self._primary.candidates(query, viewer, limit)
            self.breaker.succeeded()
            reported = True
            return page
        except EngineRefused:
            self.breaker.succeeded()
            reported = True
        except (EngineUnavailable, TimeoutError):
            self.breaker.failed()
            reported = True
        finally:
            if not reported:
                self.breaker.abandoned()
        return None

    async def upsert(self, documents: Sequence[ListingDocument]) -> int:
        """Index in both engines; the fallback's count."""
        written = await self._fallback.upsert(documents)
        await self._primary.upsert(documents)
        return written

    async def delete(self, ids: Sequence[str]) -> None:
        """Forget in both engines."""
        await self._fallback.delete(ids)
        await self._primary.delete(ids)
