"""The invariants of the house as named SQL, run by ``handsel check``, by tests, and for ever.

Each check counts the rows it looked at and lists those that break the rule, so that a check that
looked at nothing is seen as such. Numbers follow research/reliability.md §1.1; where that rule is a
property of a moment (L06, L20) the check here is what it leaves behind in the rows.
"""

from dataclasses import dataclass
from typing import Any

import msgspec

from handsel.deals.orders.registry import processes
from handsel.foundation.db.pool import Connection
from handsel.front.invariants_of_agreements import AGREEMENTS
from handsel.front.invariants_of_bonds import bonds
from handsel.front.invariants_of_bookings import BOOKINGS
from handsel.front.invariants_of_chargebacks import CHARGEBACKS
from handsel.front.invariants_of_credit import CREDIT
from handsel.front.invariants_of_disputes import DISPUTES
from handsel.front.invariants_of_people import PEOPLE
from handsel.front.invariants_of_reviews import REVIEWS

_SAMPLE = 5


@dataclass(frozen=True, slots=True)
class Check:
    """``rows`` counts what is looked at; ``violations`` selects a ``what`` column of offenders."""

    name: str
    rule: str
    tables: tuple[str, ...]
    rows: str
    violations: str


class Result(msgspec.Struct, frozen=True, kw_only=True):
    """What one check found. ``not_yet``: its tables do not exist in this schema."""

    name: str
    state: str
    rows: int
    violations: int
    sample: list[str]


class Report(msgspec.Struct, frozen=True, kw_only=True):
    """All checks; ``violations`` is their sum."""

    violations: int
    checks: list[Result]


_TRANSFERS = ("money.transfers", "money.accounts")
_HOLDS = ("money.holds", "money.transfers")
_ORDERS = ("deals.orders", "deals.moves", "deals.timers", "money.holds")
_WRITTEN_ONCE = (
    "money.transfers", "deals.moves", "deals.dispute_moves", "deals.mandate_charges",
    "deals.offers", "people.messages", "people.decisions", "people.fact_retractions",
    "people.models", "people.model_events", "people.shadow_scores", "people.policies",
    "foundation.audit_entries", "foundation.audit_seals",
    "money.ledger_seals", "money.periods", "money.period_balances",
)  # fmt: skip
#: Every state of every process in which an order's money is held.
_HELD = ", ".join(
    f"('{process.name}', {process.version}, '{name}')"
    for process in processes().values()
    for name, state in process.states.items()
    if state.funded
)
_IS_HELD = f"(o.process, o.process_version, o.state) IN ({_HELD})"

CHECKS: tuple[Check, ...] = (
    Check(
        "L01_transfer_balanced",
        "a transfer moves one amount above zero between two different accounts of its unit",
        _TRANSFERS,
        "SELECT count(*) FROM money.transfers",
        "SELECT t.id AS what FROM money.transfers t"
        " LEFT JOIN money.accounts d ON d.id = t.debit_account"
        " LEFT JOIN money.accounts c ON c.id = t.credit_account"
        " WHERE t.amount <= 0 OR t.debit_account = t.credit_account"
        " OR d.unit IS DISTINCT FROM t.unit OR c.unit IS DISTINCT FROM t.unit",
    ),
    Check(
        "L02_unit_sums_to_zero",
        "all balances of a unit sum to zero",
        _TRANSFERS,
        "SELECT count(DISTINCT unit) FROM money.transfers",
        "SELECT unit AS what FROM (SELECT unit, CASE WHEN folded THEN money.folded_balance(id)"
        " ELSE balance END AS balance FROM money.accounts) AS a GROUP BY unit HAVING"
        " sum(balance) <> 0",
    ),
    Check(
        "L03_balance_is_its_transfers",
        "a stored balance is the sum of the account's transfers",
        _TRANSFERS,
        "SELECT count(*) FROM money.accounts WHERE NOT folded",
        "SELECT a.id AS what FROM money.accounts a LEFT JOIN ("
        " SELECT account, sum(amount) AS total FROM ("
        " SELECT credit_account AS account, amount FROM money.transfers"
        " UNION ALL SELECT debit_account, -amount FROM money.transfers) AS side GROUP BY account"
        ") AS s ON s.account = a.id WHERE NOT a.folded AND a.balance <> coalesce(s.total, 0)",
    ),
    Check(
        "L04_not_overdrawn",
        "no balance is below what its account allows",
        _TRANSFERS,
        "SELECT count(*) FROM money.accounts WHERE min_balance IS NOT NULL",
        "SELECT id AS what FROM money.accounts WHERE balance < min_balance",
    ),
    Check(
        "L05_append_only",
        "the application can change nothing that was written down, and the refusing"
        " triggers are on",
        _WRITTEN_ONCE,
        "SELECT count(*) FROM pg_trigger WHERE tgname = 'append_only'",
        # A privilege may be given on one column alone, and the first question does not see it.
        f"SELECT r.name || ' ' || p.privilege AS what FROM unnest(ARRAY{[*_WRITTEN_ONCE]}"
        " || ARRAY['money.accounts', 'money.holds']) AS r (name)"
        " CROSS JOIN unnest(ARRAY['INSERT', 'UPDATE', 'DELETE', 'TRUNCATE']) AS p (privilege)"
        " WHERE has_table_privilege('handsel_app', r.name, p.privilege)"
        " OR CASE WHEN p.privilege IN ('INSERT', 'UPDATE')"
        " THEN has_any_column_privilege('handsel_app', r.name, p.privilege) END"
        f" UNION ALL SELECT r.name || ' trigger' FROM unnest(ARRAY{[*_WRITTEN_ONCE]}) AS r (name)"
        " WHERE NOT EXISTS (SELECT FROM pg_trigger t WHERE t.tgrelid = r.name::regclass"
        " AND t.tgname = 'append_only' AND t.tgenabled IN ('O', 'A'))",
    ),
    Check(
        "L06_running_balance",
        "each transfer's balance afterwards follows from the one before it on the account",
        _TRANSFERS,
        "SELECT count(*) FROM money.transfers",
        "SELECT id AS what FROM (SELECT id, delta, balance,"
        " lag(balance, 1, 0::bigint) OVER (PARTITION BY account ORDER BY seq) AS before FROM ("
        " SELECT id, seq, credit_account AS account, amount AS delta, credit_balance AS balance"
        " FROM money.transfers WHERE credit_balance IS NOT NULL"
        " UNION ALL SELECT id, seq, debit_account, -amount, debit_balance"
        " FROM money.transfers WHERE debit_balance IS NOT NULL) AS side) AS line"
        " WHERE balance <> before + delta",
    ),
    Check(
        "L07_amounts_and_dates",
        "amounts fit a phone's integers, and the value date is the day of booking",
        _TRANSFERS,
        "SELECT count(*) FROM money.transfers",
        "SELECT id AS what FROM money.transfers WHERE amount > 1000000000000000"
        " OR value_date <> (booked_at AT TIME ZONE 'UTC')::date",
    ),
    Check(
        "L08_hold_resolves_once",
        "a hold was paid in as its transfers say, and paid out whole exactly when it is resolved",
        _HOLDS,
        "SELECT count(*) FROM money.holds",
        "SELECT h.id AS what FROM money.holds h LEFT JOIN money.transfers t ON t.hold_id = h.id"
        " GROUP BY h.id HAVING coalesce(sum(t.amount) FILTER (WHERE t.code = 'hold'), 0)"
        " <> h.amount"
        " OR coalesce(sum(t.amount) FILTER (WHERE t.code <> 'hold'), 0)"
        " <> CASE WHEN h.state = 'open' THEN h.refunded ELSE h.amount END",
    ),
    Check(
        "L09_hold_parts_sum",
        "released + refunded + fee of a resolved hold are what was held, as its transfers say",
        _HOLDS,
        "SELECT count(*) FROM money.holds WHERE state <> 'open'",
        "SELECT h.id AS what FROM money.holds h LEFT JOIN money.transfers t ON t.hold_id = h.id"
        " GROUP BY h.id HAVING"
        " h.released <> coalesce(sum(t.amount) FILTER (WHERE t.code IN ('release', 'arrive')), 0)"
        " OR h.refunded <> coalesce(sum(t.amount) FILTER"
        " (WHERE t.code IN ('refund', 'partial_refund')), 0)"
        " OR h.fee <> coalesce(sum(t.amount) FILTER"
        " (WHERE t.code IN ('fee', 'fee_tax', 'fund_share')), 0)",
    ),
    Check(
        "L10_escrow_is_open_holds",
        "an escrow account holds what is left of its open holds, a pending account what waits, a"
        " reserve account what is left of its member's reserves",
        (*_HOLDS, "money.reserves"),
        "SELECT count(*) FROM money.accounts WHERE kind IN ('escrow', 'pending', 'reserve')",
        "SELECT a.id AS what FROM money.accounts a LEFT JOIN (SELECT escrow_account,"
        " sum(amount - refunded) AS held FROM money.holds WHERE state = 'open'"
        " GROUP BY escrow_account) AS h"
        " ON h.escrow_account = a.id WHERE a.kind = 'escrow' AND a.balance <> coalesce(h.held, 0)"
        " UNION ALL SELECT a.id FROM money.accounts a LEFT JOIN (SELECT reference_id, unit,"
        " sum(pending) AS waiting FROM money.holds GROUP BY reference_id, unit) AS h"
        " ON h.reference_id = a.owner_id AND h.unit = a.unit"
        " WHERE a.kind = 'pending' AND a.balance <> coalesce(h.waiting, 0)"
        " UNION ALL SELECT coalesce(a.owner_id, r.member_id) FROM"
        " (SELECT * FROM money.accounts WHERE kind = 'reserve') AS a FULL JOIN ("
        " SELECT member_id, unit, sum(left_amount) AS kept FROM money.reserves"
        " GROUP BY member_id, unit) AS r ON r.member_id = a.owner_id AND r.unit = a.unit"
        " WHERE coalesce(a.balance, 0) <> coalesce(r.kept, 0)",
    ),
    Check(
        "L11_refund_within_hold",
        "no more is paid back than was held, and to nobody but the payer",
        _HOLDS,
        "SELECT count(*) FROM money.transfers WHERE code IN ('refund', 'partial_refund')",
        "SELECT t.id AS what FROM money.transfers t JOIN money.holds h ON h.id = t.hold_id"
        " WHERE t.code IN ('refund', 'partial_refund')"
        " AND (t.credit_account <> h.payer_account OR h.refunded > h.amount)",
    ),
    Check(
        "L12_one_answer_per_key",
        "an Idempotency-Key has one answer",
        ("foundation.answers",),
        "SELECT count(*) FROM foundation.answers",
        "SELECT key AS what FROM foundation.answers GROUP BY principal, route, key"
        " HAVING count(*) > 1"
        " UNION ALL SELECT 'unique index' WHERE NOT EXISTS (SELECT FROM pg_index WHERE indrelid ="
        " 'foundation.answers'::regclass AND indisprimary AND indisvalid)",
    ),
    Check(
        "L13_one_effect_per_provider_event",
        "a decided top-up, withdrawal or card refund has moved its money exactly once, an undecided"
        " one not yet",
        ("money.top_ups", "money.withdrawals", "money.card_refunds", "money.transfers"),
        "SELECT (SELECT count(*) FROM money.top_ups) + (SELECT count(*) FROM money.withdrawals)"
        " + (SELECT count(*) FROM money.card_refunds)",
        # What should have moved against what did, as (id, code, amounts in order).
        "SELECT coalesce(should.id, did.id) AS what FROM ("
        " SELECT id, 'top_up' AS code, ARRAY[amount] AS amounts FROM money.top_ups"
        " WHERE state = 'succeeded'"
        " UNION ALL SELECT id, 'withdraw', ARRAY[amount] FROM money.withdrawals"
        " UNION ALL SELECT id, 'payout', ARRAY[amount] FROM money.withdrawals"
        " WHERE state = 'paid' OR state = 'returned' AND paid_at IS NOT NULL"
        " UNION ALL SELECT id, 'payout_returned', ARRAY[amount] FROM money.withdrawals"
        " WHERE state = 'returned'"
        " UNION ALL SELECT id, 'withdraw_stopped', ARRAY[amount] FROM money.withdrawals"
        " WHERE state = 'stopped'"
        " UNION ALL SELECT id, 'card_refund', ARRAY[amount] FROM money.card_refunds"
        " UNION ALL SELECT id, 'card_refund_done', ARRAY[amount] FROM money.card_refunds"
        " WHERE state = 'succeeded' OR state = 'failed' AND succeeded_at IS NOT NULL"
        " UNION ALL SELECT id, 'card_refund_failed', ARRAY[amount] FROM money.card_refunds"
        " WHERE state = 'failed') AS should FULL JOIN ("
        " SELECT reference_id AS id, code, array_agg(amount) AS amounts FROM money.transfers"
        " WHERE code IN ('top_up', 'withdraw', 'payout', 'payout_returned', 'withdraw_stopped',"
        " 'card_refund', 'card_refund_done', 'card_refund_failed')"
        " GROUP BY reference_id, code) AS did ON did.id = should.id AND did.code = should.code"
        " WHERE should.amounts IS DISTINCT FROM did.amounts"
        # And what is on its way back to a card, or there, is counted at its top-up.
        " UNION ALL SELECT t.id FROM money.top_ups t LEFT JOIN ("
        " SELECT top_up_id, sum(amount) AS back FROM money.card_refunds WHERE state <> 'failed'"
        " GROUP BY top_up_id) AS r ON r.top_up_id = t.id WHERE t.refunded <> coalesce(r.back, 0)",
    ),
    Check(
        "L14_reversed_once",
        "a transfer is reversed at most once, by its mirror image",
        ("money.transfers",),
        "SELECT count(*) FROM money.transfers WHERE reversal_of IS NOT NULL",
        "SELECT r.id AS what FROM money.transfers r JOIN money.transfers t ON t.id = r.reversal_of"
        " WHERE r.debit_account <> t.credit_account OR r.credit_account <> t.debit_account"
        " OR r.amount <> t.amount OR r.unit <> t.unit"
        " UNION ALL SELECT reversal_of FROM money.transfers WHERE reversal_of IS NOT NULL"
        " GROUP BY reversal_of HAVING count(*) > 1",
    ),
    Check(
        "L15_every_move_has_its_event",
        "each move of an order committed together with its event",
        ("deals.moves", "foundation.outbox"),
        "SELECT count(*) FROM deals.moves WHERE seq > 1",
        "SELECT m.order_id || '/' || m.seq AS what FROM deals.moves m WHERE m.seq > 1"
        " AND m.at > (SELECT min(occurred_at) FROM foundation.outbox)"
        " AND NOT EXISTS (SELECT FROM foundation.outbox o WHERE o.aggregate_id = m.order_id"
        " AND o.topic IN ('order.' || m.to_state, 'order.' || m.transition))",
    ),
    Check(
        "L16_audit_chain",
        "the audit chain follows from its entries, without a gap",
        ("foundation.audit_seals",),
        "SELECT count(*) FROM foundation.audit_seals",
        "SELECT coalesce(entry_id::text, 'head ' || seq) AS what FROM foundation.audit_breaks(100)"
        # An entry that nobody is going to link could be changed without a trace.
        " UNION ALL SELECT e.id::text FROM foundation.audit_entries e"
        " WHERE NOT EXISTS (SELECT FROM foundation.audit_seals s WHERE s.entry_id = e.id)"
        " AND NOT EXISTS (SELECT FROM foundation.audit_unsealed u WHERE u.entry_id = e.id)",
    ),
    Check(
        "L17_closed_accounts_rest",
        "a closed account is empty",
        ("money.accounts",),
        "SELECT count(*) FROM money.accounts WHERE state <> 'open'",
        "SELECT id AS what FROM money.accounts WHERE state = 'closed' AND balance <> 0",
    ),
    Check(
        "L18_nobody_deals_with_himself",
        "buyer and seller of an order are two people, and no hold returns to its own payer as pay",
        ("deals.orders", "money.transfers"),
        "SELECT count(*) FROM deals.orders",
        "SELECT id AS what FROM deals.orders WHERE customer_id = provider_id"
        " UNION ALL SELECT h.id FROM money.holds h JOIN money.accounts p ON p.id = h.payer_account"
        " WHERE h.payee_id = p.owner_id",
    ),
    Check(
        "L19_hold_period_is_kept",
        "money is settled no earlier than the hold period that was set when the order was funded",
        _ORDERS,
        "SELECT count(*) FROM deals.moves WHERE transition IN ('settle', 'settle_share')",
        "SELECT s.order_id AS what FROM deals.moves s JOIN deals.orders o ON o.id = s.order_id"
        " JOIN deals.moves c ON c.order_id = s.order_id AND c.to_state <> c.from_state"
        " AND c.to_state IN ('completed', 'shared', 'unreturned')"
        " WHERE s.transition IN ('settle', 'settle_share')"
        " AND (o.hold_period IS NULL OR s.at < c.at + o.hold_period)",
    ),
    Check(
        "L20_orders_agree_with_holds",
        "an order that holds money has an open hold of its amount and a live timer;"
        " others have none",
        _ORDERS,
        "SELECT count(*) FROM deals.orders",
        "SELECT o.id AS what FROM deals.orders o"
        " LEFT JOIN money.holds h ON h.id = o.id AND h.state = 'open'"
        f" WHERE ({_IS_HELD}) <> (h.id IS NOT NULL)"
        " OR (h.id IS NOT NULL AND (h.amount <> o.amount OR h.unit <> o.unit))"
        f" OR ({_IS_HELD} AND NOT EXISTS"
        " (SELECT FROM deals.timers t WHERE t.order_id = o.id))",
    ),
    Check(
        "L21_restricted_money",
        "the restricted part of a balance follows from the account's transfers and their codes",
        ("money.transfers", "money.transfer_codes"),
        "SELECT count(*) FROM money.transfers WHERE debit_restricted > 0 OR credit_restricted > 0",
        # Line by line: what the rule of the code makes of the line before.
        "SELECT id AS what FROM (SELECT *,"
        " lag(after, 1, 0::bigint) OVER (PARTITION BY account ORDER BY seq) AS before,"
        " lead(seq) OVER (PARTITION BY account ORDER BY seq) IS NULL AS newest FROM ("
        " SELECT t.id, seq, credit_account AS account, 1 AS sign, amount,"
        " credit_balance AS balance, credit_restricted AS after, restriction"
        " FROM money.transfers t JOIN money.transfer_codes c USING (code)"
        " WHERE credit_balance IS NOT NULL"
        " UNION ALL SELECT t.id, seq, debit_account, -1, amount, debit_balance,"
        " debit_restricted, restriction"
        " FROM money.transfers t JOIN money.transfer_codes c USING (code)"
        " WHERE debit_balance IS NOT NULL) AS side) AS line"
        " WHERE after < 0 OR after > greatest(balance, 0)"
        " OR newest AND after <> (SELECT a.restricted FROM money.accounts a WHERE a.id = account)"
        " OR seq > (SELECT restricted_since FROM money.books) AND after <> CASE"
        " WHEN sign = 1 AND restriction = 'source' THEN before + amount"
        " WHEN sign = 1 AND restriction = 'carries' THEN after"
        " WHEN sign = 1 THEN before"
        " WHEN restriction = 'carries' THEN before - least(before, amount)"
        " WHEN restriction = 'restricted_only' THEN before - amount"
        " WHEN restriction = 'free_only' THEN before"
        " ELSE greatest(least(before, balance), 0) END",
    ),
    Check(
        "L22_ledger_chain",
        "a sealed transfer is what was sealed, in its place, and the audit chain knows each seal",
        ("money.ledger_seals",),
        "SELECT coalesce(sum(transfers), 0)::bigint FROM money.ledger_seals",
        "SELECT concat_ws(' ', 'block ' || block || ':', 'transfer ' || seq, transfer_id, fault)"
        " AS what FROM money.ledger_breaks(100)",
    ),
    Check(
        "L23_closed_months",
        "a closed month's trial balance is what its transfers say, and follows the month before",
        ("money.periods", "money.period_balances"),
        "SELECT count(*) FROM money.period_balances",
        "SELECT to_char(month, 'YYYY-MM') || ' ' || kind || ' ' || unit AS what"
        " FROM (SELECT *, lag(closing, 1, 0::bigint) OVER (PARTITION BY kind, unit ORDER BY month)"
        " AS before FROM money.period_balances) AS b"
        " FULL JOIN (SELECT date_trunc('month', t.value_date)::date AS month, a.kind, a.unit,"
        " sum(t.amount) FILTER (WHERE a.id = t.debit_account) AS out,"
        " sum(t.amount) FILTER (WHERE a.id = t.credit_account) AS came"
        " FROM money.transfers t JOIN money.accounts a ON a.id IN (t.debit_account,"
        " t.credit_account) WHERE t.value_date <= (SELECT closed_until FROM money.books)"
        " GROUP BY 1, 2, 3) AS moved USING (month, kind, unit)"
        " WHERE before IS DISTINCT FROM opening OR debits IS DISTINCT FROM coalesce(out, 0)"
        " OR credits IS DISTINCT FROM coalesce(came, 0)"
        " UNION ALL SELECT 'closed until ' || closed_until FROM money.books"
        " WHERE EXISTS (SELECT FROM money.periods)"
        " AND closed_until <> (SELECT max(ends_on) FROM money.periods)",
    ),
    *(Check(*parts) for parts in (*CHARGEBACKS, *bonds(_IS_HELD), *DISPUTES)),
    *(Check(*parts) for parts in (*REVIEWS, *AGREEMENTS, *PEOPLE, *BOOKINGS, *CREDIT)),
)


async def run(conn: Connection, checks: tuple[Check, ...] = CHECKS) -> Report:
    """Run the checks, one statement each. Reads only."""
    results = [await _run_one(conn, check) for check in checks]
    return Report(violations=sum(r.violations for r in results), checks=results)


async def _run_one(conn: Connection, check: Check) -> Result:
    for table in check.tables:
        if await conn.fetchval("SELECT to_regclass($1)", table) is None:
            return Result(name=check.name, state="not_yet", rows=0, violations=0, sample=[])
    rows: int = await conn.fetchval(check.rows)
    found: list[Any] = await conn.fetch(check.violations)
    return Result(
        name=check.name,
        state="violated" if found else "ok",
        rows=rows,
        violations=len(found),
        sample=[str(row["what"]) for row in found[:_SAMPLE]],
    )
