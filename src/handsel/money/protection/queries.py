"""Rows of claims, and what everybody or their member may see of them."""

from dataclasses import dataclass
from datetime import datetime
from typing import Any
from uuid import UUID

import asyncpg

from handsel.foundation.core import paging
from handsel.foundation.core.errors import NotFound
from handsel.foundation.core.ids import encode
from handsel.foundation.core.money import Money
from handsel.foundation.db.pool import Connection
from handsel.foundation.db.uow import Tx
from handsel.money.protection import policy
from handsel.money.protection.policy import State
from handsel.money.protection.schemas import (
    ClaimItem,
    ClaimLine,
    ClaimPage,
    ClaimStep,
    ClaimSummary,
    ClaimView,
    FundRatio,
    FundView,
)

_PREFIX = {"order": "ord", "withdrawal": "wdr"}


@dataclass(slots=True)
class Claim:
    """A claim's row, locked while it is changed."""

    id: UUID
    member_id: UUID
    state: State
    amount: int
    unit: str
    credited: int
    paid: int
    recovered: int
    filed_at: datetime
    deadline_at: datetime
    extended_at: datetime | None
    proposed_by: UUID | None
    proposal: dict[str, Any] | None


_CLAIM = f"SELECT {', '.join(Claim.__slots__)} FROM money.claims"


async def load_for_update(tx: Tx, claim_id: UUID) -> Claim:
    """Raises ``NotFound``."""
    row = await tx.fetchrow(f"{_CLAIM} WHERE id = $1 FOR UPDATE", claim_id)
    if row is None:
        raise NotFound("there is no such claim")
    return Claim(**dict(row))


async def references(tx: Tx, claim_id: UUID) -> list[tuple[UUID, str]]:
    """(what was lost, its kind)."""
    rows = await tx.fetch(
        "SELECT reference_id, kind FROM money.claim_items WHERE claim_id = $1"
        " ORDER BY reference_id",
        claim_id,
    )
    return [(row["reference_id"], row["kind"]) for row in rows]


async def due(conn: Connection, limit: int = 100) -> list[UUID]:
    """Claims whose time is up."""
    rows = await conn.fetch(
        "SELECT id FROM money.claims WHERE state = 'investigating'"
        " AND deadline_at <= foundation.handsel_now() ORDER BY deadline_at LIMIT $1",
        limit,
    )
    return [row["id"] for row in rows]


async def open_claims(conn: Connection, limit: int = 200) -> list[ClaimView]:
    """For staff: what waits for a decision, the most urgent first."""
    rows = await conn.fetch(
        "SELECT * FROM money.claims WHERE state = 'investigating' ORDER BY deadline_at LIMIT $1",
        limit,
    )
    return [await _view(conn, row) for row in rows]


async def one(conn: Connection, claim_id: UUID, member_id: UUID | None) -> ClaimView:
    """A claim; of this member, unless None (staff). Raises ``NotFound``."""
    row = await conn.fetchrow(
        "SELECT * FROM money.claims WHERE id = $1 AND ($2::uuid IS NULL OR member_id = $2)",
        claim_id,
        member_id,
    )
    if row is None:
        raise NotFound("there is no such claim")
    return await _view(conn, row)


async def own(
    conn: Connection, secret: bytes, member_id: UUID, cursor: str | None, page_size: int
) -> ClaimPage:
    """A member's claims, newest first. Raises ``InvalidCursor``."""
    pages: paging.IdPages[asyncpg.Record] = paging.IdPages(
        secret, f"claims:{member_id}", page_size, lambda row: row["id"]
    )
    rows = await conn.fetch(
        "SELECT * FROM money.claims WHERE member_id = $1 AND ($2::uuid IS NULL OR id < $2)"
        " ORDER BY id DESC LIMIT $3",
        member_id,
        pages.before(cursor or None),
        page_size + 1,
    )
    page, next_cursor = pages.cut(rows)
    return ClaimPage(items=[ClaimSummary(**_summary(row)) for row in page], next_cursor=next_cursor)


async def fund(conn: Connection) -> FundView:
    """The fund as it was last measured."""
    rows = await conn.fetch("SELECT * FROM money.fund_ratios ORDER BY unit")
    rules = policy.policy()
    return FundView(
        items=[
            FundRatio(
                balance_minor=row["balance"],
                currency=row["unit"],
                exposure_minor=row["exposure"],
                provisional_minor=row["provisional"],
                ratio_bps=policy.ratio_bps(row["balance"], row["exposure"]),
                at=row["at"],
            )
            for row in rows
        ],
        alert_below_bps=rules.fund.alert_below_bps,
        policy_version=rules.version,
    )


async def _view(conn: Connection, row: asyncpg.Record) -> ClaimView:
    items = await conn.fetch(
        "SELECT * FROM money.claim_items WHERE claim_id = $1 ORDER BY reference_id", row["id"]
    )
    steps = await conn.fetch(
        "SELECT * FROM money.claim_steps WHERE claim_id = $1 ORDER BY seq", row["id"]
    )
    return ClaimView(
        **_summary(row),
        what_happened=row["what_happened"],
        since=row["since"],
        credit_reasons=row["credit_reasons"],
        decided_at=row["decided_at"],
        decided_by=row["decided_by"],
        reasons=row["reasons"],
        note=row["note"],
        items=[
            ClaimItem(
                id=encode(_PREFIX[item["kind"]], item["reference_id"]),
                kind=item["kind"],
                amount=Money(amount_minor=item["amount"], currency=row["unit"]),
            )
            for item in items
        ],
        timeline=[
            ClaimStep(
                step=step["step"],
                by=step["role"],
                at=step["at"],
                note=step["note"],
                money=[ClaimLine(**line) for line in step["money"]],
            )
            for step in steps
        ],
    )


def _summary(row: asyncpg.Record) -> dict[str, Any]:
    unit = row["unit"]
    return {
        "id": encode("clm", row["id"]),
        "state": row["state"],
        **{
            name: Money(amount_minor=row[name], currency=unit)
            for name in ("amount", "credited", "paid", "owed")
        },
        "filed_at": row["filed_at"],
        "deadline_at": row["deadline_at"],
        "promise": policy.promise(
            row["state"], row["credited"], row["paid"], row["owed"], unit, row["deadline_at"],
            extended=row["extended_at"] is not None,
        ),
    }  # fmt: skip
