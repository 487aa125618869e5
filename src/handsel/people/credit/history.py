"""How a member's scores came to be what they are: their changes, and the facts behind them."""

from collections.abc import Sequence
from datetime import UTC, datetime
from typing import Any
from uuid import UUID

import asyncpg
import msgspec

from handsel.foundation.core import paging
from handsel.foundation.core.ids import encode
from handsel.people.credit import queries, showing
from handsel.people.credit.schemas import StoredReason
from handsel.people.credit.views import (
    ChangeView,
    CreditView,
    FactPage,
    FactView,
    HistoryPage,
    ReasonChange,
    ScoreThen,
)
from handsel_ml.contract import SCORE_KINDS, FactKind, ScoreKind
from handsel_ml.reasons import Language, fact_text

# A change is a snapshot that differs from the one before it, and the index holds nothing else; its
# predecessor is one step further in the index of all.
_CHANGES = """
SELECT s.kind, s.as_of, s.state, s.points, s.band, s.model_id, s.reasons,
       b.as_of AS b_as_of, b.state AS b_state, b.points AS b_points, b.band AS b_band,
       b.model_id AS b_model_id, b.reasons AS b_reasons
  FROM people.score_snapshots s LEFT JOIN LATERAL (
       SELECT p.as_of, p.state, p.points, p.band, p.model_id, p.reasons
         FROM people.score_snapshots p
        WHERE p.member_id = s.member_id AND p.kind = s.kind AND p.as_of < s.as_of
        ORDER BY p.as_of DESC LIMIT 1) AS b ON true
 WHERE s.member_id = $1 AND ($2::text IS NULL OR s.kind = $2)
   AND ($3::timestamptz IS NULL OR (s.as_of, s.kind) < ($3, $4))
   AND s.changed
 ORDER BY s.as_of DESC, s.kind DESC LIMIT $5
"""
#: What an assessment knew that the one before it did not: [before, now) of each change.
_LEARNT = f"""
SELECT w.n, f.kind, count(*)
  FROM unnest($2::int[], $3::timestamptz[], $4::timestamptz[]) AS w (n, since, until)
  JOIN people.facts f ON f.member_id = $1 AND f.known_at >= w.since AND f.known_at < w.until
 GROUP BY 1, 2
 UNION ALL
SELECT w.n, '{showing.RETRACTED}', count(*)
  FROM unnest($2::int[], $3::timestamptz[], $4::timestamptz[]) AS w (n, since, until)
  JOIN people.fact_retractions r
    ON r.member_id = $1 AND r.retracted_at >= w.since AND r.retracted_at < w.until
 GROUP BY 1
"""
_FACTS = """
SELECT f.id, f.kind, f.happened_at, f.known_at, f.order_id, f.role, f.amount_minor, f.value,
       r.retracted_at, a.appeal_id
  FROM people.facts f
  LEFT JOIN people.fact_retractions r ON r.fact_id = f.id
  LEFT JOIN people.appeal_facts a ON a.fact_id = f.id AND a.live
 WHERE f.member_id = $1 AND ($2::timestamptz IS NULL OR (f.known_at, f.id) < ($2, $3))
 ORDER BY f.known_at DESC, f.id DESC LIMIT $4
"""
_BEFORE_ALL = datetime(1, 1, 1, tzinfo=UTC)


async def own_credit(conn: asyncpg.Connection, member_id: UUID, language: Language) -> CreditView:
    """What a member is shown of themselves, with the last change of each score."""
    snapshot = await queries.newest_snapshot(conn, member_id)
    rows = [row for kind in SCORE_KINDS for row in await _rows(conn, member_id, kind, None, 1)]
    found: dict[ScoreKind, ChangeView | None] = {
        change.kind: change
        for change in await _changes(conn, member_id, rows, language)
        if change.before is not None
    }
    return showing.credit_of(snapshot, found, language)


async def own_history(
    conn: asyncpg.Connection,
    secret: bytes,
    member_id: UUID,
    kind: ScoreKind | None,
    cursor: str | None,
    limit: int,
    language: Language,
) -> HistoryPage:
    """Changes of a member's scores, newest first. Raises ``InvalidCursor``."""
    scope = f"credit-history:{member_id}:{kind}"
    position = paging.unseal(secret, scope, cursor) if cursor else None
    rows = await _rows(conn, member_id, kind, position, limit + 1)
    page = rows[:limit]
    following = None
    if len(rows) > limit:
        following = paging.seal(secret, scope, [page[-1]["as_of"].isoformat(), page[-1]["kind"]])
    return HistoryPage(items=await _changes(conn, member_id, page, language), next_cursor=following)


async def own_facts(
    conn: asyncpg.Connection,
    secret: bytes,
    member_id: UUID,
    cursor: str | None,
    limit: int,
    language: Language,
) -> FactPage:
    """Everything that the scores know about a member, newest first. Raises ``InvalidCursor``."""
    scope = f"credit-facts:{member_id}"
    known_at, fact_id = None, None
    if cursor:
        moment, hexed = paging.unseal(secret, scope, cursor)
        known_at, fact_id = datetime.fromisoformat(moment), UUID(hexed)
    rows = await conn.fetch(_FACTS, member_id, known_at, fact_id, limit + 1)
    page = rows[:limit]
    following = None
    if len(rows) > limit:
        last = page[-1]
        following = paging.seal(secret, scope, [last["known_at"].isoformat(), last["id"].hex])
    return FactPage(items=[_fact(row, language) for row in page], next_cursor=following)


async def _rows(
    conn: asyncpg.Connection,
    member_id: UUID,
    kind: ScoreKind | None,
    position: list[Any] | None,
    limit: int,
) -> list[asyncpg.Record]:
    as_of, of_kind = position or (None, None)
    before = datetime.fromisoformat(as_of) if as_of else None
    return await conn.fetch(_CHANGES, member_id, kind, before, of_kind, limit)


async def _changes(
    conn: asyncpg.Connection, member_id: UUID, rows: Sequence[asyncpg.Record], language: Language
) -> list[ChangeView]:
    learnt: list[dict[str, int]] = [{} for _ in rows]
    spans = [(row["b_as_of"] or _BEFORE_ALL, row["as_of"]) for row in rows]
    for n, kind, count in await conn.fetch(
        _LEARNT,
        member_id,
        list(range(len(rows))),
        [since for since, _ in spans],
        [until for _, until in spans],
    ):
        learnt[n][kind] = count
    return [_change(row, counts, language) for row, counts in zip(rows, learnt, strict=True)]


def _change(row: asyncpg.Record, counts: dict[str, int], language: Language) -> ChangeView:
    before = None
    if row["b_as_of"] is not None:
        before = _then(row, "b_")
    reasons, reasons_before = (
        msgspec.convert(row[name] or [], list[StoredReason]) for name in ("reasons", "b_reasons")
    )
    better: tuple[ReasonChange, ...] = ()
    worse: tuple[ReasonChange, ...] = ()
    if before is not None and before.state == row["state"] == "scored":
        better, worse = showing.better_and_worse(reasons_before, reasons, language)
    return ChangeView(
        kind=row["kind"],
        now=_then(row, ""),
        before=before,
        better=better,
        worse=worse,
        facts=showing.counted(counts, language),
    )


def _then(row: asyncpg.Record, prefix: str) -> ScoreThen:
    return ScoreThen(
        **{name: row[prefix + name] for name in ("as_of", "state", "points", "band", "model_id")}
    )


def _fact(row: asyncpg.Record, language: Language) -> FactView:
    kind = FactKind(row["kind"])
    return FactView(
        id=encode("fct", row["id"]),
        kind=kind,
        text=fact_text(kind, row["value"], language),
        happened_at=row["happened_at"],
        known_at=row["known_at"],
        order_id=row["order_id"] and encode("ord", row["order_id"]),
        role=row["role"],
        amount_minor=row["amount_minor"],
        value=row["value"],
        retracted_at=row["retracted_at"],
        appeal_id=row["appeal_id"] and encode("apl", row["appeal_id"]),
    )
