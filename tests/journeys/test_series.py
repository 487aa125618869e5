"""A lesson every third day under one mandate; and every way a series can end."""

from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any
from uuid import UUID, uuid4

import asyncpg
import msgspec
import pytest

from handsel.deals.orders import service as orders
from handsel.deals.orders.opening import Draft
from handsel.deals.orders.queries import load
from handsel.deals.orders.registry import current
from handsel.deals.orders.series.errors import OutsideMandate
from handsel.foundation.core.ids import decode
from tests.journeys.deals import START, rich, told
from tests.journeys.story import Member, Story

DAY = timedelta(days=1)
EACH = 1500


@dataclass
class Lessons:
    """Two people and a series: dates in three, six and nine days."""

    seller: Member
    buyer: Member
    id: str
    order: dict[str, Any]
    starts: list[datetime]

    async def state(self) -> str:
        return str((await self.read())["order"]["state"])

    async def states(self) -> list[str]:
        """Of the dates."""
        return [date["state"] for date in (await self.read())["occurrences"]]

    async def read(self) -> dict[str, Any]:
        found: dict[str, Any] = await self.buyer.get(f"/v1/series/{self.id}")
        return found

    async def occurrence(self, number: int) -> str:
        return str((await self.read())["occurrences"][number]["order_id"])

    async def teach(self, number: int) -> None:
        child = await self.occurrence(number)
        await self.seller.move(child, "deliver", note="Integrals")
        await self.buyer.move(child, "approve")


async def _proposed(
    story: Story,
    buyer: Member | None = None,
    *,
    seller: Member | None = None,
    listing: str = "",
    first: datetime | None = None,
    **more: Any,
) -> Lessons:
    seller, buyer = seller or await story.person("seller"), buyer or await rich(story)
    listing = listing or await story.listing(seller, EACH)
    first = first or await story.now() + 3 * DAY
    body = {
        "listing_id": listing,
        "first_starts_at": first.isoformat(),
        "every": "P3D",
        "occurrences": 3,
        **more,
    }
    made = await buyer.made("/v1/series", body)
    starts = [datetime.fromisoformat(date["starts_at"]) for date in made["occurrences"]]
    return Lessons(seller, buyer, made["order"]["id"], made["order"], starts)


async def _running(story: Story, buyer: Member | None = None, **more: Any) -> Lessons:
    lessons = await _proposed(story, buyer, **more)
    await lessons.seller.move(lessons.id, "accept")
    token = await story.confirmation(lessons.buyer, lessons.order)
    await lessons.buyer.move(lessons.id, "give_mandate", confirmation=token)
    await story.pass_time(timedelta(0))
    return lessons


async def test_each_date_is_opened_paid_for_and_taught_and_the_series_ends(story: Story) -> None:
    lessons = await _running(story)
    opened = await lessons.states(), await lessons.buyer.available()
    await story.pass_time(DAY)
    paid = await lessons.states(), await lessons.buyer.available()
    for day in range(2, 10):
        await story.pass_time(DAY)
        if day % 3 == 0:
            await lessons.teach(day // 3 - 1)
    taught = await lessons.state(), await lessons.states()
    await story.pass_time(15 * DAY)

    ended = await lessons.read()
    assert opened == (["pending_payment", "pending_payment", "planned"], (START, 0, 0))
    assert paid == (["accepted", "pending_payment", "planned"], (START - EACH, 0, EACH))
    # The first sales of a seller are settled after three days.
    assert taught == ("winding_down", ["settled", "settled", "completed"])
    assert ended["order"]["state"] == "finished"
    assert [date["state"] for date in ended["occurrences"]] == ["settled"] * 3
    assert ended["mandate"]["charged"]["amount_minor"] == 3 * EACH
    assert ended["mandate"]["ended_at"] is not None
    assert await lessons.seller.available() == (3 * EACH, 0, 0)
    assert await lessons.buyer.available() == (START - 3 * EACH, 0, 0)
    await story.check()


async def test_a_cap_ends_the_series_before_its_dates_do(story: Story) -> None:
    lessons = await _running(story, cap_minor=2 * EACH - 1)

    await story.pass_time(DAY)
    await story.pass_time(3 * DAY)

    assert await lessons.state() == "winding_down"
    assert await lessons.states() == ["accepted", "payment_expired", "planned"]
    assert await lessons.buyer.available() == (START - EACH, 0, EACH)
    await story.check()


async def test_two_unpaid_dates_in_a_row_pause_the_series(story: Story) -> None:
    buyer = await story.person("buyer")
    lessons = await _running(story, buyer)
    for _ in range(5):  # each is tried two days ahead, and falls away a day ahead
        await story.pass_time(DAY)
    paused = await lessons.state(), await lessons.states(), await told(buyer)
    await story.top_up(buyer, START)
    await lessons.seller.move(lessons.id, "resume")
    await story.pass_time(2 * DAY)

    assert paused[:2] == ("paused", ["payment_expired", "payment_expired", "pending_payment"])
    assert paused[2].count("mandate_refused") == 2
    assert (await told(lessons.seller)).count("order_moved") >= 3
    assert await lessons.state() == "running"
    assert await lessons.states() == ["payment_expired", "payment_expired", "accepted"]
    assert await buyer.available() == (START - EACH, 0, EACH)
    await story.check()


async def test_a_date_is_left_out_and_nothing_is_paid_while_the_series_rests(story: Story) -> None:
    lessons = await _running(story)
    path, starts = f"/v1/orders/{lessons.id}/transitions", lessons.starts
    await lessons.seller.move(lessons.id, "skip", due_at=starts[0].isoformat())
    await story.drain()
    skipped = await lessons.states()
    again = await lessons.buyer.refused(path, {"name": "skip", "due_at": str(starts[0])}, 409)
    await lessons.buyer.move(lessons.id, "pause")
    await story.pass_time(5 * DAY)
    rested = await lessons.states(), await lessons.buyer.available()
    await lessons.buyer.move(lessons.id, "resume")
    await story.pass_time(2 * DAY)

    assert skipped == ["skipped", "pending_payment", "planned"]
    assert again["code"] == "not_planned"
    assert rested == (["skipped", "payment_expired", "planned"], (START, 0, 0))
    assert await lessons.states() == ["skipped", "payment_expired", "accepted"]
    await story.check()


async def _bookable(story: Story, seller: Member) -> str:
    """A listing that is booked by the hour, from six to ten."""
    listing = await story.listing(seller, EACH, unit="per_hour")
    days = [{"weekday": day, "opens": "06:00", "closes": "22:00"} for day in range(1, 8)]
    answer = await seller.http.put(
        f"/v1/listings/{listing}/availability",
        json={"time_zone": "UTC", "weekly": days, "slot_minutes": 60, "lead_minutes": 0},
        headers={
            "Authorization": f"Bearer {seller.token}",
            "If-Match": '"0"',
            "Idempotency-Key": uuid4().hex,
        },
    )
    assert answer.status_code in (200, 201), answer.text
    return listing


async def test_dates_are_booked_and_one_that_is_taken_is_left_out(story: Story) -> None:
    seller, other = await story.person("seller"), await rich(story)
    listing = await _bookable(story, seller)
    first = (await story.now() + 3 * DAY).replace(hour=10, minute=0, second=0, microsecond=0)
    second = {"listing_id": listing, "starts_at": (first + 3 * DAY).isoformat()}
    taken = await other.made("/v1/orders", second)
    token = await story.confirmation(other, taken)
    await other.move(taken["id"], "fund", confirmation=token)

    lessons = await _running(story, listing=listing, seller=seller, first=first)
    late = {"listing_id": listing, "starts_at": first.isoformat()}
    problem = await other.refused("/v1/orders", late, 409)

    assert await lessons.states() == ["pending_payment", "skipped", "planned"]
    assert problem["code"] == "slot_gone"
    assert (await told(seller)).count("date_left_out") == 1
    assert (await told(lessons.buyer)).count("date_left_out") == 1
    assert await lessons.state() == "running"
    await story.check()


ENDS: list[tuple[str, tuple[str, ...], timedelta, str]] = [
    ("the provider is silent", (), 3 * DAY, "lapsed"),
    ("the customer gives no mandate", ("accept",), 3 * DAY, "lapsed"),
    ("the provider breaks off", ("break_off",), 0 * DAY, "broken_off"),
    ("ended before anything is paid for", ("accept", "mandate", "end"), 0 * DAY, "unused"),
]


@pytest.mark.parametrize(("moves", "silence", "end"), [row[1:] for row in ENDS],
                         ids=[row[0] for row in ENDS])  # fmt: skip
async def test_a_series_that_costs_nothing_ends(
    story: Story, moves: tuple[str, ...], silence: timedelta, end: str
) -> None:
    lessons = await (_running(story) if "mandate" in moves else _proposed(story))
    for move in moves:
        if "mandate" not in moves or move == "end":
            await lessons.seller.move(lessons.id, move)

    await story.pass_time(silence)

    assert await lessons.state() == end
    assert await lessons.buyer.available() == (START, 0, 0)
    await story.check()


async def test_what_is_paid_for_outlives_the_end_and_silence_pays_nobody(story: Story) -> None:
    lessons = await _running(story)
    await story.pass_time(DAY)
    await lessons.buyer.move(lessons.id, "end")
    await story.drain()
    ended = await lessons.state(), await lessons.states()
    await story.pass_time(6 * DAY)

    assert ended == ("winding_down", ["accepted", "payment_expired", "planned"])
    assert (await lessons.state(), (await lessons.states())[0]) == ("unused", "cancelled")
    assert await lessons.buyer.available() == (START, 0, 0)
    await story.check()


async def test_a_mandate_needs_a_confirmation_of_the_whole(story: Story) -> None:
    lessons = await _proposed(story)
    await lessons.seller.move(lessons.id, "accept")
    path = f"/v1/orders/{lessons.id}/transitions"
    each = {**lessons.order, "amount": {"amount_minor": EACH, "currency": "EUR"}}
    token = await story.confirmation(lessons.buyer, each)

    without = await lessons.buyer.refused(path, {"name": "give_mandate"}, 403)
    wrong = await lessons.buyer.refused(path, {"name": "give_mandate", "confirmation": token}, 403)

    assert without["code"] == "confirmation_required"
    assert wrong["code"] == "confirmation_mismatch"
    assert (await lessons.read())["mandate"] is None


async def _charge(story: Story, lessons: Lessons, *, amount: int, payee: UUID | None) -> None:
    """Try to charge another order under the mandate of these lessons."""
    async with story.database.transaction() as tx:
        series = await load(tx.conn, decode("ord", lessons.id))
        process = current("service")
        child = orders.open_order(
            tx,
            Draft(
                process=process,
                customer_id=series.customer_id,
                provider_id=payee or series.provider_id,
                parent_id=series.id,
                amount=amount,
                unit=series.unit,
                terms=msgspec.structs.replace(series.terms, durations={"payment_window": 900}),
                due_at=series.due_at,
            ),
        )
        await tx.flush()
        assert await orders.system_move(tx, child.id, on="mandate.due")


async def test_nothing_is_charged_outside_of_the_mandate(story: Story) -> None:
    lessons, other = await _running(story, cap_minor=2 * EACH), await story.person("other")
    charges: list[tuple[int, UUID | None]] = [(EACH + 1, None), (EACH, decode("mem", other.id))]
    for amount, payee in charges:
        with pytest.raises(OutsideMandate):
            await _charge(story, lessons, amount=amount, payee=payee)
    await lessons.buyer.move(lessons.id, "pause")
    with pytest.raises(OutsideMandate):
        await _charge(story, lessons, amount=EACH, payee=None)
    await lessons.buyer.move(lessons.id, "resume")
    before = await lessons.buyer.available()
    await _charge(story, lessons, amount=EACH, payee=None)
    await _charge(story, lessons, amount=1, payee=None)
    with pytest.raises(OutsideMandate):
        await _charge(story, lessons, amount=EACH, payee=None)
    await lessons.buyer.move(lessons.id, "end")
    with pytest.raises(OutsideMandate):
        await _charge(story, lessons, amount=1, payee=None)

    assert before == (START, 0, 0)
    assert await lessons.buyer.available() == (START - EACH - 1, 0, EACH + 1)
    assert (await lessons.read())["mandate"]["charged"]["amount_minor"] == EACH + 1
    await story.check()


MANDATE = "UPDATE deals.mandates SET"
OF_THIS = "WHERE series_id = (SELECT parent_id FROM deals.orders WHERE id = $1)"


@pytest.mark.parametrize(
    ("spoil", "allowed"),
    [
        ("UPDATE deals.orders SET amount = amount + 1 WHERE id = $1", False),
        ("UPDATE deals.orders SET provider_id = uuidv7() WHERE id = $1", False),
        (f"{MANDATE} charged = total - each + 1 {OF_THIS}", False),
        (f"{MANDATE} ended_at = given_at {OF_THIS}", False),
        (f"{MANDATE} ends_at = given_at - interval '1 s' {OF_THIS}", False),
        (f"UPDATE deals.orders SET state = 'paused' {OF_THIS.replace('series_id', 'id')}", False),
        ("SELECT $1::uuid", True),
    ],
)  # fmt: skip
async def test_the_database_itself_keeps_the_mandate(
    story: Story, lessons_to_spoil: tuple[UUID, UUID], database_url: str, spoil: str, allowed: bool
) -> None:
    series, child = lessons_to_spoil
    owner = await asyncpg.connect(database_url)
    undone = owner.transaction()
    await undone.start()
    await owner.execute("SET LOCAL session_replication_role = replica")
    await owner.execute(spoil, child)

    try:
        if allowed:
            await owner.execute("SELECT deals.charge_mandate($1, $2)", series, child)
        else:
            with pytest.raises(asyncpg.PostgresError, match="outside_mandate"):
                await owner.execute("SELECT deals.charge_mandate($1, $2)", series, child)
    finally:
        await undone.rollback()
        await owner.close()


@pytest.fixture(scope="module")
async def lessons_to_spoil(story: Story) -> tuple[UUID, UUID]:
    """A running series, and the order of its first date, which is not paid for."""
    lessons = await _running(story)
    return decode("ord", lessons.id), decode("ord", await lessons.occurrence(0))


async def test_a_wrong_series_is_refused(story: Story) -> None:
    seller, buyer = await story.person("seller"), await story.person("buyer")
    body = {
        "listing_id": await story.listing(seller, EACH),
        "first_starts_at": (await story.now() + DAY).isoformat(),
        "occurrences": 3,
    }
    wrong = [{"occurrences": None}, {"cap_minor": EACH - 1}, {"cap_minor": 3 * EACH + 1}]

    problems = [await buyer.refused("/v1/series", {**body, **more}, 422) for more in wrong]

    codes = [problem["code"] for problem in problems]
    assert codes == ["series_length", "cap_too_small", "cap_too_small"]


async def test_a_series_is_not_ordered_again_as_if_it_were_one_date(story: Story) -> None:
    lessons = await _proposed(story)

    problem = await lessons.buyer.refused(f"/v1/orders/{lessons.id}/rebook", {}, 409)

    assert problem["code"] == "listing_not_orderable"
