"""Every way that a payment by card can go at the sandbox provider, through the real webhook."""

from datetime import timedelta
from typing import Any

import pytest

from handsel.foundation.core.ids import decode
from tests.journeys.deals import placed
from tests.journeys.story import Member, Story

HOUR = timedelta(hours=1, minutes=1)


async def started(story: Story, token: str, amount: int = 5000) -> tuple[Member, str]:
    """A member whose top-up has been asked for, and its path."""
    member = await story.person()
    body = {"amount": {"amount_minor": amount, "currency": "EUR"}, "token": token}
    made = await member.made("/v1/wallet/top-ups", body)
    await story.drain()
    return member, f"/v1/wallet/top-ups/{made['id']}"


async def provider_reference(story: Story, path: str) -> str:
    async with story.database.reading() as conn:
        found: str = await conn.fetchval(
            "SELECT provider_reference FROM money.top_ups WHERE id = $1",
            decode("top", path.rsplit("/", 1)[1]),
        )
    return found


async def alerts(story: Story, kind: str) -> list[str]:
    async with story.database.reading() as conn:
        rows = await conn.fetch("SELECT subject FROM money.alerts WHERE kind = $1", kind)
    return [row["subject"] for row in rows]


@pytest.mark.parametrize(
    ("token", "later", "balance"),
    [("tok_late", "succeeded", 5000), ("tok_late_failed", "failed", 0)],
)
async def test_a_late_answer_decides(story: Story, token: str, later: str, balance: int) -> None:
    member, path = await started(story, token)
    assert (await member.get(path))["state"] == "pending"
    assert await member.available() == (0, 0, 0)

    await story.pass_time(HOUR)

    top_up = await member.get(path)
    assert (top_up["state"], await member.available()) == (later, (balance, 0, 0))
    assert top_up["failure"] == (None if later == "succeeded" else "card_declined")
    await story.check()


async def test_a_bank_takes_its_payment_back_a_day_later(story: Story) -> None:
    member, path = await started(story, "tok_dispute")
    await story.pass_time(timedelta(hours=23))
    assert (await member.get("/v1/chargebacks"))["items"] == []
    assert await member.available() == (5000, 0, 0)

    await story.pass_time(HOUR)

    found = (await member.get("/v1/chargebacks"))["items"]
    assert [(one["state"], one["amount"]["amount_minor"]) for one in found] == [("open", 5000)]
    assert (await member.get(path))["state"] == "succeeded"
    assert await member.available() == (0, 0, 0)
    await story.check()


@pytest.mark.parametrize("approve", [True, False])
async def test_a_payer_confirms_or_does_not(story: Story, approve: bool) -> None:
    member, path = await started(story, "tok_3ds")
    waiting = await member.get(path)
    assert (waiting["state"], await member.available()) == ("requires_action", (0, 0, 0))

    url = waiting["action_url"]
    assert (await story.http.post(url, json={"approve": approve})).status_code == 200
    assert (await story.http.post(url, json={"approve": True})).json()["code"] == (
        "unknown_provider_object"
    )
    await story.drain()

    done = await member.get(path)
    assert done["state"] == ("succeeded" if approve else "failed")
    assert done["action_url"] is None
    assert await member.available() == (5000 if approve else 0, 0, 0)


async def test_a_payment_that_succeeds_after_its_order_expired_stays_in_the_wallet(
    story: Story,
) -> None:
    deal = await placed(story)
    buyer = deal.buyer
    body = {"amount": {"amount_minor": 2999, "currency": "EUR"}, "token": "tok_late"}
    await buyer.made("/v1/wallet/top-ups", body)
    await story.drain()
    before = await buyer.available()

    await story.pass_time(HOUR)

    assert await deal.state() == "payment_expired"
    assert await buyer.available() == (before[0] + 2999, 0, 0)
    await story.check()


async def test_a_provider_that_is_down_for_hours_is_asked_until_it_answers(story: Story) -> None:
    answer = await story.http.post("/v1/sandbox/provider/outage", json={"seconds": 5 * 3600})
    assert answer.status_code == 200
    member = await story.person()
    body = {"amount": {"amount_minor": 5000, "currency": "EUR"}, "token": "tok_ok"}
    made = await member.made("/v1/wallet/top-ups", body)
    async with story.database.transaction() as tx:  # the queue has given the job up
        await tx.execute("UPDATE foundation.outbox SET relayed_at = occurred_at")

    for _ in range(4):
        await story.pass_time(timedelta(hours=1))
        assert (await member.get(f"/v1/wallet/top-ups/{made['id']}"))["state"] == "pending"
    for _ in range(8):
        await story.pass_time(timedelta(hours=1))

    assert (await member.get(f"/v1/wallet/top-ups/{made['id']}"))["state"] == "succeeded"
    assert await member.available() == (5000, 0, 0)


async def test_a_success_after_a_failure_is_booked_and_looked_at(story: Story) -> None:
    member, path = await started(story, "tok_declined")
    reference = await provider_reference(story, path)
    assert (await member.get(path))["state"] == "failed"

    await tell(story, "charge.succeeded", reference, amount_minor=5000)

    assert (await member.get(path))["state"] == "succeeded"
    assert await member.available() == (5000, 0, 0)
    assert await alerts(story, "success_after_failure") == [reference]
    await story.check()


async def test_a_failure_that_is_told_after_the_success_changes_nothing(story: Story) -> None:
    member, path = await started(story, "tok_ok")
    reference = await provider_reference(story, path)

    await tell(story, "charge.failed", reference, amount_minor=5000)

    assert (await member.get(path))["state"] == "succeeded"
    assert await member.available() == (5000, 0, 0)


async def test_a_bank_takes_a_payment_back_through_the_webhook(story: Story) -> None:
    member, path = await started(story, "tok_ok")
    reference = await provider_reference(story, path)

    made = await story.http.post(
        f"/v1/sandbox/provider/charges/{reference}/dispute", json={"amount_minor": 2000}
    )
    await story.drain()
    assert await member.available() == (3000, 0, 0)
    dispute = made.json()["reference"]
    await story.http.post(
        f"/v1/sandbox/provider/disputes/{dispute}/decide", json={"outcome": "won"}
    )
    await story.drain()

    assert await member.available() == (5000, 0, 0)
    await story.check()


async def tell(story: Story, kind: str, reference: str, **more: Any) -> None:
    """Let the sandbox provider tell something at once."""
    body = {"kind": kind, "reference": reference, "currency": "EUR", "data": {}, **more}
    async with story.database.transaction() as tx:
        await tx.execute(
            "INSERT INTO money.sandbox_events (body, due_at) VALUES ($1, $2)", body, tx.now
        )
    await story.drain()
