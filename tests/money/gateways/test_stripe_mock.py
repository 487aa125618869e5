"""Every request that the gateway can make is one that Stripe's own description allows."""

from collections.abc import Iterator, Mapping
from datetime import UTC, datetime
from typing import Any
from uuid import UUID

import msgspec
import pytest
import stripe

from handsel.foundation.core.ids import uuid7
from handsel.foundation.core.settings import Settings
from handsel.money.payments.stripe.gateway import StripeGateway
from tests.money.gateways.outside import stripe_mock

Asked = tuple[str, str, int]


class Recording(stripe.HTTPXClient):
    """The library's transport, and what came back through it."""

    def __init__(self) -> None:
        super().__init__(timeout=10)
        self.asked: list[Asked] = []

    async def request_async(
        self, method: str, url: str, headers: Mapping[str, str], post_data: Any = None
    ) -> tuple[bytes, int, Mapping[str, str]]:
        content, status, answered = await super().request_async(method, url, headers, post_data)
        path = url.split("/v1/")[1].split("?")[0]
        self.asked.append((method, path, status))
        assert status == 200, content.decode()  # as their validator says it
        return content, status, answered


@pytest.fixture(scope="module")
def base() -> Iterator[str]:
    with stripe_mock() as address:
        yield address


async def test_every_request_is_one_of_stripes(base: str) -> None:
    http = Recording()
    settings = msgspec.structs.replace(
        Settings(sandbox=False, secret="s" * 48),
        stripe_secret_key="sk_test_123",
        stripe_api_base=base,
        stripe_return_url="https://handsel.test/wallet",
    )
    gateway = StripeGateway(settings, http)
    euros: dict[str, Any] = {"amount_minor": 5000, "currency": "EUR"}

    for key in (uuid7(), UUID(int=5)):  # one that Stripe remembers, and one that it may not
        await gateway.charge(key, token="pm_card_visa", **euros)
        await gateway.refund(key, charge_reference="pi_1", **euros)
        await gateway.pay_out(key, token="acct_1", **euros)
    for kind in ("charge", "payout", "refund"):
        await gateway.look_up(kind, f"{kind}_1")  # type: ignore[arg-type]
    await gateway.take_back("tr_1")
    await gateway.submit_evidence(uuid7(), "dp_1", "It was delivered.")
    await gateway.accept_dispute(uuid7(), "dp_1")
    await gateway.report(datetime.now(UTC).date())
    await gateway.close()

    assert {path.split("/")[0] for _, path, _ in http.asked} == {
        "balance_transactions", "disputes", "payment_intents", "payouts", "refunds", "transfers",
    }  # fmt: skip
    assert len({(method, path) for method, path, _ in http.asked}) >= 14
