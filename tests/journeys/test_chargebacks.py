"""A bank takes a payment back: orders, notices, evidence, scores, over HTTP and the worker."""

from datetime import timedelta
from typing import Any, Literal
from uuid import UUID

import numpy as np
import pytest

from handsel.foundation.core.ids import decode
from handsel.money.ledger.service import Account
from handsel.money.payments import sandbox_books, sandbox_desk
from handsel.people.credit import queries
from handsel_ml.contract import SCORE_KINDS
from handsel_ml.facts import table_of
from handsel_ml.labels import exposures_of
from tests.factories.members import PASSWORD
from tests.journeys.deals import (
    DAY,
    PRICE,
    START,
    Deal,
    body_of,
    brought_to,
    funded,
    heard,
    rich,
    told,
)
from tests.journeys.story import Member, Story


async def dispute(story: Story, deal: Deal, amount: int = START) -> str:
    """The buyer's bank takes the newest top-up back; the provider's name of the dispute."""
    buyer = decode("mem", deal.buyer.id)
    async with story.database.transaction() as tx:
        charge = await tx.fetchval(
            "SELECT provider_reference FROM money.top_ups WHERE member_id = $1 ORDER BY id DESC",
            buyer,
        )
        reference = await sandbox_books.open_dispute(tx, charge, amount, "fraudulent", tx.now)
    await story.drain()
    return reference


async def decided(story: Story, reference: str, end: Literal["won", "lost"]) -> None:
    """The bank decides, a second later."""
    await story.move_clock(timedelta(seconds=1))
    async with story.database.transaction() as tx:
        await sandbox_books.decide_dispute(tx, reference, f"dispute.{end}", tx.now)  # type: ignore[arg-type]
    await story.drain()


async def taken_again(story: Story, reference: str) -> None:
    """A second round."""
    await story.move_clock(timedelta(seconds=1))
    async with story.database.transaction() as tx:
        await sandbox_desk.reopen_dispute(tx, reference)
    await story.drain()


async def newest(member: Member) -> dict[str, Any]:
    page = await member.get("/v1/chargebacks")
    found: dict[str, Any] = await member.get(f"/v1/chargebacks/{page['items'][0]['id']}")
    return found


async def sent(story: Story) -> list[tuple[str, str]]:
    """What the provider has in its hands: (what for, its text or dispute)."""
    async with story.database.reading() as conn:
        rows = await conn.fetch(
            "SELECT split_part(idempotency_key, ':', 1) AS what,"
            " coalesce(request ->> 'evidence', request ->> 'dispute') AS said"
            " FROM money.sandbox_provider WHERE idempotency_key ~ '^(evidence|accept):'"
        )
    return [(row["what"], row["said"]) for row in rows]


async def test_a_held_order_waits_and_closes_when_it_is_lost(story: Story) -> None:
    deal = await brought_to(story, "accept", "deliver")
    word = await dispute(story, deal)

    await deal.buyer.refused(f"/v1/orders/{deal.id}/transitions", {"name": "approve"}, status=409)
    waiting = await deal.state(), await deal.wallets()
    await decided(story, word, "lost")

    assert waiting == ("delivered", ((0, 0, PRICE), (0, 0, 0)))
    assert await deal.state() == "charged_back"
    assert await deal.wallets() == ((0, 0, 0), (0, 0, 0))
    assert (await deal.timeline())[-1] == ("charge_back", "system", {"customer": PRICE})
    assert (await told(deal.seller))[-3:] == [
        "chargeback_opened",
        "chargeback_lost",
        "order_charged_back",
    ]
    assert (await told(deal.buyer))[-3:] == [
        "chargeback_noted",
        "chargeback_lost_payer",
        "order_charged_back",
    ]
    await story.check()


async def test_timers_rest_and_run_again_when_it_is_won(story: Story) -> None:
    deal = await brought_to(story, "accept", "deliver")
    word = await dispute(story, deal)

    await story.pass_time(4 * DAY)
    rested = await deal.state()
    await decided(story, word, "won")
    await story.pass_time(timedelta(seconds=1))

    assert rested == "delivered"
    assert await deal.state() == "completed"
    assert await deal.wallets() == ((START - PRICE, 0, 0), (0, PRICE, 0))
    await story.pass_time(15 * DAY)
    assert await deal.state() == "settled"
    await story.check()


async def test_a_refund_still_comes_in_time_and_is_set_aside(story: Story) -> None:
    deal = await funded(story)
    word = await dispute(story, deal)

    await story.pass_time(2 * DAY)
    expired = await deal.state(), await deal.wallets()
    await decided(story, word, "won")

    assert expired == ("expired", ((0, 0, 0), (0, 0, 0)))
    assert await deal.wallets() == ((START, 0, 0), (0, 0, 0))
    await story.check()


async def test_what_waits_for_its_hold_period_is_taken_there(story: Story) -> None:
    deal = await brought_to(story, "accept", "deliver", "approve")
    word = await dispute(story, deal)

    await story.pass_time(20 * DAY)
    stopped = await deal.state(), await deal.wallets()
    await decided(story, word, "lost")

    assert stopped == ("completed", ((0, 0, 0), (0, PRICE, 0)))
    assert await deal.state() == "charged_back"
    assert await deal.wallets() == ((0, 0, 0), (0, 0, 0))
    await story.check()


async def test_a_part_of_what_waits_is_taken_and_the_rest_is_settled(story: Story) -> None:
    deal = await brought_to(story, "accept", "deliver", "approve")
    # All that is left in the wallet, and ten euros of the sale.
    word = await dispute(story, deal, START - PRICE + 1000)

    await decided(story, word, "lost")
    waiting = await deal.state(), await deal.wallets()
    await story.pass_time(15 * DAY)

    assert waiting == ("completed", ((0, 0, 0), (0, PRICE - 1000, 0)))
    assert await deal.state() == "settled"
    assert ("charge_part", "system", {}) in await deal.timeline()
    reserve = (PRICE - 1000) * 3 // 10  # since a chargeback of this seller's was lost
    wallet = (await deal.seller.get("/v1/wallet"))["balances"][0]
    assert wallet["available_minor"] in (PRICE - 1000, PRICE - 1000 - reserve)
    assert wallet["available_minor"] + wallet["reserved_minor"] == PRICE - 1000
    await story.check()


async def test_a_settled_sale_is_set_aside_and_shown(story: Story) -> None:
    deal = await brought_to(story, "accept", "deliver", "approve")
    await story.pass_time(15 * DAY)
    word = await dispute(story, deal)

    seen, payers = await newest(deal.seller), await newest(deal.buyer)

    assert (seen["state"], seen["your_role"]) == ("open", "seller")
    assert seen["concerned"] == seen["set_aside"] == {"amount_minor": PRICE, "currency": "EUR"}
    assert seen["orders"] == [deal.id]
    assert seen["you_may_give_evidence"] is True
    assert [step["step"] for step in seen["timeline"]] == ["opened"]
    assert [(x["code"], x["account"], x["amount_minor"]) for x in seen["money"]] == [
        ("contest", "wallet", -PRICE)
    ]
    assert seen["promise"].startswith("Evidence is due by ")
    assert payers["promise"].startswith("The bank decides.")
    assert (payers["your_role"], payers["set_aside"]["amount_minor"]) == ("payer", START - PRICE)
    assert payers["concerned"]["amount_minor"] == START
    assert "€29.99 of yours is set aside" in await body_of(deal.seller, "chargeback_opened")
    statement = await deal.seller.get("/v1/wallet/statement", currency="EUR")
    assert statement["items"][0] == statement["items"][0] | {
        "code": "contest_earned", "reference": seen["id"], "amount_minor": -PRICE,
    }  # fmt: skip
    await decided(story, word, "won")
    assert [(x["code"], x["amount_minor"]) for x in (await newest(deal.seller))["money"]] == [
        ("contest", -PRICE),
        ("contest_returned", PRICE),
    ]
    assert await deal.wallets() == ((START - PRICE, 0, 0), (PRICE, 0, 0))
    assert await deal.state() == "settled"
    await story.check()


async def test_won_taken_again_and_lost(story: Story) -> None:
    deal = await brought_to(story, "accept", "deliver")
    word = await dispute(story, deal)
    await decided(story, word, "won")
    await story.pass_time(3 * DAY)
    between = await deal.state()

    await taken_again(story, word)
    await decided(story, word, "lost")

    assert between == "completed"
    assert await deal.state() == "charged_back"
    seen = await newest(deal.seller)
    assert [(step["round"], step["step"]) for step in seen["timeline"]] == [
        (1, "opened"),
        (1, "won"),
        (2, "opened_again"),
        (2, "lost"),
    ]
    assert await deal.wallets() == ((0, 0, 0), (0, 0, 0))
    await story.check()


async def test_evidence_goes_once_with_the_facts_of_the_order(story: Story) -> None:
    deal = await brought_to(story, "accept", "deliver", "approve")
    await dispute(story, deal)
    mine = (await newest(deal.seller))["id"]
    path = f"/v1/chargebacks/{mine}/evidence"

    given = await deal.seller.made(path, {"text": "They wrote to me that they liked it."})
    again = await deal.seller.refused(path, {"text": "And once more."}, status=409)
    await story.drain()

    assert given["you_may_give_evidence"] is False
    assert again["code"] == "evidence_sent"
    [(_, text)] = [x for x in await sent(story) if "They wrote to me" in x[1]]
    assert deal.id in text
    assert "Two hours on derivatives" in text
    assert '"confirmed": true' in text
    seen = await newest(deal.seller)
    assert (seen["state"], seen["timeline"][-1]["step"]) == ("evidence_sent", "evidence_sent")
    assert seen["promise"].startswith("The bank decides.")
    assert seen["timeline"][1] == seen["timeline"][1] | {"step": "evidence_given", "by_you": True}
    late = await deal.seller.refused(f"/v1/chargebacks/{mine}/accept", None, status=409)
    assert late["code"] == "evidence_sent"


async def test_facts_go_alone_a_day_before_and_then_it_is_too_late(story: Story) -> None:
    deal = await brought_to(story, "accept", "deliver", "approve")
    await dispute(story, deal)
    mine = (await newest(deal.seller))["id"]

    await story.pass_time(6 * DAY + timedelta(hours=1))
    seen = await newest(deal.seller)
    await story.pass_time(DAY)
    late = await deal.seller.refused(
        f"/v1/chargebacks/{mine}/evidence", {"text": "Wait!"}, status=409
    )

    assert seen["state"] == "evidence_sent"
    assert any(deal.id in text for _, text in await sent(story))
    assert late["code"] == "evidence_too_late"


async def test_the_seller_gives_it_up(story: Story) -> None:
    deal = await brought_to(story, "accept", "deliver", "approve")
    word = await dispute(story, deal)
    mine = (await newest(deal.seller))["id"]

    await deal.seller.made(f"/v1/chargebacks/{mine}/accept")
    await story.drain()
    asked = ("accept", word) in await sent(story)
    await decided(story, word, "lost")

    assert asked
    assert (await newest(deal.seller))["state"] == "accepted"
    assert await deal.state() == "charged_back"
    refused = await deal.seller.refused(
        f"/v1/chargebacks/{mine}/evidence", {"text": "No, wait"}, status=409
    )
    assert refused["code"] == "chargeback_decided"
    await story.check()


async def test_only_those_concerned_see_it_and_only_sellers_speak(story: Story) -> None:
    deal, stranger = await funded(story), await story.person("stranger")
    await dispute(story, deal)
    mine = (await newest(deal.seller))["id"]

    seen = await stranger.get("/v1/chargebacks")
    answers = [
        await who.refused(f"/v1/chargebacks/{mine}/{what}", body, status=404)
        for who in (stranger, deal.buyer)
        for what, body in (("evidence", {"text": "It was me"}), ("accept", None))
    ]

    assert seen == {"items": [], "next_cursor": None}
    assert {answer["code"] for answer in answers} == {"not_found"}
    read = await deal.buyer.http.get(
        f"/v1/chargebacks/{mine}", headers={"Authorization": f"Bearer {stranger.token}"}
    )
    assert read.status_code == 404


async def test_the_payers_score_learns_of_it(story: Story) -> None:
    deal = await brought_to(story, "accept")
    word = await dispute(story, deal)
    await decided(story, word, "lost")

    async with story.database.reading() as conn:
        rows = await conn.fetch(
            "SELECT kind, amount_minor, order_id FROM people.facts WHERE member_id = $1"
            " AND kind LIKE 'chargeback%' ORDER BY id",
            decode("mem", deal.buyer.id),
        )

    order = decode("ord", deal.id)
    assert [tuple(row) for row in rows] == [
        ("chargeback", PRICE, order),
        ("chargeback_lost", PRICE, order),
    ]


@pytest.mark.parametrize(
    "moves", [("accept", "deliver"), ("accept", "deliver", "approve")], ids=["held", "released"]
)
async def test_a_lost_chargeback_is_a_label_of_the_payer_alone(
    story: Story, moves: tuple[str, ...]
) -> None:
    deal = await brought_to(story, *moves)
    word = await dispute(story, deal)

    await decided(story, word, "lost")

    assert await deal.state() == "charged_back"
    assert await heard(story, deal) == {
        "buyer": ["chargeback", "chargeback_lost", "order_funded", "order_refunded"],
        "seller": ["delivered_on_time", "order_cancelled_by_other", "order_funded"],
    }
    async with story.database.reading() as conn:
        rows = await conn.fetch(
            "SELECT * FROM people.facts WHERE order_id = $1 ORDER BY id", decode("ord", deal.id)
        )
    told_of = exposures_of(table_of([queries.known_fact(row) for row in rows]))
    labels = {kind: told_of.labels[kind][np.argsort(told_of.role)].tolist() for kind in SCORE_KINDS}
    assert labels == {"financial": [1, -1], "social": [-1, -1]}


async def test_a_chargeback_of_what_was_never_accepted_ends_no_deal(story: Story) -> None:
    deal = await funded(story)
    word = await dispute(story, deal)

    await decided(story, word, "lost")

    assert await deal.state() == "charged_back"
    assert await heard(story, deal) == {"buyer": ["chargeback", "chargeback_lost"], "seller": []}


async def test_an_order_of_the_first_version_closes_too(story: Story) -> None:
    deal = await brought_to(story, "accept")
    order: UUID = decode("ord", deal.id)
    async with story.database.transaction() as tx:
        await tx.execute("UPDATE deals.orders SET process_version = 1 WHERE id = $1", order)
    word = await dispute(story, deal)

    await decided(story, word, "lost")

    assert await deal.state() == "charged_back"
    assert (await deal.buyer.get(f"/v1/orders/{deal.id}"))["process"] == "service@3"
    await story.check()


async def test_a_seller_who_is_paid_out_owes_what_their_next_sales_pay(story: Story) -> None:
    deal = await brought_to(story, "accept", "deliver", "approve")
    await story.pass_time(15 * DAY)
    await story.pass_time(5 * DAY)  # past the first days after a first sale
    await paid_out(deal.seller, PRICE)
    await story.drain()
    word = await dispute(story, deal)
    async with story.database.transaction() as tx:
        # Nobody can say that it was delivered: else the fund would bear it.
        await tx.execute("UPDATE money.chargeback_parts SET facts = $1", {})
    await decided(story, word, "lost")
    owed = await wallet_of(deal.seller)
    assert "You owe €29.99" in await body_of(deal.seller, "chargeback_lost")

    listing = await story.listing(deal.seller, 2000)
    order = await story.funded(await rich(story), listing)
    for name in ("accept", "deliver"):
        await deal.seller.move(order["id"], name, note="All of it")
    await story.pass_time(3 * DAY)  # nobody objects
    await story.pass_time(15 * DAY)

    assert (owed["owed_minor"], owed["available_minor"]) == (PRICE, 0)
    assert await balance(story, deal.seller, "receivable") == 2000 - PRICE
    assert await balance(story, deal.seller, "wallet") == 0
    await story.pass_time(91 * DAY)
    assert await balance(story, deal.seller, "receivable") == 0
    await story.check()


async def test_the_fund_bears_it_for_a_seller_who_did_all_that_could_be_done(story: Story) -> None:
    deal = await brought_to(story, "accept", "deliver", "approve")
    await story.pass_time(15 * DAY)
    await story.pass_time(5 * DAY)  # past the first days after a first sale
    await paid_out(deal.seller, PRICE)
    await story.drain()
    word = await dispute(story, deal)

    await decided(story, word, "lost")

    assert (await wallet_of(deal.seller))["owed_minor"] == 0
    await story.check()


async def wallet_of(member: Member) -> dict[str, int]:
    found: dict[str, int] = (await member.get("/v1/wallet"))["balances"][0]
    return found


async def balance(story: Story, member: Member, kind: str) -> int:
    """Also when the sessions have ended."""
    account = Account(kind, decode("mem", member.id), "EUR")
    async with story.database.reading() as conn:
        found: int = await conn.fetchval(
            "SELECT balance FROM money.accounts WHERE id = $1", account.id
        )
    return found


async def paid_out(member: Member, amount: int) -> None:
    """To a bank account of their own."""
    body = {"token": "bank_ok", "label": "bank", "password": PASSWORD}
    bank = await member.made("/v1/payout-methods", body)
    money = {"amount_minor": amount, "currency": "EUR"}
    await member.made("/v1/wallet/withdrawals", {"amount": money, "payout_method": bank["id"]})
