"""Closing a month: its trial balance is frozen, and nothing is posted into it any more."""

from datetime import date
from uuid import UUID

import msgspec

from handsel.foundation.db.pool import Connection
from handsel.foundation.db.uow import Tx

_BALANCES = """
SELECT kind, unit, opening, debits, credits, closing FROM money.period_balances
 WHERE month = $1 ORDER BY kind, unit
"""
# Only accounts that did not end the month at zero are looked through, each transfer of them.
_OVERDUE = """
SELECT k.kind, a.unit, t.reference_id AS reference, min(t.value_date) AS since,
       sum(CASE WHEN t.credit_account = a.id THEN t.amount ELSE -t.amount END)::bigint AS amount
  FROM money.period_balances b
  JOIN money.account_kinds k ON k.kind = b.kind AND k.clears_within IS NOT NULL
  JOIN money.accounts a ON a.kind = b.kind AND a.unit = b.unit
  JOIN money.periods p ON p.month = b.month
  JOIN money.transfers t ON (t.debit_account = a.id OR t.credit_account = a.id)
       AND t.value_date <= p.ends_on
 WHERE b.month = $1 AND b.closing <> 0
 GROUP BY k.kind, k.clears_within, a.unit, t.reference_id, p.closed_at
HAVING sum(CASE WHEN t.credit_account = a.id THEN t.amount ELSE -t.amount END) <> 0
   AND min(t.booked_at) < p.closed_at - k.clears_within
 ORDER BY since, reference LIMIT 100
"""


class TrialLine(msgspec.Struct, frozen=True, kw_only=True):
    """A kind of account in one unit, minor units; closing = opening + credits - debits."""

    kind: str
    unit: str
    opening: int
    debits: int
    credits: int
    closing: int


class Overdue(msgspec.Struct, frozen=True, kw_only=True):
    """Money on its way for longer than its kind of account allows, by what it is for."""

    kind: str
    unit: str
    reference: UUID
    since: date
    amount: int


class ClosedPeriod(msgspec.Struct, frozen=True, kw_only=True):
    """What was written down of a month."""

    month: date
    balances: list[TrialLine]
    overdue: list[Overdue]


async def close(tx: Tx, month: date) -> None:
    """Close the month that begins on ``month``, whose every transfer must be sealed.

    Raises ``PeriodNotOver``, ``PeriodAlreadyClosed``, ``PeriodBeforeOpen``, ``LedgerNotSealed``,
    ``BooksUnbalanced``; then nothing is closed.
    """
    await tx.execute("SET LOCAL statement_timeout = 0")  # it looks at every transfer of the month
    tx.call("money.close_period", ("date",), month)


async def read(conn: Connection, month: date) -> ClosedPeriod:
    """The trial balance of a closed month (no lines if nothing ever moved), and what is overdue."""
    lines = await conn.fetch(_BALANCES, month)
    overdue = await conn.fetch(_OVERDUE, month)
    return ClosedPeriod(
        month=month,
        balances=[TrialLine(**line) for line in lines],
        overdue=[Overdue(**item) for item in overdue],
    )
