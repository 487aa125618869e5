"""The second confirmation: a token bound to payer, payee, amount, currency and terms.

The idea is PSD2's dynamic linking (Reg. (EU) 2018/389, art. 5). 256 random bits, stored hashed,
single use, five minutes of business time. Its proof is the password until factors exist.
"""

from datetime import timedelta
from uuid import UUID

from handsel.foundation.core import ids
from handsel.foundation.core.errors import Invalid
from handsel.foundation.db.uow import Tx
from handsel.people.trust.errors import (
    ConfirmationExpired,
    ConfirmationMismatch,
    ConfirmationRequired,
    ConfirmationUsed,
)
from handsel.people.trust.schemas import ConfirmationInput, ConfirmationView, Payment

LIFETIME = timedelta(minutes=5)
_BOUND = "uuid", "uuid", "bigint", "text", "bytea"


async def issue(tx: Tx, payer_id: UUID, data: ConfirmationInput) -> ConfirmationView:
    """A token for exactly this payment by this payer, who has just proved to be it.

    The caller has checked the password in the same transaction. Raises at once: ``NotFound`` for
    a payee who does not exist, ``SelfPayment``.
    """
    if data.amount.amount_minor < 1:
        raise Invalid("an amount is at least one minor unit")
    token = ids.new_secret()
    row = await tx.fetchrow(
        "SELECT expires_at FROM people.issue_confirmation($1, $2, $3, $4, $5, $6, $7)",
        ids.digest(token),
        payer_id,
        ids.decode("mem", data.payee_id),
        data.amount.amount_minor,
        data.amount.currency,
        bytes.fromhex(data.terms_hash),
        LIFETIME,
    )
    assert row is not None
    return ConfirmationView(token=token, expires_at=row["expires_at"])


async def consume(tx: Tx, token: str | None, payment: Payment) -> None:
    """Use a confirmation up, with the payment's transaction. Of two uses at once one succeeds.

    Raises ``ConfirmationRequired`` (says what to post where), ``ConfirmationMismatch``,
    ``ConfirmationUsed``, ``ConfirmationExpired``.
    """
    if not token:
        raise _required(payment)
    wrong: list[str] = await tx.fetchval(
        "SELECT people.consume_confirmation($1, $2, $3, $4, $5, $6, $7)",
        ids.digest(token),
        payment.payer_id,
        payment.payee_id,
        payment.amount_minor,
        payment.currency,
        payment.terms_hash,
        payment.reference_id,
    )
    if not wrong:
        return
    if wrong == ["unknown"]:
        raise _required(payment)
    if wrong == ["used"]:
        raise ConfirmationUsed
    if wrong == ["expired"]:
        raise ConfirmationExpired("a confirmation lives five minutes; ask for a new one")
    raise ConfirmationMismatch(f"it was given for another {' and '.join(wrong)}", differs=wrong)


def _required(payment: Payment) -> ConfirmationRequired:
    """The refusal that says what to post where; the password is the member's to add."""
    return ConfirmationRequired(
        "confirm it with your password at POST /v1/confirmations, then send the token along",
        confirm={
            "method": "POST",
            "path": "/v1/confirmations",
            "body": {
                "payee_id": ids.encode("mem", payment.payee_id),
                "amount": {"amount_minor": payment.amount_minor, "currency": payment.currency},
                "terms_hash": payment.terms_hash.hex(),
            },
        },
    )
