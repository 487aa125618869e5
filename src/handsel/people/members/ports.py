"""What members need from the world: somebody who sends an SMS or a mail, somebody who verifies.

The adapters here are the sandbox's; a real one keeps the contract of its port.
"""

from datetime import timedelta
from typing import Literal, Protocol

import msgspec

from handsel.foundation.core.settings import Settings
from handsel.foundation.db.uow import Tx
from handsel.people.members import policy
from handsel.people.members.errors import ProviderAbsent

Channel = Literal["sms", "mail"]


class Sender(Protocol):
    """Sends texts to people.

    ``send`` takes part in the caller's transaction and must not touch the network: a real adapter
    enqueues a job there and calls its provider from the job, with the job's id as the provider's
    idempotency key, so that a text is sent exactly if its cause committed. The text may hold a
    one-time code: the job's payload is deleted once it is done, and is never logged.
    """

    async def send(self, tx: Tx, channel: Channel, to: str, text: str) -> None:
        """Hand over one text for one recipient (E.164 or an e-mail address)."""
        ...


class Outcome(msgspec.Struct, frozen=True, kw_only=True):
    """A verifier's word: its reference of the case, and when to ask again while it is pending."""

    state: Literal["passed", "refused", "pending"]
    reference: str
    ask_again_after: timedelta | None = None


class Verifier(Protocol):
    """Confirms that a fact about a person is true (identity document, bank account, address).

    ``check`` is called outside of any transaction and may use the network; it answers within ten
    seconds or says "pending". ``value`` is the provider's own reference of a check that the
    member's device went through with the provider (a document never passes through us), and the
    same (member, kind, value) gives the same case. A pending case is asked again by ``recheck``.
    """

    async def check(self, member: str, kind: str, value: str) -> Outcome:
        """Ask about a value. ``member`` is an opaque id for the provider."""
        ...

    async def recheck(self, reference: str) -> Outcome:
        """What has become of a pending case."""
        ...


class SandboxSender:
    """Stores the texts in ``people.sandbox_messages``, in the same transaction."""

    async def send(self, tx: Tx, channel: Channel, to: str, text: str) -> None:
        """Keep the text where ``GET /v1/sandbox/messages`` finds it."""
        await tx.execute(
            "INSERT INTO people.sandbox_messages (channel, recipient, text, created_at)"
            " VALUES ($1, $2, $3, $4)",
            channel,
            to,
            text,
            tx.now,
        )


class SandboxVerifier:
    """PASS passes, LATER is pending and passes when it is asked again, anything else is refused."""

    async def check(self, member: str, kind: str, value: str) -> Outcome:
        """By the documented test values."""
        reference = f"sandbox:{kind}:{value[:20]}"
        if value == "LATER":
            wait = policy.PENDING_VERIFICATION
            return Outcome(state="pending", reference=reference, ask_again_after=wait)
        return Outcome(state="passed" if value == "PASS" else "refused", reference=reference)

    async def recheck(self, reference: str) -> Outcome:
        """A pending case of the sandbox always passes."""
        return Outcome(state="passed", reference=reference)


def sender_of(settings: Settings) -> Sender:
    """The sender of this installation. Raises ``ProviderAbsent`` (503) where there is none."""
    if not settings.sandbox:
        raise ProviderAbsent("no SMS or mail provider is configured")
    return SandboxSender()


def verifier_of(settings: Settings) -> Verifier:
    """The verifier of this installation. Raises ``ProviderAbsent`` (503) where there is none."""
    if not settings.sandbox:
        raise ProviderAbsent("no verification provider is configured")
    return SandboxVerifier()
