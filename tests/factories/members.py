"""Members for tests: made in bulk, logged in without a password, so that a test costs no argon2."""

import itertools
from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager
from datetime import timedelta
from typing import Any, NamedTuple, cast
from uuid import UUID

import httpx
from litestar import Litestar

from handsel.foundation.core.ids import decode, encode
from handsel.foundation.db.uow import Database, Tx
from handsel.foundation.http.principal import Principal
from handsel.people.members import service
from handsel.people.members.schemas import Kind, SandboxMember

#: What every member of these factories has as a password, and its hash, made once with the lowest
#: parameters: checking it costs next to nothing (a log-in replaces it by a proper one).
PASSWORD = "a long enough secret"
PASSWORD_HASH = (
    "$argon2id$v=19$m=8,t=1,p=1$sAsxXT3d2R41C7lAEqllvQ$6VUO+fvlVaLZtFG6f8XTPHiUKsOIAKqWovZ2gUSCPpE"
)
_numbers = itertools.count(1)


class Member(NamedTuple):
    """A member with an open session."""

    id: UUID
    handle: str
    token: str
    principal: Principal

    @property
    def public_id(self) -> str:
        """As the API writes it."""
        return encode("mem", self.id)

    @property
    def headers(self) -> dict[str, str]:
        """For requests as this member."""
        return {"Authorization": f"Bearer {self.token}"}


async def create_member(
    database: Database,
    handle: str | None = None,
    *,
    verified: Sequence[Kind] = (),
    age: timedelta = timedelta(0),
) -> Member:
    """A committed member, joined ``age`` ago, with a live session."""
    return await database.run(lambda tx: add_member(tx, handle, verified=verified, age=age))


async def add_member(
    tx: Tx,
    handle: str | None = None,
    *,
    verified: Sequence[Kind] = (),
    age: timedelta = timedelta(0),
) -> Member:
    """The same inside a transaction of the test's own."""
    handle = handle or f"member-{next(_numbers)}"
    spec = SandboxMember(
        handle=handle,
        joined_at=tx.now - age,
        password_hash=PASSWORD_HASH,
        verifications=tuple(verified),
    )
    [member_id] = await service.create_sandbox_members(tx, [spec])
    opened = await service.open_session(tx, member_id)
    principal = Principal(member_id, decode("ses", opened.id), handle)
    return Member(member_id, handle, opened.token, principal)


@asynccontextmanager
async def calling(app: Litestar, address: str = "10.0.0.1") -> AsyncIterator[httpx.AsyncClient]:
    """An HTTP client of the app in this event loop; ``address`` is where it seems to call from."""
    transport = httpx.ASGITransport(
        cast(Any, app), raise_app_exceptions=False, client=(address, 1234)
    )
    async with httpx.AsyncClient(transport=transport, base_url="http://test") as client:
        yield client


def key(name: str | None = None) -> dict[str, str]:
    """An Idempotency-Key header, a new one each time unless named."""
    return {"Idempotency-Key": name or f"key-{next(_numbers)}"}
