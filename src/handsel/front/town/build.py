"""Let the town live its two months."""

import random
import tomllib
from collections.abc import Callable
from datetime import timedelta
from pathlib import Path
from uuid import UUID

import msgspec

from handsel.catalog.listings import service as listings
from handsel.catalog.listings.schemas import ListingCreate, Point, Price
from handsel.deals.orders import service as orders
from handsel.deals.orders.schemas import OrderInput, TransitionInput
from handsel.deals.reviews import service as reviews
from handsel.deals.reviews.schemas import ReviewInput
from handsel.foundation.core.errors import Problem
from handsel.foundation.core.ids import decode, encode
from handsel.foundation.core.settings import Settings
from handsel.foundation.db.uow import Database
from handsel.foundation.http.principal import Principal
from handsel.front.worker.inline import InlineWorker
from handsel.money.payments import top_ups
from handsel.money.payments.schemas import PositiveMoney, TopUpInput
from handsel.people.members import service as members
from handsel.people.members.schemas import SandboxMember
from handsel.people.messaging import service as messaging
from handsel.people.messaging.schemas import ConversationCreate
from handsel.people.trust import confirmations
from handsel.people.trust.schemas import ConfirmationInput

_NOBODY = UUID(int=0)
_THANKS = ("Just as agreed.", "Friendly and on time.", "Would do it again.", "Clear and patient.")
_QUESTIONS = ("Is next week possible?", "Could you come to my place?", "Is it easy for a beginner?")


class Offer(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """One listing of a person; ``price`` in minor units."""

    title: str
    category: str
    price: int
    tags: list[str] = []
    remote: bool = False


class Person(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """Somebody of the town; ``buys`` is how many orders they place."""

    handle: str
    joined_days_ago: int
    verified: list[str]
    place: tuple[float, float]
    buys: int
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
            for handle in buyers.get(days_ago, []):
                await self._buy(handle)
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
        async with self._database.transaction() as tx:
            spec = SandboxMember(
                handle=person.handle,
                joined_at=tx.now,
                password_hash=password_hash,
                verifications=tuple(person.verified),  # type: ignore[arg-type]
            )
            (member_id,) = await members.create_sandbox_members(tx, [spec])
            # What a sign-up over the API would have told.
            tx.emit("member.joined", member_id, {"member_id": member_id, "handle": person.handle})
            for kind in person.verified:
                tx.emit("member.verified", member_id, {"member_id": member_id, "kind": kind})
        who = Principal(member_id, _NOBODY, person.handle)
        self._people[person.handle] = who
        money = TopUpInput(
            amount=PositiveMoney(amount_minor=60_000, currency=self._town.currency),
            token="tok_ok",  # noqa: S106 - names an outcome
        )
        await self._database.run(lambda tx: top_ups.start(tx, self._settings, who, money))
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
        secret = self._settings.secret_bytes()
        made = await self._database.run(lambda tx: listings.create(tx, secret, who, data))
        listing = decode("lst", made.id)
        await self._database.run(lambda tx: listings.move(tx, who, listing, "publish"))
        self._listings.append((made.id, who.member_id, person))

    async def _buy(self, handle: str) -> None:
        """Ask, order, fund, accept, deliver, approve (or forget to), review."""
        buyer = self._people[handle]
        choices = [found for found in self._listings if found[1] != buyer.member_id]
        if not choices:
            return
        listing, _, seller_person = self._random.choice(choices)
        seller = self._people[seller_person.handle]
        question = self._random.choice(_QUESTIONS)
        await self._ask(buyer, seller, question)
        order = await self._fund(buyer, listing)
        if order is None:
            return
        await self._move(seller, order, "accept")
        await self._move(seller, order, "deliver", "Done as agreed")
        if self._random.random() < 0.8:
            await self._move(buyer, order, "approve")
        await self._worker.drain()

    async def _fund(self, buyer: Principal, listing: str) -> str | None:
        """None where the buyer's tier does not allow it: also that happens in a town."""
        placed = await self._database.run(
            lambda tx: orders.place(tx, buyer, OrderInput(listing_id=listing))
        )
        view = placed.view
        confirmation = ConfirmationInput(
            payee_id=view.provider_id, amount=view.amount, terms_hash=view.terms_hash, password=""
        )
        issued = await self._database.run(
            lambda tx: confirmations.issue(tx, buyer.member_id, confirmation)
        )
        data = TransitionInput(name="fund", confirmation=issued.token)
        try:
            await self._database.run(
                lambda tx: orders.transition(tx, buyer, decode("ord", view.id), data)
            )
        except Problem:
            return None
        return view.id

    async def _ask(self, one: Principal, other: Principal, text: str) -> None:
        said = ConversationCreate(text=text, handle=other.handle)
        await self._database.run(lambda tx: messaging.talk(tx, one, said))

    async def _move(self, who: Principal, order: str, name: str, note: str = "") -> None:
        data = TransitionInput(name=name, note=note)
        order_id = decode("ord", order)
        await self._database.run(lambda tx: orders.transition(tx, who, order_id, data))

    async def _review(self, order_id: UUID, customer: UUID, provider: UUID) -> None:
        """Both sides, mostly kind."""
        for author in (customer, provider):
            stars = self._random.choices([5, 4, 3], [7, 2, 1])[0]
            data = ReviewInput(
                order_id=encode("ord", order_id), stars=stars, text=self._random.choice(_THANKS)
            )
            await self._write(Principal(author, _NOBODY, ""), data)

    async def _write(self, who: Principal, data: ReviewInput) -> None:
        await self._database.run(lambda tx: reviews.write(tx, who, data))

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
