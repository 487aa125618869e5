"""What the staff do with disputes. Whatever of a party's they look at beyond the case itself is
written into the audit chain and into the timeline that both parties read."""

from uuid import UUID

from handsel.deals.disputes import evidence, moving, queries, views
from handsel.deals.disputes.evidence import NOTE
from handsel.deals.disputes.schemas import (
    DisputeMoveInput,
    DisputePage,
    DisputeTimeline,
    DisputeView,
    EvidenceView,
    IdentityField,
    IdentityView,
    PartyRole,
)
from handsel.foundation import audit
from handsel.foundation.core.ids import encode
from handsel.foundation.db.pool import Connection
from handsel.foundation.db.uow import Tx
from handsel.foundation.http.principal import Principal
from handsel.foundation.http.work import Answer
from handsel.people.members import service as members

_PAGE = 200


async def queue(conn: Connection, staff: Principal) -> DisputePage:
    """What waits for the staff, the nearest deadline first; nobody sees disputes of their own."""
    me = staff.member_id
    found = await queries.queue(conn, _PAGE)
    return DisputePage(
        items=[views.summary_of(d, moving.STAFF, me) for d in found if d.role_of(me) is None]
    )


async def read(conn: Connection, staff: Principal, dispute_id: UUID) -> DisputeView:
    """The case; its evidence is named, and not opened. Raises ``NotFound``, ``OwnDispute``."""
    dispute = await queries.load(conn, dispute_id)
    moving.role_for(dispute, staff, as_staff=True)
    return await views.view_of(conn, dispute, moving.STAFF, staff.member_id)


async def timeline(conn: Connection, staff: Principal, dispute_id: UUID) -> DisputeTimeline:
    """Every line. Raises ``NotFound``, ``OwnDispute``."""
    moving.role_for(await queries.load(conn, dispute_id), staff, as_staff=True)
    return DisputeTimeline(items=await queries.timeline(conn, dispute_id))


async def move(
    tx: Tx, staff: Principal, dispute_id: UUID, data: DisputeMoveInput
) -> Answer[DisputeView]:
    """A move of the staff's; see ``moving.move`` for what it raises."""
    dispute = await moving.move(tx, staff, dispute_id, data, as_staff=True)
    view = await views.view_of(tx.conn, dispute, moving.STAFF, staff.member_id)
    return Answer(view, version=dispute.version)


async def open_evidence(
    tx: Tx, staff: Principal, dispute_id: UUID, evidence_id: UUID
) -> EvidenceView:
    """A piece of evidence with its content; both parties see that it was opened."""
    dispute = await queries.load(tx.conn, dispute_id)
    moving.role_for(dispute, staff, as_staff=True)
    item = await evidence.find(tx.conn, dispute.id, evidence_id)
    _log(tx, staff, dispute.id, "evidence_opened", {"evidence": encode("evd", item.id)})
    return evidence.view(item, await evidence.content_of(tx.conn, dispute, item))


async def reveal(
    tx: Tx, staff: Principal, dispute_id: UUID, of: PartyRole, field: IdentityField, why: str
) -> IdentityView:
    """One field of a party's identity, with the reason; both parties see that it was looked at."""
    dispute = await queries.load(tx.conn, dispute_id)
    moving.role_for(dispute, staff, as_staff=True)
    member = dispute.claimant_id if of == "claimant" else dispute.respondent_id
    account = await members.account_of(tx.conn, member)
    value = getattr(account, field)
    _log(tx, staff, dispute.id, "identity_revealed", {"of": of, "field": field, "why": why})
    text = ", ".join(value) if isinstance(value, list) else str(value or "")
    return IdentityView(of=of, field=field, value=text)


def _log(tx: Tx, staff: Principal, dispute_id: UUID, what: str, body: dict[str, str]) -> None:
    tx.call("deals.note_dispute", NOTE, dispute_id, what, staff.member_id, moving.STAFF,
            body.get("why"), body)  # fmt: skip
    audit.record(tx, "disputes", what, body, subject_id=dispute_id, actor_id=staff.member_id)
