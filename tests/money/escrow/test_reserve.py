"""Settlement: first what is owed, then the reserve, the rest to the seller; exact, and in order."""

from collections.abc import Sequence
from datetime import timedelta
from typing import NamedTuple
from uuid import UUID, uuid4

import asyncpg
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from handsel.foundation.core.errors import Invalid, Problem
from handsel.foundation.db.errors import translate
from handsel.foundation.db.uow import Database, Tx
from handsel.money.escrow import reserve
from handsel.money.escrow import service as escrow
from handsel.money.escrow.fees import Fee
from handsel.money.escrow.service import Sale
from handsel.money.ledger import service as ledger
from handsel.money.ledger.service import HOUSE, Account, Transfer
from tests.factories.members import add_member

NO_FEE = Fee(amount_minor=0, fund_share_minor=0, rate_bps=0, reason="free", table_version="t")
HALF_YEAR = timedelta(days=180)


class Kept(NamedTuple):
    """(wallet, reserve, debt) of a seller."""

    wallet: int
    reserve: int
    debt: int


async def seller_of(tx: Tx, *, debt: int = 0, bps: int = 0, unit: str = "EUR") -> UUID:
    """A seller who owes ``debt`` and of whose sales ``bps`` are kept."""
    seller = (await add_member(tx, verified=["phone", "id_document"])).id
    if debt:
        owed, losses = Account("receivable", seller, unit), Account("losses", HOUSE, unit)
        ledger.open_accounts(tx, [owed])
        ledger.post(tx, [Transfer(owed, losses, debt, "adjustment")], uuid4())
    if bps:
        await reserve.set_share(tx, seller, bps, HALF_YEAR, "a test", seller)
    await tx.flush()
    return seller


async def sold(tx: Tx, seller: UUID, amount: int, unit: str = "EUR") -> UUID:
    """An order of this net amount that waits for its settlement."""
    buyer, order = uuid4(), uuid4()
    wallet = Account("wallet", buyer, unit)
    ledger.open_accounts(tx, [wallet])
    clearing = Account("provider_clearing", HOUSE, unit)
    ledger.post(tx, [Transfer(clearing, wallet, amount, "top_up")], uuid4())
    escrow.hold(tx, order, buyer, amount, unit, tx.now + timedelta(days=75))
    escrow.release(tx, Sale(order, seller, amount, unit, NO_FEE))
    await tx.flush()
    return order


async def kept_of(tx: Tx, seller: UUID, unit: str = "EUR") -> Kept:
    found = []
    for kind in ("wallet", "reserve", "receivable"):
        sql = "SELECT coalesce((SELECT balance FROM money.accounts WHERE id = $1), 0)"
        found.append(await tx.fetchval(sql, Account(kind, seller, unit).id))
    return Kept(found[0], found[1], -found[2])


async def lines_of(tx: Tx, order: UUID) -> list[tuple[str, int]]:
    rows = await tx.fetch(
        "SELECT code, amount FROM money.transfers WHERE reference_id = $1"
        " AND code IN ('netted', 'reserved', 'settle', 'reserve_released') ORDER BY seq",
        order,
    )
    return [(row["code"], row["amount"]) for row in rows]


async def told_of(tx: Tx, order: UUID) -> list[tuple[int, int, int]]:
    rows = await tx.fetch(
        "SELECT payload FROM foundation.outbox"
        " WHERE topic = 'sale.kept_back' AND aggregate_id = $1",
        order,
    )
    return [
        (row["payload"]["netted_minor"], row["payload"]["reserved_minor"],
         row["payload"]["paid_minor"]) for row in rows
    ]  # fmt: skip


async def refusal(tx: Tx) -> str:
    with pytest.raises(asyncpg.PostgresError) as caught:
        async with tx.conn.transaction():
            await tx.flush()
    problem = translate(caught.value)
    assert isinstance(problem, Problem), caught.value
    return problem.code


@pytest.mark.parametrize(
    ("amount", "debt", "bps", "lines", "after"),
    [
        (1000, 0, 0, [("settle", 1000)], (1000, 0, 0)),
        (1000, 300, 0, [("netted", 300), ("settle", 700)], (700, 0, 0)),
        (1000, 1000, 0, [("netted", 1000)], (0, 0, 0)),
        (1000, 1001, 0, [("netted", 1000)], (0, 0, 1)),
        (999, 0, 1000, [("reserved", 99), ("settle", 900)], (900, 99, 0)),
        (1000, 300, 1000, [("netted", 300), ("reserved", 70), ("settle", 630)], (630, 70, 0)),
        (1000, 0, 10_000, [("reserved", 1000)], (0, 1000, 0)),
        (9, 0, 1000, [("settle", 9)], (9, 0, 0)),
        (10**15, 1, 9_999, [("netted", 1), ("reserved", 999899999999999),
                            ("settle", 100000000000)], (100000000000, 999899999999999, 0)),
    ],
)  # fmt: skip
async def test_debt_then_reserve_then_seller_to_the_cent(
    tx: Tx, amount: int, debt: int, bps: int, lines: list[tuple[str, int]],
    after: tuple[int, int, int],
) -> None:  # fmt: skip
    seller = await seller_of(tx, debt=debt, bps=bps)
    order = await sold(tx, seller, amount)

    escrow.settle(tx, order, seller, amount, "EUR")
    await tx.flush()

    assert await lines_of(tx, order) == lines
    assert await kept_of(tx, seller) == after
    parts = dict(lines)
    told = (parts.get("netted", 0), parts.get("reserved", 0), parts.get("settle", 0))
    assert await told_of(tx, order) == ([told] if told[0] + told[1] else [])


async def test_several_sales_of_one_seller_net_in_order(tx: Tx) -> None:
    debtor, other = await seller_of(tx, debt=500, bps=1000), await seller_of(tx)
    sales = [(debtor, 300), (other, 400), (debtor, 300), (debtor, 300)]
    orders = [await sold(tx, seller, amount) for seller, amount in sales]

    escrow.settle_many(
        tx, [(o, seller, amount, "EUR") for o, (seller, amount) in zip(orders, sales, strict=True)]
    )
    await tx.flush()

    assert [await lines_of(tx, order) for order in orders] == [
        [("netted", 300)],
        [("settle", 400)],
        [("netted", 200), ("reserved", 10), ("settle", 90)],
        [("reserved", 30), ("settle", 270)],
    ]
    assert await kept_of(tx, debtor) == (360, 40, 0)
    assert await kept_of(tx, other) == (400, 0, 0)


async def test_a_debt_in_another_currency_is_not_netted(tx: Tx) -> None:
    seller = await seller_of(tx, debt=500, unit="GBP")
    order = await sold(tx, seller, 300)

    escrow.settle(tx, order, seller, 300, "EUR")
    await tx.flush()

    assert await lines_of(tx, order) == [("settle", 300)]
    assert await kept_of(tx, seller, "GBP") == (0, 0, 500)


async def test_a_disputed_sale_and_a_wrong_one_settle_nothing_of_the_batch(
    tx: Tx,
) -> None:
    seller = await seller_of(tx, debt=100, bps=500)
    good, bad = await sold(tx, seller, 300), await sold(tx, seller, 400)
    before = await kept_of(tx, seller)
    wrong = [
        [(good, seller, 300, "EUR"), (bad, seller, 401, "EUR")],
        [(good, seller, 300, "EUR"), (bad, uuid4(), 400, "EUR")],
        [(good, seller, 300, "EUR"), (bad, seller, 400, "GBP")],
        [(good, seller, 300, "EUR"), (uuid4(), seller, 400, "EUR")],
        [(good, seller, 300, "EUR"), (good, seller, 300, "EUR")],
    ]

    for sales in wrong:
        escrow.settle_many(tx, sales)
        assert await refusal(tx) in ("nothing_pending", "unit_mismatch")

    assert await kept_of(tx, seller) == before
    assert await lines_of(tx, good) == await lines_of(tx, bad) == []
    assert (
        await tx.fetchval("SELECT count(*) FROM money.reserves WHERE member_id = $1", seller) == 0
    )


def expected(
    sales: Sequence[tuple[int, int]], debts: Sequence[int], bps: Sequence[int]
) -> list[tuple[int, int, int]]:
    """(wallet, reserve, debt) of each seller: the plain model, sale by sale."""
    left, wallet, kept = list(debts), [0] * len(debts), [0] * len(debts)
    for seller, amount in sales:
        netted = min(left[seller], amount)
        left[seller] -= netted
        reserved = (amount - netted) * bps[seller] // 10_000
        kept[seller] += reserved
        wallet[seller] += amount - netted - reserved
    return list(zip(wallet, kept, left, strict=True))


amounts = st.integers(1, 30) | st.integers(1, 10**12)


@settings(
    max_examples=60, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture]
)
@given(
    st.lists(st.tuples(st.integers(0, 2), amounts), min_size=1, max_size=6),
    st.lists(st.integers(0, 60) | amounts, min_size=3, max_size=3),
    st.lists(st.integers(0, 10_000), min_size=3, max_size=3),
)
async def test_any_batch_is_what_one_sale_after_another_would_be(
    database: Database, sales: list[tuple[int, int]], debts: list[int], bps: list[int]
) -> None:
    async with database.reading() as conn:
        outer = conn.transaction()
        await outer.start()
        tx = Tx(conn, await conn.fetchval("SELECT foundation.handsel_now()"))
        try:
            sellers = [
                await seller_of(tx, debt=debt, bps=share)
                for debt, share in zip(debts, bps, strict=True)
            ]
            orders = [await sold(tx, sellers[who], amount) for who, amount in sales]
            escrow.settle_many(
                tx,
                [
                    (order, sellers[who], amount, "EUR")
                    for order, (who, amount) in zip(orders, sales, strict=True)
                ],
            )
            await tx.flush()

            assert [await kept_of(tx, seller) for seller in sellers] == expected(sales, debts, bps)
            for order, (_, amount) in zip(orders, sales, strict=True):
                assert sum(minor for _, minor in await lines_of(tx, order)) == amount
        finally:
            await outer.rollback()


async def test_what_was_kept_comes_back_when_its_time_is_over(tx: Tx) -> None:
    seller = await seller_of(tx, bps=1000)
    first = await sold(tx, seller, 1000)
    escrow.settle(tx, first, seller, 1000, "EUR")
    await tx.flush()
    await tx.execute("SELECT foundation.advance_clock('1 day')")
    second = await sold(tx, seller, 500)
    escrow.settle(tx, second, seller, 500, "EUR")
    await tx.flush()

    await tx.execute("SELECT foundation.advance_clock('88 days 23 hours')")
    early = await reserve.release_due(tx.conn)
    await tx.execute("SELECT foundation.advance_clock('1 hour')")
    due = await reserve.release_due(tx.conn)
    again = await reserve.release_due(tx.conn)

    assert (early, due, again) == (0, 1, 0)
    assert await lines_of(tx, first) == [
        ("reserved", 100), ("settle", 900), ("reserve_released", 100),
    ]  # fmt: skip
    assert await kept_of(tx, seller) == (1450, 50, 0)


async def test_a_share_ends_by_itself_and_by_hand(tx: Tx) -> None:
    staff = (await add_member(tx)).id
    seller = (await add_member(tx)).id
    await reserve.set_share(tx, seller, 1000, timedelta(days=10), "many complaints", staff)
    await reserve.set_share(tx, seller, 3000, timedelta(days=5), "a lost chargeback", staff)
    reserved = []

    for step in ("0 days", "5 days"):
        await tx.execute("SELECT foundation.advance_clock($1::text::interval)", step)
        order = await sold(tx, seller, 1000)
        escrow.settle(tx, order, seller, 1000, "EUR")
        await tx.flush()
        reserved.append(dict(await lines_of(tx, order)).get("reserved", 0))
    tx = Tx(tx.conn, await tx.fetchval("SELECT foundation.handsel_now()"))
    share = await tx.fetchval(
        "SELECT id FROM money.reserve_shares WHERE member_id = $1 AND bps = 1000", seller
    )
    await reserve.end_share(tx, share, "all solved", staff)
    order = await sold(tx, seller, 1000)
    escrow.settle(tx, order, seller, 1000, "EUR")
    await tx.flush()

    assert reserved == [300, 100]
    assert await lines_of(tx, order) == [("settle", 1000)]
    with pytest.raises(Invalid):
        await reserve.end_share(tx, share, "again", staff)


@pytest.mark.parametrize(
    ("bps", "days", "reason"),
    [
        (0, 10, "x"),
        (10_001, 10, "x"),
        (-1, 10, "x"),
        (100, 0, "x"),
        (100, 731, "x"),
        (100, 10, " "),
    ],
)
async def test_a_share_without_reason_or_measure_is_refused(
    tx: Tx, bps: int, days: int, reason: str
) -> None:
    member = (await add_member(tx)).id

    with pytest.raises(Invalid):
        await reserve.set_share(tx, member, bps, timedelta(days=days), reason, member)


async def test_a_lost_chargeback_has_the_share_of_the_tier_kept_for_half_a_year(tx: Tx) -> None:
    basic = (await add_member(tx, verified=["phone", "id_document"])).id

    bps = await reserve.note_lost_chargeback(tx, basic, uuid4())
    await tx.flush()

    row = await tx.fetchrow("SELECT * FROM money.reserve_shares WHERE member_id = $1", basic)
    assert row is not None
    assert (bps, row["bps"], row["actor_id"]) == (3000, 3000, None)
    assert (row["keep"], row["ends_at"] - row["set_at"]) == (timedelta(days=90), HALF_YEAR)


async def test_a_chargeback_takes_the_next_due_first_and_gives_back_the_last_taken(tx: Tx) -> None:
    seller = await seller_of(tx, bps=5000)
    orders = []
    for _ in range(3):
        order = await sold(tx, seller, 200)
        escrow.settle(tx, order, seller, 200, "EUR")
        await tx.flush()
        orders.append(order)
        await tx.execute("SELECT foundation.advance_clock('1 day')")

    async def left() -> list[int]:
        rows = await tx.fetch(
            "SELECT left_amount FROM money.reserves WHERE member_id = $1 ORDER BY release_at",
            seller,
        )
        return [row["left_amount"] for row in rows]

    reserve.take(tx, seller, "EUR", 150)
    await tx.flush()
    taken = await left()
    reserve.take(tx, seller, "EUR", 151)
    too_much = await refusal(tx)
    reserve.give_back(tx, seller, "EUR", 120)
    await tx.flush()
    given = await left()
    reserve.give_back(tx, seller, "EUR", 31)
    never_taken = await refusal(tx)

    assert taken == [0, 50, 100]
    assert given == [70, 100, 100]
    assert (too_much, never_taken) == ("insufficient_funds", "nothing_reserved")


async def test_a_frozen_wallet_keeps_nobody_else_from_their_reserve(tx: Tx) -> None:
    frozen, other = await seller_of(tx, bps=1000), await seller_of(tx, bps=1000)
    for seller in (frozen, other):
        order = await sold(tx, seller, 1000)
        escrow.settle(tx, order, seller, 1000, "EUR")
        await tx.flush()
    ledger.set_account_state(tx, Account("wallet", frozen, "EUR"), "frozen", None, "a test")
    await tx.flush()
    await tx.execute("SELECT foundation.advance_clock('90 days')")

    released = await reserve.release_due(tx.conn)

    assert released == 1
    assert await kept_of(tx, frozen) == (900, 100, 0)
    assert await kept_of(tx, other) == (1000, 0, 0)
