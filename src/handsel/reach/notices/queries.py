"""Reads, straight into structs."""

from typing import Any
from uuid import UUID

import asyncpg

from handsel.foundation.core import paging
from handsel.foundation.core.ids import encode
from handsel.foundation.core.settings import Settings
from handsel.reach.notices.schemas import NoticePage, NoticeView

COLUMNS = "id, kind, title, body, ref, created_at, read_at"
_PAGE = f"""
    SELECT {COLUMNS} FROM reach.notices
     WHERE member_id = $1 AND ($2::uuid IS NULL OR id < $2) {{unread}}
     ORDER BY id DESC LIMIT $3"""
_ALL = _PAGE.format(unread="")
_UNREAD = _PAGE.format(unread="AND read_at IS NULL")


async def page(
    conn: asyncpg.Connection,
    settings: Settings,
    member_id: UUID,
    limit: int,
    cursor: str | None,
    unread_only: bool,
) -> NoticePage:
    """Newest first. Raises ``InvalidCursor``."""
    pages: paging.IdPages[asyncpg.Record] = paging.IdPages(
        settings.secret_bytes(),
        f"notices:{member_id}:{unread_only}",
        limit,
        lambda row: row["id"],
    )
    sql = _UNREAD if unread_only else _ALL
    rows = await conn.fetch(sql, member_id, pages.before(cursor), limit + 1)
    page, next_cursor = pages.cut(rows)
    return NoticePage(
        items=[view(row) for row in page],
        next_cursor=next_cursor,
        unread=await conn.fetchval(
            "SELECT count(*) FROM reach.notices WHERE member_id = $1 AND read_at IS NULL", member_id
        ),
    )


def view(row: Any) -> NoticeView:
    """A row as its member sees it."""
    return NoticeView(**{**row, "id": encode("ntc", row["id"])})
