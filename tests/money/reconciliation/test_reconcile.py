"""The sandbox provider's report and a bank's statement against the ledger, with planted faults."""

from datetime import date, timedelta
from typing import Any

import pytest

from handsel.money.payments.gateway import ProviderUnavailable
from handsel.money.payments.reconciliation import bank_file, service
from handsel.money.payments.reconciliation.service import Found
from handsel.money.payments.service import gateway_of
from tests.journeys.story import Member, Story


async def run(story: Story, day: date | None = None) -> list[Found]:
    gateway = gateway_of(story.settings, story.database)
    if day is None:
        await service.catch_up(story.database, gateway)
    else:
        await service.reconcile(story.database, gateway, day)
    await story.drain()
    async with story.database.reading() as conn:
        return await service.queue(conn)


async def paid_in(story: Story, amount: int = 5000) -> tuple[Member, str]:
    member = await story.person()
    money = {"amount_minor": amount, "currency": "EUR"}
    await member.made("/v1/wallet/top-ups", {"amount": money, "token": "tok_ok"})
    await story.drain()
    async with story.database.reading() as conn:
        reference: str = await conn.fetchval(
            "SELECT provider_reference FROM money.top_ups ORDER BY id DESC LIMIT 1"
        )
    return member, reference


async def change_lines(story: Story, sql: str, *args: Any) -> None:
    """Let the provider's books say something else than what happened."""
    async with story.database.transaction() as tx:
        await tx.execute("SET LOCAL ROLE handsel_owner")
        await tx.execute(sql, *args)


async def open_alerts(story: Story, kind: str) -> list[str]:
    async with story.database.reading() as conn:
        rows = await conn.fetch(
            "SELECT subject FROM money.alerts WHERE kind = $1 AND closed_at IS NULL", kind
        )
    return [row["subject"] for row in rows]


async def house(story: Story, kind: str) -> int:
    async with story.database.reading() as conn:
        found: int = await conn.fetchval(
            "SELECT money.folded_balance(id) FROM money.accounts WHERE kind = $1 AND unit = 'EUR'",
            kind,
        )
    return found


async def test_books_that_agree_have_no_difference_and_book_the_fee_once(story: Story) -> None:
    member, _ = await paid_in(story)
    before = await house(story, "provider_costs")

    assert await run(story) == []
    assert await run(story) == []

    # 1.4 % of 50.00 and 0.25.
    assert await house(story, "provider_costs") == before - 95
    assert await member.available() == (5000, 0, 0)
    await story.check()


async def test_a_fee_without_a_charge_is_booked_unless_it_is_nothing(story: Story) -> None:
    before = await house(story, "provider_costs")
    await change_lines(
        story,
        "INSERT INTO money.sandbox_lines (kind, reference, amount, unit, at)"
        " SELECT 'fee', 'sbx_fee_' || fee, -fee, 'EUR', foundation.handsel_now()"
        " FROM unnest(ARRAY[0, 30]) AS fee",
    )

    await run(story)

    assert await house(story, "provider_costs") == before - 30


async def test_each_planted_fault_is_found_and_none_is_invented(story: Story) -> None:
    refs = [(await paid_in(story))[1] for _ in range(5)]
    fine, gone, more, twice, unit = refs
    only_there = "sbx_nobody_knows"
    line = "INSERT INTO money.sandbox_lines (kind, reference, amount, unit, at) SELECT"
    await change_lines(story, "DELETE FROM money.sandbox_lines WHERE reference = $1", gone)
    await change_lines(
        story, "UPDATE money.sandbox_lines SET amount = 4999 WHERE reference = $1", more
    )
    await change_lines(
        story, f"{line} kind, reference, amount, unit, at FROM money.sandbox_lines"
        " WHERE reference = $1", twice
    )  # fmt: skip
    await change_lines(
        story, "UPDATE money.sandbox_lines SET unit = 'GBP' WHERE reference = $1", unit
    )
    await change_lines(
        story, f"{line} 'charge', $1, 700, 'EUR', foundation.handsel_now()", only_there
    )

    found = {(d.reference, d.currency): (d.what, d.overdue) for d in await run(story)}

    assert found == {
        (gone, "EUR"): ("missing_there", False),
        (more, "EUR"): ("amount_differs", True),
        (twice, "EUR"): ("duplicate_there", True),
        (unit, "EUR"): ("currency_differs", True),
        (unit, "GBP"): ("currency_differs", True),
        (only_there, "EUR"): ("missing_here", False),
    }
    told = await open_alerts(story, "books_differ")
    assert not any(gone in one or only_there in one or fine in one for one in told)
    assert sum(more in one or twice in one or unit in one for one in told) == 4


async def test_what_is_late_by_a_day_is_a_matter_of_timing_and_closes_by_itself(
    story: Story,
) -> None:
    _, reference = await paid_in(story)
    await change_lines(
        story,
        "UPDATE money.sandbox_lines SET at = at + interval '1 day' WHERE reference = $1",
        reference,
    )
    today = (await story.now()).date()
    first = [d for d in await run(story, today) if d.reference == reference]
    assert [(d.what, d.overdue) for d in first] == [("missing_there", False)]

    await story.move_clock(timedelta(days=1))

    assert [d for d in await run(story) if d.reference == reference] == []
    async with story.database.reading() as conn:
        state = await conn.fetchval(
            "SELECT state FROM money.differences WHERE reference = $1", reference
        )
    assert state == "resolved"


async def test_what_stays_open_for_days_is_told_once_and_may_be_explained(story: Story) -> None:
    _, reference = await paid_in(story)
    day = (await story.now()).date()
    await change_lines(story, "DELETE FROM money.sandbox_lines WHERE reference = $1", reference)
    await run(story, day)
    await story.move_clock(timedelta(days=4))

    for _ in range(2):
        mine = [d for d in await run(story, day) if d.reference == reference]
    assert [(d.age_days >= 4, d.overdue) for d in mine] == [(True, True)]
    assert sum(reference in one for one in await open_alerts(story, "books_differ")) == 1

    async with story.database.transaction() as tx:
        known = await tx.fetchval(
            "SELECT id FROM money.differences WHERE reference = $1", reference
        )
        assert await service.explain(tx, known, "The provider lost its line: ticket 7")
    assert [d for d in await run(story, day) if d.reference == reference] == []
    assert not any(reference in one for one in await open_alerts(story, "books_differ"))


async def test_days_on_which_nobody_compared_are_made_up_for(story: Story) -> None:
    await run(story)
    await paid_in(story)
    before = await house(story, "provider_costs")
    await story.move_clock(timedelta(days=9))

    await run(story)

    assert await house(story, "provider_costs") == before - 95


async def test_a_payout_to_our_bank_arrives_by_its_statement(story: Story) -> None:
    await paid_in(story)
    body = {"amount_minor": 4000, "currency": "EUR"}
    made = (await story.http.post("/v1/sandbox/provider/bank-payouts", json=body)).json()
    await run(story)
    transit, bank = await house(story, "bank_transit"), await house(story, "bank")
    text = (
        "id,date,reference,amount,currency\n"
        f"S1,{(await story.now()).date()},{made['reference']},40.00,EUR\n"
        f"S2,{(await story.now()).date()},rent,-900.00,EUR\n"
    )
    lines = bank_file.read(text.encode())

    assert await story.database.run(lambda tx: service.import_bank(tx, lines)) == 2
    assert await story.database.run(lambda tx: service.import_bank(tx, lines)) == 0
    await story.drain()

    assert transit == -4000
    assert (await house(story, "bank_transit"), await house(story, "bank")) == (0, bank - 4000)
    assert "bank:bank_line:rent:EUR" in await open_alerts(story, "books_differ")
    await story.check()


async def test_money_on_its_way_for_too_long_is_reported_and_closed(story: Story) -> None:
    body = {"amount_minor": 1, "currency": "EUR"}
    await story.http.post("/v1/sandbox/provider/bank-payouts", json=body)
    await run(story)
    assert await story.database.run(service.check_clearing) == 0
    await story.move_clock(timedelta(days=7, hours=1))

    assert await story.database.run(service.check_clearing) == 1
    await story.drain()
    late = [one for one in await open_alerts(story, "books_differ") if "bank_transit" in one]
    assert len(late) == 1

    async with story.database.reading() as conn:
        po = await conn.fetchval(
            "SELECT reference FROM money.sandbox_lines WHERE kind = 'bank_payout'"
            " ORDER BY id DESC LIMIT 1"
        )
    line = bank_file.BankLine("S9", po, 1, "EUR", (await story.now()).date())
    await story.database.run(lambda tx: service.import_bank(tx, [line]))
    assert await story.database.run(service.check_clearing) == 0
    assert not set(late) & set(await open_alerts(story, "books_differ"))


async def test_a_provider_that_is_down_gives_no_report_and_nothing_changes(story: Story) -> None:
    async with story.database.reading() as conn:
        before = await conn.fetchval("SELECT count(*) FROM money.reconciliation_runs")
    await story.http.post("/v1/sandbox/provider/outage", json={"seconds": 60})

    with pytest.raises(ProviderUnavailable):
        await run(story)

    async with story.database.reading() as conn:
        assert await conn.fetchval("SELECT count(*) FROM money.reconciliation_runs") == before
    await story.http.post("/v1/sandbox/provider/outage", json={"seconds": 0})
