"""Snapshots: made of what was known before, replayable to the bit, honest without a model."""

import asyncio
import shutil
from datetime import timedelta
from pathlib import Path

import pytest

from handsel.foundation.db.uow import Database, Tx
from handsel.people.credit import queries, service
from handsel.people.credit.assessment import scores_of
from handsel.people.credit.models import Models, models_in
from handsel_ml.serve import BUNDLES, load_models
from tests.factories.members import Member, add_member, create_member
from tests.people.credit.deals import good_deals


async def members(tx: Tx, count: int) -> list[Member]:
    return [await add_member(tx) for _ in range(count)]


async def test_member_without_facts_is_building_history(tx: Tx) -> None:
    member = await add_member(tx)

    snapshot = await service.refresh(tx, member.id)
    await tx.flush()

    assert (snapshot.facts_seen, snapshot.facts_until) == (0, None)
    for score in (snapshot.financial, snapshot.social):
        assert (score.state, score.points, score.band) == ("building_history", None, None)
        assert score.model_id is not None
    assert repr(await service.current(tx, member.id)) == repr(snapshot)  # NaN differs from itself


async def test_three_good_deals_give_two_scores_with_range_and_band(tx: Tx) -> None:
    member, *others = await members(tx, 4)
    service.record(tx, good_deals(tx, member, others))

    snapshot = await service.refresh(tx, member.id)
    await tx.flush()

    assert snapshot.facts_seen == 12
    assert snapshot.facts_until == tx.now
    assert snapshot.as_of == tx.now + timedelta(microseconds=1)
    for score in (snapshot.financial, snapshot.social):
        assert (score.state, score.closed_deals) == ("scored", 3)
        assert score.points is not None
        assert score.low is not None
        assert score.high is not None
        assert 350 <= score.low <= score.points <= score.high <= 950
        assert score.band is not None
    assert repr(await service.current(tx, member.id)) == repr(snapshot)  # to the bit


async def test_newest_snapshot_is_the_current_one(tx: Tx) -> None:
    member, *others = await members(tx, 4)
    first = await service.refresh(tx, member.id)
    service.record(tx, good_deals(tx, member, others))

    second = await service.refresh(tx, member.id)
    await tx.flush()

    current = await service.current(tx, member.id)
    assert current is not None
    assert first.as_of < second.as_of == current.as_of
    assert current.social.state == "scored"
    assert await tx.fetchval(
        "SELECT count(*) FROM people.score_snapshots WHERE member_id = $1", member.id
    ) == 4  # fmt: skip


async def test_change_of_band_is_told_to_the_audit_chain_once(tx: Tx) -> None:
    member, *others = await members(tx, 4)
    await service.refresh(tx, member.id)
    service.record(tx, good_deals(tx, member, others))
    scored = await service.refresh(tx, member.id)
    await service.refresh(tx, member.id)
    await tx.flush()

    entries = await tx.fetch(
        "SELECT body FROM foundation.audit_entries WHERE subject_id = $1"
        " AND stream = 'credit' AND action = 'band_changed'",
        member.id,
    )

    assert {row["body"]["kind"]: row["body"]["to"]["band"] for row in entries} == {
        "financial": scored.financial.band,
        "social": scored.social.band,
    }
    assert len(entries) == 2


async def test_snapshot_is_made_again_to_the_bit_after_later_facts(tx: Tx) -> None:
    member, *others = await members(tx, 6)
    service.record(tx, good_deals(tx, member, others[:3]))
    snapshot = await service.refresh(tx, member.id)
    service.record(tx, good_deals(tx, member, others[3:]))
    await tx.flush()

    facts = await queries.facts_before(tx, member.id, snapshot.as_of)
    again = scores_of(facts, snapshot.as_of, models_in())

    assert len(facts) == snapshot.facts_seen == 12
    for kind, before in (("financial", snapshot.financial), ("social", snapshot.social)):
        after = again[kind]  # type: ignore[index]
        assert (after.points, after.pd, after.low, after.high, after.reasons, after.model_id) == (
            before.points, before.pd, before.low, before.high, before.reasons, before.model_id,
        )  # fmt: skip
        assert repr(after.vector) == repr(before.vector)


@pytest.mark.parametrize(
    ("damage", "code"),
    [("missing", "bundle_missing"), ("altered", "hash_mismatch"), ("empty", "bundle_corrupt")],
)
async def test_model_that_cannot_be_trusted_yields_no_number(
    tx: Tx, tmp_path: Path, damage: str, code: str
) -> None:
    root = tmp_path / "bundles"
    shutil.copytree(BUNDLES, root)
    text, info = root / "social" / "model.txt", root / "social" / "bundle.json"
    if damage == "missing":
        text.unlink()
    elif damage == "altered":
        text.write_text(text.read_text().replace("leaf_value=", "leaf_value=9", 1))
    else:
        info.write_text("")
    member, *others = await members(tx, 4)
    service.record(tx, good_deals(tx, member, others))

    snapshot = await service.refresh(tx, member.id, models_in(root))
    await tx.flush()

    for score in (snapshot.financial, snapshot.social):
        assert (score.state, score.failure, score.points, score.pd) == ("failed", code, None, None)
    assert await service.current(tx, member.id) == snapshot


async def test_model_that_gives_no_number_fails_closed(tx: Tx) -> None:
    member, *others = await members(tx, 4)
    service.record(tx, good_deals(tx, member, others))
    models = Models(load_models(), None)
    models.by_kind["social"].close()

    snapshot = await service.refresh(tx, member.id, models)

    assert (snapshot.social.state, snapshot.social.failure) == ("failed", "model_closed")
    assert (snapshot.financial.state, snapshot.financial.points) == ("failed", None)


async def test_fact_that_a_snapshot_missed_is_known_only_after_it(database: Database) -> None:
    """Recorders that began before an assessment, and commit after it, must not change its past."""
    member = await create_member(database)
    others = [await create_member(database) for _ in range(3)]
    began, assessed = asyncio.Event(), asyncio.Event()

    async def late_recorder() -> None:
        async with database.transaction() as tx:
            facts = good_deals(tx, member, others)
            began.set()
            await assessed.wait()
            service.record(tx, facts)

    recorder = asyncio.create_task(late_recorder())
    await began.wait()
    snapshot = await database.run(lambda tx: service.refresh(tx, member.id))
    assessed.set()
    await recorder

    async with database.reading() as conn:
        before = await queries.facts_before(conn, member.id, snapshot.as_of)
        later = await conn.fetchval(
            "SELECT min(known_at) FROM people.facts WHERE member_id = $1", member.id
        )
    assert (snapshot.facts_seen, before) == (0, [])
    assert later == snapshot.as_of


async def test_refreshing_at_once_gives_ordered_snapshots(database: Database) -> None:
    member = await create_member(database)
    others = [await create_member(database) for _ in range(4)]

    together = asyncio.Barrier(4)

    async def deal(number: int) -> None:
        async def use_case(tx: Tx) -> None:
            await together.wait()
            service.record(tx, good_deals(tx, member, [others[number]]))
            await service.refresh(tx, member.id)

        await database.run(use_case)

    await asyncio.gather(*(deal(number) for number in range(4)))

    async with database.reading() as conn:
        seen = await conn.fetch(
            "SELECT facts_seen FROM people.score_snapshots"
            " WHERE member_id = $1 AND kind = 'social' ORDER BY as_of",
            member.id,
        )
    assert [row["facts_seen"] for row in seen] == [4, 8, 12, 16]
