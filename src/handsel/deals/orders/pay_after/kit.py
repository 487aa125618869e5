"""What the process ``pay_after`` may ask and do."""

from collections.abc import Sequence
from pathlib import Path

import asyncpg
import msgspec

from handsel.deals.orders import terms
from handsel.deals.orders.money_actions import released
from handsel.deals.orders.moves import Action, Guard, Kit, Move, Write
from handsel.deals.orders.pay_after import queries
from handsel.deals.orders.pay_after.errors import DebtOpen, OverOwingLimit
from handsel.deals.orders.queries import Order
from handsel.deals.orders.schemas import MoneyLine
from handsel.foundation.core.money import allocate
from handsel.foundation.db.uow import Tx
from handsel.money.escrow import fees
from handsel.money.escrow import service as escrow
from handsel.money.ledger import service as ledger
from handsel.money.ledger.service import LONGEST_HOLD, Account, Transfer
from handsel.people.trust import service as trust

_AMEND = "uuid", "bigint", "bigint", "jsonb", "bytea", "timestamptz"


async def may_owe(tx: Tx, move: Move) -> None:
    """All that the customer owes or has promised, this included, is within what the tier may owe.

    Comes after ``within_limits``, which locks the payer's standing: of two promises one waits.
    """
    order = move.order
    owed = await queries.owing(tx, order.customer_id)
    if any(row["late"] for row in owed):
        raise DebtOpen
    limit = await trust.owing_limit(tx, order.customer_id)
    asked = trust.in_reference(order.amount, order.unit)
    used = _in_reference(owed)
    if used + asked > limit:
        raise OverOwingLimit(limit_minor=limit, used_minor=used, asked_minor=asked)


def _in_reference(owed: Sequence[asyncpg.Record]) -> int:
    return sum(trust.in_reference(row["owed"], row["unit"]) for row in owed)


async def pay_now(tx: Tx, move: Move) -> list[MoneyLine]:
    """From the customer's wallet to the provider's pending money, less the fee of the sale."""
    order = move.order
    escrow.hold(tx, order.id, order.customer_id, order.amount, order.unit, tx.now + LONGEST_HOLD)
    return released(tx, order)


async def pay_debt(tx: Tx, move: Move) -> list[MoneyLine]:
    """What is left of a debt, like a payment; no fee is taken of a debt."""
    order = move.order
    left = await queries.debt_left(tx, order.id)
    reduce_to(tx, order, left)
    order.terms = msgspec.structs.replace(order.terms, fee=fees.none(order.terms.fee))
    return await pay_now(tx, move)


async def collect(tx: Tx, move: Move) -> list[MoneyLine]:
    """A part of what the debtor has just earned goes to whom it is owed, as earned money."""
    order, part = move.order, move.data.amount_minor
    assert part is not None
    debtor = Account("wallet", order.customer_id, order.unit)
    creditor = Account("wallet", order.provider_id, order.unit)
    ledger.open_accounts(tx, [creditor])
    ledger.post(tx, [Transfer(debtor, creditor, part, "debt_collected")], order.id)
    tx.call("deals.pay_debt", ("uuid", "bigint"), order.id, part)
    if move.data.name == "collect_rest":
        trust.settle(tx, order.id, order.customer_id, order.provider_id)
    return [MoneyLine(to="provider", amount_minor=part)]


async def forgiven(tx: Tx, move: Move) -> None:
    """Nothing is owed: it no longer counts against the customer's limits."""
    trust.release(tx, move.order.id)


async def owes_by_policy(tx: Tx, move: Move) -> None:
    """A late cancellation: the share that was agreed at sale is owed."""
    kept = move.order.terms.cancellation.late_share_bps
    _, share = allocate(move.order.amount, (10_000 - kept, kept))
    reduce_to(tx, move.order, max(share, 1))


async def owes_half(tx: Tx, move: Move) -> None:
    """Half is owed; a unit that cannot be halved is the customer's."""
    reduce_to(tx, move.order, max(move.order.amount // 2, 1))


async def reduced(tx: Tx, move: Move) -> None:
    """The provider asks for less."""
    assert move.data.amount_minor is not None
    reduce_to(tx, move.order, move.order.amount - move.data.amount_minor)


async def debt_opened(tx: Tx, move: Move) -> None:
    """From now on later income pays."""
    order = move.order
    types = ("uuid", "uuid", "uuid", "text", "bigint")
    tx.call(
        "deals.open_debt",
        types,
        order.id,
        order.customer_id,
        order.provider_id,
        order.unit,
        order.amount,
    )


async def debt_closed(tx: Tx, move: Move) -> None:
    """Nothing more is collected."""
    tx.call("deals.close_debt", ("uuid",), move.order.id)


def reduce_to(tx: Tx, order: Order, amount: int) -> None:
    """Less is owed than was agreed; the fee follows by its share."""
    fee = fees.on_part(order.terms.fee, amount, order.amount)
    lower = order.terms.adjustment_minor + amount - order.amount
    order.terms = msgspec.structs.replace(order.terms, fee=fee, adjustment_minor=lower)
    order.amount = amount
    order.terms_hash = terms.hash_of(order.id, order.terms)
    tx.call(
        "deals.amend_order",
        _AMEND,
        order.id,
        order.amount,
        order.refunded_minor,
        order.terms,
        order.terms_hash,
        order.due_at,
    )


_GUARDS: dict[str, Guard] = {"may_owe": may_owe}
_ACTIONS: dict[str, Action] = {"pay_now": pay_now, "pay_debt": pay_debt, "collect": collect}
_WRITES: dict[str, Write] = {
    "forgiven": forgiven,
    "owes_by_policy": owes_by_policy,
    "owes_half": owes_half,
    "reduced": reduced,
    "debt_opened": debt_opened,
    "debt_closed": debt_closed,
}
KIT = Kit(
    Path(__file__).parent, _GUARDS, _ACTIONS, terms=frozenset({"payment_term"}), writes=_WRITES
)
