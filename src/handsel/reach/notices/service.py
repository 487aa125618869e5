"""Telling, and having read."""

from typing import Any
from uuid import UUID

from handsel.foundation.core.errors import NotFound
from handsel.foundation.db.uow import Tx
from handsel.foundation.http.principal import Principal
from handsel.reach.notices import queries, texts
from handsel.reach.notices.schemas import NoticeView, ReadAllView
from handsel.reach.notices.texts import Kind


async def deliver(
    tx: Tx, member_id: UUID, kind: Kind, ref: str, params: dict[str, Any], dedupe_key: str
) -> bool:
    """Tell a member something; False when it has been told already.

    ``params`` fill the kind's texts (``texts.toml`` names them; raises ``KeyError`` for a missing
    one). ``dedupe_key`` says what makes it the same, e.g. the event's id.
    """
    title, body = texts.words(kind, params)
    tag = await tx.execute(
        "INSERT INTO reach.notices (member_id, kind, title, body, ref, dedupe_key, created_at)"
        " VALUES ($1, $2, $3, $4, $5, $6, $7) ON CONFLICT (member_id, dedupe_key) DO NOTHING",
        member_id,
        kind,
        title,
        body,
        ref,
        dedupe_key,
        tx.now,
    )
    return tag == "INSERT 0 1"


async def read(tx: Tx, principal: Principal, notice_id: UUID) -> NoticeView:
    """Mark one as read; the first time counts. Raises ``NotFound``."""
    row = await tx.fetchrow(
        "UPDATE reach.notices SET read_at = coalesce(read_at, $3)"
        f" WHERE id = $1 AND member_id = $2 RETURNING {queries.COLUMNS}",
        notice_id,
        principal.member_id,
        tx.now,
    )
    if row is None:
        raise NotFound("you have no such notice")
    return queries.view(row)


async def read_all(tx: Tx, principal: Principal) -> ReadAllView:
    """Mark all as read that are there now."""
    tag = await tx.execute(
        "UPDATE reach.notices SET read_at = $2 WHERE member_id = $1 AND read_at IS NULL",
        principal.member_id,
        tx.now,
    )
    return ReadAllView(read=int(tag.split()[-1]))
