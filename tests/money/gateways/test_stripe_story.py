"""The house with Stripe as its provider: top-up, order, release, payout, refund and dispute, each
through the webhook's door. Stripe is the double, whose books must agree with ours to the cent."""

from collections.abc import AsyncIterator
from dataclasses import dataclass
from datetime import timedelta
from typing import Any

import httpx
import pytest

from handsel.foundation.core.ids import decode
from handsel.foundation.core.settings import Settings
from handsel.foundation.db.uow import Database
from handsel.front.api.app import create_app
from handsel.money.payments import jobs
from handsel.money.payments.gateway import ProviderUnavailable
from handsel.money.payments.service import gateway_of
from tests.journeys.deals import Deal
from tests.journeys.story import Member, Story
from tests.money.gateways.peers import stripe_settings
from tests.money.gateways.stripe_double import StripeDouble
from tests.money.payments.purses import earn, euros, house, method, purse, withdraw

DOOR = "/v1/gateways/stripe/webhooks"
DAY = timedelta(days=1)


@dataclass
class Town:
    """A story whose provider is the double."""

    story: Story
    double: StripeDouble

    async def hear(self, *, times: int = 1, backwards: bool = False) -> list[str]:
        """Let Stripe tell what it has to tell, until there is nothing; the answers' states."""
        said: list[str] = []
        while told := self.double.books.told():
            for raw, headers in told[::-1] if backwards else told:
                for _ in range(times):
                    answer = await self.story.http.post(DOOR, content=raw, headers=headers)
                    assert answer.status_code == 200, answer.text
                    said.append(answer.json()["state"])
            await self.story.drain()
        return said

    async def pass_time(self, by: timedelta) -> None:
        self.double.books.ahead += int(by.total_seconds())
        await self.story.pass_time(by)
        await self.hear()

    async def topped_up(
        self,
        token: str = "pm_ok",  # noqa: S107 - not a secret
        amount: int = 10_000,
    ) -> tuple[Member, str]:
        """A member and the path of their top-up, of which Stripe has been asked."""
        member = await self.story.person()
        body = {"amount": euros(amount), "token": token}
        made = await member.made("/v1/wallet/top-ups", body)
        await self.story.drain()
        return member, f"/v1/wallet/top-ups/{made['id']}"

    async def newest(self, kind: str) -> str:
        return str(self.double.books.of(kind)[0]["id"])


@pytest.fixture
async def town(database: Database, settings: Settings) -> AsyncIterator[Town]:
    double = StripeDouble()
    double.books.ahead = await _ahead(database)
    real = stripe_settings(double, home=str(settings.home))
    transport = httpx.ASGITransport(app=create_app(real, database))
    async with httpx.AsyncClient(transport=transport, base_url="http://handsel.test") as http:
        yield Town(Story(database, real, http), double)
    double.stop()


async def _ahead(database: Database) -> int:
    async with database.reading() as conn:
        by: timedelta = await conn.fetchval("SELECT ahead FROM foundation.clock")
    return int(by.total_seconds())


async def test_from_the_card_to_the_sellers_bank(town: Town) -> None:
    before = await house(town.story, "provider_clearing")
    buyer, path = await town.topped_up()
    await town.hear()
    assert (await buyer.get(path))["state"] == "succeeded"
    seller = await town.story.person("seller")
    order = await town.story.funded(buyer, await town.story.listing(seller, 2500))
    deal = Deal(seller, buyer, order["id"], order)
    await seller.move(deal.id, "accept")
    await seller.move(deal.id, "deliver", note="Two hours")
    await buyer.move(deal.id, "approve")
    await town.pass_time(15 * DAY)
    await town.pass_time(4 * DAY)  # what a first sale brings does not leave at once
    (available, pending, _), bank = await seller.available(), await method(seller, "acct_ok")
    assert (available, pending) == (2500, 0)

    out = await withdraw(seller, bank, 2500)
    await town.story.drain()
    sent = await seller.get(f"/v1/wallet/withdrawals/{out['id']}")
    town.double.books.payout_arrives(await town.newest("payout"))
    await town.hear()

    assert sent["state"] == "sent"
    assert (await seller.get(f"/v1/wallet/withdrawals/{out['id']}"))["state"] == "paid"
    assert town.double.books.connected == {("acct_ok", "eur"): 0}
    assert await buyer.available() == (7500, 0, 0)
    assert [x["amount"] for x in town.double.books.lines] == [10_000, -2500]
    assert await house(town.story, "provider_clearing") - before == -7500
    await town.story.check()


@pytest.mark.parametrize("arrived", [True, False])
async def test_a_payout_that_comes_back_is_in_the_wallet_and_in_our_balance(
    town: Town, arrived: bool
) -> None:
    await town.topped_up()  # so that Stripe has something of ours
    seller = await town.story.person()
    await earn(town.story, seller, 4000)
    before = town.double.books.balance()
    out = await withdraw(seller, await method(seller, "acct_ok"), 4000)
    await town.story.drain()
    payout = await town.newest("payout")
    if arrived:
        town.double.books.payout_arrives(payout)
        await town.hear()

    town.double.books.payout_fails(payout)
    await town.hear(times=2)

    found = await seller.get(f"/v1/wallet/withdrawals/{out['id']}")
    assert (found["state"], found["failure"]) == ("returned", "account_closed")
    assert await purse(town.story, seller) == (4000, 0)
    assert town.double.books.balance() == before
    assert town.double.books.connected == {("acct_ok", "eur"): 0}
    await town.story.check()


async def test_a_return_of_which_nobody_told_is_found_by_asking(town: Town) -> None:
    await town.topped_up()
    seller = await town.story.person()
    await earn(town.story, seller, 4000)
    before = town.double.books.balance()
    out = await withdraw(seller, await method(seller, "acct_ok"), 4000)
    await town.story.drain()
    town.double.books.payout_fails(await town.newest("payout"))
    town.double.books.told()  # and lost

    await town.pass_time(timedelta(hours=1))

    assert (await seller.get(f"/v1/wallet/withdrawals/{out['id']}"))["state"] == "returned"
    assert await purse(town.story, seller) == (4000, 0)
    assert town.double.books.balance() == before


async def test_a_refused_payout_is_in_the_wallet_again(town: Town) -> None:
    await town.topped_up()
    seller = await town.story.person()
    await earn(town.story, seller, 4000)
    before = town.double.books.balance()

    out = await withdraw(seller, await method(seller, "acct_no_bank"), 4000)
    await town.story.drain()

    found = await seller.get(f"/v1/wallet/withdrawals/{out['id']}")
    assert (found["state"], found["failure"]) == ("returned", "account_closed")
    assert (await purse(town.story, seller), town.double.books.balance()) == ((4000, 0), before)


async def test_card_money_goes_back_to_its_card_and_may_come_back(town: Town) -> None:
    member, _ = await town.topped_up()
    await town.hear()
    await member.made("/v1/wallet/card-refunds", {"amount": euros(6000)})
    await town.story.drain()
    await town.hear()
    gone = await purse(town.story, member)

    town.double.books.refund_fails(await town.newest("refund"))
    await town.hear()

    assert (gone, await purse(town.story, member)) == ((4000, 4000), (10_000, 10_000))
    refunds = (await member.get("/v1/wallet/card-refunds"))["items"]
    assert [(x["state"], x["failure"]) for x in refunds] == [("failed", "expired_or_canceled_card")]
    await town.story.check()


@pytest.mark.parametrize("verdict", ["won", "lost"])
async def test_a_dispute_is_opened_and_decided(town: Town, verdict: str) -> None:
    member, _ = await town.topped_up()
    await town.hear()
    dispute = town.double.books.disputes(await town.newest("payment_intent"))
    await town.hear(times=2)
    taken = await purse(town.story, member)

    await town.pass_time(timedelta(seconds=2))
    town.double.books.decide(dispute, verdict)
    await town.hear(times=2)

    async with town.story.database.reading() as conn:
        row = await conn.fetchrow(
            "SELECT state, amount FROM money.chargebacks WHERE provider_reference = $1",
            dispute,
        )
    assert row is not None
    assert (row["state"], row["amount"]) == (verdict, 10_000)
    assert taken == (0, 0)
    assert (await purse(town.story, member))[0] == (10_000 if verdict == "won" else 0)
    await town.story.check()


async def test_an_inquiry_takes_nothing_until_it_is_a_dispute(town: Town) -> None:
    member, _ = await town.topped_up()
    await town.hear()
    dispute = town.double.books.disputes(await town.newest("payment_intent"), inquiry=True)
    await town.hear()
    asked = await purse(town.story, member)

    town.double.books.escalates(dispute)
    await town.hear()

    assert asked == (10_000, 10_000)
    assert (await purse(town.story, member))[0] == 0


async def test_the_payer_takes_a_step(town: Town) -> None:
    member, path = await town.topped_up("pm_3ds")
    waiting = await member.get(path)
    assert (waiting["state"], await member.available()) == ("requires_action", (0, 0, 0))
    assert waiting["action_url"].startswith("https://hooks.stripe.test/3ds/pi_")

    town.double.books.goes_through(await town.newest("payment_intent"))
    await town.hear()

    assert (await member.get(path))["state"] == "succeeded"
    assert await member.available() == (10_000, 0, 0)


async def test_a_step_that_fails_is_a_failed_top_up(town: Town) -> None:
    member, path = await town.topped_up("pm_3ds")

    town.double.books.fails(await town.newest("payment_intent"))
    await town.hear()

    found = await member.get(path)
    assert (found["state"], found["failure"]) == (
        "failed",
        "payment_intent_authentication_failure",
    )
    assert await member.available() == (0, 0, 0)


async def test_an_event_that_overtakes_its_answer_books_once(town: Town) -> None:
    member = await town.story.person()
    made = await member.made("/v1/wallet/top-ups", {"amount": euros(5000), "token": "pm_lost"})
    key, gateway = decode("top", made["id"]), gateway_of(town.story.settings, town.story.database)
    with pytest.raises(ProviderUnavailable):
        await jobs.charge_top_up(town.story.database, gateway, key)

    await town.hear()
    heard = await member.available()
    await jobs.charge_top_up(town.story.database, gateway, key)

    assert (heard, await member.available()) == ((5000, 0, 0), (5000, 0, 0))
    assert len(town.double.books.of("charge")) == 1


async def test_twice_and_backwards_is_the_same_as_once(town: Town) -> None:
    member, path = await town.topped_up()
    seller = await town.story.person()
    await earn(town.story, seller, 4000)
    out = await withdraw(seller, await method(seller, "acct_ok"), 4000)
    await town.story.drain()
    payout = await town.newest("payout")
    town.double.books.payout_arrives(payout)
    town.double.books.payout_fails(payout)

    said = await town.hear(times=3, backwards=True)

    assert said == ["received", "duplicate", "duplicate"] * (len(said) // 3)
    assert (await member.get(path))["state"] == "succeeded"
    assert (await seller.get(f"/v1/wallet/withdrawals/{out['id']}"))["state"] == "returned"
    assert await purse(town.story, seller) == (4000, 0)
    await town.story.check()


async def test_while_stripe_is_down_nothing_is_concluded(town: Town) -> None:
    member = await town.story.person()
    made = await member.made("/v1/wallet/top-ups", {"amount": euros(5000), "token": "pm_ok"})
    town.double.down = True
    with pytest.raises(ProviderUnavailable):
        await town.story.drain()
    assert (await member.get(f"/v1/wallet/top-ups/{made['id']}"))["state"] == "pending"

    town.double.down = False
    await town.pass_time(timedelta(hours=1))

    assert (await member.get(f"/v1/wallet/top-ups/{made['id']}"))["state"] == "succeeded"
    assert await member.available() == (5000, 0, 0)


async def test_a_forged_webhook_moves_nothing(town: Town) -> None:
    member, _ = await town.topped_up("pm_late")
    books = town.double.books
    books.goes_through(await town.newest("payment_intent"))
    raw, headers = books.told()[-1]
    forged: list[tuple[bytes, dict[str, str], int, str]] = [
        (raw, {}, 401, "signature_invalid"),
        (raw.replace(b"10000", b"90000"), headers, 401, "signature_invalid"),
        (raw, books.signed_raw(raw, books.now, "whsec_other"), 401, "signature_invalid"),
        (raw, books.signed_raw(raw, books.now - 302), 401, "timestamp_outside"),
        (raw, books.signed_raw(raw, books.now + 302), 401, "timestamp_outside"),
        (b"{}", books.signed_raw(b"{}", books.now), 422, "webhook_malformed"),
    ]

    for body, signed, status, code in forged:
        answer: Any = await town.story.http.post(DOOR, content=body, headers=signed)
        assert (answer.status_code, answer.json()["code"]) == (status, code)

    await town.story.drain()
    assert await member.available() == (0, 0, 0)
