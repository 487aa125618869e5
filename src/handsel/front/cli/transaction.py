"""One transaction for a command: what the house refuses becomes one sentence."""

import asyncio
from collections.abc import Awaitable, Callable
from typing import TypeVar

from handsel.foundation.core.errors import Problem, UserError
from handsel.foundation.db.pool import APP_ROLE, connect
from handsel.foundation.db.uow import Tx, begin

T = TypeVar("T")


def run_in(url: str, work: Callable[[Tx], Awaitable[T]], *, role: str = APP_ROLE) -> T:
    """Do the work and commit. Raises ``UserError`` for a ``Problem``; nothing has moved then."""

    async def run() -> T:
        conn = await connect(url, role=role)
        try:
            async with begin(conn) as tx:
                return await work(tx)
        finally:
            await conn.close()

    try:
        return asyncio.run(run())
    except Problem as problem:
        first, said = problem.detail.split(" ", 1)[0], problem.detail
        if first.isalpha():  # an id is left as it is
            said = said[:1].upper() + said[1:]
        raise UserError(f"{said} ({problem.code}).") from None
