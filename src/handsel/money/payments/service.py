"""Intents of money in and out, and the booking of what the provider answered."""

import re
from uuid import UUID

import asyncpg
import msgspec

from handsel.foundation import audit
from handsel.foundation.core.errors import Invalid, NotFound
from handsel.foundation.core.ids import decode, encode
from handsel.foundation.core.money import Money
from handsel.foundation.core.settings import Settings
from handsel.foundation.db.errors import on_constraint
from handsel.foundation.db.pool import Connection
from handsel.foundation.db.uow import Database, Tx
from handsel.foundation.http.principal import Principal
from handsel.foundation.http.work import Answer
from handsel.money.ledger import queries as ledger_queries
from handsel.money.ledger import service as ledger
from handsel.money.ledger.errors import UnknownUnit
from handsel.money.ledger.service import HOUSE, Account, Transfer
from handsel.money.payments.errors import (
    CardNumberRefused,
    PayoutMethodExists,
    PayoutRefused,
    TopUpTooLarge,
    UnknownPayoutMethod,
)
from handsel.money.payments.gateway import AbsentGateway, Gateway, ProviderAnswer
from handsel.money.payments.sandbox import SandboxGateway
from handsel.money.payments.schemas import (
    PayoutMethodInput,
    PayoutMethodPage,
    PayoutMethodView,
    TopUpInput,
    TopUpView,
    WalletBalance,
    WalletView,
    WithdrawalInput,
    WithdrawalView,
)
from handsel.people.members.errors import ProviderAbsent
from handsel.people.trust import service as trust

_CARD_NUMBER = re.compile(r"(?:\d[ -]?){12,19}")
_TOKEN = re.compile(r"(tok|bank)_[a-z0-9_]{1,59}")

#: What the reference of a wallet's transfer is, by the transfer's code.
REFERS_TO = {
    "top_up": "top",
    "withdraw": "wdr",
    "payout_returned": "wdr",
    "hold": "ord",
    "refund": "ord",
    "settle": "ord",
}

on_constraint("top_ups_unit_fkey", UnknownUnit)
on_constraint("withdrawals_unit_fkey", UnknownUnit)


on_constraint("payout_methods_member_id_token_key", PayoutMethodExists)


#: Far above any order here, and far below what a balance can hold.
MAX_TOP_UP_MINOR = 10**9


def gateway_of(settings: Settings, database: Database) -> Gateway:
    """The provider of this installation. Outside of sandbox mode there is none yet: intents that
    are open then stay open."""
    return SandboxGateway(database) if settings.sandbox else AbsentGateway()


def _need_provider(settings: Settings) -> None:
    if not settings.sandbox:
        raise ProviderAbsent("no payment provider is configured")


async def start_top_up(
    tx: Tx, settings: Settings, principal: Principal, data: TopUpInput
) -> Answer[TopUpView]:
    """Write down the intent; a job asks the provider. The wallet grows when it has said yes."""
    _need_provider(settings)
    _check_token(data.token, "tok")
    if data.amount.amount_minor > MAX_TOP_UP_MINOR:
        raise TopUpTooLarge(largest_minor=MAX_TOP_UP_MINOR)
    row = await tx.fetchrow(
        "INSERT INTO money.top_ups (member_id, amount, unit, token, created_at)"
        " VALUES ($1, $2, $3, $4, $5) RETURNING *",
        principal.member_id,
        data.amount.amount_minor,
        data.amount.currency,
        data.token,
        tx.now,
    )
    assert row is not None
    tx.emit("top_up.requested", row["id"], {"top_up_id": row["id"]})
    view = _top_up_view(row)
    return Answer(view, location=f"/v1/wallet/top-ups/{view.id}")


async def book_top_up(tx: Tx, top_up_id: UUID, answer: ProviderAnswer) -> None:
    """Book what the provider said of a top-up; a second answer changes nothing."""
    row = await tx.fetchrow("SELECT * FROM money.top_ups WHERE id = $1 FOR UPDATE", top_up_id)
    if row is None or row["state"] != "pending":
        return
    state = "succeeded" if answer.outcome == "succeeded" else "failed"
    await _decide(tx, "money.top_ups", top_up_id, state, answer)
    if state == "succeeded":
        wallet = Account("wallet", row["member_id"], row["unit"])
        clearing = Account("provider_clearing", HOUSE, row["unit"])
        ledger.open_accounts(tx, [wallet])
        ledger.post(tx, [Transfer(clearing, wallet, row["amount"], "top_up")], top_up_id)
    tx.emit(
        f"top_up.{state}",
        top_up_id,
        {
            "top_up_id": top_up_id,
            "member_id": row["member_id"],
            "amount_minor": row["amount"],
            "currency": row["unit"],
        },
    )


async def start_withdrawal(
    tx: Tx, settings: Settings, principal: Principal, data: WithdrawalInput
) -> Answer[WithdrawalView]:
    """Take the money out of the wallet and write down the intent; a job asks the provider."""
    _need_provider(settings)
    method = await tx.fetchrow(
        "SELECT id FROM money.payout_methods WHERE id = $1 AND member_id = $2",
        decode("pay", data.payout_method),
        principal.member_id,
    )
    if method is None:
        raise UnknownPayoutMethod
    amount, unit = data.amount.amount_minor, data.amount.currency
    permitted = await trust.payout_allowed(tx, principal.member_id, amount, unit)
    if not permitted.allowed:
        raise PayoutRefused(
            reasons=msgspec.to_builtins(permitted.reasons), path=msgspec.to_builtins(permitted.path)
        )
    row = await tx.fetchrow(
        "INSERT INTO money.withdrawals (member_id, method_id, amount, unit, created_at)"
        " VALUES ($1, $2, $3, $4, $5) RETURNING *",
        principal.member_id,
        method["id"],
        amount,
        unit,
        tx.now,
    )
    assert row is not None
    wallet = Account("wallet", principal.member_id, unit)
    transit = Account("payout_transit", HOUSE, unit)
    ledger.open_accounts(tx, [wallet])
    ledger.post(tx, [Transfer(wallet, transit, amount, "withdraw")], row["id"])
    tx.emit("withdrawal.requested", row["id"], {"withdrawal_id": row["id"]})
    body = {"amount_minor": amount, "currency": unit}
    audit.record(tx, "money", "withdraw", body, subject_id=row["id"], actor_id=principal.member_id)
    view = _withdrawal_view(row)
    return Answer(view, location=f"/v1/wallet/withdrawals/{view.id}")


async def book_withdrawal(tx: Tx, withdrawal_id: UUID, answer: ProviderAnswer) -> None:
    """Book what became of a payout; a returned one is in the wallet again."""
    row = await tx.fetchrow(
        "SELECT * FROM money.withdrawals WHERE id = $1 FOR UPDATE", withdrawal_id
    )
    if row is None or row["state"] != "pending":
        return
    state = "paid" if answer.outcome == "succeeded" else "returned"
    await _decide(tx, "money.withdrawals", withdrawal_id, state, answer)
    transit = Account("payout_transit", HOUSE, row["unit"])
    if state == "paid":
        target = Account("provider_clearing", HOUSE, row["unit"])
    else:
        target = Account("wallet", row["member_id"], row["unit"])
    code = "payout" if state == "paid" else "payout_returned"
    ledger.post(tx, [Transfer(transit, target, row["amount"], code)], withdrawal_id)
    tx.emit(
        f"withdrawal.{state}",
        withdrawal_id,
        {"withdrawal_id": withdrawal_id, "member_id": row["member_id"]},
    )


async def add_payout_method(
    tx: Tx, principal: Principal, data: PayoutMethodInput
) -> PayoutMethodView:
    """Remember a bank token of the provider."""
    _check_token(data.token, "bank")
    row = await tx.fetchrow(
        "INSERT INTO money.payout_methods (member_id, token, label, created_at)"
        " VALUES ($1, $2, $3, $4) RETURNING *",
        principal.member_id,
        data.token,
        data.label,
        tx.now,
    )
    assert row is not None
    body = {"label": data.label}
    audit.record(
        tx, "money", "add_payout_method", body, subject_id=row["id"], actor_id=principal.member_id
    )
    return _method_view(row)


async def wallet(conn: Connection, principal: Principal) -> WalletView:
    """What is available, withdrawable, pending, held, kept back and owed, by currency."""
    me = principal.member_id
    own: dict[str, dict[str, tuple[int, int]]] = {}
    for kind, unit, balance, restricted in await ledger_queries.balances(conn, me):
        own.setdefault(unit, {})[kind] = balance, restricted
    held = await ledger_queries.held_by_payer(conn, [Account("wallet", me, u).id for u in own])
    pending = await ledger_queries.pending_of(conn, me)
    return WalletView(
        balances=[
            _balance(unit, own.get(unit, {}), pending.get(unit, 0), held.get(unit, 0))
            for unit in sorted(own.keys() | pending.keys())
        ]
    )


def _balance(
    unit: str, kinds: dict[str, tuple[int, int]], pending: int, held: int
) -> WalletBalance:
    available, restricted = kinds.get("wallet", (0, 0))
    return WalletBalance(
        currency=unit,
        available_minor=available,
        withdrawable_minor=available - restricted,
        pending_minor=pending,
        held_minor=held,
        reserved_minor=kinds.get("reserve", (0, 0))[0],
        owed_minor=-kinds.get("receivable", (0, 0))[0],
    )


async def read_top_up(conn: Connection, principal: Principal, top_up: str) -> TopUpView:
    """One's own top-up."""
    row = await conn.fetchrow(
        "SELECT * FROM money.top_ups WHERE id = $1 AND member_id = $2",
        decode("top", top_up),
        principal.member_id,
    )
    if row is None:
        raise NotFound
    return _top_up_view(row)


async def read_withdrawal(
    conn: Connection, principal: Principal, withdrawal: str
) -> WithdrawalView:
    """One's own withdrawal."""
    row = await conn.fetchrow(
        "SELECT * FROM money.withdrawals WHERE id = $1 AND member_id = $2",
        decode("wdr", withdrawal),
        principal.member_id,
    )
    if row is None:
        raise NotFound
    return _withdrawal_view(row)


async def payout_methods(conn: Connection, principal: Principal) -> PayoutMethodPage:
    """One's own payout methods, oldest first."""
    rows = await conn.fetch(
        "SELECT * FROM money.payout_methods WHERE member_id = $1 ORDER BY id", principal.member_id
    )
    return PayoutMethodPage(items=[_method_view(row) for row in rows])


async def _decide(tx: Tx, table: str, key: UUID, state: str, answer: ProviderAnswer) -> None:
    await tx.execute(
        f"UPDATE {table} SET state = $2, failure = $3, provider_reference = $4, decided_at = $5"
        " WHERE id = $1",
        key,
        state,
        answer.failure,
        answer.reference,
        tx.now,
    )


def _check_token(token: str, kind: str) -> None:
    if _CARD_NUMBER.search(token):
        raise CardNumberRefused
    if not _TOKEN.fullmatch(token) or not token.startswith(f"{kind}_"):
        raise Invalid(
            f"a token here looks like {kind}_…", errors=[{"pointer": "/token", "detail": "token"}]
        )


def _top_up_view(row: asyncpg.Record) -> TopUpView:
    return TopUpView(
        id=encode("top", row["id"]),
        amount=Money(amount_minor=row["amount"], currency=row["unit"]),
        state=row["state"],
        created_at=row["created_at"],
        failure=row["failure"],
    )


def _withdrawal_view(row: asyncpg.Record) -> WithdrawalView:
    return WithdrawalView(
        id=encode("wdr", row["id"]),
        amount=Money(amount_minor=row["amount"], currency=row["unit"]),
        state=row["state"],
        created_at=row["created_at"],
        failure=row["failure"],
    )


def _method_view(row: asyncpg.Record) -> PayoutMethodView:
    return PayoutMethodView(
        id=encode("pay", row["id"]), label=row["label"], created_at=row["created_at"]
    )
