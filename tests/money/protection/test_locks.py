"""What a locked account can and cannot do, and that nothing slips through while it is locked."""

import asyncio
from typing import Any
from uuid import UUID

from handsel.foundation.http.principal import Principal
from handsel.money.payments import withdrawals
from handsel.money.payments.schemas import PositiveMoney, WithdrawalInput
from handsel.people.members import service as members
from tests.factories.members import PASSWORD
from tests.journeys.story import Story
from tests.money.payments.purses import (
    CARD_REFUNDS,
    WITHDRAWALS,
    earn,
    euros,
    id_of,
    purse,
    told,
)
from tests.money.protection.victims import (
    CLAIMS,
    NEW_PASSWORD,
    claim_body,
    counters,
    file,
    log_in_again,
    reachable,
    robbed,
    secure,
)


async def test_filing_without_the_password_ends_every_session(story: Story) -> None:
    victim, taken = await robbed(story)
    first = victim.token
    await log_in_again(story, victim)

    filed = await victim.post(CLAIMS, await claim_body(story, 4000, taken))

    ended = [
        (await story.http.get("/v1/me", headers={"Authorization": f"Bearer {token}"})).status_code
        for token in (first, victim.token)
    ]
    assert (filed.status_code, ended) == (201, [401, 401])


async def test_with_the_password_the_session_that_files_goes_on(story: Story) -> None:
    victim, taken = await robbed(story)
    first = victim.token
    await log_in_again(story, victim)

    await file(story, victim, 4000, taken)

    old = await story.http.get("/v1/me", headers={"Authorization": f"Bearer {first}"})
    assert old.status_code == 401
    assert (await victim.get("/v1/me"))["handle"] == victim.handle


async def test_a_locked_account_pays_nothing_and_changes_nothing(story: Story) -> None:
    victim, taken = await robbed(story)
    await story.top_up(victim, 5000)
    await earn(story, victim, 500)
    bank = (await victim.get("/v1/payout-methods"))["items"][0]["id"]
    listing = await story.listing(await story.person("seller"), 2000)
    order = await victim.made("/v1/orders", {"listing_id": listing})
    token = await story.confirmation(victim, order)
    await file(story, victim, 4000, taken)
    before, money = await counters(story), await purse(story, victim)
    fund = {"name": "fund", "confirmation": token}
    fact = {"kind": "address", "value": "PASS"}
    added = {"token": "bank_mine", "label": "Mine", "password": PASSWORD}

    refusals = [
        await victim.refused(WITHDRAWALS, {"amount": euros(100), "payout_method": bank}, 403),
        await victim.refused(CARD_REFUNDS, {"amount": euros(100)}, 403),
        await victim.refused("/v1/payout-methods", added, 403),
        await victim.refused(f"/v1/orders/{order['id']}/transitions", fund, 403),
        await victim.refused("/v1/me/verifications", fact, 403),
        await victim.refused("/v1/me/recovery-codes", {"password": PASSWORD}, 403),
    ]

    assert [refusal["code"] for refusal in refusals] == [
        "payouts_frozen",
        "payouts_frozen",
        "payouts_frozen",
        "payer_locked",
        "account_locked",
        "account_locked",
    ]
    assert refusals[3]["path"][0]["code"] == "unlock_account"
    assert (await counters(story), await purse(story, victim)) == (before, money)


async def test_money_still_reaches_a_locked_account(story: Story) -> None:
    victim, taken = await robbed(story)
    await file(story, victim, 4000, taken)

    await story.top_up(victim, 1234)

    assert await purse(story, victim) == (1234, 1234)


async def test_a_secured_account_pays_but_pays_nothing_out_until_the_end(story: Story) -> None:
    victim, taken = await robbed(story)
    await earn(story, victim, 3000)
    bank = (await victim.get("/v1/payout-methods"))["items"][0]["id"]
    claim = (await file(story, victim, 4000, taken))["id"]
    other = victim.token
    await log_in_again(story, victim)
    body = {"amount": euros(1000), "payout_method": bank}

    view = await secure(story, victim)
    await story.drain()
    frozen = await victim.refused(WITHDRAWALS, body, 403)
    await victim.made(f"{CLAIMS}/{claim}/withdraw", {"password": NEW_PASSWORD})
    free = await victim.made(WITHDRAWALS, body)

    assert (view["freeze"], view["causes"]) == ("payouts", ["claim"])
    assert (frozen["code"], free["state"]) == ("payouts_frozen", "pending")
    ended = await story.http.get("/v1/me", headers={"Authorization": f"Bearer {other}"})
    assert ended.status_code == 401  # the new password ended it
    assert "account_secured" in await told(victim)


async def test_what_lifts_no_lock(story: Story) -> None:
    victim, taken = await robbed(story)
    early = await victim.refused("/v1/me/unlock-code", {"channel": "email"}, 409)
    await file(story, victim, 4000, taken)
    body = {"password": PASSWORD, "channel": "email", "code": "000000"}
    renewed = body | {"new_password": NEW_PASSWORD}

    refusals = [
        await victim.refused("/v1/me/unlock-code", {"channel": "phone"}, 409),
        await victim.refused("/v1/me/unlock", body, 422),
        await victim.refused("/v1/me/unlock", body | {"new_password": PASSWORD}, 422),
        await victim.refused("/v1/me/unlock", renewed, 422),
    ]

    assert early["code"] == "not_locked"
    assert [refusal["code"] for refusal in refusals] == [
        "contact_missing",
        "new_password_required",
        "weak_password",
        "code_refused",
    ]
    assert (await victim.get("/v1/me/lock"))["freeze"] == "account"


async def test_every_contact_is_told(story: Story) -> None:
    victim, taken = await robbed(story)

    await file(story, victim, 4000, taken)
    await story.drain()

    mails = await story.http.get(
        "/v1/sandbox/messages", params={"to": f"{victim.handle}@example.com"}
    )
    assert any("Your account is locked" in item["text"] for item in mails.json()["items"])


async def test_no_withdrawal_overtakes_the_lock(story: Story) -> None:
    """Twenty withdrawals and the claim at once: what was asked for before it is stopped by it, what
    comes after is refused."""
    victim, taken = await robbed(story)
    await earn(story, victim, 10_000)
    bank = (await victim.get("/v1/payout-methods"))["items"][0]["id"]
    body = {"amount": euros(100), "payout_method": bank}
    claim = await claim_body(story, 4000, taken)

    requests = [victim.post(WITHDRAWALS, body) for _ in range(10)]
    requests.insert(5, victim.post(CLAIMS, claim))
    answers = await asyncio.gather(*requests)
    await story.drain()

    async with story.database.reading() as conn:
        rows = await conn.fetch(
            "SELECT state, count(*) FROM money.withdrawals WHERE member_id = $1 GROUP BY state",
            id_of(victim),
        )
    states: dict[str, Any] = {row["state"]: row["count"] for row in rows}
    accepted = sum(answer.status_code == 202 for answer in answers)
    assert sorted(a.status_code for a in answers if a.status_code not in (202, 401, 403)) == [201]
    assert states.pop("paid") == 1  # the one that was lost
    assert states == ({"stopped": accepted} if accepted else {})
    assert (await purse(story, victim))[0] == 10_000


async def test_a_payment_waits_for_the_lock_and_sees_it(story: Story) -> None:
    victim = await reachable(story)
    await earn(story, victim, 1000)
    listing = await story.listing(await story.person("seller"), 1000)
    order = await victim.made("/v1/orders", {"listing_id": listing})
    fund = {"name": "fund", "confirmation": await story.confirmation(victim, order)}

    async with story.database.transaction() as tx:
        await members.lock_account(tx, id_of(victim), "code")
        payment = asyncio.create_task(victim.post(f"/v1/orders/{order['id']}/transitions", fund))
        for _ in range(500):
            if await tx.fetchval("SELECT EXISTS (SELECT FROM pg_locks WHERE NOT granted)"):
                break
            await asyncio.sleep(0.01)
    refused = await payment

    assert (refused.status_code, refused.json()["code"]) == (403, "payer_locked")
    assert await purse(story, victim) == (1000, 0)


async def test_a_claim_waits_for_a_withdrawal_and_stops_it(story: Story) -> None:
    victim, taken = await robbed(story)
    await earn(story, victim, 1000)
    bank = (await victim.get("/v1/payout-methods"))["items"][0]["id"]
    principal = Principal(id_of(victim), UUID(int=0), victim.handle)
    asked = WithdrawalInput(
        amount=PositiveMoney(amount_minor=1000, currency="EUR"), payout_method=bank
    )
    body = await claim_body(story, 4000, taken, password=PASSWORD)

    async with story.database.transaction() as tx:
        answer = await withdrawals.start(tx, story.settings, principal, asked)
        filing = asyncio.create_task(victim.post(CLAIMS, body))
        for _ in range(500):
            if await tx.fetchval("SELECT EXISTS (SELECT FROM pg_locks WHERE NOT granted)"):
                break
            await asyncio.sleep(0.01)
    filed = await filing

    assert filed.status_code == 201, filed.text
    found = await victim.get(f"/v1/wallet/withdrawals/{answer.view.id}")
    assert (found["state"], await purse(story, victim)) == ("stopped", (1000, 0))
