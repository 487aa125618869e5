"""The log of decisions: every yes with its payment, every no although its request is undone; and
the text of each policy that one was made by, so that it can be made again."""

from typing import Any
from weakref import WeakKeyDictionary

from handsel.foundation import audit
from handsel.foundation.db.pool import Connection
from handsel.foundation.db.uow import Tx
from handsel.people.trust.schemas import Decision

_STREAM = "trust"
_WHAT = "uuid", "uuid", "uuid", "uuid", "bigint", "text", "bytea"
_WHY = "text", "text", "text", "text[]", "jsonb", "jsonb"
_ALLOWED = (*_WHAT, *_WHY, "bigint", "bigint", "bigint", "jsonb")
_REFUSED = (*_WHAT, "bool", *_WHY)
_KEPT = "SELECT true FROM people.policies WHERE version = $1"
#: The policy that a connection has seen in its database: asked once, then payments go by.
_seen: WeakKeyDictionary[Connection, str] = WeakKeyDictionary()


async def keep_policy(tx: Tx, decision: Decision, content: bytes) -> None:
    """Have the policy's text stored with the first decision that it makes, a yes or a no."""
    version = decision.policy_version
    if _seen.get(tx.conn) == version:
        return
    if await tx.fetchval(_KEPT, version):
        _seen[tx.conn] = version
        return
    keep = tx.call if decision.allowed else tx.if_refused
    keep("people.keep_policy", ("text", "bytea"), version, content)


def record(tx: Tx, decision: Decision, limit_24h_minor: int, limit_30d_minor: int) -> None:
    """Store a yes with its transaction, count it against the limits, and tell the audit chain."""
    tx.call(
        "people.reserve_payment",
        _ALLOWED,
        *_what(decision),
        *_why(decision),
        decision.reference_minor,
        limit_24h_minor,
        limit_30d_minor,
        _told(decision),
    )


def record_if_refused(tx: Tx, decision: Decision) -> None:
    """Store a no and tell the audit chain, should the problem that it becomes undo all else."""
    tx.if_refused("people.record_decision", _REFUSED, *_what(decision), False, *_why(decision))
    audit.record_refusal(tx, _STREAM, "payment_refused", _told(decision),
                         subject_id=decision.payment.reference_id,
                         actor_id=decision.payment.payer_id)  # fmt: skip


def _what(decision: Decision) -> tuple[Any, ...]:
    payment = decision.payment
    return (
        decision.decision_id,
        payment.reference_id,
        payment.payer_id,
        payment.payee_id,
        payment.amount_minor,
        payment.currency,
        payment.terms_hash,
    )


def _why(decision: Decision) -> tuple[Any, ...]:
    return (
        decision.payer_tier.name,
        decision.payee_tier.name,
        decision.policy_version,
        model_ids(decision),
        decision.standing,
        outcome(decision),
    )


def model_ids(decision: Decision) -> list[str]:
    """The models behind the scores that the gate saw."""
    parties = (decision.standing.payer, decision.standing.payee)
    scores = [score for party in parties for score in (party.financial, party.social) if score]
    return sorted({score.model_id for score in scores if score.model_id})


def outcome(decision: Decision) -> dict[str, Any]:
    """What was answered, as the log keeps it."""
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
