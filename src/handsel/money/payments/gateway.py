"""The port to a payment provider, and what may be relied on.

**What we ask.** Every asking carries a key of ours. Asked twice under one key, the provider acts
once and answers the same; another request under a used key is refused by it. An answer may be lost
(``ProviderUnavailable``) although the provider has acted: the caller asks again with the same key,
for as long as it takes, and never concludes "failed" from silence. ``declined`` and ``failed`` are
final for that key. ``pending``, ``requires_action`` and ``accepted`` say that the rest is told
later, by an event or by ``look_up``. What was ``paid`` or ``succeeded`` may still come back.

**What we are told.** Events may come twice, late, out of order, before the answer that they belong
to, or never. They are believed only with a signature over the raw bytes and a time within five
minutes of ours; the same id with another body is never acted on. An event that is missing is found
by ``look_up`` and by the daily reconciliation with ``report``.

No card number passes: only tokens that the provider's own form has made of one.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import date, datetime, timedelta
from typing import Any, Literal, Protocol
from uuid import UUID

#: How far the time of a webhook may be from ours.
TOLERANCE = timedelta(minutes=5)

ChargeOutcome = Literal["succeeded", "declined", "pending", "requires_action"]
EventKind = Literal[
    "charge.succeeded", "charge.failed", "refund.succeeded", "refund.failed", "payout.paid",
    "payout.returned", "dispute.opened", "dispute.updated", "dispute.funds_withdrawn",
    "dispute.funds_returned", "dispute.won", "dispute.lost", "other",
]  # fmt: skip
LineKind = Literal[
    "charge", "refund", "refund_failed", "payout", "payout_return", "dispute", "dispute_return",
    "fee", "bank_payout", "other",
]  # fmt: skip


@dataclass(frozen=True, slots=True)
class ChargeAnswer:
    """What the provider decided. ``reference`` is its own id; ``failure`` says why it declined;
    ``action_url`` is where the payer confirms (3-D Secure)."""

    outcome: ChargeOutcome
    reference: str
    failure: str | None = None
    action_url: str | None = None


@dataclass(frozen=True, slots=True)
class PayoutAnswer:
    """``accepted``: on its way; ``paid``: the bank has it; ``declined``: nothing was sent."""

    outcome: Literal["accepted", "paid", "declined"]
    reference: str
    failure: str | None = None


@dataclass(frozen=True, slots=True)
class RefundAnswer:
    """``failed`` with ``insufficient_provider_balance`` is a "not now": another key may succeed."""

    outcome: Literal["pending", "succeeded", "failed"]
    reference: str
    failure: str | None = None


@dataclass(frozen=True, slots=True)
class Current:
    """What has become of something by now: of a charge pending, requires_action, succeeded or
    failed; of a payout accepted, paid or returned; of a refund pending, succeeded or failed."""

    state: Literal[
        "accepted", "paid", "returned", "pending", "requires_action", "succeeded", "failed"
    ]
    failure: str | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class ProviderEvent:
    """Something that the provider tells. ``key`` is ours, where it gives it back; ``occurred_at``
    its own time; ``data`` what else the kind has: ``failure``, and of disputes ``reason``,
    ``fee_minor`` and ``evidence_due_at`` (ISO 8601)."""

    source: str
    id: str
    kind: EventKind
    reference: str
    occurred_at: datetime
    key: UUID | None = None
    charge_reference: str | None = None
    amount_minor: int = 0
    currency: str = ""
    data: Mapping[str, Any] = field(default_factory=dict)


@dataclass(frozen=True, slots=True, kw_only=True)
class ReportLine:
    """One line of the provider's report. ``amount_minor`` is signed as its balance of ours sees it,
    before ``fee_minor``, which it has taken besides."""

    id: str
    kind: LineKind
    reference: str
    amount_minor: int
    fee_minor: int
    currency: str
    at: datetime


class ProviderUnavailable(Exception):
    """No answer: the provider may or may not have acted. Ask again with the same key."""


class KeyReused(Exception):
    """The provider was asked something else under this key before. It has not acted on this."""


class Gateway(Protocol):
    """A payment provider. Every asking raises ``ProviderUnavailable`` where there is no answer."""

    name: str

    async def charge(
        self, key: UUID, *, token: str, amount_minor: int, currency: str
    ) -> ChargeAnswer:
        """Collect money by a payment token."""
        ...

    async def refund(
        self, key: UUID, *, charge_reference: str, amount_minor: int, currency: str
    ) -> RefundAnswer:
        """Send a part of a charge, or all of it, back to where it came from."""
        ...

    async def pay_out(
        self, key: UUID, *, token: str, amount_minor: int, currency: str
    ) -> PayoutAnswer:
        """Send money to a bank token."""
        ...

    async def take_back(self, reference: str) -> None:
        """Have the money of a payout that came back in our balance again, before it is booked as
        returned; nothing to do where it is there by itself."""
        ...

    async def look_up(self, kind: Literal["charge", "payout", "refund"], reference: str) -> Current:
        """What has become of it by now."""
        ...

    async def submit_evidence(self, key: UUID, reference: str, text: str, /) -> None:
        """Send the evidence in a dispute, once."""
        ...

    async def accept_dispute(self, key: UUID, reference: str, /) -> None:
        """Give a dispute up."""
        ...

    async def report(self, day: date) -> Sequence[ReportLine]:
        """Everything that moved our balance on a day (UTC)."""
        ...

    async def close(self) -> None:
        """Give back its connections; it may not be asked any more."""
        ...

    def read_webhook(self, headers: Mapping[str, str], raw: bytes, now: datetime) -> ProviderEvent:
        """An event, once it is proven to be the provider's. ``headers`` have lower-case names.

        Raises ``SignatureInvalid``, ``TimestampOutside``, ``WebhookMalformed``.
        """
        ...


class AbsentGateway:
    """No provider is configured: it has never acted, and never answers."""

    name = "absent"

    async def charge(
        self, key: UUID, *, token: str, amount_minor: int, currency: str
    ) -> ChargeAnswer:
        """See ``Gateway.charge``."""
        raise _absent()

    async def refund(
        self, key: UUID, *, charge_reference: str, amount_minor: int, currency: str
    ) -> RefundAnswer:
        """See ``Gateway.refund``."""
        raise _absent()

    async def pay_out(
        self, key: UUID, *, token: str, amount_minor: int, currency: str
    ) -> PayoutAnswer:
        """See ``Gateway.pay_out``."""
        raise _absent()

    async def take_back(self, reference: str) -> None:
        """See ``Gateway.take_back``."""
        raise _absent()

    async def look_up(self, kind: Literal["charge", "payout", "refund"], reference: str) -> Current:
        """See ``Gateway.look_up``."""
        raise _absent()

    async def submit_evidence(self, key: UUID, reference: str, text: str, /) -> None:
        """See ``Gateway.submit_evidence``."""
        raise _absent()

    async def accept_dispute(self, key: UUID, reference: str, /) -> None:
        """See ``Gateway.accept_dispute``."""
        raise _absent()

    async def report(self, day: date) -> Sequence[ReportLine]:
        """See ``Gateway.report``."""
        raise _absent()

    async def close(self) -> None:
        """See ``Gateway.close``."""

    def read_webhook(self, headers: Mapping[str, str], raw: bytes, now: datetime) -> ProviderEvent:
        """See ``Gateway.read_webhook``."""
        raise _absent()


def _absent() -> ProviderUnavailable:
    return ProviderUnavailable("no payment provider is configured")
