"""Whether money may leave a wallet now: what is known of it under lock, and the rules over that."""

from datetime import datetime
from typing import NamedTuple
from uuid import UUID

import msgspec

from handsel.foundation.core.money import display
from handsel.foundation.db.uow import Tx
from handsel.money.ledger.errors import AccountNotOpen, InsufficientFunds, NotWithdrawable
from handsel.money.payments import velocity
from handsel.money.payments.errors import (
    BelowPayoutMinimum,
    DebtFirst,
    PayoutRefused,
    PayoutStopped,
)
from handsel.money.payments.methods import Method
from handsel.money.payments.velocity import Asked, Seen, Slow
from handsel.people.members import service as members
from handsel.people.trust import service as trust
from handsel.people.trust.schemas import Payouts


class Wallet(NamedTuple):
    """A wallet whose row is locked. ``restricted`` came by card, ``owed`` is the member's debt,
    ``uncovered`` what running chargebacks may still want of them."""

    balance: int
    restricted: int
    state: str
    owed: int
    uncovered: int

    @property
    def free(self) -> int:
        """What did not come by card."""
        return self.balance - self.restricted

    @property
    def withdrawable(self) -> int:
        """What may leave: free money above what is owed and disputed."""
        return max(self.spare, 0)

    @property
    def spare(self) -> int:
        """Below zero: what has to come in before anything may leave."""
        return self.free - self.owed - self.uncovered


class Case(NamedTuple):
    """Everything that decides about one payout in a currency."""

    wallet: Wallet
    seen: Seen
    payouts: Payouts
    unit: str
    now: datetime


async def case(tx: Tx, member_id: UUID, unit: str) -> Case:
    """Lock the member's flows, then the wallet's row, and read what the rules need.

    Raises ``PayoutsFrozen`` (403) for a locked account.
    """
    seen = await velocity.lock(tx, member_id)
    await members.require_unfrozen(tx, member_id)
    wallet = await lock_wallet(tx, member_id, unit)
    payouts = await trust.payouts_of(tx, member_id)
    return Case(wallet, seen, payouts, unit, tx.now)


async def lock_wallet(tx: Tx, member_id: UUID, unit: str) -> Wallet:
    """The wallet as it is until this transaction ends."""
    row = await tx.fetchrow("SELECT * FROM money.lock_wallet($1, $2)", member_id, unit)
    assert row is not None
    return Wallet(**dict(row))


def check(case: Case, method: Method, amount_minor: int) -> None:
    """Raise why this amount may not leave to this method now.

    ``PayoutRefused`` (403: not verified), ``BelowPayoutMinimum`` (422), ``AccountNotOpen``,
    ``InsufficientFunds``, ``NotWithdrawable``, ``PayoutStopped``, ``DebtFirst`` (409),
    ``VelocityLimit`` (403).
    """
    allowed = case.payouts.allowed
    if not allowed.allowed:
        reasons, path = msgspec.to_builtins(allowed.reasons), msgspec.to_builtins(allowed.path)
        raise PayoutRefused(reasons=reasons, path=path)
    asked = Asked(amount_minor, case.unit, trust.in_reference(amount_minor, case.unit))
    least = velocity.policy().least(case.unit, trust.current_policy())
    if amount_minor < least:
        raise BelowPayoutMinimum(
            f"the least payout is {display(least, case.unit)}", least_minor=least
        )
    _check_wallet(case, amount_minor)
    velocity.require(_too_fast(case, method, asked))


def _check_wallet(case: Case, amount_minor: int) -> None:
    wallet, unit = case.wallet, case.unit
    if wallet.state != "open":
        raise AccountNotOpen(f"the wallet is {wallet.state}")
    if amount_minor > wallet.balance:
        raise InsufficientFunds(available_minor=wallet.balance)
    if amount_minor > wallet.free:
        raise NotWithdrawable(
            f"{display(wallet.restricted, unit)} of it came by card and can go back there:"
            " POST /v1/wallet/card-refunds",
            withdrawable_minor=wallet.withdrawable,
            card_minor=wallet.restricted,
        )
    if amount_minor > wallet.withdrawable and wallet.uncovered:
        raise PayoutStopped(
            f"{display(wallet.uncovered, unit)} more may be charged back to you and stay here"
            " until that is decided",
            disputed_minor=wallet.uncovered,
            withdrawable_minor=wallet.withdrawable,
        )
    if amount_minor > wallet.withdrawable:
        raise DebtFirst(
            f"you owe {display(wallet.owed, unit)}",
            owed_minor=wallet.owed,
            withdrawable_minor=wallet.withdrawable,
        )


def _too_fast(case: Case, method: Method, asked: Asked) -> list[Slow]:
    table, rules = trust.current_policy(), velocity.policy()
    rows, now = case.seen.withdrawals, case.now
    same_unit = [row for row in rows if row["unit"] == case.unit]
    there = [row for row in rows if row["method_id"] == str(method.id) and row["state"] != "paid"]
    return [
        *velocity.over(
            table, rules.limits(case.payouts.tier), asked, case.seen.flows(rows, table), now
        ),
        *velocity.too_often(
            "too_many_withdrawals",
            f"At most {rules.tries.withdrawals_24h} withdrawals in 24 hours.",
            rules.tries.withdrawals_24h,
            [row["at"] for row in rows],
            now,
        ),
        *velocity.after_first_sale(
            rules.first_sale,
            asked,
            case.wallet.withdrawable,
            sum(row["amount"] for row in same_unit if row["at"] > now - velocity.DAY),
            case.payouts.first_settled_at,
            now,
        ),
        *velocity.to_new_method(
            table,
            rules.method,
            asked,
            sum(flow.minor for flow in case.seen.flows(there, table)),
            method.has_paid,
        ),
    ]
