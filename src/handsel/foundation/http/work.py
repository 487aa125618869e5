"""The unit of work of one request: claim the key, run the use case, commit, and only then answer.

A controller says ``return await work.run(lambda tx: service.verb(tx, …))``. The answer's bytes are
made before COMMIT and stored with it; nothing is sent before the COMMIT has succeeded.
"""

import hashlib
import re
from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from typing import Annotated, Any, Generic, TypeVar

import msgspec
from litestar import Request, Response
from litestar.datastructures import State
from litestar.params import HeaderParameter

from handsel.foundation import idempotency
from handsel.foundation.core.errors import (
    IdempotencyKeyMissing,
    Invalid,
    PreconditionRequired,
    Problem,
    Stale,
)
from handsel.foundation.db.uow import Database, Tx, begin, retrying
from handsel.foundation.http.principal import NOBODY, Principal
from handsel.foundation.http.problems import MEDIA_TYPE, body_of

V = TypeVar("V")
_JSON = "application/json"
_QUOTED = re.compile(r'"((?:[ !#-\[\]-~]|\\["\\])*)"')
_ESCAPED = re.compile(r'\\(["\\])')

IdempotencyKey = Annotated[
    str | None,
    HeaderParameter(
        name="Idempotency-Key",
        description="Any text of at most 255 characters, bare or in double quotes; the same key and"
        f" request give the same answer, byte for byte, for {idempotency.KEEP.days} days.",
        required=False,
        max_length=512,
    ),
]
IfMatch = Annotated[
    str | None,
    HeaderParameter(name="If-Match", description="The ETag that you last read.", required=False),
]


@dataclass(frozen=True, slots=True)
class Answer(Generic[V]):
    """A view with headers. ``version`` becomes the ETag, ``location`` the Location."""

    view: V
    version: int | None = None
    location: str | None = None


class Work:
    """What a controller needs to change something. Made per request by ``provide_work``."""

    def __init__(self, database: Database, key: idempotency.Key | None) -> None:
        self._database = database
        self._key = key

    async def run(
        self, use_case: Callable[[Tx], Awaitable[V | Answer[V]]], *, status: int = 200
    ) -> Response[V]:
        """Run the use case in one transaction and answer with its view.

        Runs again after a deadlock; replays the stored answer of a used key; keeps a refusal by
        the business under the key. Anything that fails has moved nothing.
        """
        try:
            stored, replayed = await retrying(lambda: self._attempt(use_case, status))
        except Problem as problem:
            if self._key is None or not problem.stored:
                raise
            stored, replayed = await self._keep(self._key, problem), False
        return _respond(stored, replayed)

    async def _attempt(
        self, use_case: Callable[[Tx], Awaitable[V | Answer[V]]], status: int
    ) -> tuple[idempotency.StoredAnswer, bool]:
        if self._key is None:
            async with self._database.transaction() as tx:
                return _encode(await use_case(tx), status), False
        async with self._database.reading() as conn:
            claim = _Claim(conn, self._key)
            async with begin(conn, claim.opening) as tx:
                if claim.found is not None:
                    return claim.found, True
                stored = _encode(await use_case(tx), status)
                idempotency.store(tx, self._key, stored)
                return stored, False

    async def _keep(self, key: idempotency.Key, problem: Problem) -> idempotency.StoredAnswer:
        """Store a refusal. Its effect was rolled back, so this is a transaction of its own."""
        headers = {"Content-Type": MEDIA_TYPE, **problem.headers}
        stored = idempotency.StoredAnswer(problem.status, headers, body_of(problem))
        async with self._database.reading() as conn:
            claim = _Claim(conn, key)
            async with begin(conn, claim.opening) as tx:
                if claim.found is not None:
                    return claim.found
                idempotency.store(tx, key, stored)
        return stored


class _Claim:
    """The first query of a keyed transaction: claims the key and brings the business time."""

    def __init__(self, conn: Any, key: idempotency.Key) -> None:
        self._conn = conn
        self._key = key
        self.found: idempotency.StoredAnswer | None = None

    async def opening(self) -> Any:
        now, self.found = await idempotency.claim(self._conn, self._key)
        return now


async def provide_work(
    request: Request[Any, Any, State],
    principal: Principal,
    idempotency_key: IdempotencyKey = None,
) -> Work:
    """For routes that create or move money: the Idempotency-Key is required."""
    return await _work(request, principal, idempotency_key, required=True)


async def provide_free_work(
    request: Request[Any, Any, State],
    visitor: Principal | None = None,
    idempotency_key: IdempotencyKey = None,
) -> Work:
    """For routes where repeating is harmless, or that need no account: the key is optional."""
    return await _work(request, visitor, idempotency_key, required=False)


async def _work(
    request: Request[Any, Any, State], who: Principal | None, key: str | None, *, required: bool
) -> Work:
    database: Database = request.app.state.database
    if key is None:
        if required:
            raise IdempotencyKeyMissing
        return Work(database, None)
    principal = who.member_id if who else NOBODY
    route = f"{request.method} {request.scope['path']}"  # the API's version is its first part
    body = _canonical(await request.body(), request.content_type[0])
    sha = hashlib.sha256(f"{route}?{request.url.query}\0".encode() + body).digest()
    return Work(database, idempotency.Key(principal, route, _bare(key), sha))


def _bare(header: str) -> str:
    """The key in a header: as it stands, or a quoted string of RFC 8941. Raises 422."""
    key = header.strip()
    if key.startswith('"'):
        quoted = _QUOTED.fullmatch(key)
        key = _ESCAPED.sub(r"\1", quoted[1]) if quoted else ""
    if not 1 <= len(key) <= 255 or "\0" in key:
        raise Invalid("the Idempotency-Key must have 1 to 255 characters")
    return key


def _canonical(body: bytes, media_type: str) -> bytes:
    """What a body says: JSON without spaces, its names in order. A phone's library that writes
    them in another order after a restart still makes the same request; one another value does not.
    """
    if media_type != _JSON:
        return body
    try:
        return msgspec.json.encode(msgspec.json.decode(body), order="deterministic")
    except (msgspec.MsgspecError, ValueError, RecursionError):
        return body


def expected_version(if_match: str | None) -> int:
    """The row version in If-Match. Raises 428 when absent, 412 when it is no ETag of ours."""
    if if_match is None:
        raise PreconditionRequired
    text = if_match.strip().removeprefix("W/").strip('"')
    if not text.isascii() or not text.isdigit() or len(text) > 18:
        raise Stale
    return int(text)


def etag(version: int) -> str:
    """A strong ETag of a row version."""
    return f'"{version}"'


def _encode(result: V | Answer[V], status: int) -> idempotency.StoredAnswer:
    answer = result if isinstance(result, Answer) else Answer(result)
    headers = {"Content-Type": _JSON, "Cache-Control": "no-store"}
    if answer.version is not None:
        headers["ETag"] = etag(answer.version)
    if answer.location is not None:
        headers["Location"] = answer.location
    body = b"" if answer.view is None else msgspec.json.encode(answer.view)
    return idempotency.StoredAnswer(status, headers, body)


def _respond(stored: idempotency.StoredAnswer, replayed: bool) -> Response[Any]:
    headers = dict(stored.headers)
    media_type = headers.pop("Content-Type", _JSON)
    if replayed:
        headers["Idempotent-Replayed"] = "true"
    return Response(
        content=stored.body, status_code=stored.status, media_type=media_type, headers=headers
    )
