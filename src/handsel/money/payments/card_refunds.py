"""Card money goes back to the cards that it came from, the newest top-ups first.

The money leaves the wallet with the request, one refund for each top-up that it is taken of; what
is on its way back or there already (``top_ups.refunded``) is never more than came. ``card_returns``
tells what becomes of it.
"""

from uuid import UUID

import asyncpg

from handsel.foundation import audit
from handsel.foundation.core import paging
from handsel.foundation.core.errors import NotFound
from handsel.foundation.core.ids import decode, encode
from handsel.foundation.core.money import Money, display
from handsel.foundation.core.settings import Settings
from handsel.foundation.db.pool import Connection
from handsel.foundation.db.uow import Tx
from handsel.foundation.http.principal import Principal
from handsel.foundation.http.work import Answer
from handsel.money.ledger import service as ledger
from handsel.money.ledger.errors import ExceedsCardMoney, InsufficientFunds
from handsel.money.ledger.service import HOUSE, Account, Transfer
from handsel.money.payments import payout_rules, velocity
from handsel.money.payments.asking import FIRST_SWEEP
from handsel.money.payments.schemas import CardRefundInput, CardRefundPage, CardRefundView
from handsel.money.payments.service import need_provider
from handsel.people.members import service as members

_PATH = "/v1/wallet/card-refunds"


async def start(
    tx: Tx, settings: Settings, principal: Principal, data: CardRefundInput
) -> Answer[CardRefundPage]:
    """Take card money out of the wallet and write down what goes to which card.

    Raises ``InsufficientFunds``, ``ExceedsCardMoney`` (409), ``PayoutsFrozen`` (403).
    """
    need_provider(settings)
    me, amount, unit = principal.member_id, data.amount.amount_minor, data.amount.currency
    await velocity.lock(tx, me)
    await members.require_unfrozen(tx, me)
    shares = await _shares(tx, me, amount, unit)
    rows = [await _write(tx, me, top_up, part, unit) for top_up, part in shares]
    wallet, transit = Account("wallet", me, unit), Account("refund_transit", HOUSE, unit)
    for row in rows:
        ledger.post(tx, [Transfer(wallet, transit, row["amount"], "card_refund")], row["id"])
        tx.emit("card_refund.requested", row["id"], {"card_refund_id": row["id"]})
    body = {"amount_minor": amount, "currency": unit, "card_refunds": [row["id"] for row in rows]}
    audit.record(tx, "money", "card_refund", body, subject_id=me, actor_id=me)
    return Answer(CardRefundPage(items=[_view(row) for row in rows]), location=_PATH)


async def read(conn: Connection, principal: Principal, card_refund: str) -> CardRefundView:
    """One's own refund."""
    row = await conn.fetchrow(
        "SELECT * FROM money.card_refunds WHERE id = $1 AND member_id = $2",
        decode("crf", card_refund),
        principal.member_id,
    )
    if row is None:
        raise NotFound
    return _view(row)


async def own(
    conn: Connection, secret: bytes, principal: Principal, cursor: str | None, page_size: int
) -> CardRefundPage:
    """One's own refunds, newest first."""
    me = principal.member_id
    pages: paging.IdPages[asyncpg.Record] = paging.IdPages(
        secret, f"card-refunds:{me}", page_size, lambda row: row["id"]
    )
    rows = await conn.fetch(
        "SELECT * FROM money.card_refunds WHERE member_id = $1 AND ($2::uuid IS NULL OR id < $2)"
        " ORDER BY id DESC LIMIT $3",
        me,
        pages.before(cursor or None),
        page_size + 1,
    )
    page, next_cursor = pages.cut(rows)
    return CardRefundPage(items=[_view(row) for row in page], next_cursor=next_cursor)


async def _shares(tx: Tx, member_id: UUID, amount: int, unit: str) -> list[tuple[UUID, int]]:
    """(top-up, part of the amount), newest first; the top-ups are locked before the wallet."""
    top_ups = await tx.fetch(
        "SELECT id, amount - refunded AS left FROM money.top_ups WHERE member_id = $1 AND unit = $2"
        " AND state = 'succeeded' AND refunded < amount AND disputed_at IS NULL"
        " ORDER BY id DESC FOR NO KEY UPDATE",
        member_id,
        unit,
    )
    wallet = await payout_rules.lock_wallet(tx, member_id, unit)
    if amount > wallet.balance:
        raise InsufficientFunds(available_minor=wallet.balance)
    most = min(wallet.restricted, sum(row["left"] for row in top_ups))
    if amount > most:
        raise ExceedsCardMoney(f"{display(most, unit)} can go back to a card", card_minor=most)
    shares, rest = [], amount
    for row in top_ups:
        part = min(row["left"], rest)
        if part:
            shares.append((row["id"], part))
        rest -= part
    return shares


async def _write(tx: Tx, member_id: UUID, top_up: UUID, amount: int, unit: str) -> asyncpg.Record:
    await tx.execute(
        "UPDATE money.top_ups SET refunded = refunded + $2 WHERE id = $1", top_up, amount
    )
    row = await tx.fetchrow(
        "INSERT INTO money.card_refunds (member_id, top_up_id, amount, unit, created_at, ask_at)"
        " VALUES ($1, $2, $3, $4, $5, $6) RETURNING *",
        member_id,
        top_up,
        amount,
        unit,
        tx.now,
        tx.now + FIRST_SWEEP,
    )
    assert row is not None
    return row


def _view(row: asyncpg.Record) -> CardRefundView:
    return CardRefundView(
        id=encode("crf", row["id"]),
        top_up=encode("top", row["top_up_id"]),
        amount=Money(amount_minor=row["amount"], currency=row["unit"]),
        state=row["state"],
        created_at=row["created_at"],
        failure=row["failure"],
    )
