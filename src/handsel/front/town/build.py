"""Let the town live its two months."""

import random
import tomllib
from collections.abc import Awaitable, Callable
from datetime import timedelta
from pathlib import Path
from typing import Literal
from uuid import UUID

import msgspec

from handsel.catalog.listings.schemas import ListingCreate, Point, Price
from handsel.deals.orders.schemas import OrderView
from handsel.foundation.core.errors import Problem
from handsel.foundation.core.ids import encode
from handsel.foundation.core.settings import Settings
from handsel.foundation.db.uow import Database
from handsel.foundation.http.principal import NOBODY, Principal
from handsel.front.town.actors import Actors
from handsel.front.worker.inline import InlineWorker
from handsel.people.members import service as members
from handsel.people.members.schemas import Kind

#: What a purse holds at first.
_PURSE = 60_000
#: Nobody begins what would still be open when the town has come to the present.
_TIME_TO_MISDEAL = 8
_THANKS = ("Just as agreed.", "Friendly and on time.", "Would do it again.", "Clear and patient.")
_QUESTIONS = ("Is next week possible?", "Could you come to my place?", "Is it easy for a beginner?")
#: Delivers in time; or now and then late; or also withdraws, and gives in when somebody complains.
Manner = Literal["honest", "careless", "troublesome"]


class Offer(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """One listing of a person; ``price`` in minor units."""

    title: str
    category: str
    price: int
    tags: list[str] = []
    remote: bool = False


class Person(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """Somebody of the town; ``buys`` is how many orders they place, ``manner`` how they sell."""

    handle: str
    joined_days_ago: int
    verified: list[str]
    place: tuple[float, float]
    buys: int
    manner: Manner = "honest"
    listing: list[Offer] = []


class Demo(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """A person whose log-in is printed, and what they show."""

    handle: str
    shows: str


class Town(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """``town.toml``."""

    seed: int
    days: int
    currency: str
    password: str
    demo: list[Demo]
    person: list[Person]


def plan() -> Town:
    """The town as it is written down."""
    text = Path(__file__).with_name("town.toml").read_text("utf-8")
    return msgspec.convert(tomllib.loads(text), Town)


class Builder:
    """Lives one town; ``clock`` sets how far the business time is behind the present."""

    def __init__(
        self, database: Database, settings: Settings, progress: Callable[[str], None]
    ) -> None:
        self._database = database
        self._settings = settings
        self._progress = progress
        self._town = plan()
        self._random = random.Random(self._town.seed)  # noqa: S311 - a story, not a secret
        self._worker = InlineWorker(database, settings)
        self._actors = Actors(database, settings, self._town.currency)
        self._promised: dict[int, list[Callable[[], Awaitable[object]]]] = {}
        self._misdeals = 0
        self._people: dict[str, Principal] = {}
        self._listings: list[tuple[str, UUID, Person]] = []

    async def live(self, set_clock: Callable[[timedelta], object]) -> None:
        """All of it, day by day. ``set_clock(behind)`` is awaited before each day."""
        password_hash = await members.hash_password(self._town.password)
        buyers = self._shopping_days()
        for days_ago in range(self._town.days, -1, -1):
            await set_clock(timedelta(days=days_ago))  # type: ignore[misc]
            await self._worker.run_due()
            for person in self._town.person:
                if person.joined_days_ago == days_ago:
                    await self._move_in(person, password_hash)
            for promise in self._promised.pop(days_ago, []):
                await promise()
                await self._worker.drain()
            for handle in buyers.get(days_ago, []):
                await self._buy(handle, days_ago)
            await self._review_settled()
            if days_ago % 10 == 0:
                self._progress(f"{len(self._people)} people, {days_ago} days to go")
        await self._worker.run_due()

    def _shopping_days(self) -> dict[int, list[str]]:
        days: dict[int, list[str]] = {}
        for person in self._town.person:
            latest = max(1, person.joined_days_ago - 1)
            for _ in range(person.buys):
                days.setdefault(self._random.randint(1, latest), []).append(person.handle)
        return days

    async def _move_in(self, person: Person, password_hash: str) -> None:
        verified: tuple[Kind, ...] = tuple(person.verified)  # type: ignore[arg-type]
        who = await self._actors.move_in(person.handle, verified, password_hash)
        self._people[person.handle] = who
        await self._actors.top_up(who, _PURSE)
        for offer in person.listing:
            await self._offer(who, person, offer)
        await self._worker.drain()

    async def _offer(self, who: Principal, person: Person, offer: Offer) -> None:
        lat, lon = person.place
        data = ListingCreate(
            title=offer.title,
            category=offer.category,
            price=Price(amount_minor=offer.price, currency=self._town.currency),
            place="remote" if offer.remote else Point(lat=lat, lon=lon),
            tags=offer.tags,
        )
        made = await self._actors.offer(who, data)
        self._listings.append((made, who.member_id, person))

    async def _buy(self, handle: str, days_ago: int) -> None:
        """Ask, order, fund, accept; the rest is the seller's manner."""
        buyer = self._people[handle]
        choices = [found for found in self._listings if found[1] != buyer.member_id]
        if not choices:
            return
        listing, _, seller_person = self._random.choice(choices)
        seller = self._people[seller_person.handle]
        await self._actors.say(buyer, seller, self._random.choice(_QUESTIONS))
        order = await self._actors.order(buyer, listing)
        try:
            await self._actors.commit_to(buyer, order)
        except Problem:
            return  # the buyer's tier does not allow it: also that happens in a town
        await self._actors.move(seller, order.id, "accept")
        approves = self._random.random() < 0.8
        manner = seller_person.manner
        if manner != "honest" and days_ago > _TIME_TO_MISDEAL and self._random.random() < 0.5:
            await self._misdeal(buyer, seller, seller_person, order, days_ago)
        else:
            await self._actors.move(seller, order.id, "deliver", note="Done as agreed")
            if approves:
                await self._actors.move(buyer, order.id, "approve")
        await self._worker.drain()

    async def _misdeal(
        self, buyer: Principal, seller: Principal, person: Person, order: OrderView, days_ago: int
    ) -> None:
        """Late by a day; or withdrawn the day after; or so that the buyer rightly complains."""
        actors = self._actors
        if person.manner == "careless":
            due = order.created_at + timedelta(days=1)
            await actors.agree_on_time(seller, buyer, order, due)
            self._promise(
                days_ago - 2,
                lambda: actors.move(seller, order.id, "deliver", note="Sorry for the delay"),
            )
            return
        self._misdeals += 1
        if self._misdeals % 2:
            self._promise(days_ago - 1, lambda: actors.move(seller, order.id, "withdraw"))
            return
        await actors.move(seller, order.id, "deliver", note="Done")
        await self._worker.drain()
        half = order.amount.amount_minor // 2
        dispute = await actors.complain(buyer, order, half)
        self._promise(days_ago - 2, lambda: actors.move_dispute(seller, dispute, "concede"))

    def _promise(self, days_ago: int, deed: Callable[[], Awaitable[object]]) -> None:
        self._promised.setdefault(days_ago, []).append(deed)

    async def _review(self, order_id: UUID, customer: UUID, provider: UUID) -> None:
        """Both sides, mostly kind."""
        for author in (customer, provider):
            stars = self._random.choices([5, 4, 3], [7, 2, 1])[0]
            who = Principal(author, NOBODY, "")
            text = self._random.choice(_THANKS)
            await self._actors.review(who, encode("ord", order_id), stars, text)

    async def _review_settled(self) -> None:
        """Everything that settled since the last time and has no review yet."""
        async with self._database.reading() as conn:
            rows = await conn.fetch(
                "SELECT o.id, o.customer_id, o.provider_id FROM deals.orders o"
                " WHERE o.state = 'settled' AND NOT EXISTS"
                " (SELECT FROM deals.reviews r WHERE r.order_id = o.id) ORDER BY o.id"
            )
        for row in rows:
            await self._review(row["id"], row["customer_id"], row["provider_id"])
