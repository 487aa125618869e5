"""A dispute as one of its parties sees it, or the staff."""

from collections.abc import Mapping, Sequence
from uuid import UUID

from handsel.deals.disputes import evidence, moving, queries
from handsel.deals.disputes.queries import Dispute, Evidence, Offer
from handsel.deals.disputes.schemas import (
    DisputeSummary,
    DisputeView,
    EvidenceView,
    OfferView,
    OutcomeView,
    PartyView,
    RulingView,
)
from handsel.deals.orders.schemas import Deadline
from handsel.deals.process import engine
from handsel.deals.process.definition import Role
from handsel.foundation.core.ids import encode
from handsel.foundation.core.money import Money
from handsel.foundation.db.pool import Connection
from handsel.people.members import service as members
from handsel.people.members.schemas import MemberRef


async def view_of(conn: Connection, dispute: Dispute, role: Role, reader: UUID) -> DisputeView:
    """The whole case for ``role``; evidence with its content where the reader may see it."""
    process = moving.process_of(dispute)
    state = process.states[dispute.state]
    people = await members.by_ids(conn, [dispute.claimant_id, dispute.respondent_id])
    deadline = _deadline(dispute)
    by = f"{deadline.due_at:%Y-%m-%d %H:%M} UTC" if deadline else ""
    held = Money(amount_minor=dispute.held, currency=dispute.unit)
    return DisputeView(
        id=encode("dsp", dispute.id),
        order_id=encode("ord", dispute.order_id),
        state=dispute.state,
        version=dispute.version,
        process=f"{process.name}@{process.version}",
        your_role=role,  # type: ignore[arg-type]
        claimant=_party(dispute, "claimant", people),
        respondent=_party(dispute, "respondent", people),
        reason_code=dispute.reason_code,  # type: ignore[arg-type]
        statement=dispute.statement,
        held=held,
        sold=dispute.sold,
        request=dispute.request,
        promise=state.promise.format(amount=held, by=by),
        waits_for=state.waits_for,  # type: ignore[arg-type]
        your_moves=engine.allowed(process, dispute.state, role),
        offers=[_offer(dispute, offer) for offer in await queries.offers(conn, dispute.id)],
        evidence=await _shown(conn, dispute, role, reader),
        opened_at=dispute.opened_at,
        entered_at=dispute.entered_at,
        next_deadline=deadline,
        ruling=_ruling(dispute),
        outcome=OutcomeView(**dispute.outcome) if dispute.outcome else None,
        ended_at=dispute.ended_at,
    )


def summary_of(dispute: Dispute, role: Role, reader: UUID) -> DisputeSummary:
    """A line of a list."""
    deadline = _deadline(dispute)
    return DisputeSummary(
        id=encode("dsp", dispute.id),
        order_id=encode("ord", dispute.order_id),
        state=dispute.state,
        your_role=role,  # type: ignore[arg-type]
        reason_code=dispute.reason_code,  # type: ignore[arg-type]
        held=Money(amount_minor=dispute.held, currency=dispute.unit),
        waits_for=moving.process_of(dispute).states[dispute.state].waits_for,  # type: ignore[arg-type]
        opened_at=dispute.opened_at,
        deadline=deadline.due_at if deadline else None,
        taken_by_you=dispute.staff_id == reader,
    )


def _deadline(dispute: Dispute) -> Deadline | None:
    """The first time that ends the stage; that a case changes hands is the staff's business."""
    transitions = {t.name: t for t in moving.process_of(dispute).transitions}
    for timer in moving.timers_of(dispute):
        chosen = transitions[timer.transition]
        if not chosen.stays:
            return Deadline(transition=chosen.name, due_at=timer.due_at, otherwise=chosen.default)
    return None


def _party(dispute: Dispute, role: str, people: Mapping[UUID, MemberRef]) -> PartyView:
    member = dispute.claimant_id if role == "claimant" else dispute.respondent_id
    return PartyView(
        id=encode("mem", member),
        handle=people[member].handle,
        order_role=dispute.order_role(role),  # type: ignore[arg-type]
    )


def _offer(dispute: Dispute, offer: Offer) -> OfferView:
    agreed = [dispute.role_of(member) for member in offer.agreed_by]
    return OfferView(
        id=encode("dso", offer.id),
        by=offer.role,  # type: ignore[arg-type]
        split=offer.split,
        note=offer.note,
        state=offer.state,  # type: ignore[arg-type]
        agreed=agreed,  # type: ignore[arg-type]
        made_at=offer.made_at,
        valid_until=offer.valid_until,
    )


async def _shown(
    conn: Connection, dispute: Dispute, role: Role, reader: UUID
) -> list[EvidenceView]:
    items: Sequence[Evidence] = await queries.evidence(conn, dispute.id)
    found = []
    for item in items:
        open_to_all = role != moving.STAFF and item.visible_to == "both"
        may_see = open_to_all or item.by_id == reader
        content = await evidence.content_of(conn, dispute, item) if may_see else None
        found.append(evidence.view(item, content))
    return found


def _ruling(dispute: Dispute) -> RulingView | None:
    ruling = dispute.ruling
    if ruling is None:
        return None
    return RulingView(
        split=ruling.split,
        reason_code=ruling.reason_code,
        fault=ruling.fault,
        claimant_fault_bps=ruling.shares.claimant_bps,
        respondent_fault_bps=ruling.shares.respondent_bps,
    )
