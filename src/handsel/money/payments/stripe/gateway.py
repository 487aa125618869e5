"""``StripeGateway``: see the package's docstring for how the port is spelt there."""

from collections.abc import Mapping, Sequence
from datetime import date, datetime
from typing import Any, Literal
from uuid import UUID

import stripe

from handsel.foundation.core.settings import Settings
from handsel.money.payments.gateway import (
    ChargeAnswer,
    Current,
    PayoutAnswer,
    ProviderEvent,
    ProviderUnavailable,
    RefundAnswer,
    ReportLine,
)
from handsel.money.payments.stripe import payouts, read, report, webhooks
from handsel.money.payments.stripe.amounts import AmountRefused, to_stripe
from handsel.money.payments.stripe.client import (
    KEY,
    asking,
    connect,
    failure_of,
    may_be_forgotten,
    named,
    once,
    refused_reference,
    transport,
)

_MAY_BE_CONTESTED = ("needs_response", "warning_needs_response")
#: Stripe takes no longer text.
_LONGEST_EVIDENCE = 20_000


class StripeGateway:
    """A ``Gateway``. ``http`` replaces the library's transport (tests)."""

    name = "stripe"

    def __init__(self, settings: Settings, http: stripe.HTTPClient | None = None) -> None:
        self._settings = settings
        self._http = http
        self._client: stripe.StripeClient | None = None

    @property
    def _v1(self) -> Any:
        # Made when it is first needed: most gateways of an API process only read webhooks.
        if self._client is None:
            self._http = self._http or transport()
            self._client = connect(self._settings, self._http)
        return self._client.v1

    async def close(self) -> None:
        """See ``Gateway.close``."""
        if self._http is not None:
            await self._http.close_async()  # type: ignore[no-untyped-call]

    async def charge(
        self, key: UUID, *, token: str, amount_minor: int, currency: str
    ) -> ChargeAnswer:
        """See ``Gateway.charge``."""
        try:
            amount = to_stripe(amount_minor, currency)
        except AmountRefused as refused:
            return ChargeAnswer("declined", refused_reference(key), str(refused))
        try:
            intent = await self._earlier_intent(key)
            if intent is None:
                intent = await self._new_intent(key, token, amount, currency)
        except (stripe.CardError, stripe.InvalidRequestError) as error:
            return _declined(error, key)
        answer = read.charge_answer(intent)
        if answer.outcome == "requires_action" and answer.action_url is None:
            return await self._give_up(intent)
        return answer

    async def _new_intent(self, key: UUID, token: str, amount: int, currency: str) -> read.Fields:
        params: dict[str, Any] = {
            "amount": amount,
            "currency": currency.lower(),
            "confirm": True,
            "payment_method": token,
            "payment_method_types": ["card"],
            "metadata": named(key),
        }
        if self._settings.stripe_return_url:
            params["return_url"] = self._settings.stripe_return_url
        async with asking():
            made = await self._v1.payment_intents.create_async(params, once(key, "charge"))
        return _plain(made)

    async def _earlier_intent(self, key: UUID) -> read.Fields | None:
        if not may_be_forgotten(key):
            return None
        query = {"query": f"metadata['{KEY}']:'{key}'", "limit": 1}
        async with asking():
            found = await self._v1.payment_intents.search_async(query)
        return _plain(found.data[0]) if found.data else None

    async def _give_up(self, intent: read.Fields) -> ChargeAnswer:
        """The payer would have to confirm, and has nowhere to do it: nothing is left open."""
        try:
            async with asking():
                await self._v1.payment_intents.cancel_async(intent["id"])
        except stripe.InvalidRequestError:  # it is canceled already, or has been decided meanwhile
            current = await self.look_up("charge", intent["id"])
            if current.state != "failed":
                raise ProviderUnavailable(f"{intent['id']} is {current.state}") from None
        return ChargeAnswer("declined", intent["id"], "authentication_required")

    async def refund(
        self, key: UUID, *, charge_reference: str, amount_minor: int, currency: str
    ) -> RefundAnswer:
        """See ``Gateway.refund``."""
        try:
            amount = to_stripe(amount_minor, currency)
        except AmountRefused as refused:
            return RefundAnswer("failed", refused_reference(key), str(refused))
        params = {
            "payment_intent": charge_reference,
            "amount": amount,
            "metadata": named(key),
        }
        try:
            refund = await self._earlier_refund(key, charge_reference)
            if refund is None:
                async with asking():
                    made = await self._v1.refunds.create_async(params, once(key, "refund"))
                refund = _plain(made)
        except (stripe.CardError, stripe.InvalidRequestError) as error:
            failure = read.balance_or(failure_of(error))
            return RefundAnswer("failed", refused_reference(key), failure)
        return read.refund_answer(refund)

    async def _earlier_refund(self, key: UUID, charge_reference: str) -> read.Fields | None:
        if not may_be_forgotten(key):
            return None
        query = {"payment_intent": charge_reference, "limit": 100}
        async with asking():
            page = await self._v1.refunds.list_async(query)
            async for found in page.auto_paging_iter():
                if read.key_of(_plain(found)) == key:
                    return _plain(found)
        return None

    async def pay_out(
        self, key: UUID, *, token: str, amount_minor: int, currency: str
    ) -> PayoutAnswer:
        """See ``Gateway.pay_out``."""
        return await payouts.pay_out(self._v1, key, token, amount_minor, currency)

    async def take_back(self, reference: str) -> None:
        """See ``Gateway.take_back``."""
        await payouts.take_back(self._v1, reference)

    async def look_up(self, kind: Literal["charge", "payout", "refund"], reference: str) -> Current:
        """See ``Gateway.look_up``."""
        try:
            if kind == "payout":
                return await payouts.look_up(self._v1, reference)
            async with asking():
                if kind == "charge":
                    found = await self._v1.payment_intents.retrieve_async(reference)
                    return read.charge_now(_plain(found))
                answer = read.refund_answer(
                    _plain(await self._v1.refunds.retrieve_async(reference))
                )
                return Current(answer.outcome, answer.failure)
        except stripe.InvalidRequestError as error:
            raise ProviderUnavailable(str(error)) from error

    async def submit_evidence(self, key: UUID, reference: str, text: str, /) -> None:
        """See ``Gateway.submit_evidence``."""
        params = {"evidence": {"uncategorized_text": text[:_LONGEST_EVIDENCE]}, "submit": True}
        try:
            async with asking():
                await self._v1.disputes.update_async(reference, params, once(key, "evidence"))
        except stripe.InvalidRequestError:
            await self._unless_over(reference)

    async def accept_dispute(self, key: UUID, reference: str, /) -> None:
        """See ``Gateway.accept_dispute``."""
        try:
            async with asking():
                await self._v1.disputes.close_async(reference, {}, once(key, "accept"))
        except stripe.InvalidRequestError:
            await self._unless_over(reference)

    async def _unless_over(self, reference: str) -> None:
        """A dispute that takes no answer any more has had ours, or is decided: both are fine."""
        try:
            async with asking():
                found = await self._v1.disputes.retrieve_async(reference)
        except stripe.InvalidRequestError as error:
            raise ProviderUnavailable(str(error)) from error
        if _plain(found).get("status") in _MAY_BE_CONTESTED:
            raise ProviderUnavailable(f"Stripe takes no answer to {reference}")

    async def report(self, day: date) -> Sequence[ReportLine]:
        """See ``Gateway.report``."""
        return await report.lines(self._v1, day)

    def read_webhook(self, headers: Mapping[str, str], raw: bytes, now: datetime) -> ProviderEvent:
        """See ``Gateway.read_webhook``."""
        return webhooks.read_event(self._settings.stripe_webhook_secret, headers, raw, now)


def _plain(found: Any) -> read.Fields:
    fields: read.Fields = found.to_dict()
    return fields


def _declined(error: stripe.CardError | stripe.InvalidRequestError, key: UUID) -> ChargeAnswer:
    """A definite no. With a declined card there is a PaymentIntent all the same."""
    intent = read.id_of(_said(error).get("payment_intent"))
    return ChargeAnswer("declined", intent or refused_reference(key), failure_of(error))


def _said(error: stripe.StripeError) -> read.Fields:
    body = error.json_body
    said = body.get("error") if isinstance(body, Mapping) else None
    return said if isinstance(said, Mapping) else {}
