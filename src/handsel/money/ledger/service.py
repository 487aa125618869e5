"""The ledger's verbs: each collects one SQL call, whose refusal surfaces when the work is sent."""

import hashlib
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Literal
from uuid import UUID

from handsel.foundation.db.uow import Tx
from handsel.money.ledger import errors as _errors  # noqa: F401 - names what SQL refuses

HOUSE = UUID(int=0)
LONGEST_HOLD = timedelta(days=75)

Resolution = Literal["released", "refunded", "split", "expired"]
Leg = Literal["release", "refund", "fee", "fund_share"]

_POST = ("uuid[]", "uuid[]", "bigint[]", "text[]", "text[]", "uuid")
_OPEN_HOLD = ("uuid", "uuid", "uuid", "bigint", "text", "uuid", "timestamptz")
_RESOLVE = ("uuid", "text", "uuid[]", "bigint[]", "text[]")


@dataclass(frozen=True, slots=True)
class Account:
    """Names an account by what it is. ``owner`` is a member, an order, or the house."""

    kind: str
    owner: UUID
    unit: str

    @property
    def id(self) -> UUID:
        """The same as SQL's ``money.account_id``."""
        text = f"{self.kind}:{self.owner}:{self.unit}"
        return UUID(bytes=hashlib.md5(text.encode(), usedforsecurity=False).digest())


@dataclass(frozen=True, slots=True)
class Transfer:
    """From ``debit`` to ``credit``: ``amount_minor`` > 0 of the accounts' one unit."""

    debit: Account
    credit: Account
    amount_minor: int
    code: str


def open_accounts(tx: Tx, accounts: Sequence[Account]) -> None:
    """Make accounts that do not exist yet, with a zero balance. Harmless when they do."""
    tx.call(
        "money.open_accounts",
        ("text[]", "uuid[]", "text[]"),
        [a.kind for a in accounts],
        [a.owner for a in accounts],
        [a.unit for a in accounts],
    )


def post(tx: Tx, transfers: Sequence[Transfer], reference: UUID) -> None:
    """Post linked transfers: all or none. ``reference`` is what they are for."""
    tx.call(
        "money.post",
        _POST,
        [t.debit.id for t in transfers],
        [t.credit.id for t in transfers],
        [t.amount_minor for t in transfers],
        [t.debit.unit for t in transfers],
        [t.code for t in transfers],
        reference,
    )


def open_hold(
    tx: Tx, hold: UUID, payer: Account, escrow: Account, amount_minor: int, expires_at: datetime
) -> None:
    """Move money from the payer into escrow until ``expires_at`` (at most 75 days from now)."""
    tx.call(
        "money.open_hold",
        _OPEN_HOLD,
        hold,
        payer.id,
        escrow.id,
        amount_minor,
        payer.unit,
        escrow.owner,
        min(expires_at, tx.now + LONGEST_HOLD),
    )


def resolve_hold(
    tx: Tx, hold: UUID, state: Resolution, legs: Sequence[tuple[Leg, Account, int]]
) -> None:
    """Pay a hold out, exactly once and whole; legs of zero are left out."""
    paid = [leg for leg in legs if leg[2] != 0]
    tx.call(
        "money.resolve_hold",
        _RESOLVE,
        hold,
        state,
        [account.id for _, account, _ in paid],
        [amount for _, _, amount in paid],
        [leg for leg, _, _ in paid],
    )


def reverse(tx: Tx, transfer: UUID) -> None:
    """Undo a transfer by its mirror image, once; never one of a hold, which is resolved."""
    tx.call("money.reverse", ("uuid",), transfer)
