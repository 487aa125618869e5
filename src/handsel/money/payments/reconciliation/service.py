"""The verbs of reconciliation. Reports are fetched outside of any transaction; each step may be run
again."""

from collections.abc import Sequence
from datetime import date, datetime, timedelta
from uuid import NAMESPACE_URL, UUID, uuid5

import asyncpg
import msgspec

from handsel.foundation.db.pool import Connection
from handsel.foundation.db.uow import Database, Tx
from handsel.money.ledger import service as ledger
from handsel.money.ledger.service import HOUSE, Account, Transfer
from handsel.money.payments import alerts
from handsel.money.payments.gateway import Gateway, ReportLine
from handsel.money.payments.reconciliation.bank_file import BankLine
from handsel.money.payments.reconciliation.matching import Difference, Line, compare

#: Kinds that both books have; a fee is booked from the report, and so is a payout to our bank.
_COMPARED = (
    "charge", "refund", "refund_failed", "payout", "payout_return", "dispute", "dispute_return",
)  # fmt: skip
#: What is only a day or two late is a matter of timing; older than this it is told.
GRACE = timedelta(days=3)
_LIMIT = 10_000
_FARTHEST_BACK = timedelta(days=60)
_ALERT = "books_differ"
_PAYOUT_LOCK = 75


class Found(msgspec.Struct, frozen=True, kw_only=True):
    """An open difference, as the queue shows it. ``age_days`` counts from its oldest line."""

    source: str
    what: str
    kind: str
    reference: str
    currency: str
    ours_minor: int | None
    theirs_minor: int | None
    since: datetime
    age_days: int
    overdue: bool


async def reconcile(database: Database, gateway: Gateway, day: date) -> int:
    """Compare a day of the provider's report with the ledger; how many differences are open.

    Raises ``ProviderUnavailable``.
    """
    report = await gateway.report(day)
    await database.run(lambda tx: _keep(tx, gateway.name, report))
    return await database.run(lambda tx: _compare(tx, gateway.name, day, report))


async def catch_up(database: Database, gateway: Gateway) -> int:
    """``reconcile`` every day since the last one that was, that day included, until today; how many
    differences are open."""
    async with database.reading() as conn:
        today: date = (await conn.fetchval("SELECT foundation.handsel_now()")).date()
        last: date | None = await conn.fetchval(
            "SELECT max(day) FROM money.reconciliation_runs WHERE source = $1", gateway.name
        )
    first = max((last or today) - timedelta(days=1), today - _FARTHEST_BACK)
    found = 0
    for number in range((today - first).days + 1):
        found = await reconcile(database, gateway, first + timedelta(days=number))
    return found


async def check_clearing(tx: Tx) -> int:
    """Report what is on its way for too long, and close what has arrived; how many are overdue."""
    rows = await tx.fetch("SELECT * FROM money.clearing_overdue($1)", _LIMIT)
    open_now = set()
    for row in rows:
        key = (row["kind"], str(row["reference"]), row["unit"])
        open_now.add(key)
        await _note(tx, "ledger", "clearing_overdue", key, row["amount"], None, row["since"])
        text = f"{row['amount']} {row['unit']} lies in {row['kind']} since {row['since']:%Y-%m-%d}."
        await _alert(tx, "ledger", key, text)
    if len(rows) < _LIMIT:
        await _close_others(tx, "ledger", open_now)
    return len(rows)


async def import_bank(tx: Tx, lines: Sequence[BankLine]) -> int:
    """Book a statement of our bank: what pays a payout of the provider arrives, the rest is a
    difference. A line that came before is skipped; how many are new."""
    new = 0
    for line in lines:
        tag = await tx.execute(
            "INSERT INTO money.bank_lines (line_id, reference, amount, unit, booked_on,"
            " imported_at) VALUES ($1, $2, $3, $4, $5, $6) ON CONFLICT DO NOTHING",
            line.id,
            line.reference,
            line.amount_minor,
            line.unit,
            line.booked_on,
            tx.now,
        )
        if tag == "INSERT 0 1":
            new += 1
            await _book_bank(tx, line)
    return new


async def queue(conn: Connection) -> list[Found]:
    """The open differences, oldest first, then by amount."""
    rows = await conn.fetch(
        "SELECT *, foundation.handsel_now() AS now FROM money.differences WHERE state = 'open'"
        " ORDER BY since, abs(coalesce(ours, 0) - coalesce(theirs, 0)) DESC LIMIT $1",
        _LIMIT,
    )
    return [_found(row) for row in rows]


async def explain(tx: Tx, difference: UUID, explanation: str) -> bool:
    """Close a difference by hand, with a reason; False when it was not open."""
    row = await tx.fetchrow(
        "UPDATE money.differences SET state = 'explained', explanation = $2, closed_at = $3"
        " WHERE id = $1 AND state = 'open' RETURNING source, kind, reference, unit",
        difference,
        explanation,
        tx.now,
    )
    if row is not None:
        await alerts.close(tx, _ALERT, ":".join(row))
    return row is not None


async def _keep(tx: Tx, source: str, report: Sequence[ReportLine]) -> None:
    """Store new lines, and book what only the report knows: fees, and payouts to our bank."""
    for line in report:
        tag = await tx.execute(
            "INSERT INTO money.report_lines (source, line_id, kind, reference, amount, fee, unit,"
            " at, imported_at) VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9) ON CONFLICT DO NOTHING",
            source,
            line.id,
            line.kind,
            line.reference,
            line.amount_minor,
            line.fee_minor,
            line.currency,
            line.at,
            tx.now,
        )
        if tag == "INSERT 0 1":
            _book(tx, source, line)


def _book(tx: Tx, source: str, line: ReportLine) -> None:
    clearing = Account("provider_clearing", HOUSE, line.currency)
    costs = Account("provider_costs", HOUSE, line.currency)
    about = line_key(source, line.id)
    # A dispute's fee is booked with the dispute, whose event tells it.
    if line.fee_minor > 0 and line.kind != "dispute":
        ledger.post(tx, [Transfer(costs, clearing, line.fee_minor, "provider_fee")], about)
    if line.kind == "fee" and line.amount_minor < 0:
        ledger.post(tx, [Transfer(costs, clearing, -line.amount_minor, "provider_fee")], about)
    if line.kind == "bank_payout" and line.amount_minor < 0:
        transit = Account("bank_transit", HOUSE, line.currency)
        payout = payout_key(line.reference)
        ledger.post(tx, [Transfer(transit, clearing, -line.amount_minor, "bank_payout")], payout)


async def _book_bank(tx: Tx, line: BankLine) -> None:
    payout = payout_key(line.reference)
    await tx.execute(
        "SELECT pg_advisory_xact_lock(hashtextextended($1, $2))", str(payout), _PAYOUT_LOCK
    )
    waiting = await tx.fetchval(
        "SELECT coalesce(sum(CASE WHEN t.code = 'bank_payout' THEN t.amount ELSE -t.amount END), 0)"
        " FROM money.transfers t WHERE t.reference_id = $1 AND t.unit = $2"
        " AND t.code IN ('bank_payout', 'bank_received')",
        payout,
        line.unit,
    )
    if line.amount_minor > 0 and waiting == line.amount_minor:
        bank, transit = Account("bank", HOUSE, line.unit), Account("bank_transit", HOUSE, line.unit)
        ledger.post(tx, [Transfer(bank, transit, line.amount_minor, "bank_received")], payout)
        await tx.flush()  # the next line of this file may speak of the same payout
        return
    key = ("bank_line", line.reference or line.id, line.unit)
    ours = int(waiting) or None
    since = datetime.combine(line.booked_on, datetime.min.time(), tx.now.tzinfo)
    await _note(tx, "bank", "unknown_bank_line", key, ours, line.amount_minor, since)
    text = f"{line.amount_minor} {line.unit} on our account ({line.id}) is of no payout."
    await _alert(tx, "bank", key, text)


async def _compare(tx: Tx, source: str, day: date, report: Sequence[ReportLine]) -> int:
    begin = datetime.combine(day, datetime.min.time(), tx.now.tzinfo)
    end = begin + timedelta(days=1)
    references = {line.reference for line in report if line.kind in _COMPARED}
    references |= set(
        await _references(
            tx,
            "SELECT DISTINCT reference FROM money.provider_movements"
            " WHERE booked_at >= $1 AND booked_at < $2",
            begin,
            end,
        )
    )
    references |= set(
        await _references(
            tx,
            "SELECT DISTINCT reference FROM money.differences WHERE state = 'open' AND source = $1",
            source,
        )
    )
    ours = await tx.fetch(
        "SELECT kind, reference, unit, amount, booked_at AS at FROM money.provider_movements"
        " WHERE reference = ANY ($1)",
        list(references),
    )
    theirs = await tx.fetch(
        "SELECT kind, reference, unit, amount, at FROM money.report_lines"
        " WHERE source = $1 AND reference = ANY ($2) AND kind = ANY ($3)",
        source,
        list(references),
        list(_COMPARED),
    )
    found = compare([Line(**dict(row)) for row in ours], [Line(**dict(row)) for row in theirs])
    for difference in found:
        await _note_difference(tx, source, difference)
    await _close_others(tx, source, {(d.kind, d.reference, d.unit) for d in found})
    await tx.execute(
        "INSERT INTO money.reconciliation_runs (source, day, lines, found, ran_at)"
        " VALUES ($1, $2, $3, $4, $5)",
        source,
        day,
        len(report),
        len(found),
        tx.now,
    )
    return len(found)


async def _references(tx: Tx, sql: str, *args: object) -> list[str]:
    return [row["reference"] for row in await tx.fetch(sql, *args)]


async def _note_difference(tx: Tx, source: str, found: Difference) -> None:
    key = (found.kind, found.reference, found.unit)
    if not await _note(tx, source, found.what, key, found.ours, found.theirs, found.since):
        return
    late = tx.now - found.since > GRACE
    # What is merely not there yet may be a matter of hours; two different numbers are not.
    if late or found.what not in ("missing_here", "missing_there"):
        text = f"{found.what}: {found.ours} here, {found.theirs} at {source}, {found.unit}."
        await _alert(tx, source, key, text)


async def _note(
    tx: Tx, source: str, what: str, key: tuple[str, str, str], ours: int | None,
    theirs: int | None, since: datetime,
) -> bool:  # fmt: skip
    """Write it down; False when somebody has explained exactly this."""
    tag = await tx.execute(
        "INSERT INTO money.differences (source, what, kind, reference, unit, ours, theirs, since,"
        " first_seen, last_seen) SELECT $1, $2, $3, $4, $5, $6::bigint, $7::bigint, $8, $9, $9"
        # What somebody has explained is not asked again, unless its numbers change.
        " WHERE NOT EXISTS (SELECT FROM money.differences WHERE state = 'explained'"
        " AND source = $1 AND kind = $3 AND reference = $4 AND unit = $5"
        " AND ours IS NOT DISTINCT FROM $6 AND theirs IS NOT DISTINCT FROM $7)"
        " ON CONFLICT (source, kind, reference, unit) WHERE state = 'open' DO UPDATE"
        " SET what = excluded.what, ours = excluded.ours, theirs = excluded.theirs,"
        " last_seen = excluded.last_seen",
        source,
        what,
        *key,
        ours,
        theirs,
        since,
        tx.now,
    )
    return tag == "INSERT 0 1"


async def _close_others(tx: Tx, source: str, still_open: set[tuple[str, str, str]]) -> None:
    rows = await tx.fetch(
        "SELECT id, kind, reference, unit FROM money.differences WHERE state = 'open'"
        " AND source = $1 FOR UPDATE",
        source,
    )
    for row in rows:
        key = (row["kind"], row["reference"], row["unit"])
        if key not in still_open:
            await tx.execute(
                "UPDATE money.differences SET state = 'resolved', closed_at = $2 WHERE id = $1",
                row["id"],
                tx.now,
            )
            await alerts.close(tx, _ALERT, ":".join((source, *key)))


async def _alert(tx: Tx, source: str, key: tuple[str, str, str], text: str) -> None:
    """Written in the transaction that found it: told once, and closed with the difference."""
    await alerts.record(tx, _ALERT, ":".join((source, *key)), text)


def _found(row: asyncpg.Record) -> Found:
    age = row["now"] - row["since"]
    return Found(
        source=row["source"],
        what=row["what"],
        kind=row["kind"],
        reference=row["reference"],
        currency=row["unit"],
        ours_minor=row["ours"],
        theirs_minor=row["theirs"],
        since=row["since"],
        age_days=age.days,
        overdue=age > GRACE or row["what"] not in ("missing_here", "missing_there"),
    )


def line_key(source: str, line_id: str) -> UUID:
    """What the fee of a report line is booked about."""
    return uuid5(NAMESPACE_URL, f"handsel:report:{source}:{line_id}")


def payout_key(reference: str) -> UUID:
    """What a payout of the provider to our bank, and its arrival there, are booked about."""
    return uuid5(NAMESPACE_URL, f"handsel:bank_payout:{reference}")
