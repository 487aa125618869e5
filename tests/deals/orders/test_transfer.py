"""How long a gift is under way, and what the ledger refuses to let arrive."""

from datetime import timedelta
from uuid import UUID, uuid4

import asyncpg
import pytest

from handsel.deals.orders.transfer.rules import Relation, revocable_for
from handsel.foundation.core.money import MINUTE, display
from handsel.foundation.db.uow import Tx
from handsel.money.escrow import direct
from handsel.money.escrow import service as escrow
from handsel.money.ledger import service as ledger
from handsel.money.ledger.service import HOUSE, Account, Transfer

HOUR, DAY = timedelta(hours=1), timedelta(days=1)


@pytest.mark.parametrize(
    ("relation", "window", "first", "expected"),
    [
        ("traded_before", DAY, True, DAY),
        ("traded_before", HOUR / 2, True, HOUR / 2),
        ("stranger", DAY, True, DAY),
        ("stranger", DAY, False, DAY),
        ("stranger", 2 * HOUR, True, DAY),
        ("stranger", HOUR / 2, False, 2 * HOUR),
    ],
)
def test_a_stranger_never_waits_less_than_who_is_known(
    relation: Relation, window: timedelta, first: bool, expected: timedelta
) -> None:
    assert revocable_for(relation, window, first=first) == expected


@pytest.mark.parametrize(
    ("minutes", "text"), [(0, "0 min"), (45, "45 min"), (60, "1 h"), (605, "10 h 5 min")]
)
def test_hours_as_people_say_them(minutes: int, text: str) -> None:
    assert display(minutes, MINUTE) == text


async def _held(tx: Tx, card: int, earned: int) -> tuple[UUID, UUID, UUID]:
    """(order, payer, payee) of a hold of everything that the payer has."""
    order, payer, payee = uuid4(), uuid4(), uuid4()
    wallet, fee = Account("wallet", payer, "EUR"), Account("fee", HOUSE, "EUR")
    clearing = Account("provider_clearing", HOUSE, "EUR")
    ledger.open_accounts(tx, [wallet])
    ledger.post(
        tx,
        [
            Transfer(clearing, wallet, card, "top_up"),
            Transfer(fee, wallet, earned, "adjustment"),
        ],
        order,
    )
    escrow.hold(tx, order, payer, card + earned, "EUR", tx.now + DAY)
    await tx.flush()
    return order, payer, payee


async def _account(tx: Tx, kind: str, owner: UUID) -> tuple[int, int]:
    """(balance, of it card money)."""
    row = await tx.fetchrow(
        "SELECT balance, restricted FROM money.accounts WHERE id = $1",
        Account(kind, owner, "EUR").id,
    )
    return (row["balance"], row["restricted"]) if row else (0, 0)


async def test_what_arrives_is_what_was_given(tx: Tx) -> None:
    order, _, payee = await _held(tx, card=700, earned=300)

    direct.arrive(tx, order, payee)
    await tx.flush()

    assert await _account(tx, "wallet", payee) == (1000, 700)
    assert await _account(tx, "escrow", order) == (0, 0)
    hold = await tx.fetchrow("SELECT * FROM money.holds WHERE id = $1", order)
    assert hold is not None
    assert (hold["state"], hold["released"], hold["pending"]) == ("released", 1000, 0)


async def _undone(tx: Tx) -> None:
    """Send what was collected; what is refused leaves nothing behind."""
    async with tx.conn.transaction():
        await tx.flush()


async def _refusal(tx: Tx, order: UUID, payee: UUID) -> str:
    direct.arrive(tx, order, payee)
    with pytest.raises(asyncpg.PostgresError) as caught:
        await _undone(tx)
    return str(caught.value.args[0])


async def test_nothing_arrives_twice_or_at_its_giver_or_while_it_is_disputed(tx: Tx) -> None:
    arrived, _, payee = await _held(tx, 700, 300)
    direct.arrive(tx, arrived, payee)
    await tx.flush()
    disputed, payer, other = await _held(tx, 700, 300)
    own, myself, _ = await _held(tx, 700, 300)
    await tx.execute("SELECT money.dispute_holds($1)", [disputed])

    codes = [
        await _refusal(tx, arrived, payee),
        await _refusal(tx, disputed, other),
        await _refusal(tx, own, myself),
    ]

    assert codes == ["hold_resolved", "payment_disputed", "wrong_leg"]
    assert await _account(tx, "wallet", payee) == (1000, 700)
    assert await _account(tx, "escrow", disputed) == (1000, 700)
    assert await _account(tx, "wallet", payer) == (0, 0)


async def test_an_account_of_hours_is_never_one_of_money(tx: Tx) -> None:
    ledger.open_accounts(tx, [Account("time", uuid4(), "EUR")])

    with pytest.raises(asyncpg.CheckViolationError, match="accounts_time_is_no_money"):
        await _undone(tx)
