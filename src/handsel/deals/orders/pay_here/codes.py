"""The codes: make one, read one, draw it, take it out of use."""

import io
import secrets
from datetime import datetime
from functools import lru_cache
from typing import Literal, NamedTuple
from uuid import UUID

import asyncpg
import msgspec
import segno

from handsel.catalog.listings import service as listings
from handsel.deals.orders.errors import CannotReceive, ListingNotOrderable
from handsel.deals.orders.pay_here.errors import (
    PayCodeExpired,
    PayCodeExpiryPassed,
    PayCodeRevoked,
    TooManyPayCodes,
    UnknownPayCode,
)
from handsel.deals.orders.pay_here.schemas import PayCodeInput, PayCodeView, PayeeView
from handsel.foundation.core.errors import NotFound
from handsel.foundation.core.ids import decode, encode
from handsel.foundation.core.settings import Settings
from handsel.foundation.db.pool import Connection
from handsel.foundation.db.uow import Tx
from handsel.foundation.http.principal import Principal
from handsel.foundation.http.work import Answer
from handsel.people.members import service as members
from handsel.people.trust import service as trust

#: Crockford's digits: none of them is taken for another when a code is read aloud. Sixty bits: a
#: code is no secret, but nobody shall find one by trying.
_DIGITS = "0123456789ABCDEFGHJKMNPQRSTVWXYZ"
_LENGTH = 12
_AT_MOST = 200


class PayCode(NamedTuple):
    """A row, and whether it is over by the business time."""

    id: UUID
    code: str
    owner_id: UUID
    listing_id: UUID | None
    label: str
    amount: int | None
    unit: str
    created_at: datetime
    expires_at: datetime | None
    revoked_at: datetime | None
    is_over: bool

    @property
    def state(self) -> Literal["active", "revoked", "expired"]:
        """What the owner sees."""
        if self.revoked_at is not None:
            return "revoked"
        return "expired" if self.is_over else "active"


_COLUMNS = (
    "id, code, owner_id, listing_id, label, amount, unit, created_at, expires_at, revoked_at,"
    " coalesce(expires_at <= foundation.handsel_now(), false) AS is_over"
)


async def make(
    tx: Tx, settings: Settings, principal: Principal, data: PayCodeInput
) -> Answer[PayCodeView]:
    """A new code of one's own.

    Raises ``CannotReceive``, ``CurrencyNotSupported`` (403), ``ListingNotOrderable``,
    ``TooManyPayCodes`` (409), ``PayCodeExpiryPassed`` (422), ``NotFound``.
    """
    await _may_be_made(tx, principal, data)
    listing = decode("lst", data.listing_id) if data.listing_id else None
    if listing is not None:
        found = await listings.for_order(tx, listing)
        if found.seller_id != principal.member_id:
            raise NotFound("you have no such listing")
        if not found.live:
            raise ListingNotOrderable
    row = await tx.fetchrow(
        "INSERT INTO deals.pay_codes"
        " (code, owner_id, listing_id, label, amount, unit, created_at, expires_at)"
        f" VALUES ($1, $2, $3, $4, $5, $6, $7, $8) RETURNING {_COLUMNS}",
        "".join(secrets.choice(_DIGITS) for _ in range(_LENGTH)),
        principal.member_id,
        listing,
        data.label,
        data.amount_minor,
        data.currency,
        tx.now,
        data.expires_at,
    )
    view = own_view(settings, _code(row))
    return Answer(view, location=f"/v1/pay-codes/{view.code}")


async def revoke(
    tx: Tx, settings: Settings, principal: Principal, code: str
) -> Answer[PayCodeView]:
    """Take a code of one's own out of use, for good. Again changes nothing. Raises ``NotFound``."""
    row = await tx.fetchrow(
        "UPDATE deals.pay_codes SET revoked_at = coalesce(revoked_at, $3)"
        f" WHERE code = $1 AND owner_id = $2 RETURNING {_COLUMNS}",
        _written(code),
        principal.member_id,
        tx.now,
    )
    if row is None:
        raise UnknownPayCode
    return Answer(own_view(settings, _code(row)))


async def usable(conn: Connection, code: str) -> PayCode:
    """A code that may be paid at. Raises ``UnknownPayCode`` (404), ``PayCodeRevoked``,
    ``PayCodeExpired`` (409)."""
    row = await conn.fetchrow(
        f"SELECT {_COLUMNS} FROM deals.pay_codes WHERE code = $1", _written(code)
    )
    if row is None:
        raise UnknownPayCode
    found = _code(row)
    if found.state == "revoked":
        raise PayCodeRevoked
    if found.state == "expired":
        raise PayCodeExpired
    return found


async def payee(conn: Connection, code: str) -> PayeeView:
    """What everybody may see of a code. Raises what ``usable`` raises."""
    found = await usable(conn, code)
    who = (await members.by_ids(conn, [found.owner_id]))[found.owner_id]
    card = (await trust.public_card(conn, [found.owner_id]))[found.owner_id]
    return PayeeView(
        code=found.code,
        payee_id=encode("mem", who.id),
        payee=who.handle,
        label=found.label,
        currency=found.unit,
        amount_minor=found.amount,
        listing_id=encode("lst", found.listing_id) if found.listing_id else None,
        trust=card,
    )


async def own(
    conn: Connection, settings: Settings, principal: Principal, before: UUID | None, limit: int
) -> list[PayCodeView]:
    """One's own codes, newest first."""
    rows = await conn.fetch(
        f"SELECT {_COLUMNS} FROM deals.pay_codes WHERE owner_id = $1"
        " AND ($2::uuid IS NULL OR id < $2) ORDER BY id DESC LIMIT $3",
        principal.member_id,
        before,
        limit,
    )
    return [own_view(settings, _code(row)) for row in rows]


async def drawn(conn: Connection, settings: Settings, code: str) -> bytes:
    """The picture of a code as SVG. Raises what ``usable`` raises."""
    found = await usable(conn, code)
    return _svg(_url(settings, found.code))


@lru_cache(maxsize=256)
def _svg(url: str) -> bytes:
    out = io.BytesIO()
    segno.make_qr(url, error="m").save(out, kind="svg", scale=8, light="#fff", title=url)
    return out.getvalue()


def own_view(settings: Settings, code: PayCode) -> PayCodeView:
    """As its owner sees it."""
    return PayCodeView(
        id=encode("pco", code.id),
        code=code.code,
        url=_url(settings, code.code),
        qr=f"/v1/pay-codes/{code.code}/qr.svg",
        label=code.label,
        currency=code.unit,
        amount_minor=code.amount,
        listing_id=encode("lst", code.listing_id) if code.listing_id else None,
        state=code.state,
        created_at=code.created_at,
        expires_at=code.expires_at,
    )


async def _may_be_made(tx: Tx, principal: Principal, data: PayCodeInput) -> None:
    trust.in_reference(1, data.currency)
    if data.expires_at is not None and (
        data.expires_at.tzinfo is None or data.expires_at <= tx.now
    ):
        raise PayCodeExpiryPassed
    may = await trust.may_receive(tx, principal.member_id)
    if not may.allowed:
        raise CannotReceive(
            reasons=msgspec.to_builtins(may.reasons), path=msgspec.to_builtins(may.path)
        )
    in_use = await tx.fetchval(
        "SELECT count(*) FROM deals.pay_codes WHERE owner_id = $1 AND revoked_at IS NULL"
        " AND (expires_at IS NULL OR expires_at > $2)",
        principal.member_id,
        tx.now,
    )
    if in_use >= _AT_MOST:
        raise TooManyPayCodes(f"{_AT_MOST} may be in use at a time")


def _written(code: str) -> str:
    """A code as somebody has typed it. Raises ``UnknownPayCode`` for what cannot be one."""
    text = code.upper()
    if len(text) != _LENGTH or not set(text) <= set(_DIGITS):
        raise UnknownPayCode
    return text


def _code(row: asyncpg.Record | None) -> PayCode:
    assert row is not None
    return PayCode(**dict(row))


def _url(settings: Settings, code: str) -> str:
    return f"{settings.public_address}/v1/pay-codes/{code}"
