"""What is Stripe's own: keys that it forgets, payouts in two steps, its ways to write money, its
events, and errors that must never be taken for an answer."""

from collections.abc import AsyncIterator
from datetime import UTC, datetime, timedelta
from typing import Any
from uuid import UUID

import msgspec
import pytest

from handsel.foundation.core import clock
from handsel.foundation.core.ids import uuid7
from handsel.money.payments.errors import SignatureInvalid, WebhookMalformed
from handsel.money.payments.gateway import (
    ChargeAnswer,
    Current,
    PayoutAnswer,
    ProviderEvent,
    ProviderUnavailable,
    RefundAnswer,
)
from handsel.money.payments.stripe.amounts import AmountRefused, from_stripe, to_stripe
from handsel.money.payments.stripe.client import API_VERSION
from handsel.money.payments.stripe.gateway import StripeGateway
from handsel.money.payments.stripe.read import dispute_fee
from tests.money.gateways.peers import stripe_settings
from tests.money.gateways.stripe_books import SECRET, Fields
from tests.money.gateways.stripe_double import StripeDouble

EUROS = {"currency": "EUR"}


@pytest.fixture
async def double() -> AsyncIterator[StripeDouble]:
    running = StripeDouble()
    yield running
    running.stop()


@pytest.fixture
async def gateway(double: StripeDouble) -> AsyncIterator[StripeGateway]:
    """Ours, with money at Stripe."""
    found = StripeGateway(stripe_settings(double))
    await found.charge(uuid7(), token="pm_ok", amount_minor=100_000, currency="EUR")
    double.asked.clear()
    yield found
    await found.close()


def old_key() -> UUID:
    """A key of the day before yesterday."""
    ms = clock.unix_ms() - 2 * 86_400_000
    return UUID(int=ms << 80 | uuid7().int & ((1 << 80) - 1))


def heard(double: StripeDouble, gateway: StripeGateway) -> list[ProviderEvent]:
    now = datetime.now(UTC)
    return [gateway.read_webhook(headers, raw, now) for raw, headers in double.books.told()]


async def test_the_version_of_the_api_is_the_one_we_were_written_for(
    double: StripeDouble, gateway: StripeGateway
) -> None:
    await gateway.report(datetime.now(UTC).date())

    assert double.versions == {API_VERSION}


async def test_a_charge_whose_key_was_forgotten_is_not_made_again(
    double: StripeDouble, gateway: StripeGateway
) -> None:
    key = old_key()
    first = await gateway.charge(key, token="pm_ok", amount_minor=5000, **EUROS)
    double.forget_keys()

    again = await gateway.charge(key, token="pm_ok", amount_minor=5000, **EUROS)

    assert again == first == ChargeAnswer("succeeded", first.reference)
    assert len(double.books.of("charge")) == 2


async def test_a_payout_whose_key_was_forgotten_is_not_made_again(
    double: StripeDouble, gateway: StripeGateway
) -> None:
    key = old_key()
    first = await gateway.pay_out(key, token="acct_ok", amount_minor=700, **EUROS)
    double.forget_keys()

    again = await gateway.pay_out(key, token="acct_ok", amount_minor=700, **EUROS)

    assert again == first
    assert (len(double.books.of("transfer")), len(double.books.of("payout"))) == (1, 1)


async def test_a_payout_that_was_half_made_is_completed(
    double: StripeDouble, gateway: StripeGateway
) -> None:
    key = old_key()
    with pytest.raises(ProviderUnavailable):  # the transfer was made, its answer was lost
        await gateway.pay_out(key, token="acct_lost", amount_minor=700, **EUROS)
    assert (len(double.books.of("transfer")), len(double.books.of("payout"))) == (1, 0)
    double.forget_keys()

    answer = await gateway.pay_out(key, token="acct_lost", amount_minor=700, **EUROS)

    assert answer == PayoutAnswer("accepted", double.books.of("transfer")[0]["id"])
    assert (len(double.books.of("transfer")), len(double.books.of("payout"))) == (1, 1)


async def test_a_refund_whose_key_was_forgotten_is_not_made_again(
    double: StripeDouble, gateway: StripeGateway
) -> None:
    key, charged = old_key(), double.books.of("payment_intent")[0]["id"]
    for amount in (10, 20, 30, 40):  # more than a page of others
        await gateway.refund(uuid7(), charge_reference=charged, amount_minor=amount, **EUROS)
    first = await gateway.refund(key, charge_reference=charged, amount_minor=50, **EUROS)
    for amount in (60, 70, 80):
        await gateway.refund(uuid7(), charge_reference=charged, amount_minor=amount, **EUROS)
    double.forget_keys()

    again = await gateway.refund(key, charge_reference=charged, amount_minor=50, **EUROS)

    assert again == first == RefundAnswer("succeeded", first.reference)
    assert len(double.books.of("refund")) == 8


async def test_a_payout_that_came_back_is_declined_when_asked_again_a_day_later(
    double: StripeDouble, gateway: StripeGateway
) -> None:
    key = old_key()
    first = await gateway.pay_out(key, token="acct_ok", amount_minor=700, **EUROS)
    before = double.books.balance()
    double.books.payout_fails(double.books.of("payout")[0]["id"])
    double.forget_keys()

    again = await gateway.pay_out(key, token="acct_ok", amount_minor=700, **EUROS)

    assert again == PayoutAnswer("declined", first.reference, "account_closed")
    assert double.books.balance() == before + 700
    assert double.books.of("transfer")[0]["reversed"]


async def test_nothing_is_taken_back_that_is_not_there_yet(
    double: StripeDouble, gateway: StripeGateway
) -> None:
    answer = await gateway.pay_out(uuid7(), token="acct_ok", amount_minor=700, **EUROS)
    before = double.books.balance()

    with pytest.raises(ProviderUnavailable):
        await gateway.take_back(answer.reference)
    assert double.books.balance() == before
    double.books.payout_fails(double.books.of("payout")[0]["id"])
    await gateway.take_back(answer.reference)

    assert double.books.balance() == before + 700


async def test_payouts_to_one_account_are_not_mistaken_for_each_other(
    double: StripeDouble, gateway: StripeGateway
) -> None:
    answers = [
        await gateway.pay_out(uuid7(), token="acct_ok", amount_minor=700, **EUROS)
        for _ in range(5)  # more than a page
    ]
    payouts = double.books.of("payout")[::-1]
    double.books.payout_fails(payouts[0]["id"])
    double.books.payout_arrives(payouts[3]["id"])

    found = [(await gateway.look_up("payout", x.reference)).state for x in answers]

    assert found == ["returned", "accepted", "accepted", "paid", "accepted"]


async def test_more_than_we_have_there_is_not_paid_out(
    double: StripeDouble, gateway: StripeGateway
) -> None:
    before = double.books.balance()

    answer = await gateway.pay_out(uuid7(), token="acct_ok", amount_minor=before + 1, **EUROS)

    assert (answer.outcome, answer.failure) == ("declined", "insufficient_provider_balance")
    assert double.books.balance() == before


async def test_a_refund_without_balance_is_a_not_now(
    double: StripeDouble, gateway: StripeGateway
) -> None:
    charged = double.books.of("payment_intent")[0]["id"]
    amount = double.books.balance() - 10
    await gateway.pay_out(uuid7(), token="acct_ok", amount_minor=amount, **EUROS)

    async def ask(key: UUID) -> RefundAnswer:
        return await gateway.refund(key, charge_reference=charged, amount_minor=100, **EUROS)

    now, later = uuid7(), uuid7()
    assert (await ask(now)).failure == "insufficient_provider_balance"
    await gateway.charge(uuid7(), token="pm_ok", amount_minor=5000, **EUROS)

    assert (await ask(now)).failure == "insufficient_provider_balance"  # a key has one answer
    assert (await ask(later)).outcome == "succeeded"


async def test_a_refund_that_fails_later_is_told(
    double: StripeDouble, gateway: StripeGateway
) -> None:
    charged = double.books.of("payment_intent")[0]["id"]
    key = uuid7()
    answer = await gateway.refund(key, charge_reference=charged, amount_minor=100, **EUROS)
    double.books.refund_fails(answer.reference)

    events = heard(double, gateway)[1:]

    assert [(e.kind, e.key, e.reference) for e in events] == [
        ("refund.succeeded", key, answer.reference),
        ("refund.failed", key, answer.reference),
    ]
    assert events[1].data == {"failure": "expired_or_canceled_card"}
    current = await gateway.look_up("refund", answer.reference)
    assert current == Current("failed", "expired_or_canceled_card")


async def test_a_card_that_needs_a_step_is_declined_where_there_is_no_way_back(
    double: StripeDouble,
) -> None:
    settings = msgspec.structs.replace(stripe_settings(double), stripe_return_url="")
    gateway, key = StripeGateway(settings), uuid7()

    first = await gateway.charge(key, token="pm_3ds", amount_minor=5000, **EUROS)
    again = await gateway.charge(key, token="pm_3ds", amount_minor=5000, **EUROS)

    assert again == first == ChargeAnswer("declined", first.reference, "authentication_required")
    assert double.books.get("payment_intent", first.reference)["status"] == "canceled"


async def test_a_wrong_key_fails_nobody(double: StripeDouble) -> None:
    settings = msgspec.structs.replace(stripe_settings(double), stripe_secret_key="sk_test_wrong")

    with pytest.raises(ProviderUnavailable):
        await StripeGateway(settings).charge(uuid7(), token="pm_ok", amount_minor=1, **EUROS)


async def test_nobody_at_the_address_is_silence(double: StripeDouble) -> None:
    gateway = StripeGateway(stripe_settings(double))
    double.stop()

    with pytest.raises(ProviderUnavailable):
        await gateway.charge(uuid7(), token="pm_ok", amount_minor=1, **EUROS)


async def test_evidence_that_was_taken_is_not_sent_again(
    double: StripeDouble, gateway: StripeGateway
) -> None:
    charged = double.books.of("payment_intent")[0]["id"]
    dispute = double.books.disputes(charged)

    await gateway.submit_evidence(uuid7(), dispute, "It was delivered.")
    await gateway.submit_evidence(uuid7(), dispute, "Something else.")
    await gateway.accept_dispute(uuid7(), dispute)

    found = double.books.get("dispute", dispute)
    assert found["evidence"] == {"uncategorized_text": "It was delivered."}
    assert found["status"] == "under_review"


async def test_evidence_that_is_not_taken_is_not_given_up(
    double: StripeDouble, gateway: StripeGateway
) -> None:
    dispute = double.books.disputes(double.books.of("payment_intent")[0]["id"])
    double.books.takes_no_evidence = True

    with pytest.raises(ProviderUnavailable):
        await gateway.submit_evidence(uuid7(), dispute, "It was delivered.")

    double.books.takes_no_evidence = False
    await gateway.submit_evidence(uuid7(), dispute, "x" * 30_000)
    sent = double.books.get("dispute", dispute)["evidence"]["uncategorized_text"]
    assert sent == "x" * 20_000


async def test_a_dispute_is_given_up_once(double: StripeDouble, gateway: StripeGateway) -> None:
    dispute = double.books.disputes(double.books.of("payment_intent")[0]["id"])

    await gateway.accept_dispute(uuid7(), dispute)
    await gateway.accept_dispute(uuid7(), dispute)

    assert double.books.get("dispute", dispute)["status"] == "lost"


async def test_a_dispute_in_the_words_of_the_port(
    double: StripeDouble, gateway: StripeGateway
) -> None:
    charged = double.books.of("payment_intent")[0]["id"]
    heard(double, gateway)
    dispute = double.books.disputes(charged, 4000)
    double.books.decide(dispute, "won")

    events = heard(double, gateway)

    assert [(e.kind, e.reference, e.charge_reference, e.amount_minor) for e in events] == [
        ("dispute.opened", dispute, charged, 4000),
        ("dispute.funds_withdrawn", dispute, charged, 4000),
        ("dispute.funds_returned", dispute, charged, 4000),
        ("dispute.won", dispute, charged, 4000),
    ]
    assert [e.data["fee_minor"] for e in events] == [1500, 1500, 1500, 0]
    due = datetime.fromisoformat(events[0].data["evidence_due_at"])
    assert due - events[0].occurred_at == timedelta(days=7)


@pytest.mark.parametrize("other", ["aud", "usd"])
def test_a_dispute_fee_in_another_currency_is_left_to_the_report(other: str) -> None:
    dispute = {
        "currency": "eur",
        "balance_transactions": [
            {"currency": other, "fee": 2000},
            {"currency": "eur", "fee": 1500},
            {"currency": "eur", "fee": -400},
        ],
    }

    assert (dispute_fee(dispute), dispute_fee(dispute, back=True)) == (1500, 400)


async def test_an_inquiry_opens_nothing_until_money_is_taken(
    double: StripeDouble, gateway: StripeGateway
) -> None:
    charged = double.books.of("payment_intent")[0]["id"]
    heard(double, gateway)
    dispute = double.books.disputes(charged, inquiry=True)
    double.books.escalates(dispute)

    assert [e.kind for e in heard(double, gateway)] == [
        "dispute.updated",
        "dispute.funds_withdrawn",
    ]


async def test_a_payout_is_told_by_its_transfer(
    double: StripeDouble, gateway: StripeGateway
) -> None:
    heard(double, gateway)
    key = uuid7()
    answer = await gateway.pay_out(key, token="acct_ok", amount_minor=700, **EUROS)
    payout = double.books.of("payout")[0]["id"]
    double.books.payout_arrives(payout)
    double.books.payout_fails(payout)
    double.books.bank_payout(100)  # ours, to our own bank

    events = heard(double, gateway)

    assert [(e.kind, e.reference, e.key) for e in events[:2]] == [
        ("payout.paid", answer.reference, key),
        ("payout.returned", answer.reference, key),
    ]
    assert events[1].data == {"failure": "account_closed"}
    assert events[2].kind == "other"


async def test_the_report_has_every_page_and_the_references_of_our_rows(
    double: StripeDouble, gateway: StripeGateway
) -> None:
    charged = double.books.of("payment_intent")[0]["id"]
    refund = await gateway.refund(uuid7(), charge_reference=charged, amount_minor=50, **EUROS)
    paid = await gateway.pay_out(uuid7(), token="acct_ok", amount_minor=700, **EUROS)
    double.books.payout_fails(double.books.of("payout")[0]["id"])
    await gateway.take_back(paid.reference)
    double.books.refund_fails(refund.reference)
    dispute = double.books.disputes(charged, 4000)
    double.books.decide(dispute, "won")
    double.books.bank_payout(300)

    lines = await gateway.report(datetime.now(UTC).date())

    assert [(x.kind, x.reference, x.amount_minor, x.fee_minor) for x in lines] == [
        ("charge", charged, 100_000, 1425),
        ("refund", refund.reference, -50, 0),
        ("payout", paid.reference, -700, 0),
        ("payout_return", paid.reference, 700, 0),
        ("refund_failed", refund.reference, 50, 0),
        ("dispute", dispute, -4000, 1500),
        ("dispute_return", dispute, 4000, 0),
        ("bank_payout", double.books.of("payout")[0]["id"], -300, 0),
    ]
    assert sum(x.amount_minor - x.fee_minor for x in lines) == double.books.balance()


@pytest.mark.parametrize(
    ("ours", "currency", "theirs"),
    [(1250, "EUR", 1250), (500, "JPY", 500), (5, "ISK", 500), (5120, "KWD", 5120)],
)
def test_amounts_are_written_as_stripe_writes_them(ours: int, currency: str, theirs: int) -> None:
    assert to_stripe(ours, currency) == theirs
    assert from_stripe(theirs, currency.lower()) == ours


@pytest.mark.parametrize(
    ("amount", "currency", "payout", "code"),
    [
        (5124, "KWD", False, "amount_too_precise"),
        (1050, "HUF", True, "amount_too_precise"),
        (5, "UGX", False, "currency_not_supported"),
    ],
)
async def test_an_amount_that_cannot_be_said_exactly_is_refused(
    double: StripeDouble, gateway: StripeGateway, amount: int, currency: str, payout: bool,
    code: str,
) -> None:  # fmt: skip
    wanted: dict[str, Any] = {"amount_minor": amount, "currency": currency}

    if payout:
        answer: Any = await gateway.pay_out(uuid7(), token="acct_ok", **wanted)
    else:
        answer = await gateway.charge(uuid7(), token="pm_ok", **wanted)

    assert (answer.outcome, answer.failure) == ("declined", code)
    assert double.asked == []


def test_a_part_of_a_krona_is_not_rounded() -> None:
    with pytest.raises(AmountRefused):
        from_stripe(550, "isk")


def intent_event(**more: Any) -> Fields:
    found = {"object": "payment_intent", "id": "pi_1", "status": "succeeded", "amount": 5000}
    event = {"id": "evt_1", "type": "payment_intent.succeeded", "created": 1_790_000_000}
    return event | {"data": {"object": found | {"currency": "eur"} | more}}


async def test_an_endpoint_may_have_several_secrets(double: StripeDouble) -> None:
    settings = stripe_settings(double)
    several = msgspec.structs.replace(settings, stripe_webhook_secret=f"whsec_one, {SECRET}")
    none = msgspec.structs.replace(settings, stripe_webhook_secret=" , ")
    raw, headers = double.books.signed(intent_event())
    now = datetime.now(UTC)

    assert StripeGateway(several).read_webhook(headers, raw, now).reference == "pi_1"
    for empty in (none, msgspec.structs.replace(settings, stripe_webhook_secret="")):
        with pytest.raises(SignatureInvalid):
            StripeGateway(empty).read_webhook(headers, raw, now)


@pytest.mark.parametrize(
    "event",
    [
        intent_event(id=None),
        intent_event(amount=550, currency="isk"),
        intent_event() | {"data": {}},
        intent_event() | {"data": {"object": []}},
        intent_event() | {"created": 10**18},
        intent_event() | {"type": "charge.dispute.created", "data": {"object": {"id": "dp_1"}}},
    ],
)
async def test_an_event_that_lacks_what_it_must_say_is_malformed(
    double: StripeDouble, gateway: StripeGateway, event: Fields
) -> None:
    raw, headers = double.books.signed(event)

    with pytest.raises(WebhookMalformed):
        gateway.read_webhook(headers, raw, datetime.now(UTC))


async def test_an_event_of_no_interest_is_read_as_such(
    double: StripeDouble, gateway: StripeGateway
) -> None:
    event = intent_event(id="cus_1", object="customer") | {"type": "customer.created"}
    raw, headers = double.books.signed(event)

    read = gateway.read_webhook(headers, raw, datetime.now(UTC))

    assert (read.kind, read.reference, read.amount_minor) == ("other", "cus_1", 0)
