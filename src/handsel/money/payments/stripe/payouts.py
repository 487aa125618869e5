"""Payouts at Stripe: a transfer to the member's connected account, a payout from there to the bank.

Two steps, each under its own key, so asking again completes what was begun. What cannot be paid out
does not stay at the connected account: the transfer is reversed, and only then it is "declined" or
"returned".
"""

from typing import Any
from uuid import UUID

import stripe

from handsel.money.payments.gateway import Current, PayoutAnswer, ProviderUnavailable
from handsel.money.payments.stripe import read
from handsel.money.payments.stripe.amounts import AmountRefused, to_stripe
from handsel.money.payments.stripe.client import (
    asking,
    failure_of,
    may_be_forgotten,
    named,
    once,
    refused_reference,
)

#: Metadata of a payout: the transfer it was made for.
TRANSFER = "handsel_transfer"


async def pay_out(v1: Any, key: UUID, token: str, amount_minor: int, currency: str) -> PayoutAnswer:
    """Transfer, then pay out. Raises ``ProviderUnavailable``."""
    try:
        amount = to_stripe(amount_minor, currency, payout=True)
    except AmountRefused as refused:
        return PayoutAnswer("declined", refused_reference(key), str(refused))
    wanted = {"amount": amount, "currency": currency.lower()}
    try:
        transfer = await _earlier_transfer(v1, key)
        if transfer is None:
            transfer = await _transfer(v1, key, {**wanted, "destination": token})
    except (stripe.CardError, stripe.InvalidRequestError) as error:
        failure = read.balance_or(failure_of(error))
        return PayoutAnswer("declined", refused_reference(key), failure)
    reference: str = transfer["id"]
    try:
        payout = await _payout(v1, key, transfer, wanted)
    except (stripe.CardError, stripe.InvalidRequestError) as error:
        await take_back(v1, reference)
        return PayoutAnswer("declined", reference, failure_of(error))
    now = read.payout_now(payout, transfer)
    if now.state == "returned":
        await take_back(v1, reference)
        return PayoutAnswer("declined", reference, now.failure)
    return PayoutAnswer("paid" if now.state == "paid" else "accepted", reference)


async def _transfer(v1: Any, key: UUID, wanted: dict[str, Any]) -> read.Fields:
    params = {**wanted, "transfer_group": _group(key), "metadata": named(key)}
    async with asking():
        made = await v1.transfers.create_async(params, once(key, "transfer"))
    return _plain(made)


async def _earlier_transfer(v1: Any, key: UUID) -> read.Fields | None:
    if not may_be_forgotten(key):
        return None
    async with asking():
        page = await v1.transfers.list_async({"transfer_group": _group(key), "limit": 1})
    return _plain(page.data[0]) if page.data else None


async def _payout(
    v1: Any, key: UUID, transfer: read.Fields, wanted: dict[str, Any]
) -> read.Fields | None:
    """The payout that a transfer is for, made if need be; None where the transfer came back."""
    if transfer.get("reversed"):
        return None
    if may_be_forgotten(key):
        found = await _find(v1, transfer)
        if found is not None:
            return found
    params = {**wanted, "metadata": named(key, **{TRANSFER: transfer["id"]})}
    options = {**once(key, "payout"), "stripe_account": _account(transfer)}
    async with asking():
        made = await v1.payouts.create_async(params, options)
    return _plain(made)


async def look_up(v1: Any, reference: str) -> Current:
    """What has become of a payout by now. Raises ``InvalidRequestError`` where it is unknown."""
    async with asking():
        transfer = _plain(await v1.transfers.retrieve_async(reference))
    return read.payout_now(await _find(v1, transfer), transfer)


async def take_back(v1: Any, reference: str) -> None:
    """Reverse a transfer whose payout did not arrive; done already, nothing happens.

    Raises ``ProviderUnavailable``, also while the connected account does not have the money yet.
    """
    try:
        async with asking():
            transfer = _plain(await v1.transfers.retrieve_async(reference))
            if not transfer.get("reversed"):
                # Under no key of ours: what is reversed cannot be reversed again, and a refusal
                # for want of money there must not be remembered.
                await v1.transfers.reversals.create_async(reference)
    except stripe.InvalidRequestError as error:
        raise ProviderUnavailable(f"{reference} cannot be taken back yet: {error}") from error


async def _find(v1: Any, transfer: read.Fields) -> read.Fields | None:
    query = {"created": {"gte": transfer["created"]}, "limit": 100}
    async with asking():
        page = await v1.payouts.list_async(query, {"stripe_account": _account(transfer)})
        async for payout in page.auto_paging_iter():
            found = _plain(payout)
            if (found.get("metadata") or {}).get(TRANSFER) == transfer["id"]:
                return found
    return None


def _account(transfer: read.Fields) -> str:
    account = read.id_of(transfer["destination"])
    assert account is not None
    return account


def _group(key: UUID) -> str:
    return f"handsel-{key}"


def _plain(found: Any) -> read.Fields:
    fields: read.Fields = found.to_dict()
    return fields
