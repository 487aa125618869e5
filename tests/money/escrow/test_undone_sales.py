"""A sale that waits goes back: from where, to the unit, and as the kind of money that it was."""

from datetime import timedelta
from uuid import UUID, uuid4

import asyncpg
import pytest

from handsel.foundation.core.errors import Problem
from handsel.foundation.db.errors import translate
from handsel.foundation.db.uow import Tx
from handsel.money.escrow import fees
from handsel.money.escrow import service as escrow
from handsel.money.escrow.fees import Fee
from handsel.money.escrow.service import Sale
from handsel.money.ledger import service as ledger
from handsel.money.ledger.service import HOUSE, Account, Transfer

PRICE = 2999
FEE = Fee(
    amount_minor=260, fund_share_minor=24, rate_bps=800, reason="standard", table_version="t",
    tax_minor=20,
)  # fmt: skip


async def sold(tx: Tx, card_minor: int, given_back: int = 0) -> tuple[UUID, UUID, Sale]:
    """A buyer with 100.00, ``card_minor`` of it from a card, and a sale of 29.99 that waits."""
    buyer, seller, order = uuid4(), uuid4(), uuid4()
    wallet, clearing = Account("wallet", buyer, "EUR"), Account("provider_clearing", HOUSE, "EUR")
    ledger.open_accounts(tx, [wallet])
    parts = ((card_minor, "top_up"), (10_000 - card_minor, "adjustment"))
    ledger.post(tx, [Transfer(clearing, wallet, n, code) for n, code in parts if n], uuid4())
    escrow.hold(tx, order, buyer, PRICE, "EUR", tx.now + timedelta(days=75))
    await tx.flush()
    if given_back:
        escrow.refund_part(tx, order, given_back)
    left = PRICE - given_back
    sale = Sale(order, seller, left, "EUR", fees.on_part(FEE, left, PRICE))
    escrow.release(tx, sale)
    await tx.flush()
    return buyer, order, sale


def kept(sale: Sale, amount_minor: int) -> Sale:
    fee = fees.on_part(FEE, amount_minor, PRICE)
    return Sale(sale.order_id, sale.seller_id, amount_minor, "EUR", fee)


async def wallet_of(tx: Tx, buyer: UUID) -> tuple[int, int]:
    """(balance, the part of it that came by card)."""
    row = await tx.fetchrow(
        "SELECT balance, restricted FROM money.accounts WHERE id = $1",
        Account("wallet", buyer, "EUR").id,
    )
    assert row is not None
    return row["balance"], row["restricted"]


async def back(tx: Tx, order: UUID) -> dict[str, int]:
    """What went back, by the account that it came out of."""
    rows = await tx.fetch(
        "SELECT a.kind, sum(t.amount)::int AS amount FROM money.transfers t"
        " JOIN money.accounts a ON a.id = t.debit_account"
        " WHERE t.reference_id = $1 AND t.code LIKE 'sale_refund%' GROUP BY a.kind",
        order,
    )
    return {row["kind"]: row["amount"] for row in rows}


async def refusal(tx: Tx) -> str:
    with pytest.raises(asyncpg.PostgresError) as caught:
        async with tx.conn.transaction():
            await tx.flush()
    problem = translate(caught.value)
    assert isinstance(problem, Problem), caught.value
    return problem.code


async def test_a_part_comes_out_of_pending_money_fee_fund_and_tax(tx: Tx) -> None:
    buyer, order, sale = await sold(tx, 0)

    escrow.undo_sale(tx, sale, kept(sale, 999))
    await tx.flush()

    # Of the fee of 260 the seller still pays 86, of it 7 for the fund and 6 as tax.
    assert await back(tx, order) == {
        "pending": 2000 - 174,
        "fee": 174 - 17 - 14,
        "protection_fund": 17,
        "fee_tax": 14,
    }
    assert await wallet_of(tx, buyer) == (10_000 - 999, 0)
    row = await tx.fetchrow("SELECT pending, undone FROM money.holds WHERE id = $1", order)
    assert row is not None
    assert tuple(row) == (999 - 86, 2000)


@pytest.mark.parametrize(
    ("card", "given_back", "keeps", "restricted"),
    [
        (10_000, 0, 0, 10_000),  # all of it was card money, and is again
        (10_000, 0, 999, 9001),
        (1000, 0, 0, 1000),  # a third of the price was card money; it went first, and comes first
        (1000, 0, 2500, 499),
        (1000, 500, 0, 1000),  # a part of the card money had come back before
        (0, 0, 0, 0),
    ],
)
async def test_what_came_by_card_goes_back_as_card_money(
    tx: Tx, card: int, given_back: int, keeps: int, restricted: int
) -> None:
    buyer, _, sale = await sold(tx, card, given_back)

    escrow.undo_sale(tx, sale, kept(sale, keeps))
    await tx.flush()

    assert await wallet_of(tx, buyer) == (10_000 - keeps, restricted)


async def test_a_unit_that_cannot_be_shared_never_leaves_the_house_with_less_than_nothing(
    tx: Tx,
) -> None:
    buyer, order, sale = await sold(tx, 0)
    small = Fee(amount_minor=3, fund_share_minor=1, rate_bps=1, reason="standard",
                table_version="t", tax_minor=1)  # fmt: skip
    was = Sale(order, sale.seller_id, PRICE, "EUR", small)
    rest = Sale(order, sale.seller_id, 2700, "EUR", fees.on_part(small, 2700, PRICE))

    escrow.undo_sale(tx, was, rest)
    await tx.flush()

    # The fee falls from 3 to 2, and one of its three lines gives the unit back.
    assert sum(amount for kind, amount in (await back(tx, order)).items() if kind != "pending") == 1
    assert await wallet_of(tx, buyer) == (10_000 - 2700, 0)


@pytest.mark.parametrize(
    ("first", "asked", "code"),
    [
        ("", 3000, "nothing_pending"),
        ("SELECT money.dispute_holds(ARRAY[$1::uuid])", 2999, "payment_disputed"),
        ("SELECT money.refund_pending($1, 1, 0, 0, 0)", 2738, "sale_undone_already"),
    ],
)
async def test_what_is_not_there_or_is_stopped_moves_nothing(
    tx: Tx, first: str, asked: int, code: str
) -> None:
    buyer, order, _ = await sold(tx, 10_000)
    if first:
        await tx.execute(first, order)
    before = await wallet_of(tx, buyer)

    tx.call("money.refund_pending", ("uuid", *["bigint"] * 4), order, asked, 0, 0, 0)

    assert await refusal(tx) == code
    assert await wallet_of(tx, buyer) == before
