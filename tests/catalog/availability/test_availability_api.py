"""Availability over HTTP: an owner's rules, anybody's look at free times, calendars in and out."""

from datetime import datetime, timedelta
from typing import Any
from uuid import uuid4

import asyncpg
import httpx
import icalendar
import pytest

from handsel.catalog.availability import service
from handsel.catalog.availability.errors import SlotGone
from handsel.foundation.core.ids import decode
from handsel.foundation.db.uow import Database
from tests.factories import listings
from tests.factories.members import Member, create_member, key

HOURS = [{"weekday": day, "opens": "09:00", "closes": "11:00"} for day in range(1, 8)]
BODY = {"time_zone": "Europe/Berlin", "weekly": HOURS, "slot_minutes": 60, "lead_minutes": 0}


@pytest.fixture(scope="module")
async def ann(database: Database) -> Member:
    """A seller."""
    return await create_member(database, "ann")


@pytest.fixture(scope="module")
async def bob(database: Database) -> Member:
    """Somebody else."""
    return await create_member(database, "bob")


async def live(database: Database, who: Member) -> str:
    return (await database.run(lambda tx: listings.live(tx, who.principal))).id


async def put(
    api: httpx.AsyncClient, who: Member, listing: str, version: int | None = 0, **changes: Any
) -> httpx.Response:
    match = {} if version is None else {"If-Match": f'"{version}"'}
    return await api.put(
        f"/v1/listings/{listing}/availability", json=BODY | changes, headers=who.headers | match
    )


async def slots(api: httpx.AsyncClient, listing: str, **query: str) -> httpx.Response:
    return await api.get(f"/v1/listings/{listing}/slots", params=query)


async def first_slot(api: httpx.AsyncClient, listing: str) -> tuple[datetime, datetime]:
    slot = (await slots(api, listing)).json()["items"][0]
    return datetime.fromisoformat(slot["starts_at"]), datetime.fromisoformat(slot["ends_at"])


async def bring(
    api: httpx.AsyncClient, who: Member, listing: str, calendar: str, source: str = "family"
) -> httpx.Response:
    return await api.post(
        f"/v1/listings/{listing}/calendar-imports",
        json={"source": source, "calendar": calendar},
        headers=who.headers | key(),
    )


def calendar_of(*periods: tuple[datetime, datetime]) -> str:
    made = icalendar.Calendar()
    for start, end in periods:
        event = icalendar.Event()
        event.add("DTSTART", start)
        event.add("DTEND", end)
        made.add_component(event)
    body: bytes = made.to_ical()
    return body.decode()


async def test_an_owner_makes_changes_and_everybody_reads_the_rules(
    api: httpx.AsyncClient, database: Database, ann: Member
) -> None:
    listing = await live(database, ann)
    path = f"/v1/listings/{listing}/availability"
    assert (await api.get(path)).json()["code"] == "no_availability"

    made = await put(api, ann, listing)
    changed = await put(api, ann, listing, 1, capacity=3)

    assert (made.status_code, made.headers["ETag"]) == (200, '"1"')
    assert (changed.status_code, changed.headers["ETag"]) == (200, '"2"')
    seen = await api.get(path)
    assert seen.headers["ETag"] == '"2"'
    assert seen.json() == changed.json()
    assert seen.json()["rules"] == {
        "time_zone": "Europe/Berlin",
        "weekly": HOURS,
        "closed": [],
        "extra": [],
        "slot_minutes": 60,
        "step_minutes": None,
        "shortest_minutes": 30,
        "longest_minutes": 40_320,
        "may_span_closing": False,
        "buffer_before_minutes": 0,
        "buffer_after_minutes": 0,
        "lead_minutes": 0,
        "horizon_days": 60,
        "capacity": 3,
    }


@pytest.mark.parametrize(
    ("version", "changes", "status", "code"),
    [
        pytest.param(None, {}, 428, "precondition_required", id="without If-Match"),
        pytest.param(0, {}, 412, "stale", id="made again"),
        pytest.param(7, {}, 412, "stale", id="another version"),
        pytest.param(1, {"time_zone": "Mars/Olympus"}, 422, "unknown_time_zone", id="zone"),
        pytest.param(
            1, {"weekly": [*HOURS, HOURS[0]]}, 422, "overlapping_availability", id="hours",
        ),
        pytest.param(
            1, {"weekly": [{"weekday": 1, "opens": "12:00", "closes": "11:00"}]}, 422,
            "end_before_start", id="backwards",
        ),
        pytest.param(1, {"step_minutes": 15, "slot_minutes": None}, 422, "invalid_availability",
                     id="a step without slots"),
        pytest.param(1, {"weekly": [{"weekday": 1, "opens": "9", "closes": "11:00"}]}, 422,
                     "invalid", id="no time of day"),
        pytest.param(1, {"capacity": 0}, 422, "invalid", id="none of it"),
    ],
)  # fmt: skip
async def test_wrong_rules_change_nothing(
    api: httpx.AsyncClient,
    database: Database,
    ann: Member,
    version: int | None,
    changes: dict[str, Any],
    status: int,
    code: str,
) -> None:
    listing = await live(database, ann)
    before = (await put(api, ann, listing)).json()

    answer = await put(api, ann, listing, version, **changes)

    assert (answer.status_code, answer.json()["code"]) == (status, code)
    assert (await api.get(f"/v1/listings/{listing}/availability")).json() == before


async def test_somebody_elses_listing_is_not_there(
    api: httpx.AsyncClient, database: Database, ann: Member, bob: Member
) -> None:
    listing = await live(database, ann)
    await put(api, ann, listing)

    answers = [
        await put(api, bob, listing, 1, capacity=2),
        await bring(api, bob, listing, calendar_of()),
        await api.get(f"/v1/listings/{listing}/calendar-imports", headers=bob.headers),
    ]

    assert [answer.status_code for answer in answers] == [404] * 3
    assert (await api.get(f"/v1/listings/{listing}/availability")).json()["version"] == 1


async def test_free_slots_are_told_to_everybody(
    api: httpx.AsyncClient, database: Database, ann: Member
) -> None:
    listing = await live(database, ann)
    await put(api, ann, listing, capacity=2)
    start, end = await first_slot(api, listing)

    await database.run(lambda tx: service.reserve(tx, decode("lst", listing), uuid4(), start, end))

    found = (await slots(api, listing)).json()
    assert (found["time_zone"], found["version"]) == ("Europe/Berlin", 1)
    assert found["items"][0] == {
        "starts_at": start.strftime("%Y-%m-%dT%H:%M:%SZ"),
        "ends_at": end.strftime("%Y-%m-%dT%H:%M:%SZ"),
        "units_free": 1,
    }
    assert 26 <= len(found["items"]) <= 28
    assert {slot["units_free"] for slot in found["items"][1:]} == {2}


@pytest.mark.parametrize(
    ("query", "code"),
    [
        ({"from": "2026-12-02T00:00:00Z", "to": "2026-12-01T00:00:00Z"}, "end_before_start"),
        ({"from": "2026-12-02T00:00:00"}, "end_before_start"),
        ({"from": "2026-12-01T00:00:00Z", "to": "2027-03-04T00:00:00Z"}, "range_too_long"),
    ],
)
async def test_a_wrong_range_is_refused(
    api: httpx.AsyncClient, database: Database, ann: Member, query: dict[str, str], code: str
) -> None:
    listing = await live(database, ann)
    await put(api, ann, listing)

    answer = await slots(api, listing, **query)

    assert (answer.status_code, answer.json()["code"]) == (422, code)


@pytest.mark.parametrize("start", ["9999-12-31T23:00:00Z", "0001-01-01T00:00:00+14:00"])
async def test_nothing_is_free_at_the_ends_of_time(
    api: httpx.AsyncClient, database: Database, ann: Member, start: str
) -> None:
    listing = await live(database, ann)
    await put(api, ann, listing)

    answer = await slots(api, listing, **{"from": start})

    assert (answer.status_code, answer.json()["items"]) == (200, [])


async def test_a_calendar_closes_the_listing_until_another_takes_its_place(
    api: httpx.AsyncClient, database: Database, ann: Member
) -> None:
    listing = await live(database, ann)
    await put(api, ann, listing)
    start, end = await first_slot(api, listing)
    await database.run(lambda tx: service.reserve(tx, decode("lst", listing), uuid4(), start, end))
    next_start, next_end = await first_slot(api, listing)
    quarter = timedelta(minutes=15)

    taken = await bring(
        api, ann, listing, calendar_of((start, start + quarter), (next_start, next_start + quarter))
    )
    other = await bring(api, ann, listing, calendar_of(), source="work")

    assert taken.status_code == 200
    assert taken.json() | {"imported_at": ""} == {
        "source": "family", "periods": 2, "bookings_touched": 1, "imported_at": "",
    }  # fmt: skip
    assert other.json()["periods"] == 0
    assert (await first_slot(api, listing))[0] > next_start
    path = f"/v1/listings/{listing}/calendar-imports"
    listed = (await api.get(path, headers=ann.headers)).json()["items"]
    assert [(item["source"], item["bookings_touched"]) for item in listed] == [
        ("family", 1), ("work", 0),
    ]  # fmt: skip
    with pytest.raises(SlotGone):
        await database.run(
            lambda tx: service.reserve(tx, decode("lst", listing), uuid4(), next_start, next_end)
        )
    await bring(api, ann, listing, calendar_of())
    assert (await first_slot(api, listing))[0] == next_start


@pytest.mark.parametrize(
    ("calendar", "code"),
    [
        ("BEGIN:VCALENDAR", "malformed_calendar"),
        ("x" * 500_001, "invalid"),
    ],
)
async def test_a_calendar_that_is_none_changes_nothing(
    api: httpx.AsyncClient,
    database: Database,
    ann: Member,
    owner: asyncpg.Connection,
    calendar: str,
    code: str,
) -> None:
    listing = await live(database, ann)
    await put(api, ann, listing)
    start, end = await first_slot(api, listing)
    await bring(api, ann, listing, calendar_of((start, end)))
    count = "SELECT count(*) FROM catalog.busy_times WHERE listing_id = $1"

    answer = await bring(api, ann, listing, calendar)

    assert (answer.status_code, answer.json()["code"]) == (422, code)
    assert await owner.fetchval(count, decode("lst", listing)) == 1


async def test_a_listing_without_hours_takes_no_calendar(
    api: httpx.AsyncClient, database: Database, ann: Member
) -> None:
    listing = await live(database, ann)

    answer = await bring(api, ann, listing, calendar_of())

    assert (answer.status_code, answer.json()["code"]) == (404, "no_availability")


async def test_the_feed_shows_confirmed_bookings_by_handle_under_a_secret_that_turns(
    api: httpx.AsyncClient, database: Database, ann: Member, bob: Member
) -> None:
    seller = await create_member(database)
    listing = await live(database, seller)
    await put(api, seller, listing)
    begun = [await first_slot(api, listing)]
    paid, unpaid = uuid4(), uuid4()
    for order_id in (paid, unpaid):
        start, end = await first_slot(api, listing)
        await database.run(
            lambda tx, o=order_id, s=start, e=end: service.reserve(  # type: ignore[misc]
                tx, decode("lst", listing), o, s, e, customer_id=bob.id
            )
        )
    await database.run(lambda tx: service.confirm(tx, paid))
    made = await api.post("/v1/me/calendar-feed", headers=seller.headers)
    path = made.json()["path"]

    seen = await api.get(path)

    assert (made.status_code, seen.status_code) == (201, 200)
    assert seen.headers["Content-Type"] == "text/calendar; charset=utf-8"
    assert seen.headers["Cache-Control"] == "no-store"
    (event,) = icalendar.Calendar.from_ical(seen.content).walk("VEVENT")
    assert [(event["DTSTART"].dt, event["DTEND"].dt)] == begun
    assert event["SUMMARY"] == "Maths tutor · bob"
    again = await api.post("/v1/me/calendar-feed", headers=seller.headers)
    assert (await api.get(path)).status_code == 404
    assert (await api.get(again.json()["path"])).content == seen.content


async def test_nobody_reads_a_feed_without_its_secret(
    api: httpx.AsyncClient, ann: Member, owner: asyncpg.Connection
) -> None:
    made = await api.post("/v1/me/calendar-feed", headers=ann.headers)
    secret = made.json()["path"].removeprefix("/v1/calendars/").removesuffix(".ics")

    assert (await api.get("/v1/calendars/x.ics")).status_code == 404
    assert (await api.post("/v1/me/calendar-feed")).status_code == 401
    stored = await owner.fetchval(
        "SELECT secret_sha256 FROM catalog.calendar_feeds WHERE member_id = $1", ann.id
    )
    assert len(secret) == 43
    assert secret.encode() not in stored
