"""A member contests a score before a person. What the staff then do: ``deciding``."""

import hashlib
from collections.abc import Sequence
from datetime import timedelta
from typing import Any
from uuid import UUID

import asyncpg

from handsel.foundation import audit
from handsel.foundation.core import paging
from handsel.foundation.core.errors import Invalid, NotFound
from handsel.foundation.core.ids import decode, encode
from handsel.foundation.db.uow import Tx
from handsel.people.credit.errors import FactRetracted, TooManyAppeals
from handsel.people.credit.queries import Reader
from handsel.people.credit.views import AppealInput, AppealPage, AppealView, ContestedFact

#: A person decides within this time (GDPR Art. 12 (3) gives a month).
DECIDE_WITHIN = timedelta(days=30)
MOST_OPEN = 3
#: It is told in a notice, which holds a thousand characters.
LONGEST_ANSWER = 800

_CONTESTED = """
SELECT a.appeal_id, f.id, f.kind, r.retracted_at
  FROM people.appeal_facts a JOIN people.facts f ON f.id = a.fact_id
  LEFT JOIN people.fact_retractions r ON r.fact_id = f.id
 WHERE a.appeal_id = ANY ($1) ORDER BY f.known_at, f.id
"""
_OWN = """
SELECT * FROM people.appeals WHERE member_id = $1 AND ($2::uuid IS NULL OR id < $2)
 ORDER BY id DESC LIMIT $3
"""


async def file(tx: Tx, member_id: UUID, data: AppealInput) -> AppealView:
    """Contest a score.

    Raises ``NotFound`` for a fact or decision that is not the member's, ``FactRetracted``,
    ``FactContested``, ``TooManyAppeals`` (409), ``Invalid`` for words that are only spaces.
    """
    words = data.text.strip()
    if not words:
        detail = "say in words what is wrong"
        raise Invalid(detail, errors=[{"pointer": "/text", "detail": detail}])
    facts = sorted({decode("fct", fact) for fact in data.facts})
    decision = decode("dec", data.decision_id) if data.decision_id else None
    # First of all, as everything that decides on an appeal: what is checked below holds until the
    # end, and of two appeals at once one is the third.
    await tx.execute("SELECT people.lock_credit($1)", member_id)
    await check_facts(tx, member_id, facts)
    if decision and not await tx.fetchval(
        "SELECT people.is_own_decision($1, $2)", decision, member_id
    ):
        raise NotFound("there is no such decision about you")
    open_now = await tx.fetchval(
        "SELECT count(*) FROM people.appeals WHERE member_id = $1 AND state = 'open'", member_id
    )
    if open_now >= MOST_OPEN:
        raise TooManyAppeals(f"{MOST_OPEN} appeals can be open at a time")
    appeal_id = await tx.fetchval(
        "INSERT INTO people.appeals (member_id, about, decision_id, words, filed_at, deadline_at)"
        " VALUES ($1, $2, $3, $4, $5, $6) RETURNING id",
        member_id, data.about, decision, words, tx.now, tx.now + DECIDE_WITHIN,
    )  # fmt: skip
    await tx.execute(
        "INSERT INTO people.appeal_facts (appeal_id, fact_id) SELECT $1, unnest($2::uuid[])",
        appeal_id,
        facts,
    )
    body = {
        "appeal_id": appeal_id, "about": data.about, "facts": facts, "decision_id": decision,
        "words_sha256": sha256_of(words),
    }  # fmt: skip
    audit.record(tx, "credit", "appeal_filed", body, subject_id=member_id, actor_id=member_id)
    view = await one(tx, appeal_id, member_id)
    tell(tx, "filed", member_id, appeal_id, about=data.about, due_at=view.deadline_at)
    return view


def sha256_of(words: str) -> str:
    """What the audit chain keeps of what somebody wrote: enough to prove it, nothing to read."""
    return hashlib.sha256(words.encode()).hexdigest()


def tell(tx: Tx, what: str, member_id: UUID, appeal_id: UUID, **more: object) -> None:
    """The event of an appeal."""
    body = {"appeal_id": appeal_id, "member_id": member_id, **more}
    tx.emit(f"appeal.{what}", appeal_id, body)


async def one(reader: Reader, appeal_id: UUID, member_id: UUID | None) -> AppealView:
    """An appeal; of this member, unless None (staff). Raises ``NotFound``."""
    row = await reader.fetchrow(
        "SELECT * FROM people.appeals WHERE id = $1 AND ($2::uuid IS NULL OR member_id = $2)",
        appeal_id,
        member_id,
    )
    if row is None:
        raise NotFound("there is no such appeal")
    return (await _views(reader, [row]))[0]


async def own(
    conn: asyncpg.Connection, secret: bytes, member_id: UUID, cursor: str | None, limit: int
) -> AppealPage:
    """A member's appeals, newest first. Raises ``InvalidCursor``."""
    pages: paging.IdPages[asyncpg.Record] = paging.IdPages(
        secret, f"appeals:{member_id}", limit, lambda row: row["id"]
    )
    rows = await conn.fetch(_OWN, member_id, pages.before(cursor or None), limit + 1)
    page, next_cursor = pages.cut(rows)
    return AppealPage(items=await _views(conn, page), next_cursor=next_cursor)


async def open_appeals(reader: Reader, limit: int = 200) -> list[AppealView]:
    """For staff: what waits for a decision, the most urgent first."""
    rows = await reader.fetch(
        "SELECT * FROM people.appeals WHERE state = 'open' ORDER BY deadline_at, id LIMIT $1", limit
    )
    return await _views(reader, rows)


async def check_facts(tx: Tx, member_id: UUID, facts: Sequence[UUID]) -> None:
    """Raises ``NotFound`` where one is not about this member, ``FactRetracted``."""
    rows = await tx.fetch(
        "SELECT r.retracted_at FROM people.facts f"
        "  LEFT JOIN people.fact_retractions r ON r.fact_id = f.id"
        " WHERE f.id = ANY ($1::uuid[]) AND f.member_id = $2",
        facts,
        member_id,
    )
    if len(rows) < len(facts):
        raise NotFound("there is no such fact about you")
    if any(row["retracted_at"] for row in rows):
        raise FactRetracted


async def _views(reader: Reader, rows: Sequence[Any]) -> list[AppealView]:
    contested: dict[UUID, list[ContestedFact]] = {row["id"]: [] for row in rows}
    for fact in await reader.fetch(_CONTESTED, list(contested)):
        contested[fact["appeal_id"]].append(
            ContestedFact(
                id=encode("fct", fact["id"]), kind=fact["kind"], retracted_at=fact["retracted_at"]
            )
        )
    return [
        AppealView(
            id=encode("apl", row["id"]),
            about=row["about"],
            state=row["state"],
            text=row["words"],
            decision_id=row["decision_id"] and encode("dec", row["decision_id"]),
            facts=contested[row["id"]],
            filed_at=row["filed_at"],
            deadline_at=row["deadline_at"],
            decided_at=row["decided_at"],
            answer=row["answer"],
        )
        for row in rows
    ]
