"""The built-in provider: deterministic, with a token for every outcome.

======================== ====================================================================
``tok_ok``               succeeds (so does any other ``tok_…``)
``tok_declined``         declined: card_declined
``tok_no_funds``         declined: insufficient_funds
``tok_lost_answer``      acts, but the first answer is lost; the second asking gets it
``bank_ok``              is paid (so does any other ``bank_…``)
``bank_returned``        the payout comes back: account_closed
``bank_lost_answer``     acts, but the first answer is lost
======================== ====================================================================

It keeps its own memory (``money.sandbox_provider``), as a company elsewhere would.
"""

from typing import Any
from uuid import UUID

from handsel.foundation.db.uow import Database
from handsel.money.payments.gateway import ProviderAnswer, ProviderUnavailable

_FAILURES = {
    "tok_declined": "card_declined",
    "tok_no_funds": "insufficient_funds",
    "bank_returned": "account_closed",
}
_LOSES_FIRST_ANSWER = {"tok_lost_answer", "bank_lost_answer"}

_ASK = """
INSERT INTO money.sandbox_provider AS p (idempotency_key, request, outcome)
VALUES ($1, $2, $3)
ON CONFLICT (idempotency_key) DO UPDATE SET attempts = p.attempts + 1
RETURNING request, outcome, reference, attempts
"""


class KeyReused(Exception):
    """The provider was asked something else under this key before."""


class SandboxGateway:
    """A ``Gateway`` that answers by the table above."""

    def __init__(self, database: Database) -> None:
        self._database = database

    async def charge(
        self, key: UUID, *, token: str, amount_minor: int, currency: str
    ) -> ProviderAnswer:
        """See ``Gateway.charge``."""
        return await self._ask("charge", key, token, amount_minor, currency)

    async def pay_out(
        self, key: UUID, *, token: str, amount_minor: int, currency: str
    ) -> ProviderAnswer:
        """See ``Gateway.pay_out``."""
        return await self._ask("pay_out", key, token, amount_minor, currency)

    async def _ask(
        self, what: str, key: UUID, token: str, amount_minor: int, currency: str
    ) -> ProviderAnswer:
        request: dict[str, Any] = {
            "what": what, "token": token, "amount_minor": amount_minor, "currency": currency,
        }  # fmt: skip
        failure = _FAILURES.get(token)
        async with self._database.reading() as conn:
            row = await conn.fetchrow(
                _ASK, f"{what}:{key}", request, "declined" if failure else "succeeded"
            )
        assert row is not None
        if row["request"] != request:
            raise KeyReused(f"{what}:{key}")
        if token in _LOSES_FIRST_ANSWER and row["attempts"] == 1:
            raise ProviderUnavailable("the answer was lost on the way")
        return ProviderAnswer(row["outcome"], row["reference"], failure)
