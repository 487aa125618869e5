"""Against localstripe, a stateful Stripe of other people's making: payments, refunds, webhooks. It
has no Connect, no idempotency keys and no redirects, so the rest is tried on our own double."""

import threading
from collections.abc import AsyncIterator, Iterator
from datetime import UTC, datetime
from http.server import BaseHTTPRequestHandler, HTTPServer
from queue import Queue
from typing import Any

import httpx
import msgspec
import pytest

from handsel.foundation.core.ids import uuid7
from handsel.foundation.core.settings import Settings
from handsel.money.payments.gateway import Current, RefundAnswer
from handsel.money.payments.stripe.gateway import StripeGateway
from tests.money.gateways.outside import localstripe

KEY, SECRET = "sk_test_12345", "whsec_of_localstripe"
AUTH = {"Authorization": f"Bearer {KEY}"}
OK, DECLINED, STEP = "4242424242424242", "4000000000000341", "4000002500003155"
EUROS = {"currency": "EUR"}


@pytest.fixture(scope="module")
def base() -> Iterator[str]:
    with localstripe() as address:
        yield address


@pytest.fixture
async def gateway(base: str) -> AsyncIterator[StripeGateway]:
    settings = Settings(sandbox=False, secret="s" * 48)
    ours = StripeGateway(
        msgspec.structs.replace(
            settings, stripe_secret_key=KEY, stripe_webhook_secret=SECRET, stripe_api_base=base
        )
    )
    yield ours
    await ours.close()


@pytest.fixture
def heard(base: str) -> Iterator["Queue[tuple[dict[str, str], bytes]]"]:
    """Webhooks as they arrive."""
    arrived: Queue[tuple[dict[str, str], bytes]] = Queue()

    class Door(BaseHTTPRequestHandler):
        def do_POST(self) -> None:
            raw = self.rfile.read(int(self.headers["Content-Length"]))
            arrived.put(({k.lower(): v for k, v in self.headers.items()}, raw))
            self.send_response(200)
            self.end_headers()

        def log_message(self, *_: Any) -> None:
            """Quiet."""

    server = HTTPServer(("127.0.0.1", 0), Door)
    threading.Thread(target=server.serve_forever, args=(0.02,), daemon=True).start()
    url = f"http://127.0.0.1:{server.server_port}/"
    body = {"url": url, "secret": SECRET}
    httpx.post(f"{base}/_config/webhooks/ours", json=body, trust_env=False).raise_for_status()
    yield arrived
    server.shutdown()
    server.server_close()


def card(base: str, number: str) -> str:
    """A token as the provider's own form makes it: no card number comes to us."""
    form = {
        "type": "card", "card[number]": number, "card[exp_month]": "12", "card[exp_year]": "2030",
        "card[cvc]": "123",
    }  # fmt: skip
    made = httpx.post(f"{base}/v1/payment_methods", data=form, headers=AUTH, trust_env=False)
    return str(made.raise_for_status().json()["id"])


async def test_a_card_is_charged_and_a_part_goes_back(base: str, gateway: StripeGateway) -> None:
    charged = await gateway.charge(uuid7(), token=card(base, OK), amount_minor=5000, **EUROS)
    part = await gateway.refund(
        uuid7(), charge_reference=charged.reference, amount_minor=1200, **EUROS
    )

    assert charged.outcome == "succeeded"
    assert part == RefundAnswer("succeeded", part.reference)
    assert await gateway.look_up("charge", charged.reference) == Current("succeeded")
    assert await gateway.look_up("refund", part.reference) == Current("succeeded")


async def test_a_declined_card_is_declined(base: str, gateway: StripeGateway) -> None:
    answer = await gateway.charge(uuid7(), token=card(base, DECLINED), amount_minor=5000, **EUROS)

    assert (answer.outcome, answer.failure) == ("declined", "card_declined")


async def test_a_token_that_is_none_is_declined(gateway: StripeGateway) -> None:
    answer = await gateway.charge(uuid7(), token="pm_unknown", amount_minor=5000, **EUROS)

    assert answer.outcome == "declined"


async def test_a_step_without_a_way_back_is_declined(base: str, gateway: StripeGateway) -> None:
    answer = await gateway.charge(uuid7(), token=card(base, STEP), amount_minor=5000, **EUROS)

    assert (answer.outcome, answer.failure) == ("declined", "authentication_required")
    assert (await gateway.look_up("charge", answer.reference)).state == "failed"


async def test_its_webhook_is_believed_and_brings_our_key(
    base: str, gateway: StripeGateway, heard: "Queue[tuple[dict[str, str], bytes]]"
) -> None:
    key = uuid7()
    charged = await gateway.charge(key, token=card(base, OK), amount_minor=5000, **EUROS)

    event = None
    while event is None or event.reference != charged.reference:  # others come a second late
        headers, raw = heard.get(timeout=20)
        event = gateway.read_webhook(headers, raw, datetime.now(UTC))

    assert (event.kind, event.key, event.reference) == ("charge.succeeded", key, charged.reference)
    assert (event.amount_minor, event.currency) == (5000, "EUR")
