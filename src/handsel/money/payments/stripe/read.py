"""Stripe's objects in the words of the port. They are read as plain values: of an answer, and of an
event whose endpoint may be pinned to an older version, so nothing is taken for granted."""

from collections.abc import Iterable, Mapping
from typing import Any, Final
from uuid import UUID

from handsel.money.payments.gateway import ChargeAnswer, ChargeOutcome, Current, RefundAnswer
from handsel.money.payments.stripe.amounts import AmountRefused, from_stripe
from handsel.money.payments.stripe.client import KEY

Fields = Mapping[str, Any]

_NOT_NOW = "insufficient_provider_balance"
_LACKS_BALANCE: Final = frozenset({"balance_insufficient", "insufficient_funds"})
#: Of a PaymentIntent; what is not here is not decided yet.
_INTENT: Mapping[str, ChargeOutcome] = {
    "succeeded": "succeeded",
    "requires_action": "requires_action",
    "requires_payment_method": "declined",
    "canceled": "declined",
}
_PAYOUT_FAILED: Final = ("failed", "canceled")


def id_of(value: Any) -> str | None:
    """The id of what may be expanded or not."""
    found = value.get("id") if isinstance(value, Mapping) else value
    return found if isinstance(found, str) else None


def key_of(found: Fields) -> UUID | None:
    """Our key, where we made it."""
    try:
        return UUID((found.get("metadata") or {}).get(KEY, ""))
    except (ValueError, AttributeError, TypeError):
        return None


def charge_answer(intent: Fields) -> ChargeAnswer:
    """What has become of a PaymentIntent."""
    outcome = _INTENT.get(intent["status"], "pending")
    failure = intent_failure(intent) if outcome == "declined" else None
    return ChargeAnswer(outcome, intent["id"], failure, action_url(intent))


def intent_failure(intent: Fields) -> str:
    """Why a PaymentIntent did not succeed."""
    if intent["status"] == "canceled":
        return intent.get("cancellation_reason") or "canceled"
    error: Fields = intent.get("last_payment_error") or {}
    decline = error.get("decline_code")
    if decline and decline != "generic_decline":
        return str(decline)
    return error.get("code") or "card_declined"


def action_url(intent: Fields) -> str | None:
    """Where the payer has to go, if anywhere."""
    step: Fields = (intent.get("next_action") or {}).get("redirect_to_url") or {}
    return step.get("url") if intent["status"] == "requires_action" else None


def charge_now(intent: Fields) -> Current:
    """The same, as the answer to a look-up."""
    answer = charge_answer(intent)
    if answer.outcome == "declined":
        return Current("failed", answer.failure)
    return Current(answer.outcome)


def refund_answer(refund: Fields) -> RefundAnswer:
    """What has become of a refund."""
    status = refund.get("status")
    if status == "succeeded":
        return RefundAnswer("succeeded", refund["id"])
    if status in ("failed", "canceled"):
        return RefundAnswer("failed", refund["id"], refund_failure(refund))
    return RefundAnswer("pending", refund["id"])


def refund_failure(refund: Fields) -> str:
    """Why a refund failed; a lack of balance is the port's "not now"."""
    reason = refund.get("failure_reason") or refund.get("status") or "failed"
    return balance_or(reason)


def balance_or(code: str) -> str:
    """Stripe's code, but the port's word where our balance there does not suffice."""
    return _NOT_NOW if code in _LACKS_BALANCE else code


def payout_now(payout: Fields | None, transfer: Fields) -> Current:
    """What has become of a payout that a transfer was made for; None: it is not made (yet)."""
    if transfer.get("reversed"):
        return Current("returned", payout_failure(payout) if payout else "canceled")
    if payout is None:
        return Current("accepted")
    if payout["status"] in _PAYOUT_FAILED:
        return Current("returned", payout_failure(payout))
    return Current("paid" if payout["status"] == "paid" else "accepted")


def payout_failure(payout: Fields) -> str:
    """Why a payout came back."""
    return str(payout.get("failure_code") or payout["status"])


def dispute_fee(dispute: Fields, *, back: bool = False) -> int:
    """What Stripe took besides for a dispute, or with ``back`` what it gave back of that. Only in
    the dispute's own currency: a fee in another one is seen in the report alone."""
    lines: Iterable[Fields] = dispute.get("balance_transactions") or ()
    fees = [
        line.get("fee") or 0
        for line in lines
        if isinstance(line, Mapping) and line.get("currency") == dispute.get("currency")
    ]
    total = sum(fee for fee in fees if (fee < 0) == back)
    try:
        return from_stripe(abs(total), dispute["currency"])
    except AmountRefused:
        return 0
