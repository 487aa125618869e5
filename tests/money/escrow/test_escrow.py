"""An order's money in escrow: each verb to the cent, and what is refused moves nothing."""

from datetime import timedelta
from uuid import UUID, uuid4

import asyncpg
import pytest

from handsel.foundation.core.errors import Problem
from handsel.foundation.db.errors import translate
from handsel.foundation.db.uow import Tx
from handsel.money.escrow import service as escrow
from handsel.money.escrow.fees import Fee
from handsel.money.escrow.service import Sale
from handsel.money.ledger import service as ledger
from handsel.money.ledger.service import HOUSE, Account, Transfer

FEE = Fee(amount_minor=240, fund_share_minor=24, rate_bps=800, reason="standard", table_version="t")
NO_FEE = Fee(amount_minor=0, fund_share_minor=0, rate_bps=0, reason="free", table_version="t")
Balances = tuple[int, int, int, int]


async def parties(tx: Tx) -> tuple[UUID, UUID, UUID]:
    """A buyer with 100.00, a seller with nothing, and an order of 29.99 that is held."""
    buyer, seller, order = uuid4(), uuid4(), uuid4()
    wallet = Account("wallet", buyer, "EUR")
    ledger.open_accounts(tx, [wallet])
    clearing = Account("provider_clearing", HOUSE, "EUR")
    ledger.post(tx, [Transfer(clearing, wallet, 10_000, "top_up")], uuid4())
    escrow.hold(tx, order, buyer, 2999, "EUR", tx.now + timedelta(days=75))
    await tx.flush()
    return buyer, seller, order


async def balances(tx: Tx, buyer: UUID, seller: UUID, order: UUID) -> Balances:
    """Buyer's wallet, escrow, seller's pending money, seller's wallet."""
    found = []
    for kind, owner in (
        ("wallet", buyer),
        ("escrow", order),
        ("pending", order),
        ("wallet", seller),
    ):
        account = Account(kind, owner, "EUR")
        sql = "SELECT coalesce((SELECT balance FROM money.accounts WHERE id = $1), 0)"
        found.append(await tx.fetchval(sql, account.id))
    return found[0], found[1], found[2], found[3]


async def house_gets(tx: Tx, order: UUID) -> tuple[int, int]:
    """What an order paid to the house and to the fund."""
    row = await tx.fetchrow(
        "SELECT coalesce(sum(amount) FILTER (WHERE code = 'fee'), 0)::int AS fee,"
        " coalesce(sum(amount) FILTER (WHERE code = 'fund_share'), 0)::int AS fund"
        " FROM money.transfers WHERE reference_id = $1",
        order,
    )
    assert row is not None
    return row["fee"], row["fund"]


async def refusal(tx: Tx) -> str:
    with pytest.raises(asyncpg.PostgresError) as caught:
        async with tx.conn.transaction():
            await tx.flush()
    problem = translate(caught.value)
    assert isinstance(problem, Problem), caught.value
    return problem.code


async def test_a_hold_leaves_the_wallet(tx: Tx) -> None:
    buyer, seller, order = await parties(tx)

    found = await balances(tx, buyer, seller, order)

    assert found == (7001, 2999, 0, 0)


async def test_a_hold_above_the_wallet_moves_nothing(tx: Tx) -> None:
    buyer, seller, order = await parties(tx)

    escrow.hold(tx, uuid4(), buyer, 7002, "EUR", tx.now)

    assert await refusal(tx) == "insufficient_funds"
    assert await balances(tx, buyer, seller, order) == (7001, 2999, 0, 0)


async def test_a_release_pays_seller_house_and_fund_then_settles(tx: Tx) -> None:
    buyer, seller, order = await parties(tx)

    escrow.release(tx, Sale(order, seller, 2999, "EUR", FEE))
    await tx.flush()
    released = await balances(tx, buyer, seller, order)
    escrow.settle(tx, order, seller, 2759, "EUR")
    await tx.flush()

    assert released == (7001, 0, 2759, 0)
    assert await balances(tx, buyer, seller, order) == (7001, 0, 0, 2759)
    assert await house_gets(tx, order) == (216, 24)


@pytest.mark.parametrize(("expired", "state"), [(False, "refunded"), (True, "expired")])
async def test_a_refund_gives_all_back(tx: Tx, expired: bool, state: str) -> None:
    buyer, seller, order = await parties(tx)

    escrow.refund(tx, order, buyer, 2999, "EUR", expired=expired)
    await tx.flush()

    assert await balances(tx, buyer, seller, order) == (10_000, 0, 0, 0)
    assert await house_gets(tx, order) == (0, 0)
    assert await tx.fetchval("SELECT state FROM money.holds WHERE id = $1", order) == state


async def test_a_split_pays_both(tx: Tx) -> None:
    buyer, seller, order = await parties(tx)
    part = Fee(amount_minor=119, fund_share_minor=11, rate_bps=800, reason="x", table_version="t")

    escrow.split(tx, Sale(order, seller, 1499, "EUR", part), buyer, 1500)
    await tx.flush()

    assert await balances(tx, buyer, seller, order) == (8501, 0, 1380, 0)
    assert await house_gets(tx, order) == (108, 11)


@pytest.mark.parametrize("again", ["release", "refund", "split"])
async def test_a_hold_is_paid_out_once(tx: Tx, again: str) -> None:
    buyer, seller, order = await parties(tx)
    escrow.release(tx, Sale(order, seller, 2999, "EUR", NO_FEE))
    await tx.flush()

    if again == "release":
        escrow.release(tx, Sale(order, seller, 2999, "EUR", NO_FEE))
    elif again == "refund":
        escrow.refund(tx, order, buyer, 2999, "EUR")
    else:
        escrow.split(tx, Sale(order, seller, 1499, "EUR", NO_FEE), buyer, 1500)

    assert await refusal(tx) == "hold_resolved"
    assert await balances(tx, buyer, seller, order) == (7001, 0, 2999, 0)


@pytest.mark.parametrize("amount", [2998, 3000])
async def test_parts_that_do_not_add_up_move_nothing(tx: Tx, amount: int) -> None:
    buyer, seller, order = await parties(tx)

    escrow.release(tx, Sale(order, seller, amount, "EUR", FEE))

    assert await refusal(tx) == "hold_sum_mismatch"
    assert await balances(tx, buyer, seller, order) == (7001, 2999, 0, 0)
    assert await house_gets(tx, order) == (0, 0)


async def test_no_more_is_settled_than_is_pending(tx: Tx) -> None:
    buyer, seller, order = await parties(tx)
    escrow.release(tx, Sale(order, seller, 2999, "EUR", FEE))
    await tx.flush()

    escrow.settle(tx, order, seller, 2760, "EUR")

    assert await refusal(tx) == "nothing_pending"
    assert await balances(tx, buyer, seller, order) == (7001, 0, 2759, 0)


async def test_settling_nothing_does_nothing(tx: Tx) -> None:
    before = await tx.fetchval("SELECT count(*) FROM money.accounts")

    escrow.settle(tx, uuid4(), uuid4(), 0, "EUR")
    await tx.flush()

    assert await tx.fetchval("SELECT count(*) FROM money.accounts") == before
