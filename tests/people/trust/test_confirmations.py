"""A confirmation fits one payment of one payer, once, for five minutes."""

from typing import Any
from uuid import uuid4

import pytest

from handsel.foundation.core.ids import digest
from handsel.foundation.core.money import Money
from handsel.foundation.db.uow import Tx
from handsel.people.trust import confirmations, service
from handsel.people.trust.errors import (
    ConfirmationExpired,
    ConfirmationMismatch,
    ConfirmationRequired,
    ConfirmationUsed,
)
from handsel.people.trust.schemas import ConfirmationInput, Payment
from tests.factories.members import Member
from tests.people.trust.parties import TERMS, pair, payment


async def confirmed(tx: Tx, buyer: Member, seller: Member) -> tuple[str, Payment]:
    """A token of the buyer for 12.50 EUR to the seller, and the payment that it fits."""
    data = ConfirmationInput(
        payee_id=seller.public_id,
        amount=Money(amount_minor=1_250, currency="EUR"),
        terms_hash=TERMS.hex(),
        password="proved by the caller",
    )
    issued = await confirmations.issue(tx, buyer.id, data)
    return issued.token, payment(1_250, payer_id=buyer.id, payee_id=seller.id)


def changed(asked: Payment, **fields: Any) -> Payment:
    return Payment(**{name: getattr(asked, name) for name in Payment.__slots__} | fields)


async def test_confirmation_is_used_once(tx: Tx) -> None:
    token, asked = await confirmed(tx, *await pair(tx))

    await service.consume_confirmation(tx, token, asked)

    with pytest.raises(ConfirmationUsed):
        await service.consume_confirmation(tx, token, asked)
    with pytest.raises(ConfirmationUsed):
        await service.consume_confirmation(tx, token, changed(asked, reference_id=uuid4()))


@pytest.mark.parametrize(
    ("differs", "fields"),
    [
        (["amount"], {"amount_minor": 1_251}),
        (["currency"], {"currency": "GBP"}),
        (["terms"], {"terms_hash": b"\x08" * 32}),
        (["amount", "terms"], {"amount_minor": 1, "terms_hash": b""}),
    ],
)
async def test_confirmation_for_something_else_is_refused(
    tx: Tx, differs: list[str], fields: dict[str, Any]
) -> None:
    token, asked = await confirmed(tx, *await pair(tx))

    with pytest.raises(ConfirmationMismatch) as refused:
        await service.consume_confirmation(tx, token, changed(asked, **fields))

    assert refused.value.members == {"differs": differs}
    await service.consume_confirmation(tx, token, asked)  # a wrong use has not used it up


async def test_confirmation_for_another_payee_is_refused(tx: Tx) -> None:
    token, asked = await confirmed(tx, *await pair(tx))
    other, _ = await pair(tx)

    with pytest.raises(ConfirmationMismatch) as refused:
        await service.consume_confirmation(tx, token, changed(asked, payee_id=other.id))

    assert refused.value.members == {"differs": ["payee"]}


async def test_confirmation_of_another_member_tells_nothing_more(tx: Tx) -> None:
    token, asked = await confirmed(tx, *await pair(tx))
    thief, _ = await pair(tx)
    stolen = changed(asked, payer_id=thief.id, amount_minor=999_999)

    with pytest.raises(ConfirmationMismatch) as refused:
        await service.consume_confirmation(tx, token, stolen)

    assert refused.value.members == {"differs": ["payer"]}


@pytest.mark.parametrize(("wait", "fits"), [("299 seconds", True), ("300 seconds", False)])
async def test_confirmation_lives_five_minutes(tx: Tx, wait: str, fits: bool) -> None:
    token, asked = await confirmed(tx, *await pair(tx))
    await tx.execute(f"SELECT foundation.advance_clock('{wait}')")

    if fits:
        await service.consume_confirmation(tx, token, asked)
    else:
        with pytest.raises(ConfirmationExpired):
            await service.consume_confirmation(tx, token, asked)


@pytest.mark.parametrize("token", [None, "", "no token of ours"])
async def test_missing_confirmation_says_what_to_post_where(tx: Tx, token: str | None) -> None:
    _, asked = await confirmed(tx, *await pair(tx))

    with pytest.raises(ConfirmationRequired) as refused:
        await service.consume_confirmation(tx, token, asked)

    assert refused.value.members["confirm"] == {
        "method": "POST",
        "path": "/v1/confirmations",
        "body": {
            "payee_id": f"mem_{asked.payee_id.hex}",
            "amount": {"amount_minor": 1_250, "currency": "EUR"},
            "terms_hash": TERMS.hex(),
        },
    }


async def test_token_is_stored_hashed(tx: Tx) -> None:
    token, _ = await confirmed(tx, *await pair(tx))

    await tx.execute("SET LOCAL ROLE handsel_owner")
    stored = await tx.fetchrow(
        "SELECT c::text AS row FROM people.confirmations c WHERE token_sha256 = $1", digest(token)
    )
    await tx.execute("SET LOCAL ROLE handsel_app")

    assert stored is not None
    assert token not in stored["row"]


async def test_only_unused_confirmations_are_forgotten_after_a_day(tx: Tx) -> None:
    buyer, seller = await pair(tx)
    used, asked = await confirmed(tx, buyer, seller)
    await service.consume_confirmation(tx, used, asked)
    unused, _ = await confirmed(tx, buyer, seller)

    assert await service.prune(tx.conn) == 0
    await tx.execute("SELECT foundation.advance_clock('25 hours')")
    assert await service.prune(tx.conn) == 1

    with pytest.raises(ConfirmationUsed):
        await service.consume_confirmation(tx, used, asked)
    with pytest.raises(ConfirmationRequired):
        await service.consume_confirmation(tx, unused, asked)
