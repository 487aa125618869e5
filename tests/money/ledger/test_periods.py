"""Closing a month: what is frozen, what is refused, and that balances stay what they were."""

from collections.abc import AsyncIterator
from datetime import date, timedelta
from typing import Any

import asyncpg
import pytest

from handsel.foundation.core.errors import Problem
from handsel.foundation.db.pool import connect
from handsel.foundation.db.uow import begin
from handsel.money.ledger import errors as _errors  # noqa: F401 - names what SQL refuses
from handsel.money.ledger import periods, seals
from handsel.money.ledger.service import HOUSE, Account
from tests.money.ledger.books import CLEARING, FEE, FUND, post, wallet

TRANSIT = Account("payout_transit", HOUSE, "EUR")
JPY_CLEARING = Account("provider_clearing", HOUSE, "JPY")


@pytest.fixture
async def conn(server: Any, template: str) -> AsyncIterator[asyncpg.Connection]:
    """A database of the test's own: a month is closed once."""
    from tests.conftest import _clone, _drop

    name = await _clone(server, template)
    connection = await connect(server.url(name))
    yield connection
    await connection.close()
    await _drop(server, name)


async def today(conn: asyncpg.Connection) -> date:
    day: date = await conn.fetchval("SELECT (foundation.handsel_now() AT TIME ZONE 'UTC')::date")
    return day


async def this_month(conn: asyncpg.Connection) -> date:
    return (await today(conn)).replace(day=1)


async def next_month(conn: asyncpg.Connection, after: timedelta = timedelta(hours=2)) -> None:
    """Move the clock to some time after the end of the present month."""
    await conn.execute(
        "SELECT foundation.advance_clock(date_trunc('month', foundation.handsel_now() AT TIME ZONE"
        " 'UTC') AT TIME ZONE 'UTC' + interval '1 month' + $1 - foundation.handsel_now())",
        after,
    )


async def close(conn: asyncpg.Connection, month: date, *, seal: bool = True) -> str:
    """``closed``, or the code of the refusal."""
    if seal:
        await seals.seal_all(conn)
    try:
        async with begin(conn) as tx:
            await periods.close(tx, month)
    except Problem as problem:
        return problem.code
    return "closed"


async def trial(conn: asyncpg.Connection, month: date) -> list[tuple[str, str, int, int, int, int]]:
    closed = await periods.read(conn, month)
    return [(b.kind, b.unit, b.opening, b.debits, b.credits, b.closing) for b in closed.balances]


async def from_the_transfers(conn: asyncpg.Connection) -> dict[str, int]:
    """The folded balances without any short cut."""
    rows = await conn.fetch(
        "SELECT a.kind || ' ' || a.unit AS account, sum(CASE WHEN t.credit_account = a.id"
        " THEN t.amount ELSE -t.amount END)::bigint AS balance FROM money.accounts a"
        " JOIN money.transfers t ON a.id IN (t.credit_account, t.debit_account)"
        " WHERE a.folded GROUP BY 1"
    )
    return {row["account"]: row["balance"] for row in rows}


async def folded(conn: asyncpg.Connection) -> dict[str, int]:
    rows = await conn.fetch(
        "SELECT kind || ' ' || unit AS account, money.folded_balance(id) AS balance"
        " FROM money.accounts a WHERE folded AND EXISTS (SELECT FROM money.transfers t"
        " WHERE a.id IN (t.credit_account, t.debit_account))"
    )
    return {row["account"]: row["balance"] for row in rows}


async def test_two_months_are_frozen_one_after_the_other(conn: asyncpg.Connection) -> None:
    first = await this_month(conn)
    member, other = await wallet(conn), await wallet(conn)
    await post(conn, CLEARING, member, 1000)
    await post(conn, member, other, 300)
    await post(conn, other, FEE, 24)
    await post(conn, JPY_CLEARING, await wallet(conn, "JPY"), 7)
    await next_month(conn)
    second = await this_month(conn)
    await post(conn, FEE, FUND, 4)
    await next_month(conn)
    await post(conn, member, TRANSIT, 50)

    assert [await close(conn, first), await close(conn, second)] == ["closed", "closed"]

    assert await trial(conn, first) == [
        ("fee", "EUR", 0, 0, 24, 24),
        ("provider_clearing", "EUR", 0, 1000, 0, -1000),
        ("provider_clearing", "JPY", 0, 7, 0, -7),
        ("wallet", "EUR", 0, 324, 1300, 976),
        ("wallet", "JPY", 0, 0, 7, 7),
    ]
    assert await trial(conn, second) == [
        ("fee", "EUR", 24, 4, 0, 20),
        ("protection_fund", "EUR", 0, 0, 4, 4),
        ("provider_clearing", "EUR", -1000, 0, 0, -1000),
        ("provider_clearing", "JPY", -7, 0, 0, -7),
        ("wallet", "EUR", 976, 0, 0, 976),
        ("wallet", "JPY", 7, 0, 0, 7),
    ]
    rows = await conn.fetch("SELECT transfers, through_seq FROM money.periods ORDER BY month")
    assert [tuple(row) for row in rows] == [(4, 4), (1, 5)]


async def test_folded_balances_stay_exactly_what_they_were(conn: asyncpg.Connection) -> None:
    member = await wallet(conn)
    months = []
    for amount in (100, 200, 300):
        months.append(await this_month(conn))
        await post(conn, CLEARING, member, amount)
        await post(conn, member, FEE, amount // 10)
        await next_month(conn)
    await post(conn, CLEARING, member, 5)
    before = await folded(conn)

    seen = []
    for month in months:
        assert await close(conn, month) == "closed"
        seen.append(await folded(conn))
    await post(conn, FEE, CLEARING, 1)

    assert before == {"provider_clearing EUR": -605, "fee EUR": 60}
    assert seen == [before] * 3
    assert await folded(conn) == await from_the_transfers(conn)
    stored = await conn.fetchval("SELECT balance FROM money.accounts WHERE id = $1", member.id)
    told = await conn.fetchval("SELECT money.folded_balance($1)", member.id)
    assert (stored, told) == (545, 545)


async def test_a_number_of_the_new_month_may_be_smaller_than_one_of_the_old(
    conn: asyncpg.Connection, server: Any
) -> None:
    """Two requests around midnight: the one that began later drew its number first."""
    month = await this_month(conn)
    await post(conn, CLEARING, FEE, 1)
    await next_month(conn)
    await post(conn, CLEARING, FEE, 10)
    admin = await asyncpg.connect(server.url(await conn.fetchval("SELECT current_database()")))
    await post(conn, CLEARING, FEE, 100)
    await admin.execute(
        "ALTER TABLE money.transfers DISABLE TRIGGER append_only;"
        "UPDATE money.transfers SET value_date = value_date - 5 WHERE amount = 100;"
        "ALTER TABLE money.transfers ENABLE TRIGGER append_only"
    )
    await admin.close()

    assert await close(conn, month) == "closed"

    assert await trial(conn, month) == [
        ("fee", "EUR", 0, 0, 101, 101),
        ("provider_clearing", "EUR", 0, 101, 0, -101),
    ]
    assert await conn.fetchval("SELECT through_seq FROM money.periods") == 1
    assert await folded(conn) == {"fee EUR": 111, "provider_clearing EUR": -111}


async def test_nothing_is_posted_into_a_closed_month(conn: asyncpg.Connection) -> None:
    month = await this_month(conn)
    await post(conn, CLEARING, FEE, 1)
    await next_month(conn)
    assert await close(conn, month) == "closed"
    await conn.execute("SELECT foundation.advance_clock(- interval '3 hours')")
    before = await conn.fetchval("SELECT count(*) FROM money.transfers")

    with pytest.raises(asyncpg.PostgresError, match="period_closed"):
        await post(conn, CLEARING, FEE, 1)

    assert await conn.fetchval("SELECT count(*) FROM money.transfers") == before


async def test_refusals_close_nothing(conn: asyncpg.Connection) -> None:
    first = await this_month(conn)
    await post(conn, CLEARING, FEE, 1)
    too_early = await close(conn, first)
    await next_month(conn, timedelta(minutes=59))
    within_the_hour = await close(conn, first)
    await next_month(conn)
    second = first + timedelta(days=32)
    before_open = await close(conn, second.replace(day=1))
    await next_month(conn)
    done = await close(conn, first)
    again = [await close(conn, first) for _ in range(2)]
    third = (first + timedelta(days=64)).replace(day=1)
    left_out = await close(conn, third)

    assert (too_early, within_the_hour) == ("period_not_over", "period_not_over")
    assert before_open == "period_before_open"
    assert (done, again) == ("closed", ["period_already_closed"] * 2)
    assert left_out == "period_before_open"
    assert await conn.fetchval("SELECT array_agg(month) FROM money.periods") == [first]
    assert (
        await conn.fetchval(
            "SELECT count(*) FROM foundation.audit_entries WHERE action = 'period_closed'"
        )
        == 1
    )


async def test_what_is_not_sealed_is_not_closed(conn: asyncpg.Connection) -> None:
    month = await this_month(conn)
    await post(conn, CLEARING, FEE, 1)
    await seals.seal_all(conn)  # all of it; but the mark is older than the month's end
    await next_month(conn)
    stale = await close(conn, month, seal=False)
    await seals.seal(conn)
    await seals.seal(conn)

    assert stale == "ledger_not_sealed"
    assert await close(conn, month, seal=False) == "closed"


async def test_books_that_do_not_balance_are_not_closed(
    conn: asyncpg.Connection, server: Any
) -> None:
    month = await this_month(conn)
    await post(conn, CLEARING, FEE, 1)
    await next_month(conn)
    admin = await asyncpg.connect(server.url(await conn.fetchval("SELECT current_database()")))
    await admin.execute("SET session_replication_role = replica")
    await admin.execute(f"DELETE FROM money.accounts WHERE id = '{FEE.id}'")
    await admin.close()

    assert await close(conn, month) == "books_unbalanced"

    assert await conn.fetchval("SELECT count(*) FROM money.periods") == 0
    assert await conn.fetchval("SELECT closed_until FROM money.books") == date(1970, 1, 1)


async def test_the_trial_balance_stands_in_the_audit_chain(conn: asyncpg.Connection) -> None:
    month = await this_month(conn)
    await post(conn, CLEARING, FEE, 12)
    await next_month(conn)
    await close(conn, month)

    body = await conn.fetchval(
        "SELECT body FROM foundation.audit_entries WHERE action = 'period_closed'"
    )

    assert body == {
        "month": f"{month:%Y-%m}",
        "ledger_block": 1,
        "balances": [
            ["fee", "EUR", 0, 0, 12, 12],
            ["provider_clearing", "EUR", 0, 12, 0, -12],
        ],
    }


async def test_money_too_long_on_its_way_is_reported_not_refused(conn: asyncpg.Connection) -> None:
    month = await this_month(conn)
    member = await wallet(conn)
    await post(conn, CLEARING, member, 1000)
    since = await today(conn)
    late = await post(conn, member, TRANSIT, 300)
    reference = await conn.fetchval("SELECT reference_id FROM money.transfers WHERE id = $1", late)
    await next_month(conn, timedelta(days=9))

    assert await close(conn, month) == "closed"

    (overdue,) = (await periods.read(conn, month)).overdue
    assert (overdue.kind, overdue.amount, overdue.since) == ("payout_transit", 300, since)
    assert overdue.reference == reference


async def test_a_month_without_any_transfer_can_be_closed(conn: asyncpg.Connection) -> None:
    month = await this_month(conn)
    await next_month(conn)

    assert await close(conn, month) == "closed"
    assert await trial(conn, month) == []
