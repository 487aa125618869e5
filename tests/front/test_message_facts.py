"""A first answer is a fact, once in a conversation and day; talking on or anew is none."""

from datetime import UTC, datetime, timedelta
from typing import Any
from uuid import UUID, uuid4

import pytest

from handsel.foundation.core.ids import uuid7
from handsel.foundation.db.uow import Tx
from handsel.foundation.outbox import Event
from handsel.front.worker import facts
from handsel.front.worker.handlers import _credit_of_message
from handsel.people.messaging import service as messaging
from handsel_ml.contract import FactKind
from tests.factories.members import Member, add_member

NOON = datetime(2026, 11, 22, 12, tzinfo=UTC)


async def _talk(tx: Tx, one: Member, other: Member, lines: list[tuple[str, int]]) -> UUID:
    """A conversation of lines (who, minutes after noon), written as they stand."""
    found: UUID = await tx.fetchval("SELECT people.open_conversation($1, $2)", one.id, other.id)
    await tx.execute("SET LOCAL ROLE handsel_owner")
    for seq, (who, minute) in enumerate(lines, start=1):
        sender = one if who in ("one", "card") else other
        card = ("card", "order", "ord_1") if who == "card" else ("text", None, None)
        await tx.execute(
            "INSERT INTO people.messages (conversation_id, seq, sender_id, kind, text, card_kind,"
            " card_ref, at, hash) VALUES ($1, $2, $3, $4, 'words', $5, $6, $7, 'hash')",
            found, seq, sender.id, *card, NOON + timedelta(minutes=minute),
        )  # fmt: skip
    await tx.execute("SET LOCAL ROLE handsel_app")
    return found


@pytest.mark.parametrize(
    ("lines", "waited"),
    [
        ([("one", 0)], None),
        ([("one", 0), ("one", 5)], None),
        ([("one", 0), ("other", 7)], 7),
        ([("one", 0), ("one", 5), ("other", 7)], 7),
        ([("one", 0), ("other", 7), ("other", 9)], None),
        ([("one", 0), ("other", 7), ("one", 10)], 3),
        ([("card", 0), ("other", 7)], None),
        ([("one", 0), ("card", 3), ("other", 7)], 7),
        ([("other", 0), ("card", 3)], None),
    ],
    ids=["alone", "monologue", "answer", "first-of-a-run", "talks-on", "answer-back", "to-a-card",
         "a-card-between", "a-card-is-no-answer"],
)  # fmt: skip
async def test_how_long_a_text_was_waited_for(
    tx: Tx, lines: list[tuple[str, int]], waited: int | None
) -> None:
    one, other = await add_member(tx), await add_member(tx)
    conversation = await _talk(tx, one, other, lines)

    found = await messaging.answered_after(tx.conn, conversation, len(lines))

    assert found == (None if waited is None else timedelta(minutes=waited))


async def test_a_conversation_gives_one_answer_a_day(tx: Tx) -> None:
    one, other = await add_member(tx), await add_member(tx)
    lines = [("one", 0), ("other", 7), ("one", 8), ("other", 60)]
    conversation = await _talk(tx, one, other, lines)

    for seq in (2, 4):
        await _credit_of_message(tx, _sent(conversation, other, one, seq, tx.now))
        await tx.flush()

    rows = await tx.fetch(
        "SELECT kind, value, counterparty_id, order_id FROM people.facts WHERE member_id = $1",
        other.id,
    )
    assert [tuple(row) for row in rows] == [("message_answered", 420, one.id, None)]


def test_after_a_week_it_is_no_answer_any_more() -> None:
    event = _sent(uuid4(), uuid4(), uuid4(), 2, NOON)

    late = facts.of_answer(event, timedelta(days=7))
    anew = facts.of_answer(event, timedelta(days=7, microseconds=1))

    assert late is not None
    assert (late.kind, late.value) == (FactKind.MESSAGE_ANSWERED, 7 * 86_400)
    assert late.source_id.endswith(":2026-11-22")
    assert anew is None


def _sent(conversation: UUID, sender: Any, recipient: Any, seq: int, at: datetime) -> Event:
    body = {
        "conversation_id": str(conversation),
        "seq": seq,
        "kind": "text",
        "sender_id": str(getattr(sender, "id", sender)),
        "recipient_id": str(getattr(recipient, "id", recipient)),
    }
    return Event(
        id=uuid7(), topic="message.sent", aggregate_id=conversation, occurred_at=at, payload=body
    )
