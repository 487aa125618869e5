"""Challengers beside the champion: heard, kept apart, never in anybody's way; and what a model has
said is taken back when it goes."""

import asyncio
import shutil
from datetime import UTC, datetime, timedelta
from pathlib import Path
from uuid import UUID, uuid4

import pytest

from handsel.foundation.core.settings import Settings
from handsel.foundation.db.uow import Database, Tx
from handsel.front.worker import models as worker
from handsel.people.credit import canaries, registry, service
from handsel.people.credit.models import shelf_in
from handsel.people.credit.schemas import Snapshot
from handsel_ml.contract import Fact, FactKind, micros
from handsel_ml.registry.policy import registry_policy
from handsel_ml.registry.share import in_canary
from handsel_ml.registry.shelf import Shelf
from tests.factories.members import Member, create_member
from tests.people.credit.deals import good_deals
from tests.people.credit.rivals import SHIPPED, empty_seats, make_ready, rival

NOW = datetime(2026, 11, 22, 12, tzinfo=UTC)


@pytest.fixture
async def shelf(database: Database, tmp_path: Path) -> Shelf:
    await empty_seats(database)
    return Shelf(tmp_path / "shelf")


async def enter(database: Database, shelf: Shelf, shift: float) -> str:
    folder = rival(shelf.root.parent / f"rival{shift}", shift=shift)
    return await database.run(lambda tx: registry.register(tx, folder, shelf))


async def scored(database: Database) -> Member:
    """A member with three good deals, not assessed yet."""
    member = await create_member(database)
    others = [await create_member(database) for _ in range(3)]

    async def use_case(tx: Tx) -> None:
        service.record(tx, good_deals(tx, member, others))

    await database.run(use_case)
    return member


async def refreshed(database: Database, member: Member, shelf: Shelf) -> Snapshot:
    return await database.run(lambda tx: service.refresh(tx, member.id, shelf=shelf))


async def opinions(database: Database, member: Member) -> list[dict[str, object]]:
    async with database.reading() as conn:
        rows = await conn.fetch(
            "SELECT model_id, kind, state, points, pd, failure, as_of FROM people.shadow_scores"
            " WHERE member_id = $1",
            member.id,
        )
    return [dict(row) for row in rows]


async def test_shadow_scores_the_same_moment_and_changes_no_snapshot(
    database: Database, shelf: Shelf
) -> None:
    member = await scored(database)
    alone = await refreshed(database, member, shelf)
    harsh = await enter(database, shelf, 1.0)
    await database.run(lambda tx: registry.shadow(tx, harsh, shelf))

    watched = await refreshed(database, member, shelf)

    assert (watched.social.points, watched.social.model_id) == (
        alone.social.points, SHIPPED["social"],
    )  # fmt: skip
    [opinion] = await opinions(database, member)
    assert (opinion["model_id"], opinion["kind"], opinion["state"]) == (harsh, "social", "scored")
    assert opinion["as_of"] == watched.as_of
    assert isinstance(opinion["points"], int)
    assert watched.social.points is not None
    assert watched.social.points - opinion["points"] in (86, 87)  # 60 / ln 2 for log-odds of 1


async def test_challenger_that_fails_keeps_nobody_from_a_score(
    database: Database, shelf: Shelf
) -> None:
    model_id = await enter(database, shelf, 0.11)
    member = await scored(database)
    await database.run(lambda tx: registry.shadow(tx, model_id, shelf))
    shutil.rmtree(shelf.folder(model_id))

    snapshot = await refreshed(database, member, shelf)

    assert (snapshot.social.state, snapshot.social.model_id) == ("scored", SHIPPED["social"])
    [opinion] = await opinions(database, member)
    assert (opinion["state"], opinion["failure"]) == ("failed", "bundle_missing")


async def test_champion_whose_file_was_changed_scores_nobody(
    database: Database, shelf: Shelf
) -> None:
    model_id = await enter(database, shelf, 0.12)
    member = await scored(database)
    await make_ready(database, model_id, shelf, SHIPPED["social"])
    await database.run(lambda tx: registry.promote(tx, model_id, shelf))
    rival(shelf.folder(model_id), shift=-4.0)  # of the same features, and sound in itself

    changed = await refreshed(database, member, Shelf(shelf.root))
    await database.run(lambda tx: registry.roll_back(tx, "social", "its file was changed"))
    restored = await refreshed(database, member, shelf)

    for score in (changed.financial, changed.social):
        assert (score.state, score.failure, score.points) == ("failed", "bundle_tampered", None)
    assert (restored.social.state, restored.social.model_id) == ("scored", SHIPPED["social"])


async def test_canary_scores_its_share_and_nobody_else(database: Database, shelf: Shelf) -> None:
    model_id = await enter(database, shelf, 0.13)
    await make_ready(database, model_id, shelf, SHIPPED["social"])
    await database.run(lambda tx: registry.canary(tx, model_id, 5_000, shelf))
    members = [await create_member(database) for _ in range(12)]

    found = {m.id: (await refreshed(database, m, shelf)).social.model_id for m in members}

    expected = {
        m.id: model_id if in_canary(model_id, str(m.id), 5_000) else SHIPPED["social"]
        for m in members
    }
    assert found == expected
    assert len(set(found.values())) == 2  # one in 2,000 that all twelve are on one side


async def test_canary_that_fails_is_rolled_back_by_the_house(
    database: Database, shelf: Shelf
) -> None:
    model_id = await enter(database, shelf, 0.14)
    await make_ready(database, model_id, shelf, SHIPPED["social"])
    await database.run(lambda tx: registry.canary(tx, model_id, 500, shelf))
    before = await database.run(canaries.watch)
    shutil.rmtree(shelf.folder(model_id))
    for _ in range(registry_policy().canary.failures):
        await refreshed(database, await create_member(database), shelf)

    stopped = await worker.watch(database)

    assert [watched.breach for watched in before] == [""]
    assert stopped == 1
    assert await database.run(canaries.watch) == []
    async with database.reading() as conn:
        alert = await conn.fetchval(
            "SELECT payload ->> 'text' FROM foundation.outbox WHERE topic = 'alert.raised'"
            " AND payload ->> 'subject' = $1",
            model_id,
        )
        events = await conn.fetch(
            "SELECT what, actor_id, reason FROM people.model_events WHERE model_id = $1"
            " ORDER BY id DESC LIMIT 1",
            model_id,
        )
    assert [tuple(row) for row in events] == [("rolled_back", None, "failed 3 times")]
    assert alert == f"{model_id} was rolled back: failed 3 times"


@pytest.mark.parametrize(
    ("more", "ratio", "failures", "said"),
    [
        (0.05, 1.0, 2, ""),
        (None, None, 0, ""),
        (0.051, 1.0, 0, "declines 5.1% more"),
        (0.0, 1.41, 0, "observed over expected is 1.41"),
        (0.0, 0.69, 0, "observed over expected is 0.69"),
        (0.0, 1.0, 3, "failed 3 times"),
    ],
)
def test_bounds_of_a_canary(
    more: float | None, ratio: float | None, failures: int, said: str
) -> None:
    found = canaries.breach(registry_policy().canary, more, ratio, failures)

    assert found.startswith(said)
    assert bool(found) == bool(said)


def test_matured_deals_count_against_the_score_they_were_accepted_under() -> None:
    member, other = uuid4(), uuid4()
    began = NOW - timedelta(days=60)

    def deal(number: int, days: int, end: FactKind) -> list[Fact]:
        at = began + timedelta(days=days)
        return [
            Fact(
                member_id=str(member), kind=kind, source_id=f"{kind}-{number}",
                order_id=str(UUID(int=number)), counterparty_id=str(other), role="seller",
                happened_at=moment, known_at=moment,
            )
            for kind, moment in ((FactKind.ORDER_FUNDED, at), (end, at + timedelta(hours=1)))
        ]  # fmt: skip

    facts = [
        *deal(1, -1, FactKind.NO_SHOW),  # before the canary's first score
        *deal(2, 1, FactKind.NO_SHOW),
        *deal(3, 3, FactKind.ORDER_SETTLED),
        *deal(4, 40, FactKind.NO_SHOW),  # not matured: social labels take 30 days
    ]
    foretold = {member: [(micros(began), 0.2), (micros(began + timedelta(days=2)), 0.3)]}

    assert canaries.matured(facts, foretold, "social", NOW) == (1, 0.5)


@pytest.fixture
async def home(database: Database, settings: Settings) -> Shelf:
    """The shelf that the worker uses; nobody is left to be scored anew."""
    await empty_seats(database)
    while await worker.rescore(database, settings):
        pass
    return shelf_in(settings.home)


async def serves(database: Database, shelf: Shelf, folder: Path, shift: float) -> str:
    """A new champion."""
    made = rival(folder, shift=shift)
    model_id = await database.run(lambda tx: registry.register(tx, made, shelf))
    await make_ready(database, model_id, shelf, SHIPPED["social"])
    await database.run(lambda tx: registry.promote(tx, model_id, shelf))
    return model_id


async def said_by(database: Database, member: Member) -> list[str | None]:
    """The models of a member's social scores, oldest first."""
    async with database.reading() as conn:
        rows = await conn.fetch(
            "SELECT model_id FROM people.score_snapshots WHERE member_id = $1 AND kind = 'social'"
            " ORDER BY as_of",
            member.id,
        )
    return [row["model_id"] for row in rows]


async def test_what_a_model_said_is_taken_back_with_it(
    database: Database, settings: Settings, home: Shelf, tmp_path: Path
) -> None:
    member = await scored(database)
    before = await refreshed(database, member, home)
    model_id = await serves(database, home, tmp_path / "harsh", 1.5)
    while await worker.rescore(database, settings):
        pass
    await database.run(lambda tx: registry.roll_back(tx, "social", "too harsh"))

    # Two workers at once: each member is scored anew by one of them.
    await asyncio.gather(*(worker.rescore(database, settings) for _ in range(2)))
    async with database.reading() as conn:
        after = await service.current(conn, member.id)
    idle = await worker.rescore(database, settings)

    assert await said_by(database, member) == [SHIPPED["social"], model_id, SHIPPED["social"]]
    assert after is not None
    assert after.social.points == before.social.points
    assert idle == 0


async def test_failed_scores_are_made_anew_once_the_files_are_back(
    database: Database, settings: Settings, home: Shelf, tmp_path: Path
) -> None:
    model_id = await serves(database, home, tmp_path / "lost", 0.21)
    home.folder(model_id).rename(tmp_path / "aside")
    member = await scored(database)
    failed = await refreshed(database, member, home)

    meanwhile = await worker.rescore(database, settings)
    (tmp_path / "aside").rename(home.folder(model_id))
    while await worker.rescore(database, settings):
        pass

    assert (failed.social.state, meanwhile) == ("failed", 0)
    assert await said_by(database, member) == [None, model_id]


async def test_whoever_leaves_a_canary_is_scored_by_the_champion(
    database: Database, settings: Settings, home: Shelf, tmp_path: Path
) -> None:
    folder = rival(tmp_path / "tried", shift=0.22)
    model_id = await database.run(lambda tx: registry.register(tx, folder, home))
    await make_ready(database, model_id, home, SHIPPED["social"])
    await database.run(lambda tx: registry.canary(tx, model_id, 5_000, home))
    members = [await create_member(database) for _ in range(8)]
    for member in members:
        await refreshed(database, member, home)
    before = [await said_by(database, member) for member in members]
    kept = await worker.rescore(database, settings)

    await database.run(lambda tx: registry.canary(tx, model_id, 1, home))
    moved = await worker.rescore(database, settings)

    assert kept == 0
    assert moved == before.count([model_id]) > 0
    assert {(await said_by(database, member))[-1] for member in members} == {SHIPPED["social"]}
