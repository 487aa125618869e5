"""Real connections at once: a limit, a confirmation, a track record is used up exactly."""

import asyncio
from uuid import uuid4

from handsel.foundation.core.money import Money
from handsel.foundation.db.uow import Database, Tx
from handsel.people.trust import confirmations, service
from handsel.people.trust.errors import ConfirmationUsed, OverLimit
from handsel.people.trust.schemas import ConfirmationInput
from tests.factories.members import create_member
from tests.people.trust.parties import T1_KINDS, TERMS, payment


async def test_twenty_payments_against_one_daily_limit(database: Database) -> None:
    buyer = await create_member(database, verified=T1_KINDS)
    sellers = [await create_member(database, verified=T1_KINDS) for _ in range(4)]

    async def pay(number: int) -> str:
        asked = payment(1_000, payer_id=buyer.id, payee_id=sellers[number % 4].id)

        async def use_case(tx: Tx) -> None:
            decision = await service.decide(tx, asked)
            service.require(decision)
            service.reserve(tx, asked, decision)

        try:
            await database.run(use_case)
        except OverLimit as refused:
            return str(refused.members["reasons"][0]["code"])
        return "paid"

    outcomes = await asyncio.gather(*(pay(number) for number in range(20)))

    assert sorted(outcomes) == ["over_24h_limit"] * 5 + ["paid"] * 15  # 150 EUR a day
    async with database.reading() as conn:
        total = await conn.fetchval(
            "SELECT sum(reference_minor) FROM people.exposures WHERE payer_id = $1", buyer.id
        )
        logged = await conn.fetch(
            "SELECT allowed, count(*) FROM people.decisions WHERE payer_id = $1 GROUP BY 1",
            buyer.id,
        )
    assert total == 15_000
    assert {row["allowed"]: row["count"] for row in logged} == {True: 15, False: 5}


async def test_one_confirmation_used_ten_times_at_once(database: Database) -> None:
    buyer = await create_member(database)
    seller = await create_member(database)
    asked = payment(1_000, payer_id=buyer.id, payee_id=seller.id)
    data = ConfirmationInput(
        payee_id=seller.public_id,
        amount=Money(amount_minor=1_000, currency="EUR"),
        terms_hash=TERMS.hex(),
        password="not asked here",
    )
    token = (await database.run(lambda tx: confirmations.issue(tx, buyer.id, data))).token

    together = asyncio.Barrier(10)

    async def use() -> bool:
        try:
            async with database.transaction() as tx:
                await together.wait()
                await service.consume_confirmation(tx, token, asked)
        except ConfirmationUsed:
            return False
        return True

    outcomes = await asyncio.gather(*(use() for _ in range(10)))

    assert outcomes.count(True) == 1


async def test_one_settled_order_and_one_pair_noted_at_once(database: Database) -> None:
    ann = await create_member(database)
    ben = await create_member(database)
    cat = await create_member(database)
    order = uuid4()
    for seller in (ann, ben):  # so that both have a standing, and nothing but its lock helps
        async with database.transaction() as tx:
            await service.note_settled(tx, uuid4(), cat.id, seller.id, True, tx.now)
    deals = [(order, ann, ben)] * 6
    for _ in range(3):
        deals += [(uuid4(), ann, ben), (uuid4(), ben, ann)]

    together = asyncio.Barrier(len(deals))

    async def note(number: int) -> None:
        order_id, buyer, seller = deals[number]
        async with database.transaction() as tx:
            await together.wait()
            await service.note_settled(tx, order_id, buyer.id, seller.id, True, tx.now)

    await asyncio.gather(*(note(number) for number in range(len(deals))))

    async with database.reading() as conn:
        rows = await conn.fetch(
            "SELECT settled_orders, counterparties, customers FROM people.standings"
            " WHERE member_id = ANY ($1)",
            [ann.id, ben.id],
        )
    assert [tuple(row) for row in rows] == [(8, 2, 2), (8, 2, 2)]
