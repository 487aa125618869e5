"""The outermost layer of the API: one request id, one log line, one measurement, safe headers.

It wraps Litestar's whole ASGI handler and not single routes, so that also a 404 of the router and a
body that is too large are seen.
"""

import hashlib
import hmac
import re
from contextvars import ContextVar
from typing import Any, Final
from uuid import UUID

import structlog
from litestar.enums import ScopeType
from litestar.types import ASGIApp, Message, Receive, Scope, Send

from handsel.foundation.core import clock
from handsel.foundation.core.ids import new_secret
from handsel.front.api.metrics import Meters

_SANE_ID: Final = re.compile(rb"[A-Za-z0-9._:-]{1,128}")
_ID_HEADER: Final = b"x-request-id"
_CLIENT_LEFT: Final = 499  # nginx's number for a client that did not wait for its answer
#: Asked for every few seconds by machines: measured, but logged only at debug level.
_QUIET: Final = frozenset({"/healthz", "/readyz", "/metrics"})

#: What every answer carries; a page that needs more than nothing brings its own policy.
API_POLICY: Final = b"default-src 'none'; frame-ancestors 'none'"
_HEADERS: Final = (
    (b"content-security-policy", API_POLICY),
    (b"x-content-type-options", b"nosniff"),
    (b"x-frame-options", b"DENY"),
    (b"referrer-policy", b"no-referrer"),
    (b"permissions-policy", b"camera=(), microphone=(), payment=(), geolocation=(self)"),
    (b"cross-origin-opener-policy", b"same-origin"),
)
#: What becomes known of the request on its way. A dict that is filled, and not a variable that is
#: set again: dependencies run in tasks of their own, whose settings would be lost.
_known: ContextVar[dict[str, str]] = ContextVar("known_of_request")
_log = structlog.get_logger("handsel.access")


_METHODS = {"GET", "HEAD", "POST", "PUT", "PATCH", "DELETE", "OPTIONS"}


class Observed:
    """An ASGI application around another one."""

    def __init__(self, app: ASGIApp, meters: Meters) -> None:
        self._app = app
        self._meters = meters

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Serve one request and tell of it, however it ends."""
        if scope["type"] != ScopeType.HTTP:
            await self._app(scope, receive, send)
            return
        request_id = _request_id(scope)
        scope["state"]["request_id"] = request_id
        structlog.contextvars.clear_contextvars()
        structlog.contextvars.bind_contextvars(request_id=request_id)
        known: dict[str, str] = {}
        _known.set(known)
        status = _CLIENT_LEFT

        async def decorate(message: Message) -> None:
            nonlocal status
            if message["type"] == "http.response.start":
                status = message["status"]
                message["headers"] = _decorated(message["headers"], request_id.encode())
            await send(message)

        began = clock.monotonic()
        try:
            await self._app(scope, receive, decorate)
        finally:
            self._tell(scope, status, clock.monotonic() - began, known)

    def _tell(self, scope: Any, status: int, seconds: float, known: dict[str, str]) -> None:
        # A stranger's invented method must not become a label of its own, for ever.
        method = scope["method"] if scope["method"] in _METHODS else "other"
        route = scope.get("path_template") or "unmatched"
        self._meters.observe(method, route, status, seconds)
        say = _log.debug if route in _QUIET else _log.info
        ms = round(seconds * 1000, 1)
        say("request", method=method, route=route, status=status, ms=ms, **known)


def bind_member(member_id: UUID, secret: bytes) -> None:
    """Let this request's log line name the member by a keyed hash: enough to follow one person
    through the log, useless to whoever finds the log alone."""
    name = hmac.digest(secret, b"log\0" + member_id.bytes, hashlib.sha256).hex()[:12]
    known = _known.get(None)
    if known is not None:
        known["member"] = name


def _request_id(scope: Any) -> str:
    """The caller's X-Request-Id where it is harmless in a log and a header, else a new one."""
    for name, value in scope["headers"]:
        if name == _ID_HEADER and _SANE_ID.fullmatch(value):
            given: str = value.decode("ascii")
            return given
    return f"req_{new_secret()[:22]}"


def _decorated(headers: Any, request_id: bytes) -> list[tuple[bytes, bytes]]:
    given = [(bytes(name).lower(), bytes(value)) for name, value in headers]
    names = {name for name, _ in given}
    missing = [(name, value) for name, value in _HEADERS if name not in names]
    return [*given, *missing, (_ID_HEADER, request_id)]
