"""Codes that one side shows and the other enters, so that both are known to be there."""

import hmac
import secrets
from collections.abc import Awaitable, Callable
from datetime import datetime
from typing import Literal
from uuid import UUID

from handsel.deals.orders.errors import CodeLocked, CodeMissing, CodeWrong
from handsel.deals.orders.moves import Move
from handsel.foundation.core.schema import View
from handsel.foundation.db.pool import Connection
from handsel.foundation.db.uow import Tx

_DIGITS = 6
#: So few that guessing is hopeless, and enough for a typing mistake or two.
_TRIES = 5


class CodeView(View):
    """A code to show at a meeting; who sees it here is who shows it."""

    purpose: str
    code: str
    used_at: datetime | None = None


def issue(tx: Tx, order_id: UUID, purpose: str, holder: Literal["customer", "provider"]) -> None:
    """Make a code that ``holder`` shows; a code that is there already stays as it is."""
    code = f"{secrets.randbelow(10**_DIGITS):0{_DIGITS}}"
    types = ("uuid", "text", "text", "text")
    tx.call("deals.issue_code", types, order_id, purpose, holder, code)


async def use(tx: Tx, order_id: UUID, purpose: str, code: str | None) -> None:
    """Accept the right code, once. Raises ``CodeMissing`` (422), ``CodeWrong``, ``CodeLocked``
    (409); a wrong one counts although the request is refused."""
    if code is None:
        raise CodeMissing
    row = await tx.fetchrow(
        "SELECT code, attempts FROM deals.codes WHERE order_id = $1 AND purpose = $2"
        " AND used_at IS NULL FOR UPDATE",
        order_id,
        purpose,
    )
    if row is None:
        raise CodeWrong("there is no code to enter now")
    if row["attempts"] >= _TRIES:
        raise CodeLocked
    if not hmac.compare_digest(row["code"].encode(), code.strip().encode()):
        tx.if_refused("deals.count_wrong_code", ("uuid", "text"), order_id, purpose)
        raise CodeWrong(tries_left=_TRIES - row["attempts"] - 1)
    tx.call("deals.use_code", ("uuid", "text"), order_id, purpose)


async def of_holder(conn: Connection, order_id: UUID, holder: str) -> list[CodeView]:
    """The codes that this side shows, in the order in which they were made."""
    rows = await conn.fetch(
        "SELECT purpose, code, used_at FROM deals.codes WHERE order_id = $1 AND holder = $2"
        " ORDER BY made_at, purpose",
        order_id,
        holder,
    )
    return [CodeView(**dict(row)) for row in rows]


def guard(purpose: str) -> Callable[[Tx, Move], Awaitable[None]]:
    """A guard that takes the code of ``purpose`` from the move."""

    async def code_entered(tx: Tx, move: Move) -> None:
        await use(tx, move.order.id, purpose, move.data.code)

    return code_entered


def issuing(
    purpose: str, holder: Literal["customer", "provider"]
) -> Callable[[Tx, Move], Awaitable[None]]:
    """A write that makes the code of ``purpose``."""

    async def make_code(tx: Tx, move: Move) -> None:
        issue(tx, move.order.id, purpose, holder)

    return make_code
