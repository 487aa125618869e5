"""Saying something, putting a card into a conversation, having read."""

from collections.abc import Sequence
from datetime import timedelta
from typing import NamedTuple
from uuid import UUID

import asyncpg
from msgspec import UNSET

from handsel.foundation.core.errors import NotFound
from handsel.foundation.core.ids import decode
from handsel.foundation.db.uow import Tx
from handsel.foundation.http.principal import Principal
from handsel.foundation.http.work import Answer
from handsel.people.members import service as members
from handsel.people.messaging import policy, queries
from handsel.people.messaging.errors import TalkingToYourself
from handsel.people.messaging.schemas import (
    ConversationCreate,
    ConversationView,
    MessageView,
    ReadView,
)

_POST = "SELECT * FROM people.post_message($1, $2, $3, $4, $5, $6)"


class _Words(NamedTuple):
    """What is said: a text, or a card with a text for those who cannot show it."""

    text: str
    card_kind: str | None = None
    card_ref: str | None = None


async def talk(tx: Tx, principal: Principal, data: ConversationCreate) -> Answer[ConversationView]:
    """Say something to somebody: the pair's conversation begins, or goes on.

    Raises ``NotFound``, ``TalkingToYourself`` (422), ``TooManyRequests`` (429).
    """
    me = principal.member_id
    other = await _partner(tx, data)
    if other == me:
        raise TalkingToYourself
    await members.enforce(tx, "messages", (policy.MESSAGES, me.hex))
    conversation_id = await queries.of_pair(tx.conn, me, other)
    if conversation_id is None:
        await members.enforce(tx, "new conversations", (policy.NEW_CONVERSATIONS, me.hex))
        conversation_id = await _open(tx, me, other)
    await _post(tx, conversation_id, me, other, _Words(data.text))
    view = await queries.conversation(tx.conn, me, conversation_id)
    return Answer(view, location=f"/v1/conversations/{view.id}")


async def say(tx: Tx, principal: Principal, conversation_id: UUID, text: str) -> MessageView:
    """Add a text to a conversation of one's own. Raises ``NotFound``, ``TooManyRequests``."""
    me = principal.member_id
    other = await queries.other_of(tx.conn, me, conversation_id)
    await members.enforce(tx, "messages", (policy.MESSAGES, me.hex))
    row = await _post(tx, conversation_id, me, other, _Words(text))
    return queries.message_view(row, me)


async def attach_card(tx: Tx, a: UUID, b: UUID, kind: str, ref: str, text: str) -> UUID:
    """Put a card into the conversation of two members, beginning one if need be.

    ``a`` is who caused it and counts as its sender; ``ref`` is a prefixed id that the caller's API
    understands; ``text`` is what a client shows that does not know the kind. No cap applies.
    Returns the conversation's id, whose row stays locked until the commit: call it last.
    """
    conversation_id = await _open(tx, a, b)
    await _post(tx, conversation_id, a, b, _Words(text, kind, ref))
    return conversation_id


async def conversation_of(conn: asyncpg.Connection, one: UUID, other: UUID) -> UUID | None:
    """The conversation of two members, if they have one."""
    return await queries.of_pair(conn, one, other)


async def slice_of(
    conn: asyncpg.Connection, one: UUID, other: UUID, message_ids: Sequence[UUID]
) -> list[MessageView]:
    """Of these messages those that the two members have exchanged, oldest first, as ``one`` sees
    them: for somebody who must read what they wrote, a dispute's staff say."""
    conversation_id = await queries.of_pair(conn, one, other)
    if conversation_id is None:
        return []
    return await queries.slice_of(conn, conversation_id, message_ids, one)


async def answered_after(
    conn: asyncpg.Connection, conversation_id: UUID, seq: int
) -> timedelta | None:
    """How long the other one had waited for this text; None where it answers nothing."""
    return await queries.answered_after(conn, conversation_id, seq)


async def have_read(tx: Tx, principal: Principal, conversation_id: UUID, seq: int) -> ReadView:
    """Everything up to a number was seen. Never goes back. Raises ``NotFound``."""
    unread = await tx.fetchval(
        "SELECT people.read_messages($1, $2, $3)", conversation_id, principal.member_id, seq
    )
    return ReadView(unread=unread)


async def _partner(tx: Tx, data: ConversationCreate) -> UUID:
    if data.handle is not UNSET:
        return (await members.find(tx, data.handle)).id
    assert data.member_id is not UNSET  # the struct takes exactly one
    member_id = decode("mem", data.member_id)
    if member_id not in await members.by_ids(tx.conn, [member_id]):
        raise NotFound("there is no such member")
    return member_id


async def _open(tx: Tx, one: UUID, other: UUID) -> UUID:
    found: UUID = await tx.fetchval("SELECT people.open_conversation($1, $2)", one, other)
    return found


async def _post(
    tx: Tx, conversation_id: UUID, sender: UUID, recipient: UUID, words: _Words
) -> asyncpg.Record:
    """Append under the conversation's lock, and tell about it. The event carries no text."""
    kind = "text" if words.card_kind is None else "card"
    row = await tx.fetchrow(
        _POST, conversation_id, sender, kind, words.text, words.card_kind, words.card_ref
    )
    assert row is not None  # a function that returns a row, or raises
    event = {
        "conversation_id": conversation_id,
        "message_id": row["id"],
        "seq": row["seq"],
        "sender_id": sender,
        "recipient_id": recipient,
        "kind": kind,
    }
    tx.emit("message.sent", conversation_id, event)
    return row
