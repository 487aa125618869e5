"""What is written down beside the money: the timeline, the audit chain, events and alerts."""

from uuid import UUID

from handsel.foundation import audit
from handsel.foundation.db.uow import Tx
from handsel.money.escrow.chargebacks.queries import Chargeback

_NOTE = ("uuid", "int", "text", "uuid")


def note(tx: Tx, chargeback: Chargeback, step: str, actor: UUID | None = None) -> None:
    """A step of the timeline, and an entry of the audit chain."""
    tx.call("money.note_chargeback", _NOTE, chargeback.id, chargeback.round, step, actor)
    audit.record(
        tx,
        "money",
        f"chargeback_{step}",
        {
            "reference": chargeback.provider_reference,
            "amount_minor": chargeback.amount,
            "currency": chargeback.unit,
            "round": chargeback.round,
        },
        subject_id=chargeback.id,
        actor_id=actor,
    )


def body(chargeback: Chargeback) -> dict[str, object]:
    """What every event of a chargeback says."""
    return {
        "chargeback_id": chargeback.id,
        "top_up_id": chargeback.top_up_id,
        "member_id": chargeback.member_id,
        "amount_minor": chargeback.amount,
        "currency": chargeback.unit,
        "reason": chargeback.reason,
        "round": chargeback.round,
        "state": chargeback.state,
        "evidence_due_at": chargeback.evidence_due_at,
    }
