"""The webhook's door: what is believed, what comes twice, and what is never acted on."""

from datetime import datetime, timedelta
from typing import Any
from uuid import uuid4

import httpx
import msgspec
import pytest

from handsel.money.payments.sandbox_desk import sandbox_headers
from handsel.money.payments.service import sandbox_secret
from tests.journeys.story import Member, Story

DOOR = "/v1/gateways/sandbox/webhooks"


async def pending(story: Story) -> tuple[Member, str]:
    """A member with a top-up that waits for an event, and our key of it."""
    member = await story.person()
    body = {"amount": {"amount_minor": 5000, "currency": "EUR"}, "token": "tok_late"}
    made = await member.made("/v1/wallet/top-ups", body)
    await story.drain()
    async with story.database.reading() as conn:
        reference: str = await conn.fetchval(
            "SELECT provider_reference FROM money.top_ups ORDER BY id DESC LIMIT 1"
        )
    assert made["state"] == "pending"
    return member, reference


def event(reference: str, at: datetime, **more: Any) -> dict[str, Any]:
    return {
        "source": "sandbox",
        "id": f"evt_{uuid4().hex}",
        "kind": "charge.succeeded",
        "reference": reference,
        "occurred_at": at,
        "amount_minor": 5000,
        "currency": "EUR",
        **more,
    }


async def send(
    story: Story, body: dict[str, Any] | bytes, *, ahead: timedelta = timedelta(), **headers: str
) -> httpx.Response:
    raw = body if isinstance(body, bytes) else msgspec.json.encode(body)
    now = await story.now() + ahead
    signed = sandbox_headers(sandbox_secret(story.settings), now, raw)
    return await story.http.post(DOOR, content=raw, headers={**signed, **headers})


async def count(story: Story, table: str) -> int:
    async with story.database.reading() as conn:
        found: int = await conn.fetchval(f"SELECT count(*) FROM {table}")
    return found


async def test_ten_deliveries_of_one_event_have_one_effect(story: Story) -> None:
    member, reference = await pending(story)
    body = event(reference, await story.now())

    answers = [await send(story, body) for _ in range(10)]
    await story.drain()

    assert [a.json()["state"] for a in answers] == ["received"] + ["duplicate"] * 9
    assert await member.available() == (5000, 0, 0)
    await story.check()


async def test_two_events_of_one_success_have_one_effect(story: Story) -> None:
    member, reference = await pending(story)

    for _ in range(2):
        await send(story, event(reference, await story.now()))
    await story.drain()

    assert await member.available() == (5000, 0, 0)


async def test_the_same_event_with_another_body_is_quarantined_and_told(story: Story) -> None:
    member, reference = await pending(story)
    body = event(reference, await story.now())
    await send(story, body)
    quarantined = await count(story, "money.quarantined_events")

    answer = await send(story, body | {"amount_minor": 500_000})
    again = await send(story, body | {"amount_minor": 500_000})
    await story.drain()

    assert (answer.status_code, answer.json()["code"]) == (409, "webhook_body_differs")
    assert again.status_code == 409
    assert await count(story, "money.quarantined_events") == quarantined + 1
    assert await member.available() == (5000, 0, 0)
    async with story.database.reading() as conn:
        subject = f"sandbox:{body['id']}"
        alert = await conn.fetchrow("SELECT * FROM money.alerts WHERE subject = $1", subject)
    assert alert is not None
    assert (alert["kind"], alert["closed_at"]) == ("event_body_differs", None)


@pytest.mark.parametrize(
    "header", ["", "t=1,v1=00", "v1=abc", "t=x,v1=abc", "t=99999999999999,v1=1"]
)
async def test_a_forged_signature_is_refused(story: Story, header: str) -> None:
    member, reference = await pending(story)
    before = await count(story, "money.provider_events")

    answer = await send(story, event(reference, await story.now()), **{"sandbox-signature": header})

    assert (answer.status_code, answer.json()["code"]) == (401, "signature_invalid")
    assert await count(story, "money.provider_events") == before
    assert await member.available() == (0, 0, 0)


async def test_a_signature_of_another_body_is_refused(story: Story) -> None:
    _, reference = await pending(story)
    body = event(reference, await story.now())
    raw = msgspec.json.encode(body)
    now = await story.now()
    signed = sandbox_headers(sandbox_secret(story.settings), now, raw)

    answer = await story.http.post(DOOR, content=raw.replace(b"5000", b"9000"), headers=signed)

    assert (answer.status_code, answer.json()["code"]) == (401, "signature_invalid")


@pytest.mark.parametrize(("ahead", "status"), [(-301, 401), (-295, 200), (290, 200), (306, 401)])
async def test_a_time_outside_of_five_minutes_is_refused(
    story: Story, ahead: int, status: int
) -> None:
    _, reference = await pending(story)

    answer = await send(story, event(reference, await story.now()), ahead=timedelta(seconds=ahead))

    assert answer.status_code == status
    if status == 401:
        assert answer.json()["code"] == "timestamp_outside"


@pytest.mark.parametrize("raw", [b"", b"{", b"[]", b'{"kind": 5}', b"\xff\xfe", b"null"])
async def test_what_is_no_event_is_refused(story: Story, raw: bytes) -> None:
    answer = await send(story, raw)

    assert (answer.status_code, answer.json()["code"]) == (422, "webhook_malformed")


async def test_a_provider_that_is_not_ours_has_no_door(story: Story) -> None:
    for name in ("stripe", "absent", "nobody"):
        answer = await story.http.post(f"/v1/gateways/{name}/webhooks", content=b"{}")
        assert answer.status_code == 404


async def test_an_event_of_something_unknown_waits_until_it_is_known(story: Story) -> None:
    reference = f"sbx_{uuid4().hex}"
    body = event(reference, await story.now())
    await send(story, body)
    await story.drain()
    assert await state_of(story, body["id"]) == ("received", None)
    member, known = await pending(story)
    async with story.database.transaction() as tx:
        await tx.execute(
            "UPDATE money.top_ups SET provider_reference = $2 WHERE provider_reference = $1",
            known,
            reference,
        )

    from handsel.money.payments import inbox

    await story.move_clock(timedelta(minutes=21))
    assert await story.database.run(inbox.hand_on_again) == 1
    await story.drain()

    assert await state_of(story, body["id"]) == ("handled", "succeeded")
    assert await member.available() == (5000, 0, 0)


async def test_an_overtaken_event_is_ignored_as_stale(story: Story) -> None:
    member, reference = await pending(story)
    now = await story.now()
    await send(story, event(reference, now))
    await story.drain()

    old = event(reference, now - timedelta(hours=1), kind="charge.failed")
    answer = await send(story, old)
    await story.drain()

    assert answer.status_code == 200
    assert await state_of(story, old["id"]) == ("ignored", "stale_webhook")
    assert await member.available() == (5000, 0, 0)


async def test_a_kind_that_nothing_follows_from_is_kept_and_ignored(story: Story) -> None:
    body = event("x", await story.now(), kind="other")

    await send(story, body)
    await story.drain()

    assert (await state_of(story, body["id"]))[0] == "ignored"


async def state_of(story: Story, event_id: str) -> tuple[str, str | None]:
    async with story.database.reading() as conn:
        row = await conn.fetchrow(
            "SELECT state, outcome FROM money.provider_events WHERE event_id = $1", event_id
        )
    assert row is not None
    return row["state"], row["outcome"]
