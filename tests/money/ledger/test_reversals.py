"""What a reversal refuses: a second one, also at the same moment, and a part of a hold."""

import asyncio
from datetime import timedelta
from uuid import UUID, uuid4

import asyncpg

from handsel.foundation.core.errors import Problem
from handsel.foundation.db.uow import Database
from handsel.money.ledger import service as ledger
from handsel.money.ledger.service import HOUSE, Account, Transfer

CLEARING = Account("provider_clearing", HOUSE, "EUR")


async def reverse(database: Database, transfer: UUID) -> str:
    try:
        async with database.transaction() as tx:
            ledger.reverse(tx, transfer)
    except Problem as problem:
        return problem.code
    return "reversed"


async def balances(database: Database, *accounts: Account) -> list[int]:
    async with database.reading() as conn:
        return [
            await conn.fetchval("SELECT balance FROM money.accounts WHERE id = $1", account.id)
            for account in accounts
        ]


async def transfer_of(database: Database, reference: UUID) -> UUID:
    async with database.reading() as conn:
        found: UUID = await conn.fetchval(
            "SELECT id FROM money.transfers WHERE reference_id = $1", reference
        )
    return found


async def waiting(raw: asyncpg.Connection, many: int) -> None:
    """Until so many sessions of the application wait for a lock."""
    async with asyncio.timeout(10):
        while many > await raw.fetchval(  # noqa: ASYNC110 - a server cannot set our event
            "SELECT count(*) FROM pg_stat_activity WHERE wait_event_type = 'Lock'"
            " AND application_name = 'handsel' AND datname = current_database()"
        ):
            await asyncio.sleep(0.01)


async def test_of_racing_reversals_one_is_done_and_the_others_say_why_not(
    database: Database, database_url: str
) -> None:
    payer, payee = (Account("wallet", uuid4(), "EUR") for _ in range(2))
    reference = uuid4()
    async with database.transaction() as tx:
        ledger.open_accounts(tx, [payer, payee])
        ledger.post(tx, [Transfer(CLEARING, payer, 300, "adjustment")], uuid4())
        ledger.post(tx, [Transfer(payer, payee, 300, "adjustment")], reference)
    transfer = await transfer_of(database, reference)
    other, raw = await asyncpg.connect(database_url), await asyncpg.connect(database_url)

    # All of them stand at a lock before the first is done.
    async with other.transaction():
        await other.execute(
            "SELECT FROM money.accounts WHERE id = ANY ($1) FOR UPDATE", [payer.id, payee.id]
        )
        racing = [asyncio.create_task(reverse(database, transfer)) for _ in range(4)]
        await waiting(raw, 4)
    outcomes = await asyncio.gather(*racing)

    # Not "insufficient_funds", though the payee has nothing left after the first.
    assert sorted(outcomes) == ["already_reversed"] * 3 + ["reversed"]
    assert await balances(database, payer, payee) == [300, 0]
    await other.close()
    await raw.close()


async def test_a_transfer_of_a_hold_is_not_reversed(database: Database) -> None:
    payer, order = Account("wallet", uuid4(), "EUR"), uuid4()
    escrow = Account("escrow", order, "EUR")
    async with database.transaction() as tx:
        ledger.open_accounts(tx, [payer, escrow])
        ledger.post(tx, [Transfer(CLEARING, payer, 300, "adjustment")], uuid4())
        ledger.open_hold(tx, order, payer, escrow, 200, tx.now + timedelta(days=1))

    outcome = await reverse(database, await transfer_of(database, order))

    assert outcome == "transfer_of_hold"
    assert await balances(database, payer, escrow) == [100, 200]


async def test_what_is_not_there_is_not_reversed(database: Database) -> None:
    assert await reverse(database, uuid4()) == "unknown_transfer"
