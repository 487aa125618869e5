"""Pages of conversations and messages, and their cursors."""

from datetime import datetime
from typing import NamedTuple
from uuid import UUID

import asyncpg

from handsel.foundation.core import paging
from handsel.foundation.core.errors import Invalid
from handsel.foundation.core.settings import Settings
from handsel.people.messaging import queries
from handsel.people.messaging.schemas import ConversationPage, MessagePage


class Asked(NamedTuple):
    """Which messages are wanted."""

    conversation_id: UUID
    limit: int
    cursor: str | None
    after: str | None


async def conversations(
    conn: asyncpg.Connection, settings: Settings, reader: UUID, limit: int, cursor: str | None
) -> ConversationPage:
    """By the time of the last message: a conversation that moves on while somebody pages jumps to
    the front, where a client that starts over sees it."""
    secret, scope = settings.secret_bytes(), f"conversations:{reader}"
    before: tuple[datetime, UUID] | None = None
    if cursor is not None:
        at, last_id = paging.unseal(secret, scope, cursor)
        before = datetime.fromisoformat(at), UUID(last_id)
    found = await queries.conversations(conn, reader, limit + 1, before)
    next_cursor = None
    if len(found) > limit:
        last_id, last = found[limit - 1]
        next_cursor = paging.seal(secret, scope, [last.last_message_at.isoformat(), str(last_id)])
    return ConversationPage(items=[view for _, view in found[:limit]], next_cursor=next_cursor)


async def messages(
    conn: asyncpg.Connection, settings: Settings, reader: UUID, asked: Asked
) -> MessagePage:
    """Older ones by ``cursor``, newer ones by ``after``. Raises ``NotFound``, ``InvalidCursor``."""
    if asked.cursor is not None and asked.after is not None:
        raise Invalid("give cursor or after, not both")
    await queries.other_of(conn, reader, asked.conversation_id)
    secret = settings.secret_bytes()
    older, newer = (f"{side}:{asked.conversation_id}:{reader}" for side in ("older", "newer"))
    if asked.after is not None:
        [seen] = paging.unseal(secret, newer, asked.after)
        items = await queries.newer(conn, reader, asked.conversation_id, seen, asked.limit)
        last = items[-1].seq if items else seen
        return MessagePage(items=items, next_cursor=None, after=paging.seal(secret, newer, [last]))
    before = paging.unseal(secret, older, asked.cursor)[0] if asked.cursor is not None else None
    items = await queries.older(conn, reader, asked.conversation_id, before, asked.limit)
    oldest, newest = (items[-1].seq, items[0].seq) if items else (1, 0)
    next_cursor = paging.seal(secret, older, [oldest]) if oldest > 1 else None
    return MessagePage(
        items=items, next_cursor=next_cursor, after=paging.seal(secret, newer, [newest])
    )
