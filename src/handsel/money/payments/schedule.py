"""Payouts by themselves: a member's withdrawable money to the default method, daily or weekly.

Once in a period, whatever happens (``withdrawals_once_a_period``). Who may not, has too little or
is over a limit is skipped with a reason and waits for the next period. It races with nobody: a
scheduled withdrawal takes the same locks as one by hand.
"""

from datetime import datetime, timedelta
from uuid import UUID

import asyncpg

from handsel.foundation import audit
from handsel.foundation.core.errors import Problem
from handsel.foundation.db.errors import on_constraint
from handsel.foundation.db.pool import Connection
from handsel.foundation.db.uow import Tx
from handsel.foundation.http.principal import Principal
from handsel.money.ledger.errors import UnknownUnit
from handsel.money.payments import withdrawals
from handsel.money.payments.schemas import Every, PayoutScheduleInput, PayoutSchedules, ScheduleView

on_constraint("payout_schedules_unit_fkey", UnknownUnit)

_DAY, _WEEK = timedelta(days=1), timedelta(days=7)


def next_start(every: Every, now: datetime) -> datetime | None:
    """The start of the next period, in UTC: a day's at midnight, a week's on Monday."""
    midnight = now.replace(hour=0, minute=0, second=0, microsecond=0)
    if every == "daily":
        return midnight + _DAY
    if every == "weekly":
        return midnight - midnight.weekday() * _DAY + _WEEK
    return None


async def change(tx: Tx, principal: Principal, data: PayoutScheduleInput) -> ScheduleView:
    """Set how often one's money of a currency is paid out."""
    me = principal.member_id
    row = await tx.fetchrow(
        "INSERT INTO money.payout_schedules AS s (member_id, unit, every, next_at, changed_at)"
        " VALUES ($1, $2, $3, $4, $5) ON CONFLICT (member_id, unit) DO UPDATE SET"
        " every = excluded.every, changed_at = excluded.changed_at,"
        " next_at = CASE WHEN s.every = excluded.every THEN s.next_at ELSE excluded.next_at END"
        " RETURNING *",
        me,
        data.currency,
        data.every,
        next_start(data.every, tx.now),
        tx.now,
    )
    assert row is not None
    body = {"currency": data.currency, "every": data.every}
    audit.record(tx, "money", "payout_schedule", body, subject_id=me, actor_id=me)
    return _view(row)


async def own(conn: Connection, principal: Principal) -> PayoutSchedules:
    """One's own schedules; a currency that is not there is paid out by hand."""
    rows = await conn.fetch(
        "SELECT * FROM money.payout_schedules WHERE member_id = $1 ORDER BY unit",
        principal.member_id,
    )
    return PayoutSchedules(items=[_view(row) for row in rows])


async def due(conn: Connection, limit: int = 200) -> list[tuple[UUID, str]]:
    """(member, currency) whose period has begun."""
    rows = await conn.fetch(
        "SELECT member_id, unit FROM money.payout_schedules"
        " WHERE next_at <= foundation.handsel_now() ORDER BY next_at LIMIT $1",
        limit,
    )
    return [(row["member_id"], row["unit"]) for row in rows]


async def run(tx: Tx, member_id: UUID, unit: str) -> bool:
    """Make the payout of the period that has begun, or say why there is none; False when another
    worker has it, or it is done."""
    row = await tx.fetchrow(
        "SELECT every, next_at FROM money.payout_schedules WHERE member_id = $1 AND unit = $2"
        " AND next_at <= $3 FOR UPDATE SKIP LOCKED",
        member_id,
        unit,
        tx.now,
    )
    if row is None:
        return False
    # A worker that slept over several periods makes up for them by one payout.
    following = next_start(row["every"], tx.now)
    assert following is not None
    period = following - (_DAY if row["every"] == "daily" else _WEEK)
    skipped: str | None
    try:
        amount = await withdrawals.start_scheduled(tx, member_id, unit, period)
        skipped = None if amount else "nothing_to_pay_out"
    except Problem as refusal:  # before anything was written
        skipped = refusal.code
    await tx.execute(
        "UPDATE money.payout_schedules SET next_at = $3, last_skipped = $4"
        " WHERE member_id = $1 AND unit = $2",
        member_id,
        unit,
        following,
        skipped,
    )
    return True


def _view(row: asyncpg.Record) -> ScheduleView:
    return ScheduleView(
        currency=row["unit"],
        every=row["every"],
        next_at=row["next_at"],
        last_skipped=row["last_skipped"],
    )
