"""The trust graph in the house: seeds by two people, snapshots as of a moment, weights of words."""

from collections.abc import Awaitable, Callable, Sequence
from datetime import datetime, timedelta
from typing import Any
from uuid import UUID, uuid4

import asyncpg
import pytest

from handsel.foundation.core.errors import Problem
from handsel.foundation.db.uow import Database, Tx
from handsel.front.worker import trust_graph
from handsel.people.credit import graph
from handsel.people.credit.errors import (
    SeedEnded,
    SeedNeedsSecond,
    SeedOneself,
    SeedStaffOnly,
    SeedUnknown,
    SnapshotTooNew,
)
from tests.factories.members import Member, add_member

DAY = timedelta(days=1)
_FACT = """
INSERT INTO people.facts (member_id, kind, source_id, order_id, counterparty_id, role, amount_minor,
                          value, happened_at, known_at)
VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10)
"""


async def as_owner(tx: Tx, work: Callable[[], Awaitable[object]]) -> None:
    """Write what the application may not: facts that were known in the past, staff."""
    await tx.execute("SET LOCAL ROLE handsel_owner")
    await work()
    await tx.execute("RESET ROLE")


async def add_staff(tx: Tx) -> Member:
    member = await add_member(tx)
    made = "UPDATE people.members SET is_staff = true WHERE id = $1"
    await as_owner(tx, lambda: tx.execute(made, member.id))
    return member


async def tell(
    tx: Tx, member: Member, kind: str, at: datetime, *, order: UUID | None = None,
    other: Member | None = None, role: str | None = None, amount: int = 0, value: int | None = None,
) -> None:  # fmt: skip
    """A fact that was known when it happened."""
    source = f"{kind}-{uuid4()}"
    row = (
        member.id, kind, source, order, other and other.id, role, amount, value, at, at,
    )  # fmt: skip
    await as_owner(tx, lambda: tx.execute(_FACT, *row))


async def deal(tx: Tx, buyer: Member, seller: Member, at: datetime, stars: int = 0) -> UUID:
    """A closed, paid order: 40.00 held for two days; the buyer gave so many stars, if any."""
    order = uuid4()
    for member, other, role in ((buyer, seller, "buyer"), (seller, buyer, "seller")):
        about: dict[str, Any] = {"order": order, "other": other, "role": role, "amount": 4_000}
        await tell(tx, member, "order_funded", at - 2 * DAY, **about)
        await tell(tx, member, "order_settled", at, **about)
    if stars:
        await tell(tx, seller, "review_received", at, order=order, other=buyer, role="seller",
                   value=stars)  # fmt: skip
    return order


async def seeded(tx: Tx, count: int = 10, verified: bool = True) -> list[Member]:
    """Vetted members, approved by two of staff 60 days ago, each verified then."""
    one, two = await add_staff(tx), await add_staff(tx)
    seeds = [await add_member(tx) for _ in range(count)]
    for seed in seeds:
        await graph.propose_seed(tx, one.id, seed.id)
        await graph.propose_seed(tx, two.id, seed.id)
        if verified:
            await tell(tx, seed, "verification_passed", tx.now - 60 * DAY, value=3)
    dated = "UPDATE people.trust_seeds SET added_at = $1, approved_at = $1"
    await as_owner(tx, lambda: tx.execute(dated, tx.now - 60 * DAY))
    return seeds


async def rows_of(tx: Tx, run: graph.TrustRun) -> dict[UUID, asyncpg.Record]:
    await tx.flush()
    rows = await tx.fetch("SELECT * FROM people.trust_snapshots WHERE as_of = $1", run.as_of)
    return {row["member_id"]: row for row in rows}


async def newcomer(tx: Tx) -> Member:
    member = await add_member(tx)
    await tell(tx, member, "verification_passed", tx.now - 50 * DAY, value=4)
    return member


async def seeds_now(tx: Tx) -> Sequence[asyncpg.Record]:
    return await tx.fetch(
        "SELECT member_id, added_by, approved_by, ended_by FROM people.trust_seeds"
    )


async def test_a_seed_needs_two_people(tx: Tx) -> None:
    one, two, vetted = await add_staff(tx), await add_staff(tx), await add_member(tx)

    first = await graph.propose_seed(tx, one.id, vetted.id)
    proposed = await seeds_now(tx)
    second = await graph.propose_seed(tx, two.id, vetted.id)

    await tx.flush()
    told = await tx.fetch(
        "SELECT action, actor_id FROM foundation.audit_entries WHERE subject_id = $1 ORDER BY id",
        vetted.id,
    )
    assert (first, second) == (False, True)
    assert [tuple(row) for row in proposed] == [(vetted.id, one.id, None, None)]
    assert [tuple(row) for row in await seeds_now(tx)] == [(vetted.id, one.id, two.id, None)]
    assert [tuple(row) for row in told] == [("seed_proposed", one.id), ("seed_approved", two.id)]


@pytest.mark.parametrize(
    ("who", "problem"),
    [("proposer", SeedNeedsSecond), ("member", SeedStaffOnly), ("oneself", SeedOneself)],
)
async def test_nobody_else_approves_a_seed(tx: Tx, who: str, problem: type[Problem]) -> None:
    one, member, vetted = await add_staff(tx), await add_member(tx), await add_staff(tx)
    by = {"proposer": one, "member": member, "oneself": vetted}[who]
    await graph.propose_seed(tx, one.id, vetted.id)
    before = await seeds_now(tx)

    with pytest.raises(asyncpg.PostgresError, match=problem.code):
        async with tx.conn.transaction():
            await graph.propose_seed(tx, by.id, vetted.id)

    assert await seeds_now(tx) == before


async def test_proposal_of_somebody_who_left_is_not_the_first_of_two(tx: Tx) -> None:
    left, one, two = [await add_staff(tx) for _ in range(3)]
    vetted = await add_member(tx)
    await graph.propose_seed(tx, left.id, vetted.id)
    leaves = "UPDATE people.members SET is_staff = false WHERE id = $1"
    await as_owner(tx, lambda: tx.execute(leaves, left.id))

    renewed = await graph.propose_seed(tx, one.id, vetted.id)
    proposed = await seeds_now(tx)
    approved = await graph.propose_seed(tx, two.id, vetted.id)

    assert (renewed, approved) == (False, True)
    assert [tuple(row) for row in proposed] == [(vetted.id, one.id, None, None)]
    assert [tuple(row) for row in await seeds_now(tx)] == [(vetted.id, one.id, two.id, None)]


async def test_a_seed_that_is_ended_stays_so(tx: Tx) -> None:
    one, two, vetted = await add_staff(tx), await add_staff(tx), await add_member(tx)
    await graph.propose_seed(tx, one.id, vetted.id)

    await graph.end_seed(tx, two.id, vetted.id)

    for verb, problem in ((graph.end_seed, SeedUnknown), (graph.propose_seed, SeedEnded)):
        with pytest.raises(asyncpg.PostgresError, match=problem.code):
            async with tx.conn.transaction():
                await verb(tx, one.id, vetted.id)
    assert [tuple(row) for row in await seeds_now(tx)] == [(vetted.id, one.id, None, two.id)]


async def test_snapshot_follows_paid_deals_from_the_seeds(tx: Tx) -> None:
    seeds, at = await seeded(tx), tx.now - DAY
    good, bad, apart, friend, unverified = [
        *[await newcomer(tx) for _ in range(4)], await add_member(tx)
    ]  # fmt: skip
    for seed in seeds[:3]:
        await deal(tx, seed, good, at, stars=5)
        await deal(tx, seed, bad, at, stars=1)
        await deal(tx, seed, unverified, at, stars=5)
    await deal(tx, friend, apart, at, stars=5)

    run = await graph.snapshot(tx, tx.now)

    found = await rows_of(tx, run)
    assert run[2:] == (True, 10, 10, 15)
    assert found[good.id]["trust"] > 0.0
    assert {found[m.id]["trust"] for m in (bad, apart, friend, unverified)} == {0.0}
    assert found[bad.id]["standing"] < found[apart.id]["standing"] < found[good.id]["standing"]
    assert found[apart.id]["voices"] == 0.0
    assert found[friend.id]["reliability_bps"] < 5_000 < found[seeds[0].id]["reliability_bps"]
    weight = await graph.reliability_of(tx, friend.id, tx.now)
    assert weight == found[friend.id]["reliability_bps"]
    assert await graph.reliability_of(tx, uuid4(), tx.now) is None


async def test_money_taken_back_one_device_and_the_unsettled_vouch_for_nobody(tx: Tx) -> None:
    seeds, at = await seeded(tx), tx.now - DAY
    undone, at_home, unpaid, fine = [await newcomer(tx) for _ in range(4)]
    charged = await deal(tx, seeds[0], undone, at, stars=5)
    await tell(tx, seeds[0], "chargeback", at, order=charged, other=undone, role="buyer")
    await deal(tx, seeds[1], at_home, at, stars=5)
    addresses = (
        "UPDATE people.sessions SET address_hmac = '\\x01', created_at = $2 WHERE member_id = $1"
    )
    for member in (seeds[1], at_home):
        await as_owner(tx, lambda who=member: tx.execute(addresses, who.id, at))
    for member, other, role in ((seeds[2], unpaid, "buyer"), (unpaid, seeds[2], "seller")):
        await tell(tx, member, "order_funded", at, order=uuid4(), other=other, role=role)
    await deal(tx, seeds[3], fine, at)

    run = await graph.snapshot(tx, tx.now)

    found = await rows_of(tx, run)
    assert run.deals == 2
    assert found[fine.id]["trust"] > 0.0 == found[at_home.id]["trust"]
    assert not {undone.id, unpaid.id} & set(found)


async def test_snapshot_as_of_a_moment_knows_nothing_later(tx: Tx) -> None:
    seeds, moment = await seeded(tx), tx.now - 10 * DAY
    early, late = await newcomer(tx), await newcomer(tx)
    await deal(tx, seeds[0], early, moment - DAY, stars=5)
    before = graph.assessed(await graph.known_before(tx, moment), moment)
    for seed in seeds:
        await deal(tx, seed, late, moment + DAY, stars=5)
        await deal(tx, seed, early, moment, stars=1)

    after = graph.assessed(await graph.known_before(tx, moment), moment)

    assert after.members == before.members
    assert before.found is not None
    assert after.found is not None
    for one, other in zip(before.found, after.found, strict=True):
        assert one.tobytes() == other.tobytes()


async def test_with_too_few_seeds_nothing_is_claimed(tx: Tx) -> None:
    seeds = await seeded(tx, count=9)
    await deal(tx, seeds[0], seeds[1], tx.now - DAY, stars=5)

    run = await graph.snapshot(tx, tx.now)

    assert (run.claimed, run.seeds, run.deals, run.members) == (False, 9, 1, 0)
    assert await rows_of(tx, run) == {}
    assert await graph.reliability_of(tx, seeds[0].id, tx.now) is None


async def test_snapshot_of_the_future_is_refused(tx: Tx) -> None:
    with pytest.raises(SnapshotTooNew):
        await graph.snapshot(tx, tx.now + timedelta(seconds=1))

    await tx.flush()
    assert await graph.newest_run(tx, tx.now + DAY) is None


async def test_snapshot_is_made_once_and_never_changed(tx: Tx) -> None:
    await seeded(tx)
    for _ in range(2):
        await graph.snapshot(tx, tx.now)
        await tx.flush()

    assert await tx.fetchval("SELECT count(*) FROM people.trust_runs") == 1
    for change in ("DELETE FROM people.trust_snapshots", "UPDATE people.trust_runs SET seeds = 0"):
        with pytest.raises(asyncpg.PostgresError):
            async with tx.conn.transaction():
                await tx.execute(change)


async def test_worker_makes_one_snapshot_a_day(database: Database) -> None:
    for _ in range(2):
        await trust_graph.sweep(database)

    async with database.reading() as conn:
        now = await conn.fetchval("SELECT foundation.handsel_now()")
        runs = await conn.fetch("SELECT as_of, claimed FROM people.trust_runs")
    midnight = now.replace(hour=0, minute=0, second=0, microsecond=0)
    assert [tuple(row) for row in runs] == [(midnight, False)]
