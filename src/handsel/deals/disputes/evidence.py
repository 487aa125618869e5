"""Evidence: what was shown, by whom, when, and its hash. It is only ever added."""

import hashlib
from typing import Any
from uuid import UUID

import msgspec

from handsel.deals.disputes import orders_port, queries
from handsel.deals.disputes.errors import (
    EvidenceClosed,
    EvidenceMissing,
    EvidenceUnknown,
    TooMuchEvidence,
)
from handsel.deals.disputes.queries import Dispute, Evidence
from handsel.deals.disputes.schemas import EvidenceInput, EvidenceView
from handsel.deals.process.definition import Role
from handsel.foundation.core.ids import decode, encode
from handsel.foundation.db.pool import Connection
from handsel.foundation.db.uow import Tx
from handsel.people.messaging import service as messaging

NOTE = ("uuid", "text", "uuid", "text", "text", "jsonb")
_MOST = 20  # of each side: what somebody can read who has to decide
_INSERT = """
INSERT INTO deals.dispute_evidence
    (dispute_id, by_id, role, kind, visible_to, title, content, sha256, shown_in, at)
VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10) RETURNING id
"""


async def add(
    tx: Tx, dispute: Dispute, by_id: UUID, role: Role, data: EvidenceInput
) -> EvidenceView:
    """Show something. Raises ``EvidenceClosed``, ``EvidenceKnown``, ``TooMuchEvidence`` (409),
    ``EvidenceMissing`` for messages that the two never exchanged."""
    if dispute.ended_at is not None:
        raise EvidenceClosed
    shown = await tx.fetchval(
        "SELECT count(*) FROM deals.dispute_evidence WHERE dispute_id = $1 AND by_id = $2",
        dispute.id,
        by_id,
    )
    if shown >= _MOST:
        raise TooMuchEvidence
    content, sha256 = await _content(tx, dispute, by_id, data)
    evidence_id = await tx.fetchval(
        _INSERT,
        dispute.id,
        by_id,
        role,
        data.kind,
        data.visible_to,
        data.title,
        content,
        sha256,
        dispute.state,
        tx.now,
    )
    told = {"evidence": encode("evd", evidence_id), "kind": data.kind, "sha256": sha256.hex()}
    tx.call("deals.note_dispute", NOTE, dispute.id, "show", by_id, role, None, told)
    item = Evidence(evidence_id, by_id, role, data.kind, data.visible_to, data.title, content,
                    sha256, tx.now)  # fmt: skip
    return view(item, await content_of(tx.conn, dispute, item))


async def _content(
    tx: Tx, dispute: Dispute, by_id: UUID, data: EvidenceInput
) -> tuple[dict[str, Any], bytes]:
    """What is kept, and the hash of what is shown."""
    match data.kind:
        case "text":
            assert data.text is not None
            return {"text": data.text}, hashlib.sha256(data.text.encode()).digest()
        case "upload":
            assert data.sha256 is not None
            return {"sha256": data.sha256}, bytes.fromhex(data.sha256)
        case "event_log":
            content: dict[str, Any] = {
                "order_id": encode("ord", dispute.order_id),
                "moves": await orders_port.log(tx.conn, dispute.order_id),
            }
        case "chat":
            assert data.message_ids is not None
            content = await _chat(tx, dispute, by_id, data.message_ids)
    return content, hashlib.sha256(msgspec.json.encode(content, order="sorted")).digest()


async def _chat(tx: Tx, dispute: Dispute, by_id: UUID, message_ids: list[str]) -> dict[str, Any]:
    """Which messages, with the hashes that chain them; their words stay where they are."""
    ids = {decode("msg", text) for text in message_ids}
    found = await messaging.slice_of(tx.conn, *_pair(dispute, by_id), sorted(ids))
    if len(found) != len(ids):
        raise EvidenceMissing("not all of these are messages between the two of you")
    return {
        "messages": [
            {"id": m.id, "seq": m.seq, "sender_id": m.sender_id, "at": m.at, "hash": m.hash}
            for m in found
        ]
    }


def _pair(dispute: Dispute, first: UUID) -> tuple[UUID, UUID]:
    """The two, ``first`` first."""
    if first == dispute.claimant_id:
        return first, dispute.respondent_id
    return dispute.respondent_id, dispute.claimant_id


async def content_of(conn: Connection, dispute: Dispute, item: Evidence) -> dict[str, Any]:
    """What was shown, whole: messages with their words."""
    if item.kind != "chat":
        return item.content
    listed: list[dict[str, Any]] = item.content["messages"]
    ids = [decode("msg", message["id"]) for message in listed]
    said = {m.id: m.text for m in await messaging.slice_of(conn, *_pair(dispute, item.by_id), ids)}
    return {"messages": [message | {"text": said.get(message["id"])} for message in listed]}


def view(item: Evidence, content: dict[str, Any] | None) -> EvidenceView:
    """A piece; without its content it is only named."""
    return EvidenceView(
        id=encode("evd", item.id),
        kind=item.kind,  # type: ignore[arg-type]
        by=item.role,  # type: ignore[arg-type]
        visible_to=item.visible_to,  # type: ignore[arg-type]
        title=item.title if content is not None else "",
        sha256=item.sha256.hex(),
        at=item.at,
        content=content,
    )


async def find(conn: Connection, dispute_id: UUID, evidence_id: UUID) -> Evidence:
    """One piece. Raises ``EvidenceUnknown``."""
    for item in await queries.evidence(conn, dispute_id):
        if item.id == evidence_id:
            return item
    raise EvidenceUnknown
