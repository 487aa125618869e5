"""The port to a payment provider, and what may be relied on.

- ``charge`` and ``pay_out`` carry our key: asked twice under one key, the provider acts once and
  answers the same. A different request under a used key is refused by it.
- An answer may be lost (``ProviderUnavailable``) although the provider has acted. The caller asks
  again with the same key; it never concludes "failed" from silence.
- ``declined`` is final for that key.
"""

from dataclasses import dataclass
from typing import Literal, Protocol
from uuid import UUID


@dataclass(frozen=True, slots=True)
class ProviderAnswer:
    """What the provider decided. ``reference`` is its own id; ``failure`` says why it declined."""

    outcome: Literal["succeeded", "declined"]
    reference: str
    failure: str | None = None


class ProviderUnavailable(Exception):
    """No answer: the provider may or may not have acted. Ask again with the same key."""


class Gateway(Protocol):
    """A payment provider."""

    async def charge(
        self, key: UUID, *, token: str, amount_minor: int, currency: str
    ) -> ProviderAnswer:
        """Collect money by a payment token. Raises ``ProviderUnavailable``."""
        ...

    async def pay_out(
        self, key: UUID, *, token: str, amount_minor: int, currency: str
    ) -> ProviderAnswer:
        """Send money to a bank token. Raises ``ProviderUnavailable``."""
        ...


class AbsentGateway:
    """No provider is configured: it has never acted, and never answers."""

    async def charge(
        self, key: UUID, *, token: str, amount_minor: int, currency: str
    ) -> ProviderAnswer:
        """See ``Gateway.charge``."""
        raise ProviderUnavailable("no payment provider is configured")

    async def pay_out(
        self, key: UUID, *, token: str, amount_minor: int, currency: str
    ) -> ProviderAnswer:
        """See ``Gateway.pay_out``."""
        raise ProviderUnavailable("no payment provider is configured")
