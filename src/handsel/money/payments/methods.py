"""Payout methods: the bank accounts that a member's money may go to.

One is added with the password, not with a session alone: a session may be stolen. Any but the first
can be used only after a time in which its owner, who is told by every contact, may remove it. A
method is never changed: another is added and the old one removed.
"""

from datetime import datetime
from typing import NamedTuple
from uuid import UUID

import asyncpg

from handsel.foundation import audit
from handsel.foundation.core.errors import NotFound
from handsel.foundation.core.ids import decode, encode
from handsel.foundation.db.pool import Connection
from handsel.foundation.db.uow import Tx
from handsel.foundation.http.principal import Principal
from handsel.money.payments import velocity
from handsel.money.payments.errors import (
    PayoutMethodCooling,
    PayoutMethodExists,
    UnknownPayoutMethod,
)
from handsel.money.payments.schemas import PayoutMethodInput, PayoutMethodPage, PayoutMethodView
from handsel.money.payments.service import check_token
from handsel.people.members import service as members

_OWN = "SELECT * FROM money.payout_methods WHERE member_id = $1 AND removed_at IS NULL"


class Method(NamedTuple):
    """A method that money may go to now; ``has_paid``: a payout has arrived there."""

    id: UUID
    token: str
    has_paid: bool


async def add(tx: Tx, principal: Principal, data: PayoutMethodInput) -> PayoutMethodView:
    """Remember a bank token of the provider.

    Raises what ``prove_password`` raises, and ``PayoutMethodExists``. Two at once cannot both be
    the first: a proof of a password runs alone until its transaction ends.
    """
    check_token(data.token, "bank")
    await members.prove_password(tx, principal.member_id, data.password)
    await members.require_unfrozen(tx, principal.member_id)
    known = await tx.fetch(
        "SELECT id, token, removed_at, is_default FROM money.payout_methods WHERE member_id = $1",
        principal.member_id,
    )
    for other in known:
        if other["token"] == data.token and other["removed_at"] is None:
            raise PayoutMethodExists(payout_method=encode("pay", other["id"]))
    usable_from = tx.now + velocity.policy().method.cooling_off if known else None
    row = await tx.fetchrow(
        "INSERT INTO money.payout_methods"
        " (member_id, token, label, created_at, usable_from, is_default)"
        " VALUES ($1, $2, $3, $4, $5, $6) RETURNING *",
        principal.member_id,
        data.token,
        data.label,
        tx.now,
        usable_from,
        not any(other["is_default"] for other in known),
    )
    assert row is not None
    _record(tx, "add_payout_method", row, principal)
    body = {"member_id": principal.member_id, "label": data.label, "usable_from": usable_from}
    tx.emit("payout_method.added", row["id"], {"payout_method_id": row["id"], **body})
    return _view(row)


async def remove(tx: Tx, principal: Principal, method: str) -> UUID:
    """Forget a method; its id. The oldest of the others becomes the default where this was it."""
    row = await _own(tx, principal, decode("pay", method))
    await tx.execute(
        "UPDATE money.payout_methods SET removed_at = $2, is_default = false WHERE id = $1",
        row["id"],
        tx.now,
    )
    if row["is_default"]:
        await tx.execute(
            "UPDATE money.payout_methods SET is_default = true WHERE id = ("
            " SELECT id FROM money.payout_methods WHERE member_id = $1 AND removed_at IS NULL"
            " ORDER BY id LIMIT 1)",
            principal.member_id,
        )
    _record(tx, "remove_payout_method", row, principal)
    removed: UUID = row["id"]
    return removed


async def make_default(tx: Tx, principal: Principal, method: str) -> PayoutMethodView:
    """The method that scheduled payouts go to. Raises ``NotFound``, ``PayoutMethodCooling``."""
    await members.require_unfrozen(tx, principal.member_id)
    row = await _own(tx, principal, decode("pay", method))
    _check_cool(row["usable_from"], tx.now)
    await tx.execute(
        "UPDATE money.payout_methods SET is_default = false WHERE member_id = $1 AND is_default",
        principal.member_id,
    )
    changed = await tx.fetchrow(
        "UPDATE money.payout_methods SET is_default = true WHERE id = $1 RETURNING *", row["id"]
    )
    assert changed is not None
    _record(tx, "default_payout_method", changed, principal)
    return _view(changed)


async def own(conn: Connection, principal: Principal) -> PayoutMethodPage:
    """One's own payout methods, oldest first."""
    rows = await conn.fetch(f"{_OWN} ORDER BY id", principal.member_id)
    return PayoutMethodPage(items=[_view(row) for row in rows])


async def usable(tx: Tx, member_id: UUID, method_id: UUID | None) -> Method:
    """A member's method (None: the default one), if money may go there now.

    Raises ``UnknownPayoutMethod``, ``PayoutMethodCooling``.
    """
    row = await tx.fetchrow(
        f"{_OWN} AND CASE WHEN $2::uuid IS NULL THEN is_default ELSE id = $2 END",
        member_id,
        method_id,
    )
    if row is None:
        raise UnknownPayoutMethod
    _check_cool(row["usable_from"], tx.now)
    has_paid = await tx.fetchval(
        "SELECT EXISTS (SELECT FROM money.withdrawals WHERE member_id = $1 AND method_id = $2"
        " AND state = 'paid')",
        member_id,
        row["id"],
    )
    return Method(row["id"], row["token"], has_paid)


async def _own(tx: Tx, principal: Principal, method_id: UUID) -> asyncpg.Record:
    rows = await tx.fetch(f"{_OWN} ORDER BY id FOR UPDATE", principal.member_id)
    for row in rows:
        if row["id"] == method_id:
            return row
    raise NotFound("you have no such payout method")


def _check_cool(usable_from: datetime | None, now: datetime) -> None:
    if usable_from is not None and now < usable_from:
        raise PayoutMethodCooling(usable_from=usable_from)


def _record(tx: Tx, action: str, row: asyncpg.Record, principal: Principal) -> None:
    me = principal.member_id
    audit.record(tx, "money", action, {"label": row["label"]}, subject_id=row["id"], actor_id=me)


def _view(row: asyncpg.Record) -> PayoutMethodView:
    return PayoutMethodView(
        id=encode("pay", row["id"]),
        label=row["label"],
        created_at=row["created_at"],
        usable_from=row["usable_from"] or row["created_at"],
        is_default=row["is_default"],
    )
