"""Each invariant finds the violation that is planted for it, names the row, and no other speaks.

The plants are made by the superuser, past triggers, keys and checks, in a transaction that is
rolled back, over the rows that a real story left behind.
"""

from collections.abc import AsyncIterator, Sequence
from datetime import timedelta
from uuid import uuid4

import asyncpg
import httpx
import pytest

from handsel.foundation.core.ids import decode
from handsel.foundation.core.settings import Settings
from handsel.foundation.db import embedded
from handsel.foundation.db.pool import prepare
from handsel.foundation.db.uow import Database, Tx
from handsel.front import invariants
from handsel.front.api.app import create_app
from handsel.front.invariants import CHECKS, Report
from handsel.money.escrow.chargebacks import service as chargebacks
from handsel.money.payments.disputes import Dispute
from handsel.people.credit import deciding
from tests.deals.disputes import cases
from tests.factories.members import PASSWORD
from tests.journeys import gifts, rentals
from tests.journeys.agreements import offer_body
from tests.journeys.story import Member, Story


@pytest.fixture(scope="module")
async def town(database: Database, settings: Settings, database_url: str) -> Story:
    """Orders that are held, settled, shared and given back; money in and out; a closed account."""
    transport = httpx.ASGITransport(app=create_app(settings, database))
    http = httpx.AsyncClient(transport=transport, base_url="http://handsel.test")
    story = Story(database, settings, http)
    await _a_month_that_is_closed(database_url)
    seller, buyer = await story.person("seller"), await story.person("buyer")
    await story.top_up(buyer, 14_000)
    listing = await story.listing(seller, 2500)
    for moves in (
        (),
        ("decline",),
        ("accept", "deliver", "object"),
        ("accept", "deliver", "approve"),
    ):
        order = await story.funded(buyer, listing)
        for name in moves:
            who = buyer if name in ("object", "approve") else seller
            await who.move(order["id"], name, note="a note")
    await story.drain()
    banks = [
        await seller.made(
            "/v1/payout-methods", {"token": token, "label": token, "password": PASSWORD}
        )
        for token in ("bank_ok", "bank_returned")
    ]
    await gifts.paid(story, await gifts.opened(story, 6_000))
    await gifts.hours_after(story, "fund", "accept", "deliver", "approve")
    await story.pass_time(timedelta(days=15))
    amount = {"amount_minor": 300, "currency": "EUR"}
    for bank in banks:
        await seller.made("/v1/wallet/withdrawals", {"amount": amount, "payout_method": bank["id"]})
    await buyer.made("/v1/wallet/card-refunds", {"amount": amount})
    await story.drain()
    settled = (await buyer.get("/v1/orders", state="settled"))["items"][0]["id"]
    for author in (buyer, seller):
        await author.made("/v1/reviews", {"order_id": settled, "stars": 4})
    last = await story.funded(buyer, listing)
    assert last["state"] == "funded"
    await story.drain()
    await _a_chargeback(database)
    await _agreements(story, seller, buyer, listing)
    await story.drain()
    for _ in range(2):
        rental = await rentals.reserved(story)
    await rental.seller.move(rental.id, "decline")
    await _a_booking(story)
    await cases.disputed(story)
    undone = await cases.disputed(story, *cases.SOLD, customer_minor=2000)
    await undone.move(undone.respondent, "concede")
    await story.drain()
    await _an_appeal(story, undone.respondent)
    await _by_the_owner(database_url)
    await http.aclose()
    return story


async def _a_month_that_is_closed(url: str) -> None:
    """And sealed. The story comes after it: a plant in a sealed transfer breaks the chain too."""
    conn = await asyncpg.connect(url)
    await conn.execute(
        f"SELECT money.post(ARRAY[{FEE}], ARRAY[{FUND}], ARRAY[7], ARRAY['EUR'],"
        f" ARRAY['fund_share'], {PLANTED})"
    )
    await conn.execute("SELECT foundation.advance_clock('32 days')")
    for _ in range(2):
        await conn.execute("SELECT money.seal_ledger()")
    await conn.execute(
        "SELECT money.close_period(min(date_trunc('month', value_date))::date) FROM money.transfers"
    )
    await conn.close()


async def _agreements(story: Story, seller: Member, buyer: Member, listing: str) -> None:
    """A job in milestones, and a series under a mandate; nothing of either is paid for yet."""
    asked = {
        "listing_id": await story.listing(seller, price=None),
        "wish": "Four doors",
        "currency": "EUR",
    }
    job = (await buyer.made("/v1/quotes", asked))["id"]
    made = await seller.made(f"/v1/orders/{job}/offers", offer_body(await story.now()))
    await buyer.made(f"/v1/orders/{job}/agreement", {"terms_hash": made["terms_hash"]})
    starts = (await story.now() + timedelta(days=20)).isoformat()
    planned = {"listing_id": listing, "first_starts_at": starts, "occurrences": 2}
    series = (await buyer.made("/v1/series", planned))["order"]
    await seller.move(series["id"], "accept")
    token = await story.confirmation(buyer, series)
    await buyer.move(series["id"], "give_mandate", confirmation=token)


async def _a_booking(story: Story) -> None:
    """A rental that nobody has paid yet holds the time of the one thing that there is."""
    seller, buyer = await story.person("owner"), await story.person("renter")
    listing = await rentals.thing(story, seller)
    hours = [{"weekday": day, "opens": "00:00", "closes": "24:00"} for day in range(1, 8)]
    put = await story.http.put(
        f"/v1/listings/{listing}/availability",
        json={"time_zone": "Europe/London", "weekly": hours},
        headers={"Authorization": f"Bearer {seller.token}", "If-Match": '"0"'},
    )
    assert put.status_code == 200, put.text
    start = (await story.now()).replace(second=0, microsecond=0) + timedelta(days=3)
    times = {"starts_at": start.isoformat(), "ends_at": (start + timedelta(days=2)).isoformat()}
    await buyer.made("/v1/rentals", {"listing_id": listing, **times})


async def _a_chargeback(database: Database) -> None:
    """The buyer's bank takes a euro back, out of what the wallet still has."""
    async with database.transaction() as tx:
        charge = await tx.fetchval("SELECT provider_reference FROM money.top_ups")
        said = Dispute(
            reference="dp_1",
            charge_reference=charge,
            amount_minor=100,
            currency="EUR",
            said_at=tx.now,
        )
        await chargebacks.opened(tx, said)


async def _an_appeal(story: Story, member: Member) -> None:
    """A fact that two of the staff have taken out."""
    contested = (await member.get("/v1/credit/facts"))["items"][0]["id"]
    body = {"about": "social", "text": "It was not so", "facts": [contested]}
    appeal = decode("apl", (await member.made("/v1/credit/appeals", body))["id"])
    first, second = [decode("mem", (await cases.staff(story)).id) for _ in range(2)]

    async def decided(tx: Tx) -> None:
        await deciding.propose(tx, first, appeal, [decode("fct", contested)], "It was wrong")
        _, seen = await deciding.read(tx, second, appeal)
        assert seen is not None
        await deciding.confirm(tx, second, appeal, seen.digest())

    await story.database.run(decided)
    await story.drain()


async def _by_the_owner(url: str) -> None:
    """What no service does yet: a reversal, a closed account."""
    conn = await asyncpg.connect(url)
    await conn.execute(
        "SELECT money.post(ARRAY[w.id], ARRAY[p.id], ARRAY[50], ARRAY['EUR'],"
        " ARRAY['adjustment'], w.id)"
        f" FROM ({ONE_WALLET}) AS w, ({OTHER_WALLET}) AS p;"
        "SELECT money.reverse(id) FROM money.transfers WHERE code = 'adjustment';"
        "SELECT money.open_accounts(ARRAY['wallet'], ARRAY[uuidv7()], ARRAY['JPY']);"
        "UPDATE money.accounts SET state = 'closed' WHERE kind = 'wallet' AND unit = 'JPY';"
        "SELECT foundation.seal_audit(10000);"
    )
    await conn.close()


@pytest.fixture
async def conn(town: Story, database_url: str) -> AsyncIterator[asyncpg.Connection]:
    """The superuser in a transaction that is rolled back."""
    connection = await asyncpg.connect(database_url)
    await prepare(connection)
    outer = connection.transaction()
    await outer.start()
    yield connection
    await outer.rollback()
    await connection.close()


def broken(report: Report) -> dict[str, list[str]]:
    return {c.name: c.sample for c in report.checks if c.state == "violated"}


#: The two members' wallets; the house's accounts; some rows, each the same one whenever asked.
_IN_EUR = "SELECT * FROM money.accounts WHERE kind = 'wallet' AND unit = 'EUR'"
ONE_WALLET = f"{_IN_EUR} ORDER BY (balance, id) DESC LIMIT 1"
#: One without card money: what it gives back carries none along.
OTHER_WALLET = f"{_IN_EUR} AND restricted = 0 ORDER BY (balance, id) LIMIT 1"
ONE, OTHER = f"(SELECT id FROM ({ONE_WALLET}) w)", f"(SELECT id FROM ({OTHER_WALLET}) w)"
FEE = "(SELECT id FROM money.accounts WHERE kind = 'fee' AND unit = 'EUR')"
FUND = "(SELECT id FROM money.accounts WHERE kind = 'protection_fund' AND unit = 'EUR')"
TRANSIT = "(SELECT id FROM money.accounts WHERE kind = 'dispute_transit' AND unit = 'EUR')"
OPEN_HOLD = "(SELECT id FROM money.holds WHERE state = 'open' ORDER BY id LIMIT 1)"
REFUNDED = "(SELECT id FROM money.holds WHERE state = 'refunded' ORDER BY id LIMIT 1)"
SETTLED = "(SELECT id FROM deals.orders WHERE state = 'settled' ORDER BY id LIMIT 1)"
FUNDED = "(SELECT id FROM deals.orders WHERE state = 'funded' ORDER BY id LIMIT 1)"
ESCROW = f"(SELECT id FROM money.accounts WHERE kind = 'escrow' AND owner_id = {FUNDED})"
HELD = "(SELECT id FROM money.transfers WHERE code = 'hold' ORDER BY seq LIMIT 1)"
BOND = "(SELECT id FROM deals.bonds WHERE ended_at IS NULL)"
NOBODY = "'00000000-0000-0000-0000-000000000000'"
GIVEN = "(SELECT id FROM money.transfers WHERE code = 'arrive' AND unit = 'EUR')"
FIRST_TOP_UP = "(SELECT id FROM money.top_ups ORDER BY id LIMIT 1)"
PLANTED = "'00000000-0000-7000-8000-00000000beef'"
BOOKING = "(SELECT id FROM catalog.bookings WHERE state = 'reserved')"
DISPUTED = "(SELECT id FROM deals.disputes WHERE ended_at IS NULL)"
APPEAL = "(SELECT id FROM people.appeals)"
TAKEN_OUT = "(SELECT fact_id FROM people.fact_retractions)"
DECIDED = "(SELECT id FROM deals.disputes WHERE ended_at IS NOT NULL)"


def transfer(
    debit: str = FEE,
    credit: str = FUND,
    amount: int = 5,
    code: str = "planted",
    unit: str = "EUR",
    hold: str = "NULL",
    reference: str = PLANTED,
) -> str:
    """A transfer written past the posting function, between accounts without a stored balance."""
    return (
        "INSERT INTO money.transfers (id, unit, debit_account, credit_account, amount, code,"
        " reference_id, hold_id, booked_at, value_date) VALUES"
        f" ({PLANTED}, '{unit}', {debit}, {credit}, {amount}, '{code}', {reference}, {hold},"
        " '2036-03-01 12:00Z', '2036-03-01')"
    )  # fmt: skip


#: (check, what to do to the database, which row the sample names)
PLANTS: list[tuple[str, Sequence[str], str]] = [
    (
        "K01_appeals_are_decided_by_people",
        [
            "ALTER TABLE people.appeals DROP CONSTRAINT appeals_decided",
            "UPDATE people.appeals SET answer = ''",
        ],
        APPEAL,
    ),
    ("K02_facts_are_taken_out_by_two", ["UPDATE people.appeals SET state = 'denied'"], TAKEN_OUT),
    (
        "K02_facts_are_taken_out_by_two",
        [
            "ALTER TABLE people.fact_retractions DROP CONSTRAINT fact_retractions_two_staff",
            "UPDATE people.fact_retractions SET confirmed_by = proposed_by",
        ],
        TAKEN_OUT,
    ),
    (
        "L01_transfer_balanced",
        ["ALTER TABLE money.transfers DROP CONSTRAINT transfers_amount", transfer(amount=0)],
        PLANTED,
    ),
    (
        "L01_transfer_balanced",
        [
            "ALTER TABLE money.transfers DROP CONSTRAINT transfers_two_accounts",
            transfer(credit=FEE),
        ],
        PLANTED,
    ),
    ("L01_transfer_balanced", [transfer(unit="GBP")], PLANTED),
    (
        "L03_balance_is_its_transfers",
        [
            f"UPDATE money.accounts SET balance = balance - 1 WHERE id = {ONE}",
            f"UPDATE money.accounts SET balance = balance + 1 WHERE id = {OTHER}",
        ],
        ONE,
    ),
    (
        "L04_not_overdrawn",
        [
            "ALTER TABLE money.accounts DROP CONSTRAINT accounts_not_overdrawn",
            f"UPDATE money.accounts SET min_balance = balance + 1 WHERE id = {ONE}",
        ],
        ONE,
    ),
    *(
        ("L05_append_only", [f"GRANT {privilege} ON {table} TO handsel_app"], f"'{table} {said}'")
        for table, privilege, said in (
            ("money.transfers", "UPDATE", "UPDATE"),
            ("money.transfers", "UPDATE (amount)", "UPDATE"),
            ("money.accounts", "UPDATE (balance)", "UPDATE"),
            ("money.holds", "INSERT", "INSERT"),
            ("deals.moves", "DELETE", "DELETE"),
            ("people.decisions", "DELETE", "DELETE"),
            ("people.messages", "INSERT (text)", "INSERT"),
            ("foundation.audit_entries", "TRUNCATE", "TRUNCATE"),
        )
    ),
    (
        "L05_append_only",
        ["GRANT handsel_owner TO handsel_app WITH INHERIT TRUE"],
        "'money.transfers INSERT'",
    ),
    *(
        ("L05_append_only", [f"{how} ON {table}" if "DROP" in how else how.format(table)],
         f"'{table} trigger'")
        for table in ("money.transfers", "deals.moves", "people.messages", "people.decisions",
                      "foundation.audit_entries", "foundation.audit_seals",
                      "money.ledger_seals", "money.periods", "money.period_balances")
        for how in ("DROP TRIGGER append_only", "ALTER TABLE {} DISABLE TRIGGER append_only")
    ),
    (
        "L06_running_balance",
        [
            ("UPDATE money.transfers SET debit_balance = debit_balance + 1 WHERE id ="
            f" (SELECT id FROM money.transfers WHERE hold_id = {FUNDED} AND code = 'hold')")
        ],
        f"(SELECT id FROM money.transfers WHERE hold_id = {FUNDED} AND code = 'hold')",
    ),
    (
        "L07_amounts_and_dates",
        [
            transfer(),
            f"UPDATE money.transfers SET value_date = value_date + 1 WHERE id = {PLANTED}",
        ],
        PLANTED,
    ),
    (
        "L07_amounts_and_dates",
        [
            "ALTER TABLE money.transfers DROP CONSTRAINT transfers_amount",
            transfer(amount=10**15 + 1),
        ],
        PLANTED,
    ),
    ("L08_hold_resolves_once", [transfer(code="hold", hold=OPEN_HOLD)], OPEN_HOLD),
    (
        "L09_hold_parts_sum",
        [f"UPDATE money.holds SET released = 1, refunded = refunded - 1 WHERE id = {REFUNDED}"],
        REFUNDED,
    ),
    (
        "L10_escrow_is_open_holds",
        [
            ("SELECT money.post(ARRAY[w.id], ARRAY[p.id], ARRAY[1], ARRAY['EUR'],"
            f" ARRAY['adjustment'], w.id) FROM ({ONE_WALLET}) AS w, money.accounts p"
            f" WHERE p.kind = 'pending' AND p.owner_id = {SETTLED}")
        ],
        f"(SELECT id FROM money.accounts WHERE kind = 'pending' AND owner_id = {SETTLED})",
    ),
    (
        "L10_escrow_is_open_holds",
        [
            f"UPDATE money.accounts SET balance = balance + 1 WHERE owner_id = {FUNDED}",
            f"UPDATE money.accounts SET balance = balance - 1 WHERE id = {ONE}",
            transfer(ONE, ESCROW, 1),
        ],
        ESCROW,
    ),
    (
        "L10_escrow_is_open_holds",
        [
            ("INSERT INTO money.reserves VALUES"
            f" ({PLANTED}, {PLANTED}, 'EUR', 7, 7, '2026-11-01', '2027-02-01')")
        ],
        PLANTED,
    ),
    (
        "L11_refund_within_hold",
        [f"UPDATE money.holds SET payer_account = {FEE} WHERE id = {REFUNDED}"],
        f"(SELECT id FROM money.transfers WHERE hold_id = {REFUNDED} AND code = 'refund')",
    ),
    (
        "L12_one_answer_per_key",
        [
            "ALTER TABLE foundation.answers DROP CONSTRAINT answers_pkey",
            ("INSERT INTO foundation.answers SELECT principal, route, 'planted key',"
            " request_sha256, status, headers, body"
            " FROM (SELECT * FROM foundation.answers LIMIT 1) a, generate_series(1, 2)"),
        ],
        "'planted key'",
    ),
    ("L12_one_answer_per_key", ["ALTER TABLE foundation.answers DROP CONSTRAINT answers_pkey"],
     "'unique index'"),
    (
        "L13_one_effect_per_provider_event",
        [f"UPDATE money.top_ups SET state = 'failed' WHERE id = {FIRST_TOP_UP}"],
        FIRST_TOP_UP,
    ),
    (
        "L13_one_effect_per_provider_event",
        [f"UPDATE money.top_ups SET amount = amount + 1 WHERE id = {FIRST_TOP_UP}"],
        FIRST_TOP_UP,
    ),
    (
        "L13_one_effect_per_provider_event",
        ["UPDATE money.withdrawals SET state = 'pending' WHERE state = 'paid'"],
        "(SELECT id FROM money.withdrawals WHERE state = 'pending')",
    ),
    (
        "L13_one_effect_per_provider_event",
        ["UPDATE money.withdrawals SET state = 'paid' WHERE state = 'returned'"],
        ("(SELECT w.id FROM money.withdrawals w JOIN money.transfers t ON t.reference_id = w.id"
        " WHERE t.code = 'payout_returned')"),
    ),
    (
        "L13_one_effect_per_provider_event",
        [transfer(code="top_up", reference=FIRST_TOP_UP)],
        FIRST_TOP_UP,
    ),
    ("L13_one_effect_per_provider_event", [transfer(code="top_up")], PLANTED),
    (
        "L13_one_effect_per_provider_event",
        ["UPDATE money.card_refunds SET state = 'pending'"],
        "(SELECT id FROM money.card_refunds)",
    ),
    (
        "L13_one_effect_per_provider_event",
        [f"UPDATE money.top_ups SET refunded = refunded + 1 WHERE id = {FIRST_TOP_UP}"],
        FIRST_TOP_UP,
    ),
    (
        "L14_reversed_once",
        [
            ("UPDATE money.transfers SET reversal_of = (SELECT id FROM money.transfers WHERE code ="
            " 'top_up' ORDER BY seq LIMIT 1) WHERE code = 'reversal'")
        ],
        "(SELECT id FROM money.transfers WHERE code = 'reversal')",
    ),
    (
        "L15_every_move_has_its_event",
        [
            ("DELETE FROM foundation.outbox WHERE topic = 'order.accepted'"
            f" AND aggregate_id = {SETTLED}")
        ],
        (f"(SELECT order_id || '/' || seq FROM deals.moves WHERE order_id = {SETTLED}"
        " AND to_state = 'accepted')"),
    ),
    (
        "L16_audit_chain",
        [
            ("""UPDATE foundation.audit_entries SET body = '{"amount_minor": 1}' WHERE id ="""
            " (SELECT entry_id FROM foundation.audit_seals WHERE seq = 2)")
        ],
        "(SELECT entry_id FROM foundation.audit_seals WHERE seq = 2)",
    ),
    (
        "L16_audit_chain",
        ["DELETE FROM foundation.audit_seals WHERE seq = 2"],
        "(SELECT entry_id FROM foundation.audit_seals WHERE seq = 3)",
    ),
    (
        "L16_audit_chain",
        [
            "DELETE FROM foundation.audit_seals WHERE seq = (SELECT seq FROM foundation.audit_head)"
        ],
        "(SELECT 'head ' || seq FROM foundation.audit_head)",
    ),
    (
        "L16_audit_chain",
        [
            ("INSERT INTO foundation.audit_entries (id, stream, action, body, at)"
            f" VALUES ({PLANTED}, 'x', 'never linked', '{{}}', now())")
        ],
        PLANTED,
    ),
    (
        "L17_closed_accounts_rest",
        [
            "ALTER TABLE money.accounts DROP CONSTRAINT accounts_closed_is_empty",
            f"UPDATE money.accounts SET state = 'closed' WHERE id = {ONE}",
        ],
        ONE,
    ),
    (
        "L18_nobody_deals_with_himself",
        [
            "ALTER TABLE deals.orders DROP CONSTRAINT orders_not_with_oneself",
            f"UPDATE deals.orders SET provider_id = customer_id WHERE id = {SETTLED}",
        ],
        SETTLED,
    ),
    (
        "L18_nobody_deals_with_himself",
        [
            ("UPDATE money.holds h SET payee_id = a.owner_id FROM money.accounts a"
            f" WHERE a.id = h.payer_account AND h.reference_id = {SETTLED}")
        ],
        f"(SELECT id FROM money.holds WHERE reference_id = {SETTLED})",
    ),
    (
        "L19_hold_period_is_kept",
        [
            ("UPDATE deals.moves SET at = at - interval '15 days'"
            f" WHERE transition = 'settle' AND order_id = {SETTLED}")
        ],
        SETTLED,
    ),
    (
        "L19_hold_period_is_kept",
        [f"UPDATE deals.orders SET hold_period = NULL WHERE id = {SETTLED}"],
        SETTLED,
    ),
    (
        "L20_orders_agree_with_holds",
        [f"DELETE FROM deals.timers WHERE order_id = {FUNDED}"],
        FUNDED,
    ),
    (
        "L20_orders_agree_with_holds",
        [f"UPDATE deals.orders SET amount = amount + 1 WHERE id = {FUNDED}"],
        FUNDED,
    ),
    (
        "L20_orders_agree_with_holds",
        ["UPDATE deals.orders SET state = 'settled' WHERE state = 'funded'"],
        "(SELECT reference_id FROM money.holds WHERE state = 'open' ORDER BY id LIMIT 1)",
    ),
    (
        "L20_orders_agree_with_holds",
        [f"UPDATE deals.orders SET state = 'accepted' WHERE id = {SETTLED}"],
        "(SELECT id FROM deals.orders WHERE state = 'accepted')",
    ),
    (
        "L21_restricted_money",
        [f"UPDATE money.transfers SET debit_restricted = debit_restricted - 1 WHERE id = {HELD}"],
        HELD,
    ),
    (
        "L21_restricted_money",
        [f"UPDATE money.accounts SET restricted = restricted - 1 WHERE id = {ESCROW}"],
        f"(SELECT id FROM money.transfers WHERE credit_account = {ESCROW})",
    ),
    (
        "L22_ledger_chain",
        [
            ("UPDATE money.transfers SET booked_at = booked_at + interval '1 microsecond'"
            " WHERE seq = 1")
        ],
        "(SELECT 'block 1: transfer 1 ' || id || ' altered' FROM money.transfers WHERE seq = 1)",
    ),
    (
        "L22_ledger_chain",
        ["UPDATE money.ledger_seals SET sealed_at = now(), hash = sha256('x')"],
        "'block 1: the seal was altered'",
    ),
    (
        "L23_closed_months",
        [
            # The balances of the house begin with the last closing: that one is left alone.
            ("UPDATE money.period_balances SET credits = credits + 1, debits = debits + 1"
            " WHERE kind = 'fee'")
        ],
        "(SELECT to_char(max(month), 'YYYY-MM') || ' fee EUR' FROM money.periods)",
    ),
    (
        "L23_closed_months",
        [transfer(), (f"UPDATE money.transfers SET booked_at = p.ends_on, value_date = p.ends_on"
            f" FROM money.periods p WHERE id = {PLANTED}")],
        "(SELECT to_char(max(month), 'YYYY-MM') || ' protection_fund EUR' FROM money.periods)",
    ),
    (
        "L23_closed_months",
        ["UPDATE money.books SET closed_until = closed_until - 1"],
        "(SELECT 'closed until ' || closed_until FROM money.books)",
    ),
    (
        "L24_chargebacks_clear",
        ["UPDATE money.chargebacks SET state = 'won', decided_at = opened_at"],
        "(SELECT id FROM money.chargebacks)",
    ),
    (
        "L24_chargebacks_clear",
        ["UPDATE money.chargebacks SET amount = amount + 1"],
        "(SELECT id FROM money.chargebacks)",
    ),
    (
        "L24_chargebacks_clear",
        ["UPDATE money.chargeback_parts SET amount = amount - 1"],
        "(SELECT id FROM money.chargebacks)",
    ),
    ("L24_chargebacks_clear", [transfer(credit=TRANSIT)], PLANTED),
    (
        "L25_disputes_stop_money",
        [f"UPDATE money.holds SET disputed_at = opened_at WHERE id = {OPEN_HOLD}"],
        OPEN_HOLD,
    ),
    (
        "L25_disputes_stop_money",
        [
            ("UPDATE money.chargeback_parts SET place = 'hold', hold_id ="
            f" (SELECT id FROM money.holds WHERE reference_id = {SETTLED})")
        ],
        f"(SELECT id FROM money.holds WHERE reference_id = {SETTLED})",
    ),
    (
        "L26_bonds_agree_with_holds",
        [f"UPDATE deals.bonds SET amount = amount - 1 WHERE id = {BOND}"],
        BOND,
    ),
    (
        "L26_bonds_agree_with_holds",
        [f"UPDATE deals.bonds SET captured = 1 WHERE id <> {BOND}"],
        f"(SELECT id FROM deals.bonds WHERE id <> {BOND})",
    ),
    (
        "L26_bonds_agree_with_holds",
        [f"UPDATE money.holds SET reference_id = {SETTLED} WHERE id = {BOND}"],
        BOND,
    ),
    (
        "L26_bonds_agree_with_holds",
        [f"DELETE FROM deals.bonds WHERE id = {BOND}"],
        ("(SELECT id FROM money.holds WHERE state = 'open' AND id <> reference_id)"),
    ),
    (
        "L27_bonds_end_with_their_order",
        [f"UPDATE deals.bonds SET beneficiary_id = {PLANTED} WHERE id = {BOND}"],
        BOND,
    ),
    (
        "L27_bonds_end_with_their_order",
        [
            f"UPDATE deals.bonds SET order_id = {SETTLED} WHERE id = {BOND}",
            (f"UPDATE money.holds SET reference_id = {SETTLED} WHERE id = {BOND}"),
        ],
        BOND,
    ),
    (
        "A01_mandates_are_kept",
        [
            ("INSERT INTO deals.mandates VALUES"
            f" ({PLANTED}, {PLANTED}, {PLANTED}, 'EUR', 5, 10, 5, '2027-01-01', '2026-01-01')")
        ],
        PLANTED,
    ),
    (
        "A01_mandates_are_kept",
        [
            ("UPDATE deals.moves SET transition = 'fund_by_mandate'"
            f" WHERE transition = 'fund' AND order_id = {SETTLED}")
        ],
        SETTLED,
    ),
    (
        "A02_milestones_sum",
        ["UPDATE deals.orders SET amount = amount + 1 WHERE process = 'negotiated'"],
        "(SELECT id FROM deals.orders WHERE process = 'negotiated')",
    ),
    (
        "A03_parts_end_first",
        [f"UPDATE deals.orders SET parent_id = {SETTLED} WHERE id = {FUNDED}"],
        FUNDED,
    ),
    (
        "B01_one_booking_at_a_time",
        [
            "ALTER TABLE catalog.bookings DROP CONSTRAINT bookings_one_at_a_time",
            (f"INSERT INTO catalog.bookings SELECT {PLANTED}, listing_id, unit_id, order_id,"
            " customer_id, starts_at, ends_at, during, state, created_at, changed_at"
            f" FROM catalog.bookings WHERE id = {BOOKING}"),
        ],
        PLANTED,
    ),
    (
        "B02_bookings_end_with_their_order",
        [f"UPDATE catalog.bookings SET order_id = {PLANTED} WHERE id = {BOOKING}"],
        BOOKING,
    ),
    (
        "B02_bookings_end_with_their_order",
        [
            ("UPDATE catalog.bookings SET listing_id = (SELECT listing_id FROM deals.orders"
            f" WHERE id = {FUNDED}) WHERE id = {BOOKING}")
        ],
        BOOKING,
    ),
    (
        "B02_bookings_end_with_their_order",
        [
            ("UPDATE catalog.bookings b SET listing_id = o.listing_id, order_id = o.id"
            f" FROM deals.orders o WHERE o.id = {SETTLED} AND b.id = {BOOKING}")
        ],
        BOOKING,
    ),
    ("D01_disputes_end", ["DELETE FROM deals.dispute_timers"], DISPUTED),
    (
        "D01_disputes_end",
        [f"UPDATE deals.disputes SET state = 'final' WHERE id = {DISPUTED}"],
        DISPUTED,
    ),
    (
        "D01_disputes_end",
        [
            ("UPDATE deals.disputes SET opened_at = opened_at - interval '32 days'"
            f" WHERE id = {DISPUTED}")
        ],
        DISPUTED,
    ),
    (
        "D02_disputes_and_orders_agree",
        [
            ("UPDATE deals.orders SET entered_at = entered_at - interval '2 hours'"
            f" WHERE id = {SETTLED}"),
            f"UPDATE deals.disputes SET order_id = {SETTLED} WHERE id = {DISPUTED}",
        ],
        DISPUTED,
    ),
    (
        "D02_disputes_and_orders_agree",
        [("UPDATE deals.disputes SET outcome = jsonb_set(outcome, '{customer_minor}', '1')"
        f" WHERE id = {DECIDED}")],
        DECIDED,
    ),
    (
        "D03_undone_sales",
        ["UPDATE money.holds SET undone = undone + 1 WHERE undone > 0"],
        "(SELECT id FROM money.holds WHERE undone > 0)",
    ),
    ("D03_undone_sales", [transfer(code="sale_refund")], PLANTED),
    (
        "P01_hours_stay_between_people",
        [
            (f"INSERT INTO money.accounts (kind, owner_id, unit, folded) SELECT kind, {NOBODY},"
            " 'MIN', true FROM unnest(ARRAY['fee', 'protection_fund']) AS k (kind)"),
            transfer(f"money.account_id('fee', {NOBODY}, 'MIN')",
                     f"money.account_id('protection_fund', {NOBODY}, 'MIN')", unit="MIN"),
        ],
        PLANTED,
    ),
    (
        "P02_gifts_stay_card_money",
        [
            ("UPDATE money.accounts SET restricted = restricted - 1 WHERE id ="
            f" (SELECT credit_account FROM money.transfers WHERE id = {GIVEN})"),
            ("UPDATE money.transfers SET credit_restricted = credit_restricted - 1"
            f" WHERE id = {GIVEN}"),
        ],
        GIVEN,
    ),
    (
        "R01_reviews_are_double_blind",
        ["DELETE FROM deals.reviews WHERE role = 'provider'"],
        "(SELECT id FROM deals.reviews)",
    ),
    (
        "R01_reviews_are_double_blind",
        [
            ("UPDATE deals.reviews SET state = 'pending', published_at = NULL, weight_bps = NULL"
            " WHERE role = 'provider'")
        ],
        "(SELECT id FROM deals.reviews WHERE role = 'customer')",
    ),
    (
        "R02_one_review_of_a_pair_counts",
        [
            ("INSERT INTO deals.reviews (id, order_id, author_id, subject_id, role, state, stars,"
            " text, created_at, closes_at, due_at, published_at, weight_bps)"
            f" SELECT {PLANTED}, {FUNDED}, author_id, subject_id, role, state, stars, text,"
            " created_at, published_at, due_at, published_at + interval '29 days', weight_bps"
            " FROM deals.reviews WHERE role = 'customer'")
        ],
        PLANTED,
    ),
]  # fmt: skip


@pytest.mark.parametrize(
    ("check", "plant", "row"),
    PLANTS,
    ids=[f"{i}-{name[:3]}" for i, (name, _, _) in enumerate(PLANTS)],
)
async def test_a_planted_violation_is_found_and_named(
    conn: asyncpg.Connection, check: str, plant: Sequence[str], row: str
) -> None:
    await conn.execute("SET LOCAL session_replication_role = replica")
    for statement in plant:
        tag = await conn.execute(statement)
        assert tag != "UPDATE 0", statement

    found = broken(await invariants.run(conn))

    assert list(found) == [check]
    assert str(await conn.fetchval(f"SELECT {row}")) in found[check]


async def test_money_out_of_nothing_is_found(conn: asyncpg.Connection) -> None:
    wallet = await conn.fetchval(f"SELECT id FROM ({ONE_WALLET}) w")

    await conn.execute("UPDATE money.accounts SET balance = balance + 1 WHERE id = $1", wallet)

    # A balance without a transfer also is not the sum of its transfers.
    assert broken(await invariants.run(conn)) == {
        "L02_unit_sums_to_zero": ["EUR"],
        "L03_balance_is_its_transfers": [str(wallet)],
    }


async def test_every_check_has_a_plant() -> None:
    names = [check.name for check in CHECKS]

    ledger = [name[:3] for name in names if name.startswith("L")]
    assert ledger == [f"L{n:02}" for n in range(1, 28)]
    assert {name for name, _, _ in PLANTS} | {"L02_unit_sums_to_zero"} == set(names)


async def test_after_a_real_story_every_check_looks_at_rows_and_is_content(
    town: Story, database: Database
) -> None:
    async with database.reading() as conn:
        report = await invariants.run(conn)

    assert [(c.name, c.state, c.violations, c.sample) for c in report.checks] == [
        (check.name, "ok", 0, []) for check in CHECKS
    ]
    assert report.violations == 0
    assert [c.name for c in report.checks if c.rows == 0] == []


async def test_a_missing_table_is_not_yet(conn: asyncpg.Connection) -> None:
    await conn.execute("DROP TABLE foundation.answers, deals.timers CASCADE")

    report = await invariants.run(conn)

    assert [(c.name, c.rows) for c in report.checks if c.state == "not_yet"] == [
        ("L12_one_answer_per_key", 0),
        ("L19_hold_period_is_kept", 0),
        ("L20_orders_agree_with_holds", 0),
    ]
    assert report.violations == 0


async def test_an_empty_database_is_not_yet_anything(server: embedded.ServerAddress) -> None:
    admin = await asyncpg.connect(server.url("postgres"))
    name = f"t_{uuid4().hex[:12]}"
    await admin.execute(f"CREATE DATABASE {name}")
    conn = await asyncpg.connect(server.url(name))

    report = await invariants.run(conn)

    await conn.close()
    await admin.execute(f"DROP DATABASE {name}")
    await admin.close()
    assert {c.state for c in report.checks} == {"not_yet"}
    assert (len(report.checks), report.violations) == (len(CHECKS), 0)


async def test_the_sample_is_short_and_the_count_is_whole(conn: asyncpg.Connection) -> None:
    await conn.execute("SET LOCAL session_replication_role = replica")
    await conn.execute("UPDATE money.transfers SET value_date = value_date + 1")

    report = await invariants.run(conn)

    (found,) = [c for c in report.checks if c.name == "L07_amounts_and_dates"]
    assert len(found.sample) == 5
    assert found.violations == found.rows > 5
    assert report.violations == sum(c.violations for c in report.checks)
