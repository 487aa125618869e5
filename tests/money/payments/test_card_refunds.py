"""Card money goes back to its cards: newest first, never more than came, whatever the card says."""

import asyncio
from datetime import timedelta
from typing import Any

import pytest

from handsel.foundation.core.ids import decode
from handsel.money.payments import card_returns, jobs
from handsel.money.payments.gateway import AbsentGateway, ProviderUnavailable
from handsel.money.payments.service import gateway_of
from tests.journeys.deals import DAY
from tests.journeys.story import Member, Story
from tests.money.payments.purses import (
    CARD_REFUNDS,
    at_once,
    earn,
    euros,
    everything,
    house,
    moved,
    purse,
    told,
)


async def top_up(story: Story, member: Member, amount_minor: int, token: str = "tok_ok") -> str:  # noqa: S107
    body = {"amount": euros(amount_minor), "token": token}
    made = await member.made("/v1/wallet/top-ups", body)
    await story.drain()
    return str(made["id"])


async def refund(member: Member, amount_minor: int) -> list[dict[str, Any]]:
    page = await member.made(CARD_REFUNDS, {"amount": euros(amount_minor)})
    return list(page["items"])


async def read(member: Member, refund: dict[str, Any]) -> tuple[str, str | None]:
    found = await member.get(f"{CARD_REFUNDS}/{refund['id']}")
    return found["state"], found["failure"]


async def test_it_goes_to_the_newest_cards_first_to_the_cent(story: Story) -> None:
    member = await story.person()
    tops = [await top_up(story, member, minor) for minor in (500, 300, 200)]
    clearing = await house(story, "provider_clearing")

    items = await refund(member, 600)
    on_its_way = await purse(story, member), await house(story, "refund_transit")
    await story.drain()

    assert [(i["top_up"], i["amount"]["amount_minor"]) for i in items] == [
        (tops[2], 200), (tops[1], 300), (tops[0], 100),
    ]  # fmt: skip
    assert on_its_way == ((400, 400), 600)
    for item, minor in zip(items, (200, 300, 100), strict=True):
        assert await read(member, item) == ("succeeded", None)
        assert await moved(story, item["id"]) == [
            ("card_refund", minor), ("card_refund_done", minor),
        ]  # fmt: skip
    assert await house(story, "refund_transit") == 0
    assert await house(story, "provider_clearing") == clearing + 600
    assert await purse(story, member) == (400, 400)


async def test_the_rest_of_a_card_goes_back_later_and_no_more(story: Story) -> None:
    member = await story.person()
    first = await top_up(story, member, 500)
    await refund(member, 200)
    [rest] = await refund(member, 300)
    before = await everything(story)

    problem = await member.refused(CARD_REFUNDS, {"amount": euros(1)}, 409)

    assert (rest["top_up"], rest["amount"]["amount_minor"]) == (first, 300)
    assert problem["code"] == "insufficient_funds"
    assert await everything(story) == before


async def test_earned_money_does_not_go_to_a_card(story: Story) -> None:
    member = await story.person()
    await top_up(story, member, 500)
    await earn(story, member, 1000)
    before = await everything(story)

    problem = await member.refused(CARD_REFUNDS, {"amount": euros(501)}, 409)

    assert (problem["code"], problem["card_minor"]) == ("exceeds_card_money", 500)
    assert await everything(story) == before
    await refund(member, 500)
    assert await purse(story, member) == (1000, 0)


async def test_what_was_spent_stays_spent(story: Story) -> None:
    buyer, seller = await story.person("buyer"), await story.person("seller")
    await top_up(story, buyer, 3000)
    await story.funded(buyer, await story.listing(seller, 2500))

    problem = await buyer.refused(CARD_REFUNDS, {"amount": euros(501)}, 409)
    await refund(buyer, 500)
    await story.drain()

    assert problem["code"] == "insufficient_funds"
    assert await buyer.available() == (0, 0, 2500)


async def test_what_a_refunded_order_brought_back_may_go_to_the_card(story: Story) -> None:
    buyer, seller = await story.person("buyer"), await story.person("seller")
    await top_up(story, buyer, 2500)
    order = await story.funded(buyer, await story.listing(seller, 2500))
    await seller.move(order["id"], "decline")

    [item] = await refund(buyer, 2500)
    await story.drain()

    assert await read(buyer, item) == ("succeeded", None)
    assert await purse(story, buyer) == (0, 0)


async def test_a_card_that_takes_nothing_back_leaves_card_money_in_the_wallet(
    story: Story,
) -> None:
    member = await story.person()
    await top_up(story, member, 500, "tok_refund_fails")

    [item] = await refund(member, 400)
    await story.pass_time(DAY)

    state, failure = await read(member, item)
    assert state == "failed"
    assert failure is not None
    assert [code for code, _ in await moved(story, item["id"])][-1] == "card_refund_failed"
    assert await purse(story, member) == (500, 500)
    assert "card_refund_failed" in await told(member)
    assert (await refund(member, 500))[0]["amount"]["amount_minor"] == 500


async def test_a_refund_may_fail_after_it_had_succeeded(story: Story) -> None:
    member = await story.person()
    await top_up(story, member, 500)
    [item] = await refund(member, 400)
    await story.drain()
    key, clearing = decode("crf", item["id"]), await house(story, "provider_clearing")

    for _ in range(2):
        await story.database.run(lambda tx: card_returns.book_failed(tx, key, "card_closed", None))
    await story.database.run(lambda tx: card_returns.book_succeeded(tx, key, "again"))
    await story.drain()

    assert await read(member, item) == ("failed", "card_closed")
    assert await moved(story, item["id"]) == [
        ("card_refund", 400), ("card_refund_done", 400), ("card_refund_failed", 400),
    ]  # fmt: skip
    assert await house(story, "provider_clearing") == clearing - 400
    assert await purse(story, member) == (500, 500)
    assert (await told(member))[-1] == "card_refund_failed"
    async with story.database.reading() as conn:
        alerts = await conn.fetchval(
            "SELECT count(*) FROM money.alerts WHERE subject = $1", item["id"]
        )
    assert alerts == 1


async def test_too_little_balance_at_the_provider_is_not_now(story: Story) -> None:
    """It stays pending and is asked again under another key, since a key has one answer."""
    member = await story.person()
    await top_up(story, member, 500, "tok_refund_later")
    [item] = await refund(member, 400)
    key = decode("crf", item["id"])

    await story.drain()
    waiting = await read(member, item), await purse(story, member)
    keys = [await key_of(story, key)]
    await story.pass_time(timedelta(minutes=21))
    keys.append(await key_of(story, key))
    await story.pass_time(timedelta(hours=2))

    assert waiting == (("pending", "insufficient_provider_balance"), (100, 100))
    assert keys[0] == keys[1]
    assert await read(member, item) == ("succeeded", None)
    assert await moved(story, item["id"]) == [("card_refund", 400), ("card_refund_done", 400)]


async def key_of(story: Story, refund_id: Any) -> Any:
    async with story.database.reading() as conn:
        return await conn.fetchval("SELECT key FROM money.card_refunds WHERE id = $1", refund_id)


async def test_a_late_word_about_an_old_asking_changes_no_key(story: Story) -> None:
    member = await story.person()
    await top_up(story, member, 500)
    [item] = await refund(member, 400)
    refund_id = decode("crf", item["id"])
    first = await key_of(story, refund_id)

    for _ in range(2):
        await story.database.run(lambda tx: card_returns.note_not_now(tx, first, refund_id))

    second = await key_of(story, refund_id)
    assert second != first
    await story.database.run(lambda tx: card_returns.note_not_now(tx, first, refund_id))
    assert await key_of(story, refund_id) == second
    await story.pass_time(timedelta(minutes=21))
    assert await read(member, item) == ("succeeded", None)


async def test_a_silent_provider_is_asked_again_under_the_same_key(story: Story) -> None:
    member = await story.person()
    await top_up(story, member, 500)
    [item] = await refund(member, 400)
    refund_id = decode("crf", item["id"])
    first = await key_of(story, refund_id)

    with pytest.raises(ProviderUnavailable):
        await jobs.send_card_refund(story.database, AbsentGateway(), refund_id)
    await story.move_clock(DAY)
    await story.database.run(card_returns.ask_due)
    await story.drain()

    assert await key_of(story, refund_id) == first
    assert await read(member, item) == ("succeeded", None)
    assert (await told(member)).count("card_refund_late") == 1


async def test_twenty_at_once_send_back_what_there_is(story: Story) -> None:
    member = await story.person()
    for minor in (400, 300, 300):
        await top_up(story, member, minor)

    answers = await at_once(*(member.post(CARD_REFUNDS, {"amount": euros(300)}) for _ in range(20)))
    await story.drain()

    assert sorted(answer.status_code for answer in answers) == [202] * 3 + [409] * 17
    assert await purse(story, member) == (100, 100)
    async with story.database.reading() as conn:
        rows = await conn.fetch(
            "SELECT t.amount, t.refunded, (SELECT sum(r.amount) FROM money.card_refunds r"
            " WHERE r.top_up_id = t.id)::bigint AS sent FROM money.top_ups t"
            " WHERE t.member_id = $1 ORDER BY t.id",
            decode("mem", member.id),
        )
    assert [tuple(row) for row in rows] == [(400, 300, 300), (300, 300, 300), (300, 300, 300)]


async def test_a_repeated_job_has_one_effect(story: Story) -> None:
    member = await story.person()
    await top_up(story, member, 500)
    [item] = await refund(member, 400)
    key, gateway = decode("crf", item["id"]), gateway_of(story.settings, story.database)

    await asyncio.gather(*(jobs.send_card_refund(story.database, gateway, key) for _ in range(16)))
    await story.drain()

    assert await moved(story, item["id"]) == [("card_refund", 400), ("card_refund_done", 400)]


async def test_a_list_that_is_newest_first_and_ones_own(story: Story) -> None:
    member, other = await story.person(), await story.person()
    await top_up(story, member, 500)
    ids = [(await refund(member, 100))[0]["id"] for _ in range(3)]

    first = await member.get(CARD_REFUNDS, page_size=2)
    second = await member.get(CARD_REFUNDS, page_size=2, cursor=first["next_cursor"])
    answer = await story.http.get(
        f"{CARD_REFUNDS}/{ids[0]}", headers={"Authorization": f"Bearer {other.token}"}
    )

    assert [item["id"] for item in first["items"]] == [ids[2], ids[1]]
    assert [item["id"] for item in second["items"]] == [ids[0]]
    assert (answer.status_code, (await other.get(CARD_REFUNDS))["items"]) == (404, [])
    await other.refused(CARD_REFUNDS, {"amount": euros(1)}, 409)


async def test_everything_adds_up_at_the_end(story: Story) -> None:
    await story.drain()
    await story.check()

    assert await house(story, "refund_transit") == 0
