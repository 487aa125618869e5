"""Accounts that trade among themselves gain nothing over a newcomer who deals honestly."""

from collections.abc import AsyncIterator, Sequence
from datetime import timedelta
from itertools import permutations

import asyncpg
import msgspec
import pytest

from handsel.catalog.listings.schemas import ListingCreate, Point, Price
from handsel.foundation.core.settings import Settings
from handsel.foundation.db.uow import Database
from handsel.foundation.http.principal import Principal
from handsel.front.town.actors import Actors
from handsel.front.town.stage import Stage
from handsel.front.worker.inline import InlineWorker
from handsel.people.credit import service as credit
from handsel.people.members.schemas import Kind
from handsel.people.trust import service as trust

AMOUNT = 1_000
CHECKS: tuple[Kind, ...] = ("email", "phone", "id_document", "bank_account")
DAY = timedelta(days=1)
#: Points.
DOUBLED_ODDS = 60


class Standing(msgspec.Struct, frozen=True):
    """What the house thinks of somebody: points (None: no number yet) and tier."""

    financial: int | None
    social: int | None
    tier: str


class House:
    """Deals that go well, and what comes of them."""

    def __init__(self, actors: Actors, worker: InlineWorker, stage: Stage) -> None:
        self._actors, self._worker, self._stage = actors, worker, stage

    async def people(self, name: str, count: int) -> list[Principal]:
        """New members with the same checks, each with a listing and money."""
        made = []
        for number in range(count):
            who = await self._actors.move_in(f"{name}-{number}", CHECKS)
            await self._actors.top_up(who, 20 * AMOUNT)
            made.append(who)
        await self._worker.drain()
        return made

    async def deal(self, pairs: Sequence[tuple[Principal, Principal]]) -> None:
        """Each (buyer, seller) deals once, today; all are settled and reviewed with five stars."""
        orders = []
        for buyer, seller in pairs:
            data = ListingCreate(
                title="An hour of help",
                category="school-tutoring",
                price=Price(amount_minor=AMOUNT, currency="EUR"),
                place=Point(lat=55.9, lon=-3.1),
            )
            order = await self._actors.order(buyer, await self._actors.offer(seller, data))
            await self._actors.commit_to(buyer, order)
            await self._actors.move(seller, order.id, "accept")
            await self._actors.move(seller, order.id, "deliver", note="All of it")
            await self._actors.move(buyer, order.id, "approve")
            orders.append(order.id)
        await self.wait(15)
        for (buyer, seller), done in zip(pairs, orders, strict=True):
            await self._actors.review(buyer, done, 5)
            await self._actors.review(seller, done, 5)
        await self._worker.drain()

    async def wait(self, days: int) -> None:
        """Let the time pass."""
        await self._stage.set_clock(await self._stage.now() + days * DAY)
        await self._worker.run_due()

    async def standing(self, who: Principal) -> Standing:
        """As of now."""
        await self._actors.database.run(lambda tx: credit.refresh(tx, who.member_id))
        async with self._actors.database.reading() as conn:
            snapshot = await credit.current(conn, who.member_id)
            view = await trust.own_trust(conn, who.member_id)
        assert snapshot is not None
        return Standing(snapshot.financial.points, snapshot.social.points, view.tier)


@pytest.fixture(scope="module")
async def house(database: Database, database_url: str, settings: Settings) -> AsyncIterator[House]:
    """An empty house."""
    owner = await asyncpg.connect(database_url)
    yield House(Actors(database, settings, "EUR"), InlineWorker(database, settings), Stage(owner))
    await owner.close()


async def test_a_farm_gains_nothing_by_trading_with_itself(house: House) -> None:
    farm, others = await house.people("farm", 3), await house.people("other", 4)
    (newcomer,) = await house.people("honest", 1)
    inside = list(permutations(farm, 2))
    outside = [(newcomer, others[0]), (newcomer, others[1]), (others[2], newcomer),
               (others[3], newcomer)]  # fmt: skip

    # As many deals each: the newcomer's with four people, the farm's with two.
    await house.deal([*inside, *outside])
    once, fair = await house.standing(farm[0]), await house.standing(newcomer)
    await house.deal(inside)
    await house.wait(40)
    again, later = await house.standing(farm[0]), await house.standing(newcomer)

    # Equal deals with fewer people are worth no more; more of the same buy points, at most what
    # doubles the odds, and no tier: that asks for different counterparties.
    assert all(a <= b for a, b in zip(points(once), points(fair), strict=True))
    assert max(a - b for a, b in zip(points(again), points(later), strict=True)) <= DOUBLED_ODDS
    assert [one.tier for one in (once, fair, again, later)] == ["T2"] * 4


def points(standing: Standing) -> tuple[int, int]:
    """Both, which are there."""
    assert standing.financial is not None
    assert standing.social is not None
    return standing.financial, standing.social
