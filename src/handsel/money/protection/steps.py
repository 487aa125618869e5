"""What is written down beside the money: timeline, audit chain, events."""

from collections.abc import Sequence
from typing import Literal
from uuid import UUID

import msgspec

from handsel.foundation import audit
from handsel.foundation.db.uow import Tx
from handsel.money.protection.queries import Claim
from handsel.money.protection.schemas import ClaimLine

Role = Literal["member", "staff", "system"]
_NOTE = ("uuid", "text", "text", "uuid", "text", "jsonb")


def note(
    tx: Tx, claim_id: UUID, step: str, role: Role, actor: UUID | None = None, *,
    text: str = "", money: Sequence[ClaimLine] = (), **body: object,
) -> None:  # fmt: skip
    """A step that the member sees, and an entry of the audit chain that says more."""
    lines = msgspec.to_builtins(list(money))
    tx.call("money.note_claim", _NOTE, claim_id, step, role, actor, text, lines)
    audit.record(
        tx, "money", f"claim_{step}", {"role": role, "note": text, "money": lines, **body},
        subject_id=claim_id, actor_id=actor,
    )  # fmt: skip


def emit(
    tx: Tx, topic: str, claim: Claim, references: Sequence[tuple[UUID, str]], **more: object
) -> None:
    """An event; ``orders`` are those whose timers it concerns."""
    tx.emit(
        topic,
        claim.id,
        {
            "claim_id": claim.id,
            "member_id": claim.member_id,
            "amount_minor": claim.amount,
            "currency": claim.unit,
            "credited_minor": claim.credited,
            "paid_minor": claim.paid,
            "deadline_at": claim.deadline_at,
            "orders": [{"order_id": ref} for ref, kind in references if kind == "order"],
            **more,
        },
    )
