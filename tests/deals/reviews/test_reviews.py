"""Reviews through HTTP: unseen until both are there, changed until then, answered once."""

import asyncio
from dataclasses import dataclass
from datetime import timedelta
from typing import Any
from uuid import UUID

import asyncpg
import pytest

from handsel.deals.reviews import service
from handsel.foundation.core.ids import decode
from tests.journeys.deals import DAY, PRICE, Deal, brought_to, rich
from tests.journeys.story import Member, Story

SECRET_WORDS = "He smelled of gin."


@dataclass
class Written:
    """A review as its author got it back."""

    id: str
    version: int
    body: dict[str, Any]

    @property
    def uuid(self) -> UUID:
        return decode("rev", self.id)


async def settled(story: Story, **more: Any) -> Deal:
    deal = await brought_to(story, "accept", "deliver", "approve", **more)
    await story.pass_time(14 * DAY)
    return deal


async def write(author: Member, deal: Deal, stars: int, text: str = "", **more: Any) -> Written:
    body = await author.made(
        "/v1/reviews", {"order_id": deal.id, "stars": stars, "text": text, **more}
    )
    return Written(body["id"], body["version"], body)


async def put(story: Story, who: Member, review: Written, version: int | None, **body: Any) -> Any:
    headers = {"Authorization": f"Bearer {who.token}"}
    if version is not None:
        headers["If-Match"] = f'"{version}"'
    return await story.http.put(f"/v1/reviews/{review.id}", json=body, headers=headers)


async def public(story: Story, about: Member) -> list[tuple[int, str]]:
    """What a stranger without an account reads of a member."""
    page = await story.http.get("/v1/reviews", params={"member": about.id})
    return [(item["stars"], item["text"]) for item in page.json()["items"]]


async def notices(who: Member) -> list[tuple[str, str]]:
    """Those of reviews, newest first: (kind, title)."""
    page = await who.get("/v1/notices")
    return [(n["kind"], n["title"]) for n in page["items"] if n["kind"].startswith("review_")]


async def stars_in_credit(story: Story, about: Member) -> list[int]:
    """The stars that the score has heard of."""
    async with story.database.reading() as conn:
        rows = await conn.fetch(
            "SELECT value FROM people.facts WHERE kind = 'review_received' AND member_id = $1"
            " ORDER BY id",
            decode("mem", about.id),
        )
    return [row["value"] for row in rows]


async def rows_of(story: Story, deal: Deal) -> list[tuple[str, int, str, int | None]]:
    """What is stored of an order: (state, stars, text, weight)."""
    async with story.database.reading() as conn:
        rows = await conn.fetch(
            "SELECT state, stars, text, weight_bps FROM deals.reviews WHERE order_id = $1"
            " ORDER BY id",
            decode("ord", deal.id),
        )
    return [tuple(row) for row in rows]


async def events(story: Story, topic: str, review: Written) -> list[dict[str, Any]]:
    async with story.database.reading() as conn:
        rows = await conn.fetch(
            "SELECT payload FROM foundation.outbox WHERE topic = $1 AND aggregate_id = $2",
            topic,
            review.uuid,
        )
    return [row["payload"] for row in rows]


async def test_neither_side_reads_the_other_before_both_have_written(story: Story) -> None:
    deal = await settled(story)
    seller, buyer = deal.seller, deal.buyer

    first = await write(buyer, deal, 2, "Late twice.", aspects={"punctuality": 1, "quality": 4})
    await story.drain()
    seen_by_seller = await seller.get(f"/v1/orders/{deal.id}/reviews")
    by_id = await story.http.get(
        f"/v1/reviews/{first.id}", headers={"Authorization": f"Bearer {seller.token}"}
    )
    told = await notices(seller)
    heard = (await public(story, seller), await stars_in_credit(story, seller))
    second = await write(seller, deal, 5, "Paid at once.", aspects={"clarity": 5})
    await story.drain()

    assert (first.body["state"], first.body["published_at"]) == ("pending", None)
    assert seen_by_seller == {"yours": None, "theirs": None, "they_have_written": True}
    assert by_id.status_code == 404
    assert told == [("review_received", f"{buyer.handle} has reviewed you")]
    assert heard == ([], [])
    assert second.body["state"] == "published"
    both = await buyer.get(f"/v1/orders/{deal.id}/reviews")
    assert both["theirs"] == second.body
    assert both["yours"]["published_at"] == second.body["published_at"]
    assert both["yours"]["aspects"] == {"punctuality": 1, "quality": 4}
    assert await public(story, seller) == [(2, "Late twice.")]
    assert await public(story, buyer) == [(5, "Paid at once.")]
    assert (await notices(seller))[0] == ("review_published", f"Review from {buyer.handle}: 2 of 5")
    assert await notices(buyer) == [
        ("review_published", f"Review from {seller.handle}: 5 of 5"),
    ]
    assert await stars_in_credit(story, seller) == [2]
    assert await stars_in_credit(story, buyer) == [5]


async def test_time_publishes_what_there_is_once_and_ends_writing(story: Story) -> None:
    deal = await settled(story)
    only = await write(deal.buyer, deal, 4, "Good.")
    order_id = decode("ord", deal.id)

    early = await story.database.run(lambda tx: service.publish_due(tx, order_id))
    await story.move_clock(14 * DAY)
    late_edit = await put(story, deal.buyer, only, 1, stars=1)
    before = await rows_of(story, deal)
    published = await asyncio.gather(
        *(story.database.run(lambda tx: service.publish_due(tx, order_id)) for _ in range(3))
    )
    await story.drain()
    refused = await deal.seller.refused("/v1/reviews", {"order_id": deal.id, "stars": 1}, 409)

    assert early == 0
    assert (late_edit.status_code, late_edit.json()["code"]) == (409, "review_too_late")
    assert before == [("pending", 4, "Good.", None)]
    assert sorted(published) == [0, 0, 1]
    assert len(await events(story, "review.published", only)) == 1
    assert refused["code"] == "review_too_late"
    assert await public(story, deal.seller) == [(4, "Good.")]
    assert await public(story, deal.buyer) == []
    [(state, _, _, weight)] = await rows_of(story, deal)
    assert (state, weight) == ("published", 5999)


async def test_a_review_is_changed_by_its_author_until_it_is_published(story: Story) -> None:
    deal = await settled(story)
    mine = await write(deal.buyer, deal, 1, "Angry.", aspects={"value": 1})

    blind = await put(story, deal.buyer, mine, None, stars=5)
    strange = await put(story, deal.seller, mine, 1, stars=5)
    changed = await put(story, deal.buyer, mine, 1, stars=3, text="Calmer.")
    stale = await put(story, deal.buyer, mine, 1, stars=5)
    read = await story.http.get(
        f"/v1/reviews/{mine.id}", headers={"Authorization": f"Bearer {deal.buyer.token}"}
    )
    await write(deal.seller, deal, 5)
    too_late = await put(story, deal.buyer, mine, 3, stars=5)

    assert [a.status_code for a in (blind, strange, changed, stale)] == [428, 404, 200, 412]
    assert (changed.json()["version"], changed.headers["etag"]) == (2, '"2"')
    assert read.json() == changed.json()
    assert read.headers["etag"] == '"2"'
    assert (too_late.status_code, too_late.json()["code"]) == (409, "review_published")
    published = (await deal.seller.get(f"/v1/orders/{deal.id}/reviews"))["theirs"]
    assert (published["stars"], published["text"], published["aspects"]) == (3, "Calmer.", {})


async def test_the_subject_replies_once_and_in_time(story: Story) -> None:
    deal = await settled(story)
    about_seller = await write(deal.buyer, deal, 3, "So so.")
    path = f"/v1/reviews/{about_seller.id}/reply"

    unseen = await deal.seller.refused(path, {"text": "I know."}, 404)
    about_buyer = await write(deal.seller, deal, 4)
    stranger = await deal.buyer.refused(path, {"text": "Me too."}, 403)
    replied = await deal.seller.made(path, {"text": "The train was late."})
    twice = await deal.seller.refused(path, {"text": "And it rained."}, 409)
    await story.drain()
    await story.move_clock(14 * DAY)
    other = f"/v1/reviews/{about_buyer.id}/reply"
    unswept = await deal.buyer.refused(other, {"text": "Thanks."}, 409)
    await story.pass_time(timedelta(0))
    swept = await deal.buyer.refused(other, {"text": "Thanks."}, 409)

    codes = [problem["code"] for problem in (unseen, stranger, twice, unswept, swept)]
    assert codes == ["not_found", "forbidden", "reply_once", "reply_too_late", "reply_too_late"]
    assert (replied["state"], replied["reply"]) == ("replied", "The train was late.")
    page = (await story.http.get("/v1/reviews", params={"member": deal.seller.id})).json()
    assert page["items"] == [replied]
    assert (await notices(deal.buyer))[0][0] == "review_replied"
    closed = (await deal.buyer.get(f"/v1/orders/{deal.id}/reviews"))["theirs"]
    assert (closed["state"], closed["reply"]) == ("closed", None)


async def test_what_is_told_to_the_house_alone_is_read_by_nobody(story: Story) -> None:
    deal = await settled(story)
    told = {"text": SECRET_WORDS, "deal_again": False}

    mine = await write(deal.buyer, deal, 5, "Fine.", confidence=told)
    await write(deal.seller, deal, 5)
    await story.drain()

    reviews = f"/v1/orders/{deal.id}/reviews"
    shown = [mine.body, await deal.buyer.get(reviews), await deal.seller.get(reviews)]
    assert all(word not in str(shown) for word in ("gin", "deal_again", "confidence"))
    [confided] = await events(story, "review.confided", mine)
    assert (confided["deal_again"], confided["subject_id"]) == (
        False,
        str(decode("mem", deal.seller.id)),
    )
    assert "gin" not in str(confided)
    async with story.database.reading() as conn:
        with pytest.raises(asyncpg.InsufficientPrivilegeError):
            await conn.fetch("SELECT text FROM deals.confidences")


async def test_of_one_pair_one_review_in_thirty_days_counts(story: Story) -> None:
    first = await brought_to(story, "accept", "deliver", "approve")
    listing = first.order["terms"]["listing_id"]
    order = await story.funded(first.buyer, listing)
    second = Deal(first.seller, first.buyer, order["id"], order)
    for who, name in (
        (first.seller, "accept"),
        (first.seller, "deliver"),
        (first.buyer, "approve"),
    ):
        await who.move(second.id, name, note="Two hours")
    await story.pass_time(14 * DAY)

    for deal, stars in ((first, 1), (second, 5)):
        await write(deal.buyer, deal, stars)
        await write(deal.seller, deal, stars)
    await story.drain()

    weights = [row[3] for deal in (first, second) for row in await rows_of(story, deal)]
    assert [w == 0 for w in weights if w is not None] == [False, False, True, True]
    assert await public(story, first.seller) == [(5, ""), (1, "")]
    assert await stars_in_credit(story, first.seller) == [1]
    assert await stars_in_credit(story, first.buyer) == [1]


async def test_what_cannot_be_reviewed_is_not(story: Story) -> None:
    running = await brought_to(story, "accept")
    cheap = await settled(story, price=99)
    done = await brought_to(story, "accept", "deliver", "approve")
    stranger = await rich(story)
    early = {"order_id": running.id, "stars": 5}
    body = {"order_id": done.id, "stars": 5}

    too_early = await running.buyer.refused("/v1/reviews", early, 409)
    nothing = await cheap.buyer.refused("/v1/reviews", {"order_id": cheap.id, "stars": 5}, 409)
    await story.pass_time(14 * DAY)
    strange = await stranger.refused("/v1/reviews", body, 404)
    aspect = await done.buyer.refused("/v1/reviews", body | {"aspects": {"respect": 1}}, 422)
    zero = await done.buyer.refused("/v1/reviews", body | {"stars": 0}, 422)
    unknown = await done.buyer.refused("/v1/reviews", body | {"aspects": {"looks": 5}}, 422)
    long = await done.buyer.refused("/v1/reviews", body | {"text": "x" * 2001}, 422)

    codes = [p["code"] for p in (too_early, nothing, strange, aspect, zero, unknown, long)]
    assert codes == [
        "review_too_early", "review_nothing_paid", "not_found", "wrong_aspect",
        "invalid", "invalid", "invalid",
    ]  # fmt: skip
    assert [await rows_of(story, deal) for deal in (running, cheap, done)] == [[], [], []]


async def test_a_late_cancellation_that_paid_is_reviewed_and_nothing_published_changes(
    story: Story,
) -> None:
    soon = (await story.now() + timedelta(hours=3)).isoformat()
    deal = await brought_to(story, "accept", "cancel_late", starts_at=soon)
    await story.pass_time(14 * DAY)
    await write(deal.buyer, deal, 2, "Costly.")
    mine = await write(deal.seller, deal, 1, "He did not come.")
    before = await rows_of(story, deal)

    for change in ("stars = 5", "text = ''", "weight_bps = 0", "aspects = '{\"value\": 1}'"):
        async with story.database.reading() as conn:
            with pytest.raises(asyncpg.PostgresError, match="review_published"):
                await conn.execute(f"UPDATE deals.reviews SET {change} WHERE id = $1", mine.uuid)

    assert await deal.state() == "closed"
    assert await rows_of(story, deal) == before
    assert PRICE > 100
