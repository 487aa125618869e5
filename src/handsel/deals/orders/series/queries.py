"""Reads of series."""

from dataclasses import dataclass
from datetime import datetime, timedelta
from uuid import UUID

from handsel.deals.orders.series.schemas import OccurrenceView
from handsel.foundation.core.ids import encode
from handsel.foundation.db.pool import Connection
from handsel.foundation.db.uow import Tx


@dataclass(frozen=True, slots=True)
class Mandate:
    """What a customer has allowed, and how much of it is used."""

    payee_id: UUID
    unit: str
    each: int
    total: int
    charged: int
    ends_at: datetime
    given_at: datetime
    ended_at: datetime | None

    def covers(self, payee_id: UUID, amount: int, unit: str, at: datetime) -> bool:
        """Whether this charge lies within it."""
        return (
            self.ended_at is None
            and at <= self.ends_at
            and (payee_id, unit) == (self.payee_id, self.unit)
            and amount <= self.each
            and self.charged + amount <= self.total
        )


@dataclass(frozen=True, slots=True)
class Planned:
    """A date of a running series, for which something is to be done."""

    series_id: UUID
    number: int
    starts_at: datetime
    child_id: UUID | None


async def mandate(conn: Connection, series_id: UUID) -> Mandate | None:
    """The mandate of a series."""
    row = await conn.fetchrow(
        "SELECT payee_id, unit, each, total, charged, ends_at, given_at, ended_at"
        " FROM deals.mandates WHERE series_id = $1",
        series_id,
    )
    return Mandate(**dict(row)) if row else None


async def occurrences(conn: Connection, series_id: UUID) -> list[OccurrenceView]:
    """Every date of a series."""
    rows = await conn.fetch(
        "SELECT d.number, d.starts_at, d.child_id, d.skipped_by, o.state FROM deals.occurrences d"
        " LEFT JOIN deals.orders o ON o.id = d.child_id WHERE d.series_id = $1 ORDER BY d.number",
        series_id,
    )
    return [
        OccurrenceView(
            number=row["number"],
            starts_at=row["starts_at"],
            state="skipped" if row["skipped_by"] else row["state"] or "planned",
            order_id=encode("ord", row["child_id"]) if row["child_id"] else None,
            skipped_by=row["skipped_by"],
        )
        for row in rows
    ]


_PLANNED = (
    "SELECT d.series_id, d.number, d.starts_at, d.child_id FROM deals.occurrences d"
    " JOIN deals.orders s ON s.id = d.series_id AND s.state = 'running'"
)
_WAITING = " WHERE d.charged_at IS NULL AND d.skipped_by IS NULL"


async def to_open(conn: Connection, ahead: timedelta, limit: int) -> list[Planned]:
    """Dates that are near enough to become orders; those that a pause has missed are left out."""
    rows = await conn.fetch(
        f"{_PLANNED} {_WAITING} AND d.child_id IS NULL"
        " AND d.starts_at > foundation.handsel_now()"
        " AND d.starts_at <= foundation.handsel_now() + $1 ORDER BY d.starts_at LIMIT $2",
        ahead,
        limit,
    )
    return [Planned(**dict(row)) for row in rows]


async def to_charge(
    conn: Connection, ahead: timedelta, again: timedelta, limit: int
) -> list[Planned]:
    """Dates whose orders are to be paid for now, and were not tried a moment ago."""
    rows = await conn.fetch(
        f"{_PLANNED} JOIN deals.orders o ON o.id = d.child_id AND o.state = 'pending_payment'"
        f"{_WAITING} AND d.starts_at > foundation.handsel_now()"
        " AND d.starts_at <= foundation.handsel_now() + $1"
        " AND (d.tried_at IS NULL OR d.tried_at <= foundation.handsel_now() - $2::interval)"
        " ORDER BY d.starts_at LIMIT $3",
        ahead,
        again,
        limit,
    )
    return [Planned(**dict(row)) for row in rows]


async def is_open(tx: Tx, planned: Planned) -> bool:
    """Whether the date is still to become an order; the caller holds the series' lock."""
    found: bool = await tx.fetchval(
        "SELECT EXISTS (SELECT FROM deals.occurrences d WHERE d.series_id = $1 AND d.number = $2"
        " AND d.child_id IS NULL AND d.skipped_by IS NULL)",
        planned.series_id,
        planned.number,
    )
    return found


async def may_be_skipped(tx: Tx, series_id: UUID, starts_at: datetime) -> bool:
    """Whether something is planned then and not paid for; the caller holds the series' lock."""
    found: bool = await tx.fetchval(
        "SELECT EXISTS (SELECT FROM deals.occurrences d"
        " LEFT JOIN deals.orders o ON o.id = d.child_id"
        " WHERE d.series_id = $1 AND d.starts_at = $2 AND d.skipped_by IS NULL"
        " AND coalesce(o.state = 'pending_payment', d.starts_at > foundation.handsel_now()))",
        series_id,
        starts_at,
    )
    return found


async def skipped_unpaid(tx: Tx, series_id: UUID) -> list[UUID]:
    """Orders of dates that are left out, for which nobody has paid."""
    rows = await tx.fetch(
        "SELECT o.id FROM deals.occurrences d JOIN deals.orders o ON o.id = d.child_id"
        " WHERE d.series_id = $1 AND d.skipped_by IS NOT NULL AND o.state = 'pending_payment'",
        series_id,
    )
    return [row["id"] for row in rows]


async def unpaid_in_a_row(tx: Tx, series_id: UUID, since: datetime) -> int:
    """How many of the latest dates fell away unpaid, since the series runs again."""
    rows = await tx.fetch(
        "SELECT o.state FROM deals.occurrences d JOIN deals.orders o ON o.id = d.child_id"
        " WHERE d.series_id = $1 AND d.skipped_by IS NULL AND o.state <> 'pending_payment'"
        " AND o.entered_at >= $2 ORDER BY d.number DESC LIMIT 2",
        series_id,
        since,
    )
    states = [row["state"] for row in rows]
    return next((n for n, s in enumerate(states) if s != "payment_expired"), len(states))
