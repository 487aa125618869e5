"""Every decision can be made again to the bit, and what was changed since is found."""

import shutil
from functools import partial
from typing import NamedTuple
from uuid import UUID, uuid4

import pytest

from handsel.foundation.db.uow import Database, Tx
from handsel.people.credit import registry, service
from handsel.people.credit.replaying import Replayer, exact
from handsel.people.trust import replaying
from handsel.people.trust import service as trust
from handsel.people.trust.errors import Refused
from handsel.people.trust.schemas import Payment
from handsel_ml.registry.shelf import Shelf
from tests.factories.members import Member, create_member
from tests.people.credit.deals import good_deals
from tests.people.credit.rivals import SHIPPED, as_owner, empty_seats, make_ready, rival
from tests.people.trust.parties import T2_KINDS, TERMS

pytestmark = pytest.mark.asyncio


class Scene(NamedTuple):
    """Members who have dealt with one another, all scored."""

    shelf: Shelf
    members: list[Member]


@pytest.fixture(scope="module")
def shelf(tmp_path_factory: pytest.TempPathFactory) -> Shelf:
    return Shelf(tmp_path_factory.mktemp("models") / "shelf")


@pytest.fixture
async def scene(database: Database, shelf: Shelf) -> Scene:
    await empty_seats(database)
    members = [await create_member(database, verified=T2_KINDS) for _ in range(5)]

    async def use_case(tx: Tx) -> None:
        for number, member in enumerate(members):
            service.record(tx, good_deals(tx, member, members[:number] + members[number + 1 :]))
            await service.refresh(tx, member.id, shelf=shelf)

    await database.run(use_case)
    return Scene(shelf, members)


async def pay(database: Database, payer: Member, payee: Member, amount_minor: int) -> None:
    payment = Payment(payer.id, payee.id, amount_minor, "EUR", TERMS, uuid4())

    async def use_case(tx: Tx) -> None:
        decision = await trust.decide(tx, payment)
        trust.require(decision)
        trust.reserve(tx, payment, decision)

    await database.run(use_case)


async def pay_around(database: Database, members: list[Member], amounts: list[int]) -> int:
    """Each amount by another pair; how many were refused."""
    refused = 0
    for number, amount in enumerate(amounts):
        payer, payee = members[number % 5], members[(number + 1 + number // 5 % 4) % 5]
        try:
            await pay(database, payer, payee, amount)
        except Refused:
            refused += 1
    return refused


async def replayed(database: Database, shelf: Shelf, count: int) -> list[replaying.Replay]:
    async with database.reading() as conn:
        replayer = Replayer(conn, shelf)
        return [
            await replaying.replay(replayer, one) for one in await replaying.last(replayer, count)
        ]


async def one_decision(database: Database, scene: Scene) -> UUID:
    await pay(database, scene.members[0], scene.members[1], 500)
    async with database.reading() as conn:
        found: UUID = await conn.fetchval("SELECT max(id::text)::uuid FROM people.decisions")
    return found


def places(replay: replaying.Replay) -> set[str]:
    return {difference.where for difference in replay.differences}


async def test_fifty_decisions_are_made_again_to_the_bit_across_a_promotion(
    database: Database, scene: Scene
) -> None:
    amounts = [300, 500, 700, 9_000_000, 900] * 5
    refused = await pay_around(database, scene.members, amounts)
    folder = rival(scene.shelf.root.parent / "next", shift=0.4)
    model_id = await database.run(lambda tx: registry.register(tx, folder, scene.shelf))
    await make_ready(database, model_id, scene.shelf, SHIPPED["social"])
    await database.run(lambda tx: registry.promote(tx, model_id, scene.shelf))
    for member in scene.members:
        await database.run(partial(service.refresh, member_id=member.id, shelf=scene.shelf))
    refused += await pay_around(database, scene.members, amounts)

    made = await replayed(database, scene.shelf, 50)

    assert len(made) == 50
    assert [one.differences for one in made] == [()] * 50
    assert sum(not one.allowed for one in made) == refused >= 10
    by_model = [" ".join(one.compared) for one in made]
    assert sum(model_id in said for said in by_model) == 25
    assert sum(SHIPPED["social"] in said for said in by_model) == 25


async def test_fact_that_was_changed_is_found(database: Database, scene: Scene) -> None:
    decision = await one_decision(database, scene)
    await _without_trigger(
        database,
        "people.facts",
        "UPDATE people.facts SET value = 1 WHERE kind = 'review_received' AND member_id = $1",
        scene.members[0].id,
    )

    [made] = await replayed(database, scene.shelf, 1)

    assert made.decision_id == decision
    assert any(place.startswith("payer.social.vector.") for place in places(made))
    assert "payer.social.pd" in places(made)
    assert not any(place.startswith("payee.") for place in places(made))


async def test_model_that_was_changed_is_found(database: Database, scene: Scene) -> None:
    await database.run(lambda tx: registry.adopt_shipped(tx, scene.shelf))
    await one_decision(database, scene)
    rival(scene.shelf.folder(SHIPPED["social"]), days=0, shift=0.001)

    [made] = await replayed(database, scene.shelf, 1)
    shutil.rmtree(scene.shelf.root)
    [without_copies] = await replayed(database, scene.shelf, 1)

    assert without_copies.differences == ()  # the same models ship with the code
    assert places(made) == {"payer.social.model", "payee.social.model"}
    assert all("bundle_tampered" in difference.found for difference in made.differences)


async def test_score_that_was_left_out_of_a_decision_is_found(
    database: Database, scene: Scene
) -> None:
    decision = await one_decision(database, scene)
    await _without_trigger(
        database,
        "people.decisions",
        "UPDATE people.decisions SET inputs = inputs #- '{payer,financial}' WHERE id = $1",
        decision,
    )

    [made] = await replayed(database, scene.shelf, 1)

    [left_out] = [one for one in made.differences if one.where == "payer.financial.newest"]
    assert left_out.recorded == "None"
    assert not any(place.startswith(("payee.", "payer.social")) for place in places(made))


async def test_reason_whose_sense_was_changed_is_found(database: Database, scene: Scene) -> None:
    await one_decision(database, scene)
    await _without_trigger(
        database,
        "people.score_snapshots",
        "UPDATE people.score_snapshots SET reasons = jsonb_set(reasons, '{0,unknown}',"
        " to_jsonb(NOT coalesce((reasons #> '{0,unknown}')::boolean, false)))"
        " WHERE kind = 'social' AND member_id = $1",
        scene.members[0].id,
    )

    [made] = await replayed(database, scene.shelf, 1)

    assert places(made) == {"payer.social.reasons"}


async def test_policy_that_was_changed_or_not_kept_is_found(
    database: Database, scene: Scene
) -> None:
    await one_decision(database, scene)
    version = trust.current_policy().version
    changed = (
        "UPDATE people.policies SET content = $2, sha256 = encode(sha256($2), 'hex'), "
        "version = left(version, -12) || left(encode(sha256($2), 'hex'), 12) WHERE version = $1"
    )
    async with database.reading() as conn:
        content = await conn.fetchval("SELECT content FROM people.policies")

    await _without_trigger(
        database, "people.policies", changed, version, content.replace(b"= 550", b"= 540")
    )
    [made] = await replayed(database, scene.shelf, 1)

    assert places(made) == {"policy"}
    assert made.differences[0].found == "its text was not kept"


async def test_snapshot_that_was_changed_is_found(database: Database, scene: Scene) -> None:
    await one_decision(database, scene)
    await _without_trigger(
        database,
        "people.score_snapshots",
        "UPDATE people.score_snapshots SET pd = pd + 1e-17 * 100, points = points + 1,"
        " high = greatest(high, points + 1) WHERE kind = 'financial' AND member_id = $1",
        scene.members[1].id,
    )

    [made] = await replayed(database, scene.shelf, 1)

    assert {"payee.financial.seen.points", "payee.financial.points"} <= places(made)


async def test_floats_are_compared_by_their_bits() -> None:
    assert exact(0.1 + 0.2) != exact(0.3)
    assert exact(0.0) != exact(-0.0)
    assert exact((float("nan"), 1.0)) == exact([float("nan"), 1.0])


async def _without_trigger(database: Database, table: str, statement: str, *args: object) -> None:
    """What only somebody with the keys of the database can do."""
    await as_owner(database, f"ALTER TABLE {table} DISABLE TRIGGER append_only")
    await as_owner(database, statement, *args)
    await as_owner(database, f"ALTER TABLE {table} ENABLE TRIGGER append_only")
