"""Shared appointments, check-ins, and an alarm of which the other side sees nothing."""

from datetime import timedelta
from typing import Any

import pytest

from handsel.deals.safety import service
from handsel.deals.safety.errors import AlarmElsewhere
from handsel.foundation.core.ids import decode
from tests.journeys.deals import DAY, Deal, brought_to, funded, placed
from tests.journeys.story import Member, Story


async def link_of(who: Member, deal: Deal, **more: Any) -> dict[str, Any]:
    made: dict[str, Any] = await who.made(f"/v1/orders/{deal.id}/shares", more)
    return made


async def seen(story: Story, path: str, who: Member | None = None) -> tuple[int, Any]:
    """What somebody, or a stranger without an account, finds there."""
    headers = {"Authorization": f"Bearer {who.token}"} if who else {}
    answer = await story.http.get(path, headers=headers)
    return answer.status_code, answer.json()


async def everything(story: Story, who: Member, deal: Deal, link: str) -> list[Any]:
    """All that a member and their trusted contact can see that could tell of an alarm."""
    order = await story.http.get(
        f"/v1/orders/{deal.id}", headers={"Authorization": f"Bearer {who.token}"}
    )
    below = ("timeline", "check-ins", "shares", "reviews")
    return [
        (order.headers["etag"], order.json()),
        *[await who.get(f"/v1/orders/{deal.id}/{name}") for name in below],
        await who.get("/v1/orders"),
        await who.get("/v1/notices"),
        await who.get("/v1/conversations"),
        await who.get("/v1/wallet"),
        await seen(story, link),
    ]


async def alarms(story: Story, deal: Deal) -> list[tuple[str, str]]:
    """(state, member) of every alarm of an order."""
    async with story.database.reading() as conn:
        rows = await conn.fetch(
            "SELECT state, member_id FROM deals.alarms WHERE order_id = $1 ORDER BY id",
            decode("ord", deal.id),
        )
    return [(row["state"], f"mem_{row['member_id'].hex}") for row in rows]


async def open_alerts(story: Story, alarm: str) -> int:
    async with story.database.reading() as conn:
        found: int = await conn.fetchval(
            "SELECT count(*) FROM money.alerts WHERE kind = 'silent_alarm' AND subject = $1"
            " AND closed_at IS NULL",
            alarm,
        )
    return found


async def test_a_link_shows_who_what_and_when_and_no_money_until_it_ends(story: Story) -> None:
    deal = await funded(story)
    link = (await link_of(deal.buyer, deal))["link"]
    due_at = deal.order["terms"]["due_at"]
    by = deal.order["next_deadline"]["due_at"]

    first = await seen(story, link)
    await story.move_clock(14 * DAY + timedelta(hours=23))
    last = await seen(story, link)
    await story.move_clock(timedelta(hours=1))
    gone = await seen(story, link)
    too_late = await deal.buyer.refused(f"/v1/orders/{deal.id}/shares", {}, 409)

    buyer, seller = deal.buyer.handle, deal.seller.handle
    assert first == (
        200,
        {
            "title": "Maths lessons for the final year",
            "shared_by": buyer,
            "customer": buyer,
            "provider": seller,
            "starts_at": None,
            "due_at": due_at,
            "state": "funded",
            "promise": f"The money is held. If {seller} does not accept by"
            f" {by[:16].replace('T', ' ')} UTC, {buyer} gets all of it back.",
            "check_ins": [],
            "expires_at": first[1]["expires_at"],
        },
    )
    assert (last[0], gone[0], too_late["code"]) == (200, 404, "appointment_over")


async def test_a_share_is_its_makers_alone_and_ends_when_they_say(story: Story) -> None:
    deal = await funded(story)
    friend, stranger = await story.person("friend"), await story.person("stranger")
    made = await link_of(deal.seller, deal, contact=friend.handle)
    await story.drain()
    by_id = f"/v1/shared-orders/{made['id']}"
    mine = f"/v1/orders/{deal.id}/shares"

    told = [(n["kind"], n["ref"]) for n in (await friend.get("/v1/notices"))["items"]]
    by_friend, by_stranger, by_nobody = [
        (await seen(story, by_id, who))[0] for who in (friend, stranger, None)
    ]
    of_other, of_maker = await deal.buyer.get(mine), await deal.seller.get(mine)
    headers = {"Authorization": f"Bearer {deal.buyer.token}"}
    strange_end = await story.http.delete(f"{mine}/{made['id']}", headers=headers)
    headers = {"Authorization": f"Bearer {deal.seller.token}"}
    ends = [await story.http.delete(f"{mine}/{made['id']}", headers=headers) for _ in range(2)]
    after = [(await seen(story, path, friend))[0] for path in (by_id, made["link"])]

    assert told == [("shared_with_you", made["id"])]
    assert (by_friend, by_stranger, by_nobody) == (200, 404, 404)
    assert of_other == {"items": []}
    [kept] = of_maker["items"]
    assert (kept["contact"], kept["link"]) == (friend.handle, None)
    assert [strange_end.status_code, *(e.status_code for e in ends)] == [404, 204, 204]
    assert after == [404, 404]


async def test_whom_one_cannot_share_with(story: Story) -> None:
    deal = await funded(story)
    stranger = await story.person("stranger")
    path = f"/v1/orders/{deal.id}/shares"

    party = await deal.buyer.refused(path, {"contact": deal.seller.handle}, 422)
    nobody = await deal.buyer.refused(path, {"contact": "nobody-here"}, 404)
    strange = await stranger.refused(path, {}, 404)
    empty = await deal.buyer.get(path)
    for _ in range(10):
        await link_of(deal.buyer, deal)
    eleventh = await deal.buyer.refused(path, {}, 409)

    assert [p["code"] for p in (party, nobody, strange, eleventh)] == [
        "contact_is_party", "not_found", "not_found", "too_many_shares",
    ]  # fmt: skip
    assert empty == {"items": []}
    assert len((await deal.buyer.get(path))["items"]) == 10


async def test_coming_and_going_is_seen_by_both_and_by_the_contact_once(story: Story) -> None:
    deal = await brought_to(story, "accept")
    friend = await story.person("friend")
    shared = await link_of(deal.buyer, deal, contact=friend.handle)
    path = f"/v1/orders/{deal.id}/check-ins"

    first = await deal.buyer.made(path, {"kind": "arrived"})
    again = await deal.buyer.made(path, {"kind": "arrived"})
    await deal.buyer.made(path, {"kind": "left"})
    await deal.seller.made(path, {"kind": "left"})
    await story.drain()

    assert again == first
    expected = [
        (deal.buyer.handle, "arrived"), (deal.buyer.handle, "left"), (deal.seller.handle, "left"),
    ]  # fmt: skip
    shown = (await seen(story, shared["link"]))[1]["check_ins"]
    for check_ins in ((await deal.seller.get(path))["items"], shown):
        assert [(said["who"], said["kind"]) for said in check_ins] == expected
    arrived = f"{deal.buyer.handle} has arrived"
    left = f"{deal.buyer.handle} has left"
    for who in (friend, deal.seller):
        told = [
            n["title"] for n in (await who.get("/v1/notices"))["items"]
            if n["kind"] == "arrival_noted"
        ]  # fmt: skip
        assert sorted(told) == [arrived, left]


async def test_no_check_in_before_there_is_an_appointment_nor_long_after(story: Story) -> None:
    unpaid, paid = await placed(story), await funded(story)
    stranger = await story.person("stranger")

    early = await unpaid.buyer.refused(
        f"/v1/orders/{unpaid.id}/check-ins", {"kind": "arrived"}, 409
    )
    path = f"/v1/orders/{paid.id}/check-ins"
    strange = await stranger.refused(path, {"kind": "arrived"}, 404)
    wrong = await paid.buyer.refused(path, {"kind": "fled"}, 422)
    await story.move_clock(15 * DAY)
    late = await paid.buyer.refused(path, {"kind": "left"}, 409)

    codes = [p["code"] for p in (early, strange, wrong, late)]
    assert codes == ["not_appointed_yet", "not_found", "invalid", "appointment_over"]
    for deal in (unpaid, paid):
        assert (await deal.seller.get(f"/v1/orders/{deal.id}/check-ins"))["items"] == []


async def test_an_alarm_is_silent(story: Story) -> None:
    deal = await brought_to(story, "accept")
    link = (await link_of(deal.seller, deal))["link"]
    calm = await deal.buyer.post(f"/v1/orders/{deal.id}/check-ins", {"kind": "arrived"})
    await story.drain()
    before = [await everything(story, who, deal, link) for who in (deal.seller, deal.buyer)]

    alarm = await deal.buyer.post(f"/v1/orders/{deal.id}/alarms")
    again = await deal.buyer.post(f"/v1/orders/{deal.id}/alarms")
    await story.drain()

    after = [await everything(story, who, deal, link) for who in (deal.seller, deal.buyer)]
    assert after == before
    for answer in (alarm, again):
        assert answer.status_code == calm.status_code == 202
        assert list(answer.json()) == list(calm.json()) == ["order_id", "noted_at"]
        assert set(answer.headers) == set(calm.headers)
        assert answer.headers["content-length"] == calm.headers["content-length"]
    assert await alarms(story, deal) == [("open", deal.buyer.id)]
    async with story.database.reading() as conn:
        [waiting] = [a for a in await service.waiting_alarms(conn) if a.order_id == deal.id]
    assert await open_alerts(story, waiting.id) == 1


async def test_who_is_in_danger_is_never_refused_and_no_stranger_raises_it(story: Story) -> None:
    unpaid = await placed(story)
    stranger = await story.person("stranger")
    path = f"/v1/orders/{unpaid.id}/alarms"

    strange = await stranger.refused(path, None, 404)
    none = await alarms(story, unpaid)
    await story.pass_time(20 * DAY)
    keyless = await story.http.post(
        path, headers={"Authorization": f"Bearer {unpaid.seller.token}"}
    )

    assert (strange["code"], none) == ("not_found", [])
    assert await unpaid.state() == "payment_expired"
    assert keyless.status_code == 202
    assert await alarms(story, unpaid) == [("open", unpaid.seller.id)]


async def test_staff_take_an_alarm_and_close_it_and_it_can_be_raised_anew(story: Story) -> None:
    deal = await funded(story)
    one, two = [decode("mem", (await story.person("staff")).id) for _ in range(2)]
    await deal.buyer.made(f"/v1/orders/{deal.id}/alarms")
    await story.drain()
    async with story.database.reading() as conn:
        [waiting] = [a for a in await service.waiting_alarms(conn) if a.order_id == deal.id]
    alarm = decode("alm", waiting.id)

    with pytest.raises(AlarmElsewhere):
        await story.database.run(lambda tx: service.close_alarm(tx, one, alarm, "nobody took it"))
    untaken = await alarms(story, deal)
    await story.database.run(lambda tx: service.take_alarm(tx, one, alarm))
    with pytest.raises(AlarmElsewhere):
        await story.database.run(lambda tx: service.take_alarm(tx, two, alarm))
    with pytest.raises(AlarmElsewhere):
        await story.database.run(lambda tx: service.close_alarm(tx, two, alarm, "not in my hands"))
    taken = await alarms(story, deal), await open_alerts(story, waiting.id)
    await story.database.run(lambda tx: service.close_alarm(tx, one, alarm, "called, all is well"))
    await deal.buyer.made(f"/v1/orders/{deal.id}/alarms")

    assert untaken == [("open", deal.buyer.id)]
    assert taken == ([("taken", deal.buyer.id)], 1)
    assert await open_alerts(story, waiting.id) == 0
    assert await alarms(story, deal) == [("closed", deal.buyer.id), ("open", deal.buyer.id)]
