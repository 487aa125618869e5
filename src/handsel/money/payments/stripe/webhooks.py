"""Stripe's events in the words of the port.

The signature is checked by Stripe's own library over the raw bytes. Its check of the time knows
only the past and the machine's clock, so that is done here, both ways. An endpoint for our own
account and one for connected accounts have different secrets: the setting may hold several, with
commas.
"""

from collections.abc import Callable, Mapping
from datetime import UTC, datetime
from types import MappingProxyType
from typing import Any, Final

import msgspec
import stripe

from handsel.money.payments.errors import SignatureInvalid, TimestampOutside, WebhookMalformed
from handsel.money.payments.gateway import TOLERANCE, EventKind, ProviderEvent
from handsel.money.payments.stripe import read
from handsel.money.payments.stripe.amounts import AmountRefused, from_stripe
from handsel.money.payments.stripe.payouts import TRANSFER

SOURCE: Final = "stripe"
_HEADER: Final = "stripe-signature"
#: What comes of reading fields that are not there, of another type, or beyond any calendar.
_UNREADABLE: Final = (
    msgspec.DecodeError,
    LookupError,
    TypeError,
    ValueError,
    AttributeError,
    OverflowError,
    OSError,
)


class _Said(msgspec.Struct, kw_only=True):
    """What is read of an event."""

    id: str
    type: str
    created: int
    data: dict[str, Any]


def read_event(
    secrets: str, headers: Mapping[str, str], raw: bytes, now: datetime
) -> ProviderEvent:
    """See ``Gateway.read_webhook``."""
    header = headers.get(_HEADER, "")
    _prove(secrets, header, raw)
    if abs(now - _signed_at(header)) > TOLERANCE:
        raise TimestampOutside
    try:
        said = msgspec.json.decode(raw, type=_Said)
        return _event(said, said.data["object"])
    except _UNREADABLE as error:
        raise WebhookMalformed(f"this is no event of Stripe's: {error!r}") from None
    except AmountRefused as error:
        raise WebhookMalformed(f"an amount of it cannot be kept: {error}") from None


def _prove(secrets: str, header: str, raw: bytes) -> None:
    if not header.isascii():  # the library compares texts, and can compare no others
        raise SignatureInvalid
    for secret in filter(None, (part.strip() for part in secrets.split(","))):
        try:
            stripe.WebhookSignature.verify_header(raw, header, secret)
        except (stripe.SignatureVerificationError, UnicodeDecodeError):
            continue
        return
    raise SignatureInvalid


def _signed_at(header: str) -> datetime:
    stamp = next(part[2:] for part in header.split(",") if part.startswith("t="))
    try:
        return datetime.fromtimestamp(int(stamp), UTC)
    except (ValueError, OverflowError, OSError):
        raise TimestampOutside from None


def _event(said: _Said, found: dict[str, Any]) -> ProviderEvent:
    kind, reference = _KINDS.get(said.type, _other)(said, found)
    currency = str(found.get("currency") or "").upper()
    amount = found.get("amount") if kind != "other" else 0
    return ProviderEvent(
        source=SOURCE,
        id=said.id,
        kind=kind,
        reference=reference,
        occurred_at=datetime.fromtimestamp(said.created, UTC),
        key=read.key_of(found),
        charge_reference=read.id_of(found.get("payment_intent")),
        amount_minor=from_stripe(amount, currency) if isinstance(amount, int) and amount else 0,
        currency=currency,
        data=_more(kind, found),
    )


_Meaning = tuple[EventKind, str]
_Read = Callable[[_Said, Mapping[str, Any]], _Meaning]


def _other(_: _Said, found: Mapping[str, Any]) -> _Meaning:
    return "other", str(found.get("id") or "")


def _id(found: Mapping[str, Any]) -> str:
    known = read.id_of(found)
    if known is None:
        raise ValueError("an object without an id")
    return known


def _as(kind: EventKind) -> _Read:
    return lambda _, found: (kind, _id(found))


def _refund(said: _Said, found: Mapping[str, Any]) -> _Meaning:
    if found.get("status") == "succeeded":
        return "refund.succeeded", _id(found)
    if found.get("status") in ("failed", "canceled"):
        return "refund.failed", _id(found)
    return _other(said, found)


def _payout(kind: EventKind) -> _Read:
    """A payout that we made from a connected account; its reference is our transfer's. Our own
    account's payouts, to our own bank, have none: they are seen in the report."""

    def meaning(said: _Said, found: Mapping[str, Any]) -> _Meaning:
        transfer = (found.get("metadata") or {}).get(TRANSFER)
        if not transfer:
            return _other(said, found)
        return kind, str(transfer)

    return meaning


def _dispute(kind: EventKind) -> _Read:
    """An inquiry takes no money (``warning_…``): it is noted, and opens nothing."""

    def meaning(_: _Said, found: Mapping[str, Any]) -> _Meaning:
        inquiry = str(found["status"]).startswith("warning_")
        return "dispute.updated" if inquiry else kind, _id(found)

    return meaning


def _closed(said: _Said, found: Mapping[str, Any]) -> _Meaning:
    verdicts: dict[str, EventKind] = {"won": "dispute.won", "lost": "dispute.lost"}
    return _dispute(verdicts.get(found["status"], "dispute.updated"))(said, found)


_KINDS: Mapping[str, _Read] = MappingProxyType({
    "payment_intent.succeeded": _as("charge.succeeded"),
    "payment_intent.payment_failed": _as("charge.failed"),
    "payment_intent.canceled": _as("charge.failed"),
    "refund.created": _refund,
    "refund.updated": _refund,
    "refund.failed": _refund,
    "charge.refund.updated": _refund,
    "payout.paid": _payout("payout.paid"),
    "payout.failed": _payout("payout.returned"),
    "payout.canceled": _payout("payout.returned"),
    "charge.dispute.created": _dispute("dispute.opened"),
    "charge.dispute.updated": _dispute("dispute.updated"),
    "charge.dispute.funds_withdrawn": _dispute("dispute.funds_withdrawn"),
    "charge.dispute.funds_reinstated": _dispute("dispute.funds_returned"),
    "charge.dispute.closed": _closed,
})  # fmt: skip


def _more(kind: EventKind, found: Mapping[str, Any]) -> dict[str, Any]:
    if kind == "charge.failed":
        return {"failure": read.intent_failure(found)}
    if kind == "refund.failed":
        return {"failure": read.refund_failure(found)}
    if kind == "payout.returned":
        return {"failure": read.payout_failure(found)}
    if kind.startswith("dispute."):
        due = (found.get("evidence_details") or {}).get("due_by")
        return {
            "reason": found.get("reason") or "unknown",
            "status": found["status"],
            "fee_minor": read.dispute_fee(found, back=kind == "dispute.won"),
            "evidence_due_at": datetime.fromtimestamp(due, UTC).isoformat() if due else None,
        }
    return {}
