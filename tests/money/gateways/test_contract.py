"""The contract of ``payments/gateway.py``, kept by every provider that it stands for."""

from collections.abc import AsyncIterator, Awaitable, Callable
from datetime import timedelta

import msgspec
import pytest

from handsel.foundation.core.ids import uuid7
from handsel.foundation.db.uow import Database
from handsel.money.payments.errors import SignatureInvalid, TimestampOutside, WebhookMalformed
from handsel.money.payments.gateway import (
    ChargeAnswer,
    Current,
    KeyReused,
    PayoutAnswer,
    ProviderUnavailable,
    RefundAnswer,
    ReportLine,
)
from tests.money.gateways import peers
from tests.money.gateways.peers import Peer


@pytest.fixture(params=["sandbox", "stripe"])
async def peer(request: pytest.FixtureRequest, database: Database) -> AsyncIterator[Peer]:
    """Each provider in turn, with money of ours at it."""
    opened = peers.sandbox(database) if request.param == "sandbox" else peers.stripe()
    async with opened as found:
        await charge(found, "ok", 100_000)
        yield found


async def charge(peer: Peer, token: str, amount: int = 5000) -> ChargeAnswer:
    return await peer.gateway.charge(
        uuid7(), token=peer.token[token], amount_minor=amount, currency="EUR"
    )


async def pay_out(peer: Peer, token: str, amount: int = 700) -> PayoutAnswer:
    return await peer.gateway.pay_out(
        uuid7(), token=peer.token[token], amount_minor=amount, currency="EUR"
    )


async def lines(peer: Peer, reference: str | None = None) -> list[ReportLine]:
    """Today's and, where the clock has moved, yesterday's; of one thing or of all."""
    today = (await peer.now()).date()
    found = [
        line
        for day in (today - timedelta(days=1), today)
        for line in await peer.gateway.report(day)
    ]
    return [line for line in found if reference in (None, line.reference)]


async def moved(peer: Peer, reference: str) -> list[tuple[str, int, int]]:
    found = await lines(peer, reference)
    return [(line.kind, line.amount_minor, line.fee_minor) for line in found]


async def test_a_key_acts_once_and_answers_the_same(peer: Peer) -> None:
    key, token = uuid7(), peer.token["ok"]

    first = await peer.gateway.charge(key, token=token, amount_minor=5000, currency="EUR")
    again = await peer.gateway.charge(key, token=token, amount_minor=5000, currency="EUR")

    assert again == first == ChargeAnswer("succeeded", first.reference)
    assert await moved(peer, first.reference) == [("charge", 5000, 95)]


async def test_another_request_under_a_used_key_is_refused(peer: Peer) -> None:
    key, token = uuid7(), peer.token["ok"]
    first = await peer.gateway.charge(key, token=token, amount_minor=5000, currency="EUR")
    before = await lines(peer)

    with pytest.raises(KeyReused):
        await peer.gateway.charge(key, token=token, amount_minor=5001, currency="EUR")

    assert await lines(peer) == before
    again = await peer.gateway.charge(key, token=token, amount_minor=5000, currency="EUR")
    assert again == first


@pytest.mark.parametrize(
    ("token", "failure"), [("declined", "card_declined"), ("no_funds", "insufficient_funds")]
)
async def test_a_decline_is_final_for_its_key(peer: Peer, token: str, failure: str) -> None:
    key, name = uuid7(), peer.token[token]

    first = await peer.gateway.charge(key, token=name, amount_minor=5000, currency="EUR")
    again = await peer.gateway.charge(key, token=name, amount_minor=5000, currency="EUR")

    assert again == first == ChargeAnswer("declined", first.reference, failure)
    assert await peer.gateway.look_up("charge", first.reference) == Current("failed", failure)
    assert await moved(peer, first.reference) == []


async def test_a_lost_answer_is_had_by_asking_again(peer: Peer) -> None:
    key, token, before = uuid7(), peer.token["lost"], await lines(peer)

    with pytest.raises(ProviderUnavailable):
        await peer.gateway.charge(key, token=token, amount_minor=5000, currency="EUR")
    answer = await peer.gateway.charge(key, token=token, amount_minor=5000, currency="EUR")

    assert answer.outcome == "succeeded"
    new = [line for line in await lines(peer) if line not in before]
    assert [(x.kind, x.reference) for x in new] == [("charge", answer.reference)]


@pytest.mark.parametrize(("token", "outcome"), [("3ds", "requires_action"), ("late", "pending")])
async def test_what_waits_is_looked_up_and_succeeds(peer: Peer, token: str, outcome: str) -> None:
    answer = await charge(peer, token)
    assert (answer.outcome, answer.action_url is None) == (outcome, token == "late")
    assert await peer.gateway.look_up("charge", answer.reference) == Current(answer.outcome)
    assert await moved(peer, answer.reference) == []

    await peer.goes_through(answer.reference)

    assert await peer.gateway.look_up("charge", answer.reference) == Current("succeeded")
    assert await moved(peer, answer.reference) == [("charge", 5000, 95)]


async def test_a_part_goes_back_once(peer: Peer) -> None:
    charged, key = await charge(peer, "ok"), uuid7()

    async def ask(amount: int) -> RefundAnswer:
        return await peer.gateway.refund(
            key, charge_reference=charged.reference, amount_minor=amount, currency="EUR"
        )

    first = await ask(1200)

    assert await ask(1200) == first == RefundAnswer("succeeded", first.reference)
    with pytest.raises(KeyReused):
        await ask(1201)
    assert await moved(peer, first.reference) == [("refund", -1200, 0)]
    assert await peer.gateway.look_up("refund", first.reference) == Current("succeeded")


async def test_more_than_was_charged_does_not_go_back(peer: Peer) -> None:
    charged = await charge(peer, "ok")

    async def ask(amount: int) -> RefundAnswer:
        return await peer.gateway.refund(
            uuid7(), charge_reference=charged.reference, amount_minor=amount, currency="EUR"
        )

    assert (await ask(3000)).outcome == "succeeded"
    before = await lines(peer)

    for amount in (5001, 2001):
        answer = await ask(amount)
        assert (answer.outcome, answer.failure) == ("failed", "charge_already_refunded")
    assert await lines(peer) == before
    assert (await ask(2000)).outcome == "succeeded"


async def test_a_payout_leaves_once(peer: Peer) -> None:
    key, token = uuid7(), peer.token["bank"]

    first = await peer.gateway.pay_out(key, token=token, amount_minor=700, currency="EUR")
    again = await peer.gateway.pay_out(key, token=token, amount_minor=700, currency="EUR")

    assert again == first
    assert first.outcome in ("accepted", "paid")
    assert await moved(peer, first.reference) == [("payout", -700, 0)]
    assert await peer.gateway.look_up("payout", first.reference) == Current(first.outcome)


async def test_a_payout_with_a_lost_answer_leaves_once(peer: Peer) -> None:
    key, token, before = uuid7(), peer.token["lost_bank"], await lines(peer)

    with pytest.raises(ProviderUnavailable):
        await peer.gateway.pay_out(key, token=token, amount_minor=700, currency="EUR")
    answer = await peer.gateway.pay_out(key, token=token, amount_minor=700, currency="EUR")

    new = [line for line in await lines(peer) if line not in before]
    assert [(x.kind, x.amount_minor) for x in new] == [("payout", -700)]
    assert new[0].reference == answer.reference


async def test_a_refused_payout_leaves_our_balance_as_it_was(peer: Peer) -> None:
    key, token = uuid7(), peer.token["closed_bank"]

    first = await peer.gateway.pay_out(key, token=token, amount_minor=700, currency="EUR")
    again = await peer.gateway.pay_out(key, token=token, amount_minor=700, currency="EUR")

    assert again == first == PayoutAnswer("declined", first.reference, "account_closed")
    assert sum(amount for _, amount, _ in await moved(peer, first.reference)) == 0


async def test_a_payout_that_came_back_is_taken_back_once(peer: Peer) -> None:
    answer = await pay_out(peer, "late_return")

    await peer.comes_back(answer.reference)
    current = await peer.gateway.look_up("payout", answer.reference)
    await peer.gateway.take_back(answer.reference)
    await peer.gateway.take_back(answer.reference)

    assert current == Current("returned", "account_closed")
    assert await moved(peer, answer.reference) == [("payout", -700, 0), ("payout_return", 700, 0)]
    assert await peer.gateway.look_up("payout", answer.reference) == current


async def test_a_provider_that_is_down_says_nothing_at_all(peer: Peer) -> None:
    charged, paid, today = await charge(peer, "ok"), await pay_out(peer, "bank"), await peer.now()
    await peer.go_down()
    asking: list[Callable[[], Awaitable[object]]] = [
        lambda: charge(peer, "ok"),
        lambda: charge(peer, "declined"),
        lambda: pay_out(peer, "bank"),
        lambda: peer.gateway.refund(
            uuid7(), charge_reference=charged.reference, amount_minor=1, currency="EUR"
        ),
        lambda: peer.gateway.look_up("payout", paid.reference),
        lambda: peer.gateway.report(today.date()),
        lambda: peer.gateway.submit_evidence(uuid7(), "dp_1", "text"),
        lambda: peer.gateway.accept_dispute(uuid7(), "dp_1"),
    ]

    for ask in asking:
        with pytest.raises(ProviderUnavailable):
            await ask()


async def test_the_report_of_another_day_is_empty(peer: Peer) -> None:
    await charge(peer, "ok")

    assert await peer.gateway.report((await peer.now()).date() + timedelta(days=400)) == []


@pytest.mark.parametrize(
    "off", [timedelta(minutes=5, seconds=2), timedelta(minutes=-5, seconds=-2)]
)
async def test_a_webhook_is_believed_for_five_minutes(peer: Peer, off: timedelta) -> None:
    now, raw = await peer.now(), b'{"id":"evt_1"}'

    with pytest.raises(TimestampOutside):
        peer.gateway.read_webhook(peer.sign(raw, now + off), raw, now)

    with pytest.raises(WebhookMalformed):  # believed, and then read
        peer.gateway.read_webhook(peer.sign(raw, now + off * 0.9), raw, now)


@pytest.mark.parametrize(
    "raw", [b"", b"[]", b"null", b"{", b"\xff\xfe", b'{"id":1}', b'{"id":"e"}']
)
async def test_a_proven_body_that_is_no_event_is_malformed(peer: Peer, raw: bytes) -> None:
    now = await peer.now()

    with pytest.raises((WebhookMalformed, SignatureInvalid)):
        peer.gateway.read_webhook(peer.sign(raw, now), raw, now)


async def test_a_forged_webhook_is_not_read(peer: Peer) -> None:
    now, raw = await peer.now(), msgspec.json.encode({"id": "evt_1"})
    true = peer.sign(raw, now)
    (name, value), stamp = next(iter(true.items())), int(now.timestamp())
    forged = [
        ({}, raw),
        ({name: ""}, raw),
        ({name: "t=1,v1=x=y"}, raw),
        ({name: f"t={stamp}"}, raw),
        ({name: f"v1={value.rpartition('=')[2]}"}, raw),
        ({name: value.replace("v1=", "v0=")}, raw),
        ({name: value[:-1] + ("0" if value[-1] != "0" else "1")}, raw),
        ({name: value.replace(str(stamp), str(stamp + 1))}, raw),
        ({name: "t=٣,v1=ä"}, raw),
        (true, raw + b" "),
        (true, raw.replace(b"1", b"2")),
    ]

    for headers, body in forged:
        with pytest.raises(SignatureInvalid):
            peer.gateway.read_webhook(headers, body, now)
