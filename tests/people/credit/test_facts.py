"""Facts: once, checked, never changed, known no earlier than they are seen."""

from datetime import timedelta
from typing import Any
from uuid import uuid4

import asyncpg
import pytest

from handsel.foundation.db.uow import Database, Tx
from handsel.people.credit import service
from handsel.people.credit.errors import FactRefused
from handsel.people.credit.queries import facts_before
from handsel.people.credit.schemas import Fact
from handsel_ml.contract import FactKind
from tests.factories.members import Member, add_member, create_member


def settled(tx: Tx, seller: Member, buyer: Member, **changes: Any) -> Fact:
    fields: dict[str, Any] = {
        "member_id": seller.id,
        "kind": FactKind.ORDER_SETTLED,
        "source_id": f"event-{uuid4()}",
        "happened_at": tx.now - timedelta(hours=1),
        "order_id": uuid4(),
        "counterparty_id": buyer.id,
        "role": "seller",
        "amount_minor": 2_500,
    }
    return Fact(**fields | changes)


async def test_fact_is_stored_with_both_times(tx: Tx) -> None:
    seller, buyer = await add_member(tx), await add_member(tx)
    fact = settled(tx, seller, buyer)

    service.record(tx, [fact])
    await tx.flush()

    row = await tx.fetchrow("SELECT * FROM people.facts WHERE member_id = $1", seller.id)
    assert row is not None
    assert (row["kind"], row["source_id"], row["order_id"], row["counterparty_id"]) == (
        "order_settled", fact.source_id, fact.order_id, buyer.id,
    )  # fmt: skip
    assert (row["role"], row["amount_minor"], row["value"]) == ("seller", 2_500, None)
    assert (row["happened_at"], row["known_at"]) == (fact.happened_at, tx.now)


async def test_a_fact_comes_back_as_it_was_told(tx: Tx) -> None:
    seller, buyer = await add_member(tx), await add_member(tx)
    review = settled(
        tx, seller, buyer, kind=FactKind.REVIEW_RECEIVED, amount_minor=0, value=4, weight_bps=6_250
    )
    owed = settled(tx, buyer, seller, kind=FactKind.PAY_AFTER_LATE, role="buyer", value=7_200)

    service.record(tx, [review, owed])
    await tx.flush()

    later = tx.now + timedelta(seconds=1)
    (known,) = await facts_before(tx, seller.id, later)
    (late,) = await facts_before(tx, buyer.id, later)
    assert (known.kind, known.value, known.weight_bps) == (FactKind.REVIEW_RECEIVED, 4, 6_250)
    assert (late.kind, late.value, late.amount_minor, late.weight_bps) == (
        FactKind.PAY_AFTER_LATE, 7_200, 2_500, 10_000,
    )  # fmt: skip
    assert known.retracted_at is None
    assert await service.knows(tx, review)
    assert not await service.knows(tx, settled(tx, seller, buyer))


@pytest.mark.parametrize("weight", [-1, 10_001])
async def test_the_database_knows_the_weights_too(tx: Tx, weight: int) -> None:
    member = await add_member(tx)
    one = [member.id], ["member_joined"], ["s"], [None], [None], [None], [0], [None]

    with pytest.raises(asyncpg.CheckViolationError, match="facts_weight"):
        async with tx.conn.transaction():
            await tx.fetchval(
                "SELECT people.record_facts($1, $2, $3, $4, $5, $6, $7, $8, $9, $10)",
                *one,
                [weight],
                [tx.now],
            )


async def test_repeated_event_adds_nothing(tx: Tx) -> None:
    seller, buyer = await add_member(tx), await add_member(tx)
    fact = settled(tx, seller, buyer)
    mirror = settled(
        tx, buyer, seller, source_id=fact.source_id, order_id=fact.order_id, role="buyer"
    )

    for _ in range(2):
        service.record(tx, [fact, mirror, fact])
        await tx.flush()

    rows = await tx.fetch("SELECT member_id FROM people.facts WHERE source_id = $1", fact.source_id)
    assert {row["member_id"] for row in rows} == {seller.id, buyer.id}
    assert len(rows) == 2


@pytest.mark.parametrize(
    ("changes", "said"),
    [
        ({"role": None}, "role_invalid"),
        ({"order_id": None}, "order_missing"),
        ({"amount_minor": -1}, "amount_invalid"),
        ({"value": 3}, "value_invalid"),
        ({"source_id": ""}, "source_missing"),
        ({"weight_bps": 9_000}, "weight_invalid"),
        ({"kind": FactKind.REPORT_UPHELD}, "amount_invalid"),
    ],
)
async def test_fact_that_does_not_fit_its_kind_stores_nothing(
    tx: Tx, changes: dict[str, Any], said: str
) -> None:
    seller, buyer = await add_member(tx), await add_member(tx)

    with pytest.raises(FactRefused, match=said):
        service.record(tx, [settled(tx, seller, buyer), settled(tx, seller, buyer, **changes)])

    await tx.flush()
    assert not await tx.fetch("SELECT FROM people.facts WHERE member_id = $1", seller.id)


async def test_fact_from_the_future_is_refused(tx: Tx) -> None:
    seller, buyer = await add_member(tx), await add_member(tx)

    with pytest.raises(FactRefused, match="future"):
        service.record(tx, [settled(tx, seller, buyer, happened_at=tx.now + timedelta(minutes=6))])


@pytest.mark.parametrize(
    "statement",
    [
        "UPDATE people.facts SET amount_minor = 0",
        "DELETE FROM people.facts",
        "INSERT INTO people.facts (member_id) VALUES (uuidv7())",
        "UPDATE people.score_snapshots SET points = 950",
        "DELETE FROM people.score_snapshots",
    ],
)
async def test_the_application_cannot_write_past_the_functions(
    database: Database, statement: str
) -> None:
    async with database.reading() as conn:
        with pytest.raises(asyncpg.InsufficientPrivilegeError):
            await conn.execute(statement)


async def test_even_the_owner_never_changes_a_fact(database: Database) -> None:
    member = await create_member(database)
    async with database.transaction() as tx:
        joined = Fact(
            member_id=member.id,
            kind=FactKind.MEMBER_JOINED,
            source_id="joined",
            happened_at=tx.now,
        )
        service.record(tx, [joined])

    async def as_owner(conn: asyncpg.Connection, statement: str) -> None:
        async with conn.transaction():
            await conn.execute("SET LOCAL ROLE handsel_owner")
            await conn.execute(statement)

    async with database.reading() as conn:
        for statement in ("UPDATE people.facts SET value = 1", "DELETE FROM people.facts"):
            with pytest.raises(asyncpg.InsufficientPrivilegeError, match="never changed"):
                await as_owner(conn, statement)
        assert await conn.fetchval("SELECT count(*) FROM people.facts") >= 1
