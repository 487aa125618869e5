"""Withdrawals: a member asks for money to go from a wallet to a bank account of their own.

The money leaves the wallet with the request; ``payouts`` tells what becomes of it.
"""

from datetime import datetime
from uuid import UUID

import asyncpg

from handsel.foundation import audit
from handsel.foundation.core.errors import NotFound
from handsel.foundation.core.ids import decode, encode
from handsel.foundation.core.money import Money
from handsel.foundation.core.settings import Settings
from handsel.foundation.db.pool import Connection
from handsel.foundation.db.uow import Tx
from handsel.foundation.http.principal import Principal
from handsel.foundation.http.work import Answer
from handsel.money.ledger import service as ledger
from handsel.money.ledger.service import HOUSE, Account, Transfer
from handsel.money.payments import methods, payout_rules, velocity
from handsel.money.payments.asking import FIRST_SWEEP
from handsel.money.payments.schemas import WithdrawalInput, WithdrawalView
from handsel.money.payments.service import need_provider


async def start(
    tx: Tx, settings: Settings, principal: Principal, data: WithdrawalInput
) -> Answer[WithdrawalView]:
    """Take the money out of the wallet and write down the intent; a job asks the provider.

    Raises what ``payout_rules.check`` raises, and ``ClientReferenceUsed``.
    """
    need_provider(settings)
    me = principal.member_id
    amount, unit = data.amount.amount_minor, data.amount.currency
    method = await methods.usable(tx, me, decode("pay", data.payout_method))
    case = await payout_rules.case(tx, me, unit)
    await velocity.refuse_used(tx, "wdr", me, data.client_reference)
    payout_rules.check(case, method, amount)
    row = await _write(tx, me, method.id, amount, unit, client_reference=data.client_reference)
    view = _view(row)
    return Answer(view, location=f"/v1/wallet/withdrawals/{view.id}")


async def start_scheduled(tx: Tx, member_id: UUID, unit: str, period: datetime) -> int:
    """Withdraw all that may be to the default method, for a period; how much, maybe 0.

    Raises, before anything is written, what ``start`` raises.
    """
    method = await methods.usable(tx, member_id, None)
    case = await payout_rules.case(tx, member_id, unit)
    amount = case.wallet.withdrawable
    done = await tx.fetchval(
        "SELECT EXISTS (SELECT FROM money.withdrawals WHERE member_id = $1 AND unit = $2"
        " AND period = $3)",
        member_id,
        unit,
        period.date(),
    )
    if done or amount == 0:
        return 0
    payout_rules.check(case, method, amount)
    await _write(tx, member_id, method.id, amount, unit, period=period)
    return amount


async def read(conn: Connection, principal: Principal, withdrawal: str) -> WithdrawalView:
    """One's own withdrawal."""
    row = await conn.fetchrow(
        "SELECT * FROM money.withdrawals WHERE id = $1 AND member_id = $2",
        decode("wdr", withdrawal),
        principal.member_id,
    )
    if row is None:
        raise NotFound
    return _view(row)


async def _write(
    tx: Tx, member_id: UUID, method_id: UUID, amount: int, unit: str, *,
    client_reference: UUID | None = None, period: datetime | None = None,
) -> asyncpg.Record:  # fmt: skip
    row = await tx.fetchrow(
        "INSERT INTO money.withdrawals (member_id, method_id, amount, unit, created_at, ask_at,"
        " client_reference, period, origin) VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9)"
        " RETURNING *",
        member_id,
        method_id,
        amount,
        unit,
        tx.now,
        tx.now + FIRST_SWEEP,
        client_reference,
        period and period.date(),
        "schedule" if period else "member",
    )
    assert row is not None
    wallet, transit = Account("wallet", member_id, unit), Account("payout_transit", HOUSE, unit)
    ledger.open_accounts(tx, [wallet])
    ledger.post(tx, [Transfer(wallet, transit, amount, "withdraw")], row["id"])
    tx.emit("withdrawal.requested", row["id"], {"withdrawal_id": row["id"]})
    body = {"amount_minor": amount, "currency": unit, "origin": row["origin"]}
    audit.record(tx, "money", "withdraw", body, subject_id=row["id"], actor_id=member_id)
    return row


def _view(row: asyncpg.Record) -> WithdrawalView:
    return WithdrawalView(
        id=encode("wdr", row["id"]),
        amount=Money(amount_minor=row["amount"], currency=row["unit"]),
        state=row["state"],
        created_at=row["created_at"],
        failure=row["failure"],
        origin=row["origin"],
        client_reference=row["client_reference"],
    )
