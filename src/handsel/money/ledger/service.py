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
Leg = Literal["release", "refund", "fee", "fee_tax", "fund_share"]
AccountState = Literal["open", "frozen", "closed"]

_POST = ("uuid[]", "uuid[]", "bigint[]", "text[]", "text[]", "uuid")
_OPEN_HOLD = ("uuid", "uuid", "uuid", "bigint", "text", "uuid", "timestamptz")
_RESOLVE = ("uuid", "text", "uuid[]", "bigint[]", "text[]", "uuid")
_BATCH = ("uuid[]", "uuid[]", "bigint[]", "text[]", "text[]", "uuid[]", "uuid[]")
_RELEASE = ("uuid[]", "uuid[]", "uuid[]", "uuid[]", "bigint[]", "text[]")
_SETTLE = ("uuid[]", "uuid[]", "bigint[]", "text[]")


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
    tx: Tx,
    hold: UUID,
    payer: Account,
    escrow: Account,
    amount_minor: int,
    expires_at: datetime,
    *,
    reference: UUID | None = None,
) -> None:
    """Move money from the payer into escrow until ``expires_at`` (at most 75 days from now).
    ``reference`` is what it is held for, if that is not the owner of the escrow account."""
    tx.call(
        "money.open_hold",
        _OPEN_HOLD,
        hold,
        payer.id,
        escrow.id,
        amount_minor,
        payer.unit,
        reference or escrow.owner,
        min(expires_at, tx.now + LONGEST_HOLD),
    )


def post_batch(tx: Tx, transfers: Sequence[tuple[Transfer, UUID]]) -> None:
    """Post many transfers set-based, each with its own reference: all or none. What ``post`` would
    do with them in this order, at a fraction of the price; not for codes that restrict money."""
    tx.call(
        "money.post_batch",
        _BATCH,
        [t.debit.id for t, _ in transfers],
        [t.credit.id for t, _ in transfers],
        [t.amount_minor for t, _ in transfers],
        [t.debit.unit for t, _ in transfers],
        [t.code for t, _ in transfers],
        [reference for _, reference in transfers],
        [None for _ in transfers],
    )


def raise_hold(tx: Tx, hold: UUID, amount: int) -> None:
    """Hold ``amount`` more for an open hold, from its payer's account."""
    tx.call("money.raise_hold", ("uuid", "bigint"), hold, amount)


def refund_part(tx: Tx, hold: UUID, amount_minor: int) -> None:
    """Pay a part of an open hold back to its payer; less than what is left of it."""
    tx.call("money.refund_part", ("uuid", "bigint"), hold, amount_minor)


def resolve_hold(
    tx: Tx,
    hold: UUID,
    state: Resolution,
    legs: Sequence[tuple[Leg, Account, int]],
    payee: UUID | None = None,
) -> None:
    """Pay out what is left of a hold, exactly once and whole; legs of zero are left out.

    What is released is ``payee``'s pending money until ``settle_holds``. Refused with
    ``payment_disputed`` while a chargeback runs, unless all of it goes back.
    """
    paid = [leg for leg in legs if leg[2] != 0]
    tx.call(
        "money.resolve_hold",
        _RESOLVE,
        hold,
        state,
        [account.id for _, account, _ in paid],
        [amount for _, _, amount in paid],
        [leg for leg, _, _ in paid],
        payee,
    )


@dataclass(frozen=True, slots=True)
class Release:
    """How one hold is released: to whom, and by which legs."""

    hold: UUID
    payee: UUID
    legs: Sequence[tuple[Leg, Account, int]]


def release_holds(tx: Tx, releases: Sequence[Release]) -> None:
    """Release many holds set-based, all or none; none of them disputed."""
    legs = [(r.hold, leg) for r in releases for leg in r.legs if leg[2] != 0]
    tx.call(
        "money.release_holds",
        _RELEASE,
        [r.hold for r in releases],
        [r.payee for r in releases],
        [hold for hold, _ in legs],
        [account.id for _, (_, account, _) in legs],
        [amount for _, (_, _, amount) in legs],
        [name for _, (name, _, _) in legs],
    )


@dataclass(frozen=True, slots=True)
class Settlement:
    """One part of a hold's pending money: to which account, and why."""

    hold: UUID
    credit: Account
    amount_minor: int
    code: str = "settle"


def settle_holds(tx: Tx, parts: Sequence[Settlement]) -> None:
    """Pay pending money on, for one hold or many; a hold's parts are all that is pending of it.

    Refused, whole, with ``payment_disputed`` or ``nothing_pending``.
    """
    tx.call(
        "money.settle_holds",
        _SETTLE,
        [p.hold for p in parts],
        [p.credit.id for p in parts],
        [p.amount_minor for p in parts],
        [p.code for p in parts],
    )


def reverse(tx: Tx, transfer: UUID) -> None:
    """Undo a transfer by its mirror image, once; never one of a hold, which is resolved."""
    tx.call("money.reverse", ("uuid",), transfer)


def set_account_state(
    tx: Tx, account: Account, state: AccountState, actor: UUID | None, reason: str
) -> None:
    """Freeze an account, open it again, or close it for good, which it must be empty for."""
    types = ("uuid", "text", "uuid", "text")
    tx.call("money.set_account_state", types, account.id, state, actor, reason)
