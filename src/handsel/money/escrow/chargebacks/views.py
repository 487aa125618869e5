"""Reads of chargebacks for those concerned: the payer and the sellers, each their own part."""

from typing import Any, Literal
from uuid import UUID

import asyncpg
import msgspec

from handsel.foundation.core import paging
from handsel.foundation.core.errors import NotFound
from handsel.foundation.core.ids import encode
from handsel.foundation.core.money import Money
from handsel.foundation.db.pool import Connection
from handsel.money.escrow.chargebacks.queries import CODES
from handsel.money.escrow.chargebacks.schemas import (
    ChargebackDetail,
    ChargebackPage,
    ChargebackView,
    ContestedLine,
    Step,
)

# One's own part of each: all of it for the payer, for a seller what lies in their orders.
_OWN = """
SELECT c.*, c.member_id = $1 AS is_payer, p.concerned, p.orders,
       foundation.handsel_now() <= c.evidence_due_at AND c.state = 'open'
       AND c.evidence_ready_at IS NULL AND c.accepted_at IS NULL
       AND c.member_id <> $1 AND NOT EXISTS (
           SELECT FROM money.chargeback_evidence e
            WHERE e.chargeback_id = c.id AND e.round = c.round AND e.member_id = $1) AS may_give
  FROM money.chargebacks c CROSS JOIN LATERAL (
    SELECT coalesce(sum(p.amount), 0)::bigint AS concerned,
           coalesce(array_agg(DISTINCT h.reference_id) FILTER (WHERE h.id IS NOT NULL), '{}')
           AS orders
      FROM money.chargeback_parts p LEFT JOIN money.holds h ON h.id = p.hold_id
     WHERE p.chargeback_id = c.id AND p.round = c.round AND p.place <> 'untraced'
       AND (c.member_id = $1 OR p.seller_id = $1)) AS p
 WHERE (c.member_id = $1 OR p.concerned > 0)
"""
_MINE = f"""{_OWN} AND c.id IN (
    SELECT id FROM money.chargebacks WHERE member_id = $1
    UNION SELECT chargeback_id FROM money.chargeback_parts WHERE seller_id = $1)
 AND ($2::uuid IS NULL OR c.id < $2) ORDER BY c.id DESC LIMIT $3"""
_MONEY = f"""
SELECT t.reference_id, replace(t.code, '_earned', '') AS code, a.kind AS account, t.booked_at AS at,
       CASE WHEN t.credit_account = a.id THEN t.amount ELSE -t.amount END AS amount_minor
  FROM money.transfers t JOIN money.accounts a
    ON a.id IN (t.debit_account, t.credit_account)
   AND (a.owner_id = $2 OR a.kind = 'pending' AND a.owner_id IN (
        SELECT h.reference_id FROM money.holds h WHERE h.payee_id = $2 AND h.reference_id = a.owner_id))
 WHERE t.reference_id = ANY ($1) AND t.{CODES} ORDER BY t.seq
"""  # noqa: E501 - one condition


async def own(
    conn: Connection, member: UUID, secret: bytes, cursor: str | None, page_size: int
) -> ChargebackPage:
    """One's own, newest first. Raises ``InvalidCursor``."""
    pages: paging.IdPages[asyncpg.Record] = paging.IdPages(
        secret, f"chargebacks:{member}", page_size, lambda row: row["id"]
    )
    rows = await conn.fetch(_MINE, member, pages.before(cursor or None), page_size + 1)
    page, next_cursor = pages.cut(rows)
    lines = await _money(conn, member, [row["id"] for row in page])
    return ChargebackPage(
        items=[ChargebackView(**_fields(row, lines.get(row["id"], []))) for row in page],
        next_cursor=next_cursor,
    )


async def one(conn: Connection, member: UUID, chargeback_id: UUID) -> ChargebackDetail:
    """One of one's own, with timeline and money. Raises ``NotFound``."""
    row = await conn.fetchrow(f"{_OWN} AND c.id = $2", member, chargeback_id)
    if row is None:
        raise NotFound("there is no such chargeback")
    steps = await conn.fetch(
        "SELECT step, round, at, actor_id FROM money.chargeback_steps WHERE chargeback_id = $1"
        " ORDER BY seq",
        chargeback_id,
    )
    lines = (await _money(conn, member, [chargeback_id])).get(chargeback_id, [])
    return ChargebackDetail(
        **_fields(row, lines),
        timeline=[
            Step(step=s["step"], round=s["round"], at=s["at"], by_you=s["actor_id"] == member)
            for s in steps
        ],
        money=lines,
    )


async def _money(
    conn: Connection, member: UUID, chargebacks: list[UUID]
) -> dict[UUID, list[ContestedLine]]:
    found: dict[UUID, list[ContestedLine]] = {}
    for row in await conn.fetch(_MONEY, chargebacks, member):
        values = dict(row)
        found.setdefault(values.pop("reference_id"), []).append(
            msgspec.convert(values, ContestedLine)
        )
    return found


def _fields(row: asyncpg.Record, lines: list[ContestedLine]) -> dict[str, Any]:
    role: Literal["payer", "seller"] = "payer" if row["is_payer"] else "seller"
    waiting = sum(x.amount_minor for x in lines if x.code in ("contest", "contest_returned"))
    runs = row["state"] in ("open", "evidence_sent")
    return {
        "id": encode("cbk", row["id"]),
        "state": row["state"],
        "round": row["round"],
        "your_role": role,
        "amount": Money(amount_minor=row["amount"], currency=row["unit"]),
        "concerned": Money(amount_minor=row["concerned"], currency=row["unit"]),
        "set_aside": Money(amount_minor=-waiting if runs else 0, currency=row["unit"]),
        "reason": row["reason"],
        "orders": [encode("ord", order) for order in row["orders"]],
        "opened_at": row["opened_at"],
        "evidence_due_at": row["evidence_due_at"],
        "you_may_give_evidence": row["may_give"],
        "promise": _promise(row, role),
        "evidence_sent_at": row["evidence_sent_at"],
        "decided_at": row["decided_at"],
    }


def _promise(row: asyncpg.Record, role: str) -> str:
    due = f"{row['evidence_due_at']:%Y-%m-%d %H:%M} UTC"
    if row["state"] == "open" and row["accepted_at"]:
        return "Nobody contests it; the bank keeps the money as soon as it has noted that."
    if row["state"] == "open" and role == "seller":
        return (
            f"Evidence is due by {due}; without a word of yours the facts of the order go alone."
            " What is set aside comes back if the bank gives the payment back."
        )
    if row["state"] in ("open", "evidence_sent"):
        return "The bank decides. Until then the money stays where it is."
    return {
        "won": "Won: the bank gave the money back, and everything runs as before.",
        "lost": "Lost: the bank keeps the money. What is owed is paid from later sales.",
        "accepted": "Given up: the bank keeps the money. What is owed is paid from later sales.",
    }[row["state"]]
