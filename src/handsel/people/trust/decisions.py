"""The log of decisions: every yes with its payment, every no although its request is undone."""

from collections.abc import Callable
from typing import Any

from handsel.foundation import audit
from handsel.foundation.db.uow import Tx
from handsel.people.trust.schemas import Decision

_STREAM = "trust"
_TYPES = (
    "uuid", "uuid", "uuid", "uuid", "bigint", "text", "bytea", "bool", "text", "text", "text",
    "text[]", "jsonb", "jsonb",
)  # fmt: skip


def record(tx: Tx, decision: Decision) -> None:
    """Store a decision with its transaction, and tell the audit chain."""
    _store(tx.call, decision)
    audit.record(tx, _STREAM, "payment_allowed", _told(decision),
                 subject_id=decision.payment.reference_id,
                 actor_id=decision.payment.payer_id)  # fmt: skip


def record_if_refused(tx: Tx, decision: Decision) -> None:
    """The same for a no, kept should the transaction be undone by the problem it becomes."""
    _store(tx.if_refused, decision)
    audit.record_refusal(tx, _STREAM, "payment_refused", _told(decision),
                         subject_id=decision.payment.reference_id,
                         actor_id=decision.payment.payer_id)  # fmt: skip


def _store(call: Callable[..., None], decision: Decision) -> None:
    payment, standing = decision.payment, decision.standing
    parties = (standing.payer, standing.payee)
    scores = [score for party in parties for score in (party.financial, party.social) if score]
    call(
        "people.record_decision",
        _TYPES,
        decision.decision_id,
        payment.reference_id,
        payment.payer_id,
        payment.payee_id,
        payment.amount_minor,
        payment.currency,
        payment.terms_hash,
        decision.allowed,
        decision.payer_tier.name,
        decision.payee_tier.name,
        decision.policy_version,
        sorted({score.model_id for score in scores if score.model_id}),
        standing,
        _outcome(decision),
    )


def _outcome(decision: Decision) -> dict[str, Any]:
    return {
        "reasons": decision.reasons,
        "path": decision.path,
        "confirmation_required": decision.confirmation_required,
        "hold_period": decision.hold_period,
        "revoke_window": decision.revoke_window,
        "reference_minor": decision.reference_minor,
    }


def _told(decision: Decision) -> dict[str, Any]:
    return {
        "decision_id": decision.decision_id,
        "payee_id": decision.payment.payee_id,
        "amount_minor": decision.payment.amount_minor,
        "currency": decision.payment.currency,
        "reasons": [reason.code for reason in decision.reasons],
        "policy_version": decision.policy_version,
    }
