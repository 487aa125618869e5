"""Bonds of orders: one party's security beside the price, of which the other may claim a part.

A bond is held from the move that pays its order, and ended by the move that ends what is held: some
of it captured, the rest back. Its id is the id of its hold. For the limits of its depositor it
counts like a payment until it has gone back.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from uuid import UUID

from handsel.deals.orders.queries import Order
from handsel.deals.orders.schemas import MoneyLine
from handsel.foundation.core.ids import decode, encode, uuid7
from handsel.foundation.db.pool import Connection
from handsel.foundation.db.uow import Tx
from handsel.money.escrow import bonds as escrow
from handsel.money.escrow.bonds import Bond
from handsel.money.ledger.service import LONGEST_HOLD
from handsel.people.trust import service as trust
from handsel.people.trust.service import Decision, Payment

PREFIX = "bnd"


@dataclass(frozen=True, slots=True)
class Deposit:
    """A bond of an order, what the other side claims of it, and what a dispute has given them."""

    bond: Bond
    claimed_minor: int = 0
    ruled_minor: int | None = None


def payment(order: Order) -> Payment:
    """What trust is asked about the deposit: the reference is the id of the bond to be."""
    return Payment(
        payer_id=order.customer_id,
        payee_id=order.provider_id,
        amount_minor=order.terms.deposit_minor,
        currency=order.unit,
        terms_hash=order.terms_hash,
        reference_id=uuid7(),
    )


def freeze(tx: Tx, order: Order, decision: Decision) -> list[MoneyLine]:
    """Hold the customer's deposit, as it was decided; the line of the timeline."""
    paid = decision.payment
    bond = Bond(
        id=paid.reference_id,
        order_id=order.id,
        depositor_id=order.customer_id,
        beneficiary_id=order.provider_id,
        amount_minor=paid.amount_minor,
        unit=order.unit,
    )
    tx.call(
        "deals.open_bond",
        ("uuid", "uuid", "uuid", "uuid", "bigint", "text"),
        bond.id,
        order.id,
        bond.depositor_id,
        bond.beneficiary_id,
        bond.amount_minor,
        bond.unit,
    )
    escrow.freeze(tx, bond, tx.now + LONGEST_HOLD)
    trust.reserve(tx, paid, decision)
    return [MoneyLine(to="deposit", amount_minor=bond.amount_minor)]


async def held(tx: Tx, order_id: UUID) -> Deposit | None:
    """The deposit that is held for an order, whose row the caller has locked."""
    row = await tx.fetchrow(
        f"SELECT {_COLUMNS} FROM deals.bonds WHERE order_id = $1 AND ended_at IS NULL", order_id
    )
    return None if row is None else _deposit(dict(row))


async def amounts(conn: Connection, order_id: UUID) -> dict[str, int]:
    """The bonds that are held for an order: prefixed id to minor units."""
    rows = await conn.fetch(
        "SELECT id, amount FROM deals.bonds WHERE order_id = $1 AND ended_at IS NULL", order_id
    )
    return {encode(PREFIX, row["id"]): row["amount"] for row in rows}


def rule(tx: Tx, shares: Mapping[str, int]) -> None:
    """What a dispute gives the other side of each bond, by prefixed id: the order's own move, made
    after a ``flush``, then pays it. Raises ``NotFound`` for a malformed id."""
    for bond_id, other_minor in shares.items():
        types = ("uuid", "bigint", "bigint")
        tx.call("deals.claim_bond", types, decode(PREFIX, bond_id), None, other_minor)


def claim(tx: Tx, deposit: Deposit, claimed_minor: int) -> None:
    """The other side asks for a part of it."""
    types = ("uuid", "bigint", "bigint")
    tx.call("deals.claim_bond", types, deposit.bond.id, claimed_minor, None)


def end(
    tx: Tx, deposit: Deposit | None, captured_minor: int = 0, *, expired: bool = False
) -> list[MoneyLine]:
    """Capture a part of a deposit and give the rest back; the lines of the timeline."""
    if deposit is None:
        return []
    bond = deposit.bond
    if captured_minor:
        escrow.capture(tx, bond, captured_minor)
    else:
        escrow.give_back(tx, bond, expired=expired)
        trust.release(tx, bond.id)
    tx.call("deals.end_bond", ("uuid", "bigint"), bond.id, captured_minor)
    lines = [
        MoneyLine(to="customer", amount_minor=bond.amount_minor - captured_minor),
        MoneyLine(to="provider", amount_minor=captured_minor),
    ]
    return [line for line in lines if line.amount_minor]


async def settle(tx: Tx, order_id: UUID) -> list[MoneyLine]:
    """What was captured becomes the other side's; nothing where nothing waits (any more)."""
    row = await tx.fetchrow(
        f"SELECT {_COLUMNS} FROM deals.bonds WHERE order_id = $1 AND captured > 0", order_id
    )
    if row is None:
        return []
    bond = _deposit(dict(row)).bond
    settled = await escrow.settle(tx, bond)
    if not settled:
        return []
    trust.settle(tx, bond.id, bond.depositor_id, bond.beneficiary_id)
    return [MoneyLine(to="provider", amount_minor=settled)]


async def lose(tx: Tx, order_id: UUID) -> bool:
    """The depositor's bank has taken the deposit: it goes back, which pays the bank, and the order
    goes on without it. True when that was all that the bank took of this order's held money."""
    deposit = await held(tx, order_id)
    if deposit is None or not await escrow.taken_by_bank(tx, deposit.bond.id):
        return False
    end(tx, deposit)
    await tx.flush()  # what follows looks for a deposit again
    return not await escrow.taken_by_bank(tx, order_id)


_COLUMNS = "id, order_id, depositor_id, beneficiary_id, amount, unit, claimed, ruled"


def _deposit(row: dict[str, object]) -> Deposit:
    claimed, ruled = row.pop("claimed"), row.pop("ruled")
    bond = Bond(amount_minor=row.pop("amount"), **row)  # type: ignore[arg-type]
    return Deposit(bond, claimed, ruled)  # type: ignore[arg-type]
