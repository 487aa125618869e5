"""The ledger's functions against a real PostgreSQL: what they move, what they refuse."""

from datetime import timedelta
from uuid import UUID, uuid4

import asyncpg
import pytest

from handsel.foundation.core.errors import Problem
from handsel.foundation.db.errors import translate
from handsel.foundation.db.uow import Database, Tx
from handsel.money.ledger import service as ledger
from handsel.money.ledger.service import HOUSE, Account, Leg, Transfer

CLEARING = Account("provider_clearing", HOUSE, "EUR")


async def wallet_with(tx: Tx, amount_minor: int) -> Account:
    wallet = Account("wallet", uuid4(), "EUR")
    ledger.open_accounts(tx, [wallet])
    if amount_minor:
        ledger.post(tx, [Transfer(CLEARING, wallet, amount_minor, "top_up")], uuid4())
    await tx.flush()
    return wallet


async def balance(tx: Tx, account: Account) -> int | None:
    return await tx.fetchval("SELECT balance FROM money.accounts WHERE id = $1", account.id)


async def refusal(tx: Tx) -> str:
    """Send what was collected inside a savepoint; the code of the refusal."""
    with pytest.raises(asyncpg.PostgresError) as caught:
        async with tx.conn.transaction():
            await tx.flush()
    problem = translate(caught.value)
    assert isinstance(problem, Problem), caught.value
    return problem.code


async def test_a_transfer_moves_exactly_its_amount(tx: Tx) -> None:
    payer, payee = await wallet_with(tx, 1000), await wallet_with(tx, 0)

    ledger.post(tx, [Transfer(payer, payee, 300, "adjustment")], uuid4())
    await tx.flush()

    assert (await balance(tx, payer), await balance(tx, payee)) == (700, 300)


async def test_linked_transfers_are_all_or_nothing(tx: Tx) -> None:
    payer, payee = await wallet_with(tx, 100), await wallet_with(tx, 0)

    ledger.post(
        tx,
        [Transfer(payer, payee, 60, "adjustment"), Transfer(payer, payee, 60, "adjustment")],
        uuid4(),
    )
    code = await refusal(tx)

    assert code == "insufficient_funds"
    assert (await balance(tx, payer), await balance(tx, payee)) == (100, 0)


@pytest.mark.parametrize(
    ("case", "code"),
    [
        ("overdraw", "insufficient_funds"),
        ("zero", "invalid_amount"),
        ("negative", "invalid_amount"),
        ("huge", "invalid_amount"),
        ("same_account", "same_account"),
        ("unknown_account", "unknown_account"),
        ("wrong_unit", "unit_mismatch"),
        ("frozen", "account_not_open"),
    ],
)
async def test_refusals_move_nothing(tx: Tx, case: str, code: str) -> None:
    payer, payee = await wallet_with(tx, 1000), await wallet_with(tx, 0)
    before = await tx.fetchval("SELECT count(*) FROM money.transfers")
    amount = {"overdraw": 1001, "zero": 0, "negative": -5, "huge": 10**15 + 1}.get(case, 5)
    if case == "same_account":
        payee = payer
    if case == "unknown_account":
        payee = Account("wallet", uuid4(), "EUR")
    if case == "wrong_unit":
        payee = Account("wallet", payee.owner, "GBP")
        ledger.open_accounts(tx, [payee])
        await tx.flush()
    if case == "frozen":
        await tx.execute("RESET ROLE")
        await tx.execute("SET ROLE handsel_owner")
        await tx.execute("UPDATE money.accounts SET state = 'frozen' WHERE id = $1", payee.id)
        await tx.execute("SET ROLE handsel_app")

    ledger.post(tx, [Transfer(payer, payee, amount, "adjustment")], uuid4())

    assert await refusal(tx) == code
    assert await balance(tx, payer) == 1000
    assert await tx.fetchval("SELECT count(*) FROM money.transfers") == before


async def test_an_account_that_opens_while_it_is_refused_was_not_open(tx: Tx) -> None:
    """The update saw it frozen; who explains why already sees it open."""
    opened = await wallet_with(tx, 1000)
    await tx.execute("RESET ROLE")
    await tx.execute("SET ROLE handsel_owner")

    await tx.execute("SAVEPOINT before")
    with pytest.raises(asyncpg.PostgresError, match="account_not_open"):
        await tx.execute("SELECT money.explain_refusal($1, 'EUR')", opened.id)
    await tx.execute("ROLLBACK TO before")
    await tx.execute("SET ROLE handsel_app")


async def _hold(tx: Tx, payer: Account, amount: int) -> UUID:
    order = uuid4()
    escrow = Account("escrow", order, "EUR")
    ledger.open_accounts(tx, [escrow])
    ledger.open_hold(tx, order, payer, escrow, amount, tx.now + timedelta(days=75))
    await tx.flush()
    return order


async def test_a_hold_resolves_once_and_whole(tx: Tx) -> None:
    payer = await wallet_with(tx, 1000)
    order = await _hold(tx, payer, 400)
    pending = Account("pending", order, "EUR")
    ledger.open_accounts(tx, [pending])

    legs: list[tuple[Leg, Account, int]] = [("release", pending, 300), ("refund", payer, 100)]
    ledger.resolve_hold(tx, order, "split", legs, uuid4())
    await tx.flush()
    ledger.resolve_hold(tx, order, "refunded", [("refund", payer, 400)])

    assert await refusal(tx) == "hold_resolved"
    assert (await balance(tx, payer), await balance(tx, pending)) == (700, 300)
    assert await balance(tx, Account("escrow", order, "EUR")) == 0


@pytest.mark.parametrize("leg", ["release", "refund", "fee", "fund_share"])
async def test_no_part_of_a_hold_goes_to_a_stranger(tx: Tx, leg: Leg) -> None:
    payer, stranger = await wallet_with(tx, 1000), await wallet_with(tx, 0)
    order = await _hold(tx, payer, 400)

    ledger.resolve_hold(tx, order, "released", [(leg, stranger, 400)], uuid4())

    assert await refusal(tx) == "wrong_leg"
    assert (await balance(tx, payer), await balance(tx, stranger)) == (600, 0)


async def test_a_hold_cannot_pay_out_less_or_more_than_it_holds(tx: Tx) -> None:
    payer = await wallet_with(tx, 1000)
    order = await _hold(tx, payer, 400)

    for amount in (399, 401):
        ledger.resolve_hold(tx, order, "refunded", [("refund", payer, amount)])
        assert await refusal(tx) == "hold_sum_mismatch"

    assert await balance(tx, payer) == 600


async def test_a_reversal_mirrors_once(tx: Tx) -> None:
    payer, payee = await wallet_with(tx, 1000), await wallet_with(tx, 0)
    reference = uuid4()
    ledger.post(tx, [Transfer(payer, payee, 300, "adjustment")], reference)
    await tx.flush()
    transfer = await tx.fetchval(
        "SELECT id FROM money.transfers WHERE reference_id = $1", reference
    )

    ledger.reverse(tx, transfer)
    await tx.flush()
    ledger.reverse(tx, transfer)

    assert await refusal(tx) == "already_reversed"
    assert (await balance(tx, payer), await balance(tx, payee)) == (1000, 0)


@pytest.mark.parametrize(
    "sql",
    [
        "UPDATE money.transfers SET amount = 1",
        "DELETE FROM money.transfers",
        "UPDATE money.accounts SET balance = 10",
        (
            "INSERT INTO money.accounts (kind, owner_id, unit, folded)"
            " VALUES ('wallet', uuidv7(), 'EUR', true)"
        ),
        "UPDATE money.holds SET state = 'released'",
        "TRUNCATE money.transfers CASCADE",
    ],
)
async def test_the_application_role_cannot_write_past_the_functions(tx: Tx, sql: str) -> None:
    with pytest.raises(asyncpg.InsufficientPrivilegeError):
        async with tx.conn.transaction():
            await tx.execute(sql)


async def test_even_the_owner_cannot_change_a_transfer(tx: Tx) -> None:
    await wallet_with(tx, 10)
    await tx.execute("SET ROLE handsel_owner")

    with pytest.raises(asyncpg.InsufficientPrivilegeError, match="never changed"):
        async with tx.conn.transaction():
            await tx.execute("UPDATE money.transfers SET amount = 1")


async def test_account_ids_agree_between_python_and_sql(tx: Tx) -> None:
    owner = uuid4()

    found = await tx.fetchval("SELECT money.account_id('wallet', $1, 'EUR')", owner)

    assert found == Account("wallet", owner, "EUR").id


async def test_racing_payments_spend_a_wallet_once(database: Database) -> None:
    import asyncio

    async with database.transaction() as tx:
        payer, payee = await wallet_with(tx, 1000), await wallet_with(tx, 0)

    async def pay() -> str:
        try:
            async with database.transaction() as tx:
                ledger.post(tx, [Transfer(payer, payee, 300, "adjustment")], uuid4())
        except Problem as problem:
            return problem.code
        return "paid"

    outcomes = await asyncio.gather(*(pay() for _ in range(20)))

    assert sorted(outcomes) == ["insufficient_funds"] * 17 + ["paid"] * 3
    async with database.reading() as conn:
        rows = await conn.fetch(
            "SELECT balance FROM money.accounts WHERE id = ANY ($1) ORDER BY balance",
            [payer.id, payee.id],
        )
    assert [row["balance"] for row in rows] == [100, 900]
