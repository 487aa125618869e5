"""Reads, straight into structs. A conversation is found only by one of its two."""

from collections.abc import Sequence
from datetime import datetime, timedelta
from uuid import UUID

import asyncpg

from handsel.foundation.core.errors import NotFound
from handsel.foundation.core.ids import encode
from handsel.people.members.service import by_ids
from handsel.people.messaging.schemas import Card, ConversationView, MessageView, Partner

_MESSAGE = """
    SELECT id, seq, sender_id, kind, text, card_kind, card_ref, at, hash FROM people.messages
     WHERE conversation_id = $1"""
_OLDER = f"{_MESSAGE} AND ($2::bigint IS NULL OR seq < $2) ORDER BY seq DESC LIMIT $3"
_NEWER = f"{_MESSAGE} AND seq > $2 ORDER BY seq LIMIT $3"

# A member is the low half of some pairs and the high half of others: two index scans, merged.
_SIDE = """
    (SELECT id, {other} AS other_id, {side}_unread AS unread, last_seq, last_message_at
       FROM people.conversations
      WHERE {side}_id = $1 AND last_seq > 0
        AND ($2::timestamptz IS NULL OR (last_message_at, id) < ($2, $3))
        AND ($4::uuid IS NULL OR id = $4)
      ORDER BY last_message_at DESC, id DESC LIMIT $5)"""
_CONVERSATIONS = f"""
    SELECT c.id AS conversation_id, c.other_id, c.unread, c.last_message_at,
           m.id, m.seq, m.sender_id, m.kind, m.text, m.card_kind, m.card_ref, m.at, m.hash
      FROM ({_SIDE.format(side="low", other="high_id")}
            UNION ALL {_SIDE.format(side="high", other="low_id")}) AS c
      JOIN people.messages m ON m.conversation_id = c.id AND m.seq = c.last_seq
     ORDER BY c.last_message_at DESC, c.id DESC LIMIT $5"""


async def conversations(
    conn: asyncpg.Connection,
    reader: UUID,
    limit: int,
    before: tuple[datetime, UUID] | None = None,
    only: UUID | None = None,
) -> list[tuple[UUID, ConversationView]]:
    """The reader's conversations that have words in them, the latest first; (id, view)."""
    at, last_id = before or (None, None)
    rows = await conn.fetch(_CONVERSATIONS, reader, at, last_id, only, limit)
    others = await by_ids(conn, [row["other_id"] for row in rows]) if rows else {}
    return [
        (
            row["conversation_id"],
            ConversationView(
                id=encode("cnv", row["conversation_id"]),
                partner=Partner(
                    id=encode("mem", row["other_id"]), handle=others[row["other_id"]].handle
                ),
                unread=row["unread"],
                last_message=message_view(row, reader),
                last_message_at=row["last_message_at"],
            ),
        )
        for row in rows
    ]


async def conversation(
    conn: asyncpg.Connection, reader: UUID, conversation_id: UUID
) -> ConversationView:
    """One conversation of the reader. Raises ``NotFound``."""
    found = await conversations(conn, reader, 1, only=conversation_id)
    if not found:
        raise NotFound("you have no such conversation")
    return found[0][1]


async def other_of(conn: asyncpg.Connection, reader: UUID, conversation_id: UUID) -> UUID:
    """Who else is in it. Raises ``NotFound`` also for a conversation of others."""
    other: UUID | None = await conn.fetchval(
        "SELECT CASE $2::uuid WHEN low_id THEN high_id ELSE low_id END FROM people.conversations"
        " WHERE id = $1 AND $2 IN (low_id, high_id)",
        conversation_id,
        reader,
    )
    if other is None:
        raise NotFound("you have no such conversation")
    return other


async def of_pair(conn: asyncpg.Connection, one: UUID, other: UUID) -> UUID | None:
    """The conversation of two people, if they have one."""
    found: UUID | None = await conn.fetchval(
        "SELECT id FROM people.conversations"
        " WHERE low_id = least($1::uuid, $2) AND high_id = greatest($1::uuid, $2)",
        one,
        other,
    )
    return found


async def older(
    conn: asyncpg.Connection, reader: UUID, conversation_id: UUID, before: int | None, limit: int
) -> list[MessageView]:
    """Messages below a number (or the newest), newest first."""
    rows = await conn.fetch(_OLDER, conversation_id, before, limit)
    return [message_view(row, reader) for row in rows]


async def newer(
    conn: asyncpg.Connection, reader: UUID, conversation_id: UUID, after: int, limit: int
) -> list[MessageView]:
    """Messages above a number, oldest first."""
    rows = await conn.fetch(_NEWER, conversation_id, after, limit)
    return [message_view(row, reader) for row in rows]


async def slice_of(
    conn: asyncpg.Connection, conversation_id: UUID, message_ids: Sequence[UUID], reader: UUID
) -> list[MessageView]:
    """Those of the messages that are of this conversation, oldest first; ``reader`` is whose side
    ``mine`` is seen from."""
    rows = await conn.fetch(
        f"{_MESSAGE} AND id = ANY ($2) ORDER BY seq", conversation_id, list(message_ids)
    )
    return [message_view(row, reader) for row in rows]


#: What was said longer ago belongs to an earlier talk: a "thank you" is no question left open.
_ONE_TALK = timedelta(days=7)


async def answered_after(
    conn: asyncpg.Connection, conversation_id: UUID, seq: int
) -> timedelta | None:
    """How long the other one had waited for this text: since the first of their texts of this
    talk that it answers. None where it answers nothing."""
    waited: timedelta | None = await conn.fetchval(
        "SELECT a.at - (SELECT min(q.at) FROM people.messages q"
        "  WHERE q.conversation_id = a.conversation_id AND q.seq < a.seq AND q.kind = 'text'"
        "  AND q.sender_id <> a.sender_id AND q.at > a.at - $3::interval"
        "  AND q.seq > coalesce((SELECT max(own.seq)"
        "   FROM people.messages own WHERE own.conversation_id = a.conversation_id"
        "   AND own.seq < a.seq AND own.kind = 'text' AND own.sender_id = a.sender_id), 0))"
        " FROM people.messages a WHERE a.conversation_id = $1 AND a.seq = $2 AND a.kind = 'text'",
        conversation_id,
        seq,
        _ONE_TALK,
    )
    return waited


def message_view(row: asyncpg.Record, reader: UUID) -> MessageView:
    """A row of people.messages as one of the two sees it."""
    card = Card(kind=row["card_kind"], ref=row["card_ref"]) if row["kind"] == "card" else None
    return MessageView(
        id=encode("msg", row["id"]),
        seq=row["seq"],
        sender_id=encode("mem", row["sender_id"]),
        mine=row["sender_id"] == reader,
        kind=row["kind"],
        text=row["text"],
        card=card,
        at=row["at"],
        hash=row["hash"].hex(),
    )
