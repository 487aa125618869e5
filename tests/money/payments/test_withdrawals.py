"""Withdrawals: what may leave, that it leaves once, and every way in which it can end."""

import asyncio
from dataclasses import replace
from datetime import timedelta
from uuid import UUID, uuid4

import pytest

from handsel.foundation.core.ids import decode
from handsel.foundation.db.uow import Tx
from handsel.money.escrow.chargebacks import service as chargebacks
from handsel.money.ledger import service as ledger
from handsel.money.payments import jobs, payouts
from handsel.money.payments.disputes import Dispute
from handsel.money.payments.gateway import AbsentGateway, ProviderUnavailable
from handsel.money.payments.service import gateway_of
from tests.journeys.deals import DAY, HOUR
from tests.journeys.story import Member, Story
from tests.money.payments.purses import (
    WITHDRAWALS,
    at_once,
    earn,
    euros,
    everything,
    house,
    id_of,
    method,
    moved,
    owe,
    purse,
    refused_withdrawal,
    told,
    wallet_of,
    withdraw,
)


async def rich(story: Story, amount_minor: int = 1000) -> Member:
    member = await story.person()
    await earn(story, member, amount_minor)
    return member


async def state_of(member: Member, withdrawal: str) -> tuple[str, str | None]:
    found = await member.get(f"{WITHDRAWALS}/{withdrawal}")
    return found["state"], found["failure"]


async def asked(story: Story, withdrawal: str) -> int:
    """How often the provider was asked under the withdrawal's key."""
    async with story.database.reading() as conn:
        found: int | None = await conn.fetchval(
            "SELECT attempts FROM money.sandbox_provider WHERE idempotency_key = $1",
            f"pay_out:{decode('wdr', withdrawal)}",
        )
    return found or 0


@pytest.mark.parametrize(
    ("token", "state", "failure", "available", "transfers", "times_asked"),
    [
        ("bank_ok", "paid", None, 600, ["withdraw", "payout"], 1),
        ("bank_returned", "returned", "account_closed", 1000, ["withdraw", "payout_returned"], 1),
        ("bank_lost_answer", "paid", None, 600, ["withdraw", "payout"], 2),
    ],
)
async def test_a_withdrawal_ends_as_its_token_says(
    story: Story, token: str, state: str, failure: str | None, available: int,
    transfers: list[str], times_asked: int,
) -> None:  # fmt: skip
    member = await rich(story)
    bank = await method(member, token)
    transit = await house(story, "payout_transit")

    pending = await withdraw(member, bank, 400)
    on_its_way = await member.available(), await house(story, "payout_transit") - transit
    await story.drain()

    assert (pending["state"], on_its_way) == ("pending", ((600, 0, 0), 400))
    assert await state_of(member, pending["id"]) == (state, failure)
    assert await member.available() == (available, 0, 0)
    assert await moved(story, pending["id"]) == [(code, 400) for code in transfers]
    assert await asked(story, pending["id"]) == times_asked
    assert await house(story, "payout_transit") == transit
    assert (await told(member))[-1] == f"withdrawal_{state}"


async def test_card_money_is_not_withdrawn_and_the_refusal_says_where_it_can_go(
    story: Story,
) -> None:
    member = await rich(story, 300)
    await story.top_up(member, 1000)
    bank = await method(member)
    before = await everything(story)

    problem = await refused_withdrawal(member, bank, 301, 409)

    assert problem["code"] == "not_withdrawable"
    assert (problem["withdrawable_minor"], problem["card_minor"]) == (300, 1000)
    assert "€10.00" in problem["detail"]
    assert "card-refunds" in problem["detail"]
    assert await everything(story) == before
    await withdraw(member, bank, 300)
    assert await purse(story, member) == (1000, 1000)


@pytest.mark.parametrize(
    ("amount", "status", "code"),
    [(99, 422, "below_payout_minimum"), (1, 422, "below_payout_minimum"),
     (1001, 409, "insufficient_funds"), (100_001, 409, "insufficient_funds")],
)  # fmt: skip
async def test_too_little_and_too_much_move_nothing(
    story: Story, amount: int, status: int, code: str
) -> None:
    member = await rich(story)
    bank = await method(member)
    before = await everything(story)

    problem = await refused_withdrawal(member, bank, amount, status)

    assert problem["code"] == code
    assert await everything(story) == before
    assert await purse(story, member) == (1000, 0)


async def test_the_least_payout_and_all_of_it_leave(story: Story) -> None:
    member = await rich(story)
    bank = await method(member)

    await withdraw(member, bank, 100)
    await withdraw(member, bank, 900)

    assert await member.available() == (0, 0, 0)


async def test_what_is_owed_stays(story: Story) -> None:
    member = await rich(story, 1000)
    await owe(story, member, 400)
    bank = await method(member)

    problem = await refused_withdrawal(member, bank, 601, 409)
    [balance] = (await member.get("/v1/wallet"))["balances"]
    await withdraw(member, bank, 600)

    assert (problem["code"], problem["owed_minor"]) == ("debt_first", 400)
    assert problem["withdrawable_minor"] == balance["withdrawable_minor"] == 600
    assert balance["owed_minor"] == 400
    assert await member.available() == (400, 0, 0)


async def test_held_and_pending_money_cannot_be_withdrawn(story: Story) -> None:
    seller, buyer = await story.person("seller"), await story.person("buyer")
    await story.top_up(buyer, 2500)
    order = await story.funded(buyer, await story.listing(seller, 2500))
    bank = {who.id: await method(who) for who in (buyer, seller)}

    held = await refused_withdrawal(buyer, bank[buyer.id], 100, 409)
    await seller.move(order["id"], "accept")
    await seller.move(order["id"], "deliver", note="Two hours")
    await buyer.move(order["id"], "approve")
    pending = await refused_withdrawal(seller, bank[seller.id], 100, 409)

    assert held["code"] == pending["code"] == "insufficient_funds"
    assert (await buyer.available(), await seller.available()) == ((0, 0, 0), (0, 2500, 0))


async def test_a_visitor_is_not_paid_out(story: Story) -> None:
    visitor = await story.person(verified=False)
    await earn(story, visitor, 1000)
    bank = await method(visitor)

    problem = await refused_withdrawal(visitor, bank, 400, 403)

    assert problem["code"] == "payout_refused"
    assert [reason["code"] for reason in problem["reasons"]] == ["not_verified"]
    assert problem["path"] != []
    assert await visitor.available() == (1000, 0, 0)


async def test_a_frozen_wallet_pays_nothing_out(story: Story) -> None:
    member = await rich(story)
    bank = await method(member)
    await story.database.run(lambda tx: freeze(tx, member, "frozen"))

    problem = await refused_withdrawal(member, bank, 400, 409)

    assert problem["code"] == "account_not_open"
    assert await purse(story, member) == (1000, 0)


async def test_one_client_reference_is_one_withdrawal(story: Story) -> None:
    member, other = await rich(story), await rich(story)
    bank, reference = await method(member), str(uuid4())
    first = await withdraw(member, bank, 300, client_reference=reference)
    before = await everything(story)

    problem = await refused_withdrawal(member, bank, 300, 409, client_reference=reference)
    untouched = await everything(story)
    theirs = await withdraw(other, await method(other), 300, client_reference=reference)

    assert (problem["code"], problem["first"]) == ("client_reference_used", first["id"])
    assert untouched == before
    assert first["client_reference"] == theirs["client_reference"] == reference


async def test_one_client_reference_is_one_top_up(story: Story) -> None:
    member, reference = await story.person(), str(uuid4())
    body = {"amount": euros(300), "token": "tok_ok", "client_reference": reference}
    first = await member.made("/v1/wallet/top-ups", body)

    answers = await at_once(*(member.post("/v1/wallet/top-ups", body) for _ in range(5)))
    await story.drain()

    assert {answer.status_code for answer in answers} == {409}
    assert {answer.json()["first"] for answer in answers} == {first["id"]}
    assert await member.available() == (300, 0, 0)


async def test_twenty_at_once_take_the_money_once(story: Story) -> None:
    member = await rich(story)
    body = {"amount": euros(300), "payout_method": await method(member)}

    answers = await at_once(*(member.post(WITHDRAWALS, body) for _ in range(20)))

    assert sorted(answer.status_code for answer in answers) == [202] * 3 + [409] * 17
    assert {a.json()["code"] for a in answers if a.status_code == 409} == {"insufficient_funds"}
    assert await member.available() == (100, 0, 0)


async def test_twenty_at_once_keep_the_limit(story: Story) -> None:
    """T1 may withdraw 1,000.00 in a day; to a bank account that has paid before."""
    member = await rich(story, 300_000)
    bank = await method(member)
    await withdraw(member, bank, 100)
    await story.drain()
    body = {"amount": euros(30_000), "payout_method": bank}

    answers = await at_once(*(member.post(WITHDRAWALS, body) for _ in range(20)))

    assert sorted(answer.status_code for answer in answers) == [202] * 3 + [403] * 17
    assert {a.json()["code"] for a in answers if a.status_code == 403} == {"velocity_limit"}
    assert await member.available() == (300_000 - 100 - 90_000, 0, 0)


async def test_the_same_money_leaves_by_one_door(story: Story) -> None:
    """A payout, a card refund and a hold race for one wallet: whoever wins, nothing is overdrawn,
    and card money never reaches the bank."""
    for _ in range(5):
        buyer = await story.person("buyer")
        await story.top_up(buyer, 2500)
        await earn(story, buyer, 500)
        listing = await story.listing(await story.person("seller"), 2500)
        order = await buyer.made("/v1/orders", {"listing_id": listing})
        fund = {"name": "fund", "confirmation": await story.confirmation(buyer, order)}
        out = {"amount": euros(500), "payout_method": await method(buyer)}

        answers = await at_once(
            *(buyer.post(WITHDRAWALS, out) for _ in range(3)),
            *(buyer.post("/v1/wallet/card-refunds", {"amount": euros(2000)}) for _ in range(3)),
            buyer.post(f"/v1/orders/{order['id']}/transitions", fund),
        )

        codes = [answer.status_code for answer in answers]
        out_minor, back_minor = 500 * codes[:3].count(202), 2000 * codes[3:6].count(202)
        held_minor = 2500 * codes[6:].count(200)
        left, card = await purse(story, buyer)
        assert left == 3000 - out_minor - back_minor - held_minor
        assert (out_minor in (0, 500), back_minor in (0, 2000)) == (True, True)
        assert out_minor + back_minor + held_minor > 0
        assert 0 <= card <= left
        await story.check()


async def test_a_silent_provider_is_asked_for_ever_and_never_taken_for_a_no(story: Story) -> None:
    member = await rich(story)
    out = await withdraw(member, await method(member), 400)
    key = decode("wdr", out["id"])

    for _ in range(3):
        with pytest.raises(ProviderUnavailable):
            await jobs.pay_out_withdrawal(story.database, AbsentGateway(), key)
    silent = await state_of(member, out["id"])
    waits = []
    for _ in range(8):
        await story.move_clock(timedelta(hours=6))
        waits.append(await story.database.run(payouts.ask_due))
    told_late = await due_events(story, key)
    await story.drain()

    assert silent == ("sent", None)
    assert waits[0] >= 1
    assert told_late == {"withdrawal.due": 8, "withdrawal.late": 1}
    assert await state_of(member, out["id"]) == ("paid", None)
    assert await moved(story, out["id"]) == [("withdraw", 400), ("payout", 400)]
    assert (await told(member)).count("withdrawal_late") == 1


async def due_events(story: Story, withdrawal: UUID) -> dict[str, int]:
    async with story.database.reading() as conn:
        rows = await conn.fetch(
            "SELECT topic, count(*) FROM foundation.outbox WHERE aggregate_id = $1"
            " AND topic IN ('withdrawal.due', 'withdrawal.late') GROUP BY topic",
            withdrawal,
        )
    return {row["topic"]: row["count"] for row in rows}


async def test_askings_become_rarer(story: Story) -> None:
    member = await rich(story)
    out = await withdraw(member, await method(member), 400)
    key = decode("wdr", out["id"])
    with pytest.raises(ProviderUnavailable):
        await jobs.pay_out_withdrawal(story.database, AbsentGateway(), key)

    gaps = []
    for _ in range(7):
        async with story.database.reading() as conn:
            gap: timedelta = await conn.fetchval(
                "SELECT ask_at - foundation.handsel_now() FROM money.withdrawals WHERE id = $1", key
            )
        gaps.append(round(gap / timedelta(minutes=1)))
        await story.move_clock(gap + timedelta(seconds=1))
        await story.database.run(payouts.ask_due)

    assert gaps == [20, 20, 40, 80, 160, 320, 360]
    await story.drain()


async def test_a_job_that_got_lost_is_made_up_for_by_the_sweep(story: Story) -> None:
    member = await rich(story)
    out = await withdraw(member, await method(member), 400)
    async with story.database.transaction() as tx:
        await tx.execute("UPDATE foundation.outbox SET relayed_at = occurred_at")

    await story.pass_time(timedelta(minutes=21))

    assert await state_of(member, out["id"]) == ("paid", None)
    assert await moved(story, out["id"]) == [("withdraw", 400), ("payout", 400)]


async def test_accepted_is_not_paid_until_the_provider_says_so(story: Story) -> None:
    member = await rich(story)
    out = await withdraw(member, await method(member, "bank_accepted"), 400)

    await story.drain()
    accepted = await state_of(member, out["id"]), await moved(story, out["id"])
    await story.pass_time(HOUR)

    assert accepted == (("sent", None), [("withdraw", 400)])
    assert await state_of(member, out["id"]) == ("paid", None)
    assert await asked(story, out["id"]) == 1


async def test_a_repeated_job_has_one_effect(story: Story) -> None:
    member = await rich(story)
    out = await withdraw(member, await method(member), 400)
    key, gateway = decode("wdr", out["id"]), gateway_of(story.settings, story.database)

    await asyncio.gather(
        *(jobs.pay_out_withdrawal(story.database, gateway, key) for _ in range(16))
    )
    await story.drain()

    assert await moved(story, out["id"]) == [("withdraw", 400), ("payout", 400)]
    assert await member.available() == (600, 0, 0)


async def test_a_payout_may_come_back_after_it_was_paid(story: Story) -> None:
    member = await rich(story)
    out = await withdraw(member, await method(member), 400)
    await story.drain()
    key, clearing = decode("wdr", out["id"]), await house(story, "provider_clearing")

    for _ in range(2):
        await story.database.run(lambda tx: payouts.book_returned(tx, key, "account_closed", None))
    await story.database.run(lambda tx: payouts.book_paid(tx, key, "again"))
    await story.drain()

    assert await state_of(member, out["id"]) == ("returned", "account_closed")
    expected = [("withdraw", 400), ("payout", 400), ("payout_returned", 400)]
    assert await moved(story, out["id"]) == expected
    assert await house(story, "provider_clearing") == clearing - 400
    assert await purse(story, member) == (1000, 0)
    assert (await told(member))[-1] == "withdrawal_returned"


async def test_a_return_that_overtakes_paid_is_final(story: Story) -> None:
    member = await rich(story)
    out = await withdraw(member, await method(member, "bank_accepted"), 400)
    await story.drain()
    key = decode("wdr", out["id"])

    await story.database.run(lambda tx: payouts.book_returned(tx, key, "no_such_account", None))
    await story.database.run(lambda tx: payouts.book_paid(tx, key, "late"))

    assert await state_of(member, out["id"]) == ("returned", "no_such_account")
    assert await moved(story, out["id"]) == [("withdraw", 400), ("payout_returned", 400)]
    assert await house(story, "payout_transit") == 0


async def test_what_is_stopped_before_it_is_sent_is_never_sent(story: Story) -> None:
    member = await rich(story)
    out = await withdraw(member, await method(member), 400)
    gateway = gateway_of(story.settings, story.database)

    stopped = await story.database.run(
        lambda tx: payouts.stop_pending(tx, id_of(member), None, "payment_disputed")
    )
    again = await story.database.run(
        lambda tx: payouts.stop_pending(tx, id_of(member), "EUR", "payment_disputed")
    )
    await jobs.pay_out_withdrawal(story.database, gateway, decode("wdr", out["id"]))
    await story.drain()

    assert (stopped, again) == (1, 0)
    assert await state_of(member, out["id"]) == ("stopped", "payment_disputed")
    assert await moved(story, out["id"]) == [("withdraw", 400), ("withdraw_stopped", 400)]
    assert await asked(story, out["id"]) == 0
    assert await member.available() == (1000, 0, 0)
    assert (await told(member))[-1] == "withdrawal_stopped"


async def test_stop_and_send_never_both_happen(story: Story) -> None:
    gateway = gateway_of(story.settings, story.database)
    member = await rich(story, 2000)
    bank = await method(member)
    for _ in range(20):
        out = await withdraw(member, bank, 100)
        key = decode("wdr", out["id"])

        await asyncio.gather(
            jobs.pay_out_withdrawal(story.database, gateway, key),
            story.database.run(
                lambda tx: payouts.stop_pending(tx, id_of(member), "EUR", "payment_disputed")
            ),
        )

        ended, _ = await state_of(member, out["id"])
        sent = await asked(story, out["id"])
        assert (ended, sent) in (("paid", 1), ("stopped", 0))
        await story.move_clock(2 * HOUR)
    await story.check()


async def test_a_frozen_wallet_is_neither_sent_nor_lost(story: Story) -> None:
    member = await rich(story)
    out = await withdraw(member, await method(member), 400)
    await story.database.run(lambda tx: freeze(tx, member, "frozen"))

    await story.drain()
    frozen = await state_of(member, out["id"]), await asked(story, out["id"])
    await story.database.run(lambda tx: freeze(tx, member, "open"))
    await story.pass_time(DAY)

    assert frozen == (("pending", None), 0)
    assert await state_of(member, out["id"]) == ("paid", None)


async def freeze(tx: Tx, member: Member, state: ledger.AccountState) -> None:
    ledger.set_account_state(tx, wallet_of(member), state, None, "a test")


async def charged_back(story: Story, buyer: Member, seller: Member) -> Dispute:
    """A sale of 25.00, settled and paid out but for 5.00; the payer's bank wants it back."""
    await story.top_up(buyer, 2500)
    order = await story.funded(buyer, await story.listing(seller, 2500))
    for who, name in ((seller, "accept"), (seller, "deliver"), (buyer, "approve")):
        await who.move(order["id"], name, note="Two hours")
    await story.pass_time(4 * DAY)
    await story.move_clock(DAY)
    await withdraw(seller, await method(seller), 2000)
    await story.drain()
    async with story.database.reading() as conn:
        charge = await conn.fetchval(
            "SELECT provider_reference FROM money.top_ups WHERE member_id = $1", id_of(buyer)
        )
    return Dispute(
        reference=f"dp_{order['id']}", charge_reference=charge, amount_minor=2500,
        currency="EUR", said_at=await story.now(),
    )  # fmt: skip


async def test_what_may_still_be_charged_back_stays_in_the_wallet(story: Story) -> None:
    seller, buyer = await story.person("seller"), await story.person("buyer")
    dispute = await charged_back(story, buyer, seller)
    [bank] = [item["id"] for item in (await seller.get("/v1/payout-methods"))["items"]]
    await story.database.run(lambda tx: chargebacks.opened(tx, dispute))
    await earn(story, seller, 2300)

    problem = await refused_withdrawal(seller, bank, 301, 409)
    [balance] = (await seller.get("/v1/wallet"))["balances"]
    await withdraw(seller, bank, 300)
    await story.drain()
    won = replace(dispute, said_at=await story.now())
    await story.database.run(lambda tx: chargebacks.won(tx, won))
    free = (await seller.get("/v1/wallet"))["balances"][0]["withdrawable_minor"]

    assert (problem["code"], problem["disputed_minor"]) == ("payout_stopped", 2000)
    assert problem["withdrawable_minor"] == balance["withdrawable_minor"] == 300
    assert balance["disputed_minor"] == 2000
    assert free == 2000 + 500
    await withdraw(seller, bank, 2500)


async def test_a_payout_that_a_dispute_needs_is_stopped_before_it_is_sent(story: Story) -> None:
    """It was asked for while the dispute was being opened, which did not see it."""
    seller, buyer = await story.person("seller"), await story.person("buyer")
    dispute = await charged_back(story, buyer, seller)
    [bank] = [item["id"] for item in (await seller.get("/v1/payout-methods"))["items"]]
    out = await withdraw(seller, bank, 400)
    key = decode("wdr", out["id"])
    async with story.database.transaction() as tx:
        await tx.execute("SELECT FROM money.withdrawals WHERE id = $1 FOR UPDATE", key)
        await story.database.run(lambda other: chargebacks.opened(other, dispute))

    await story.drain()

    assert await state_of(seller, out["id"]) == ("stopped", "payment_disputed")
    assert await asked(story, out["id"]) == 0
    assert await purse(story, seller) == (400, 0)
    assert (await refused_withdrawal(seller, bank, 100, 409))["code"] == "payout_stopped"


async def test_somebody_elses_withdrawal_is_not_there(story: Story) -> None:
    owner, other = await rich(story), await story.person()
    out = await withdraw(owner, await method(owner), 400)

    answers = [
        await story.http.get(
            f"{WITHDRAWALS}/{withdrawal}", headers={"Authorization": f"Bearer {other.token}"}
        )
        for withdrawal in (out["id"], f"wdr_{uuid4().hex}", "nonsense")
    ]

    assert [(a.status_code, a.json()["code"]) for a in answers] == [(404, "not_found")] * 3


async def test_everything_adds_up_at_the_end(story: Story) -> None:
    await story.drain()
    await story.check()

    assert await house(story, "payout_transit") == 0
