"""Intents of money in and out, and the booking of what the provider answered."""

import hmac
import re

from handsel.foundation.core.cards import holds_card_number
from handsel.foundation.core.errors import CardNumberRefused, Invalid
from handsel.foundation.core.money import MINUTE
from handsel.foundation.core.settings import Settings
from handsel.foundation.db.errors import on_constraint
from handsel.foundation.db.pool import Connection
from handsel.foundation.db.uow import Database
from handsel.foundation.http.principal import Principal
from handsel.money.ledger import queries as ledger_queries
from handsel.money.ledger.errors import UnknownUnit
from handsel.money.ledger.service import Account
from handsel.money.payments.gateway import AbsentGateway, Gateway
from handsel.money.payments.sandbox import SandboxGateway
from handsel.money.payments.schemas import (
    WalletBalance,
    WalletView,
)
from handsel.people.members.errors import ProviderAbsent

_TOKEN = re.compile(r"[a-z]{2,6}_[A-Za-z0-9_]{1,250}")
#: The sandbox's tokens, and Stripe's.
_PREFIXES = {"tok": ("tok_", "pm_"), "bank": ("bank_", "acct_")}

#: What the reference of a wallet's transfer is, by the transfer's code.
REFERS_TO = {
    "top_up": "top",
    "withdraw": "wdr",
    "payout_returned": "wdr",
    "withdraw_stopped": "wdr",
    "card_refund": "crf",
    "card_refund_failed": "crf",
    "hold": "ord",
    "refund": "ord",
    "partial_refund": "ord",
    "arrive": "ord",
    "sale_refund": "ord",
    "sale_refund_card": "ord",
    "settle": "ord",
    "reserve_released": "ord",
    "provisional_credit": "clm",
    "provisional_reversed": "clm",
    "claim_paid": "clm",
    "claim_recovered": "clm",
    "contest": "cbk",
    "contest_returned": "cbk",
    "contest_earned": "cbk",
    "contest_earned_returned": "cbk",
    "dispute_covered": "cbk",
}

on_constraint("top_ups_unit_fkey", UnknownUnit)
on_constraint("withdrawals_unit_fkey", UnknownUnit)


def gateway_of(settings: Settings, database: Database) -> Gateway:
    """The provider of this installation. Without one, intents that are open stay open."""
    if settings.sandbox:
        return SandboxGateway(database, sandbox_secret(settings))
    if settings.stripe_secret_key:
        from handsel.money.payments.stripe.gateway import StripeGateway

        return StripeGateway(settings)
    return AbsentGateway()


def sandbox_secret(settings: Settings) -> bytes:
    """What the sandbox provider signs its webhooks with."""
    return hmac.digest(settings.secret_bytes(), b"sandbox provider webhooks", "sha256")


def need_provider(settings: Settings) -> None:
    """Raise ``ProviderAbsent`` (503) where money could neither come nor go."""
    if not settings.sandbox and not settings.stripe_secret_key:
        raise ProviderAbsent("no payment provider is configured")


async def wallet(conn: Connection, principal: Principal) -> WalletView:
    """What is available, withdrawable, pending, held, kept back and owed, by currency."""
    me = principal.member_id
    own: dict[str, dict[str, tuple[int, int]]] = {}
    for kind, unit, balance, restricted in await ledger_queries.balances(conn, me):
        if unit == MINUTE:
            continue  # hours are no money: GET /v1/time-credits/account
        own.setdefault(unit, {})[kind] = balance, restricted
    held = await ledger_queries.held_by_payer(conn, [Account("wallet", me, u).id for u in own])
    pending = await ledger_queries.pending_of(conn, me)
    units = sorted(own.keys() | pending.keys())
    rows = await conn.fetch(
        "SELECT unit, money.uncovered($1, unit) AS disputed FROM unnest($2::text[]) AS u (unit)",
        me,
        units,
    )
    disputed = {row["unit"]: row["disputed"] for row in rows}
    return WalletView(
        balances=[
            _balance(
                unit,
                own.get(unit, {}),
                pending.get(unit, 0),
                held.get(unit, 0),
                disputed[unit],
            )
            for unit in units
        ]
    )


def _balance(
    unit: str, kinds: dict[str, tuple[int, int]], pending: int, held: int, disputed: int
) -> WalletBalance:
    available, restricted = kinds.get("wallet", (0, 0))
    owed = -kinds.get("receivable", (0, 0))[0]
    return WalletBalance(
        currency=unit,
        available_minor=available,
        withdrawable_minor=max(available - restricted - owed - disputed, 0),
        pending_minor=pending,
        held_minor=held,
        reserved_minor=kinds.get("reserve", (0, 0))[0],
        owed_minor=owed,
        disputed_minor=disputed,
    )


def check_token(token: str, kind: str) -> None:
    """Raise ``Invalid`` (422) unless it is a token of this kind: a card's, or a bank account's. A
    card number with a token's prefix before it is one all the same: ``CardNumberRefused``."""
    if holds_card_number(token.partition("_")[2]):
        raise CardNumberRefused
    if not _TOKEN.fullmatch(token) or not token.startswith(_PREFIXES[kind]):
        raise Invalid(
            f"a token here looks like {kind}_…", errors=[{"pointer": "/token", "detail": "token"}]
        )
